"""Times and ranges as people type them: ``14:05``, ``-2h``, ``2026-11-20T10:00``, ``15m``; time zones by name."""

from __future__ import annotations

import datetime as dt
import functools
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from dblog.cli.moments import at
from dblog.errors import ConfigurationError
from dblog_tui.settings import zone_of
from dblog_tui.view import ALL, Span

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["moment", "span", "zone", "zone_names"]

_S: Final = 1_000_000
_EPOCH_DIGITS: Final = {10: _S, 13: 1000, 16: 1}
"""Digits of a number of seconds, ms, µs since 1970, of the years 2001 to 2286 → µs of one."""
_BETWEEN: Final = re.compile(r"(.+?)\s*(?:\.\.|–|\sto\s|\s-\s)\s*(.+)", re.IGNORECASE)
_OF_A_DAY: Final = re.compile(r"(today|yesterday)\s+(?:at\s+)?([0-9][0-9:.]+)", re.IGNORECASE)
_ENDS: Final = {"since": "since", "from": "since", "until": "until"}


def moment(text: str, *, now: int | None = None, zone: dt.tzinfo | None = None) -> int:
    """The µs since 1970 UTC that a text names: a clock time (the latest), a duration ago, a date, an ISO time.

    Args:
        text: as a query would have it; ``-2h``, ``2h ago``, ``yesterday 14:05`` and numbers of s, ms or µs since 1970
            are taken as well.
        now: µs; what relative times count from.
        zone: of times written without one; the machine's where None.

    Raises:
        ConfigurationError: it names none.
    """
    from dblog.query.mistakes import BadValue  # noqa: PLC0415 - loads the grammar
    from dblog.query.times import Clock  # noqa: PLC0415 - as above

    wanted = text.strip()
    if wanted.isascii() and wanted.isdigit() and (unit := _EPOCH_DIGITS.get(len(wanted))):
        return int(wanted) * unit
    wanted = re.sub(r"\A-\s*(?=[0-9])|\s+ago\Z", "", wanted)
    clock = Clock(round(time.time() * _S) if now is None else now, zone)
    try:
        if match := _OF_A_DAY.fullmatch(wanted):
            day = at(clock.moment(match[1].lower()).at, zone)
            hour = match[2] if match[2][1:2] != ":" else f"0{match[2]}"
            wanted = f"{day:%Y-%m-%d}T{hour}" if day is not None else wanted
        return clock.moment(wanted).at
    except BadValue as error:
        meant = next((each for each in error.instead if _reads(clock.moment, each)), None)
        raise ConfigurationError(_sentence(text, error, meant)) from None


def _reads(read: Callable[[str], object], text: str) -> bool:
    from dblog.query.mistakes import BadValue  # noqa: PLC0415 - as above

    try:
        read(text)
    except BadValue:
        return False
    return True


def _sentence(text: str, error: Exception, meant: str | None) -> str:
    shown = text.strip()[:80]
    if not shown:
        return "no time is named: write 14:05, -2h, yesterday or 2026-11-20T10:00"
    if meant is not None:
        return f"{shown!r} is not a time: did you mean {meant}?"
    reason = str(error)
    return (
        reason
        if "is outside" in reason or "exists" in reason
        else (f"{shown!r} is not a time: write 14:05, -2h, yesterday or 2026-11-20T10:00")
    )


def span(text: str, *, now: int | None = None, zone: dt.tzinfo | None = None) -> Span:
    """A range: ``15m`` (the last ones), ``all``, ``10:00 .. 11:00``, ``yesterday``, ``since 10:00``, ``until 11:00``.

    Raises:
        ConfigurationError: it is none.
    """
    from dblog.query.times import duration  # noqa: PLC0415 - loads the grammar

    now = round(time.time() * _S) if now is None else now
    wanted = text.strip().removeprefix("last ").strip()
    if wanted.lower() in ("all", "*", "everything"):
        return ALL
    if length := duration(wanted.removeprefix("-")):
        return Span(last=length // _S) if length % _S == 0 else Span(since=now - length)
    word, _, rest = wanted.partition(" ")
    if rest and (end := _ENDS.get(word.lower())):
        return Span(**{end: moment(rest, now=now, zone=zone)})
    if match := _BETWEEN.fullmatch(wanted):
        return _between(match[1], match[2], now, zone)
    return _whole(wanted, now, zone)


def _whole(text: str, now: int, zone: dt.tzinfo | None) -> Span:
    """All of a day, a minute, a second; what comes behind an exact time."""
    from dblog.query.mistakes import BadValue  # noqa: PLC0415 - as above
    from dblog.query.times import Clock  # noqa: PLC0415 - as above

    with suppress(BadValue):
        named = Clock(now, zone).moment(text)
        if named.end > named.at:
            return Span(since=named.at, until=named.end)
    return Span(since=moment(text, now=now, zone=zone))


def _between(first: str, second: str, now: int, zone: dt.tzinfo | None) -> Span:
    from dblog.query.times import Clock  # noqa: PLC0415 - as above

    since, until = moment(first, now=now, zone=zone), moment(second, now=now, zone=zone)
    if until <= since:  # 23:00 .. 01:00 is of one night
        after = Clock(now, zone).after(second.strip(), since)
        if after is None:
            raise ConfigurationError(
                f"{first.strip()[:40]} is not before {second.strip()[:40]}: the earlier time first"
            )
        until = after
    return Span(since=since, until=until)


def zone(name: str) -> dt.tzinfo | None:
    """The time zone of that name: ``UTC``, ``Europe/Berlin``, ``+02:00``; None, the machine's own, of ``local``.

    Raises:
        ConfigurationError: there is none.
    """
    wanted = name.strip()
    if match := re.fullmatch(r"([+-])([01]?[0-9]|2[0-3])(?::?([0-5][0-9]))?", wanted, re.ASCII):
        offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return dt.timezone(-offset if match[1] == "-" else offset)
    try:
        if wanted:
            return zone_of(wanted)
    except ConfigurationError:
        pass
    raise ConfigurationError(
        f"{name[:80]!r} is not a time zone: write UTC, local, +02:00 or a name such as Europe/Berlin"
    )


@functools.cache
def zone_names() -> tuple[str, ...]:
    """Every name there is, for completion."""
    import zoneinfo  # noqa: PLC0415 - only for those who name one

    return ("UTC", "local", *sorted(zoneinfo.available_timezones() - {"UTC", "localtime"}))
