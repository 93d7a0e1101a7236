"""Times as people write them: dates, clock times, durations ago; resolved to µs since 1970 UTC."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from dblog.query.mistakes import BadValue

__all__ = ["EPOCH", "UNITS", "Clock", "Moment", "continues", "duration", "respelled", "shown", "within"]

UNITS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0,
}  # fmt: skip
"""Seconds of a unit of time."""

_MICROSECONDS: Final = {"us": 1, "µs": 1, "ms": 1000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6,
                        "d": 86_400 * 10**6, "w": 7 * 86_400 * 10**6}  # fmt: skip
_PART: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,6}))?(us|µs|ms|s|m|h|d|w)")
_WORDY_PART: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([A-Za-zµ]+)")
_WORDY: Final = re.compile(rf"(?:{_WORDY_PART.pattern})+")
_WORDS: Final = {
    **{unit: unit for unit in ("us", "µs", "ms", "s", "m", "h", "d", "w")},
    **dict.fromkeys(("usec", "usecs"), "us"),
    **dict.fromkeys(("msec", "msecs"), "ms"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("wk", "wks", "week", "weeks"), "w"),
}
_DATE: Final = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_CLOCK: Final = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
_ZONE: Final = r"(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
_ISO: Final = re.compile(rf"{_DATE}(?:[Tt ]{_CLOCK} ?{_ZONE})?")
_OF_DAY: Final = re.compile(_CLOCK)
_CONTINUING: Final = re.compile(rf"ago|{_CLOCK}{_ZONE}", re.IGNORECASE)
_OF_DAY_IN_ZONE: Final = re.compile(_CLOCK + _ZONE.removesuffix("?"))
_AROUND: Final = re.compile(r"(.*?)(?:±|\+-|\+/-)(.*)", re.DOTALL)

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_FIRST: Final = (dt.datetime.min.replace(tzinfo=dt.UTC) - EPOCH) // _MICROSECOND
_LAST: Final = (dt.datetime.max.replace(tzinfo=dt.UTC) - EPOCH) // _MICROSECOND
_AROUND_BY_DEFAULT: Final = 5 * 60 * 10**6
_FORMS: Final = (
    "a date (2026-11-20)", "a time (2026-11-20T10:42:00Z)", "a clock time (10:42)", "a duration ago (15m, 1h30m)",
    "now, today, yesterday",
)  # fmt: skip


class Moment(NamedTuple):
    """A time as written."""

    at: int
    """Its first µs."""
    end: int
    """The first µs after the day, minute or second that was written; ``at`` where it is exact."""
    is_date: bool = False


def duration(text: str) -> int | None:
    """µs of ``15m``, ``1h30m``, ``1.5s``; None of anything else."""
    at, total = 0, 0
    while at < len(text):
        if not (match := _PART.match(text, at)):
            return None
        unit = _MICROSECONDS[match[3]]
        total += int(match[1]) * unit + int((match[2] or "0").ljust(6, "0")) * unit // 10**6
        at = match.end()
    return total if text else None


def respelled(text: str) -> str | None:
    """``2hours30mins`` as ``duration`` reads it, ``2h30m``; None of anything else."""
    if not _WORDY.fullmatch(text):
        return None
    parts = [(number, _WORDS.get(unit.lower())) for number, unit in _WORDY_PART.findall(text)]
    return None if any(unit is None for _, unit in parts) else "".join(f"{number}{unit}" for number, unit in parts)


def continues(text: str) -> bool:
    """Behind a time, this is more likely a part of it than a word: ``10:00``, ``5m``, ``±5m``, ``ago``."""
    return _CONTINUING.fullmatch(text) is not None or duration(text.lstrip("±+-/")) is not None


def shown(at: int) -> str:
    """A time in UTC as a query can name it, with as many decimals as it has."""
    text = (EPOCH + at * _MICROSECOND).isoformat().removesuffix("+00:00")
    return f"{text.rstrip('0') if '.' in text else text}Z"


@dataclass(frozen=True, slots=True)
class Clock:
    """What times in a query are relative to."""

    now: int
    """µs."""
    zone: dt.tzinfo | None
    """Of times without one; the machine's where None."""

    def moment(self, text: str) -> Moment:
        """The time a text names.

        Raises:
            BadValue: it names none, or one outside of the years 1 to 9999.
        """
        try:
            found = self._moment(text.strip())
        except (ValueError, OverflowError, OSError) as error:
            reason = "is outside of the years 1 to 9999" if _is_far(error) else "is not a time that exists"
            raise BadValue(f"{text!r} {reason}") from None
        if found is None:
            raise BadValue(f"{text!r} is not a time", expected=_FORMS, instead=self._meant(text))
        return Moment(within(found.at, text), within(found.end, text), found.is_date)

    def day(self, text: str) -> dt.date | None:
        """The day a text names; None where it names another time.

        Raises:
            BadValue: as ``moment``.
        """
        moment = self.moment(text)
        return self._date(moment.at) if moment.is_date else None

    def _date(self, at: int) -> dt.date:
        return (EPOCH + at * _MICROSECOND).astimezone(self.zone).date()

    def after(self, text: str, low: int) -> int | None:
        """The first time after ``low`` that a clock time names; None of a text that is none."""
        if not (match := _OF_DAY.fullmatch(text)):
            return None
        try:
            for later in range(3):
                day = self._date(low) + dt.timedelta(later)
                for fold in (0, 1):
                    at = self._stamp(dt.datetime.combine(day, _time(match, fold)), self.zone)
                    if at > low:
                        return at
        except (ValueError, OverflowError, OSError):  # the ends of the calendar
            return None
        return None

    def around(self, text: str) -> tuple[int, int]:
        """The bounds of ``around:``: five minutes to each side, or as ``10:42±30s`` says.

        Raises:
            BadValue: as ``moment``.
        """
        aside = _AROUND_BY_DEFAULT
        if match := _AROUND.fullmatch(text):
            text, given = match[1], duration(match[2])
            if given is None:
                raise BadValue(f"{match[2]!r} is not a duration", expected=("30s", "5m", "1h"))
            aside = given
        # A clock time a little ahead is today's: its surroundings have begun.
        at = Clock(self.now + aside, self.zone).moment(text).at if _OF_DAY.fullmatch(text) else self.moment(text).at
        return within(at - aside, text), within(at + aside, text)

    def _meant(self, text: str) -> tuple[str, ...]:
        """``15m`` for ``15min`` and ``-15m``; the latest ``10:45Z`` with its date."""
        if (match := _OF_DAY_IN_ZONE.fullmatch(text)) is None:
            ago = respelled(text.removeprefix("-"))
            return () if ago is None else (ago,)
        today = (EPOCH + self.now * _MICROSECOND).astimezone(_zone(match["zone"])).date()
        dated = [f"{day.isoformat()}T{text}" for day in (today, today - dt.timedelta(1))]
        try:
            return tuple(one for one in dated if self.moment(one).at <= self.now)
        except BadValue:
            return ()

    def _moment(self, text: str) -> Moment | None:
        name = text.lower()
        if name == "now":
            return Moment(self.now, self.now)
        if name in ("today", "yesterday"):
            return self._day(self._today() - dt.timedelta(days=name == "yesterday"))
        ago = duration(text.removeprefix("now-"))
        if ago is not None:
            return Moment(self.now - ago, self.now - ago)
        if match := _ISO.fullmatch(text):
            day = dt.date(int(match["year"]), int(match["month"]), int(match["day"]))
            return self._day(day) if match["hour"] is None else self._at(day, match, _zone(match["zone"]))
        if match := _OF_DAY.fullmatch(text):
            return self._latest(match)
        return None

    def _today(self) -> dt.date:
        return self._date(self.now)

    def _day(self, day: dt.date) -> Moment:
        midnight = dt.time()
        start = self._stamp(dt.datetime.combine(day, midnight), self.zone)
        if day == dt.date.max:
            return Moment(start, _LAST, is_date=True)
        return Moment(start, self._stamp(dt.datetime.combine(day + dt.timedelta(1), midnight), self.zone), is_date=True)

    def _at(self, day: dt.date, match: re.Match[str], zone: dt.tzinfo | None) -> Moment:
        at = self._stamp(dt.datetime.combine(day, _time(match)), zone or self.zone)
        width = 0 if match["fraction"] else 10**6 if match["second"] else 60 * 10**6
        return Moment(at, at + width)

    def _latest(self, match: re.Match[str]) -> Moment:
        """The most recent such time of day; of an hour that a clock change repeats, the later one first."""
        today = self._today()
        width = 0 if match["fraction"] else 10**6 if match["second"] else 60 * 10**6
        at = 0
        for day in (today, today - dt.timedelta(1)):
            for fold in (1, 0):
                at = self._stamp(dt.datetime.combine(day, _time(match, fold)), self.zone)
                if at <= self.now:
                    return Moment(at, at + width)
        return Moment(at, at + width)

    def _stamp(self, local: dt.datetime, zone: dt.tzinfo | None) -> int:
        aware = local.astimezone(dt.UTC) if zone is None else local.replace(tzinfo=zone)
        return (aware - EPOCH) // _MICROSECOND


def _time(match: re.Match[str], fold: int = 0) -> dt.time:
    fraction = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    return dt.time(int(match["hour"]), int(match["minute"]), int(match["second"] or 0), fraction, fold=fold)


def _zone(text: str | None) -> dt.tzinfo | None:
    if text is None:
        return None
    if text in "Zz":
        return dt.UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return dt.timezone(dt.timedelta(minutes=-minutes if text[0] == "-" else minutes))


def within(at: int, text: str) -> int:
    """The time, if databases and people can name it.

    Raises:
        BadValue: it is outside of the years 1 to 9999.
    """
    if not _FIRST <= at <= _LAST:
        raise BadValue(f"{text!r} is outside of the years 1 to 9999")
    return at


def _is_far(error: Exception) -> bool:
    return isinstance(error, (OverflowError, OSError)) or "year" in str(error)
