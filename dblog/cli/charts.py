"""Numbers as text: bars, shares, tables, sizes; pure functions from values to lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dblog.cli.cells import Piece, cells, line, pad
from dblog.cli.lines import BAND_STYLES, DIM
from dblog.cli.moments import at, day
from dblog.levels import BAND_NAMES
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dblog.cli.lines import Look
    from dblog.reading.values import Bucket, Facets, FacetValue, Histogram

__all__ = ["bar", "compact", "facet_lines", "histogram_lines", "share_lines", "size", "table_lines"]

_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_SHOWN_BANDS: Final = tuple(range(BAND_NAMES.index("warning"), len(BAND_NAMES)))
_DAY_MICROS: Final = 86_400_000_000
_SECOND_MICROS: Final = 1_000_000
_KIBI: Final = 1024
_KILO: Final = 1000
_SHORTENED: Final = 100_000
_LEAST_COLUMN: Final = 8
_NO_LIMIT: Final = 100
"""Cells of a line with a bar where there is no terminal."""


def bar(value: float, most: float, width: int) -> str:
    """A bar of ``value`` in ``width`` cells, the longest being ``most``; what is more than nothing is seen."""
    if value <= 0 or most <= 0 or width <= 0:
        return ""
    eighths = min(max(round(value / most * width * 8), 1), width * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def size(count: float) -> str:
    """Bytes as people read them: ``512 bytes``, ``1.4 GiB``."""
    units = ["TiB", "GiB", "MiB", "KiB"]
    if count < _KIBI:
        return f"{count:.0f} bytes"
    while (count := count / _KIBI) >= _KIBI and len(units) > 1:
        units.pop()
    return f"{count:.1f} {units[-1]}"


def share_lines(values: Sequence[FacetValue], total: int, look: Look, *, indent: str = "") -> Iterator[str]:
    """Values with their counts, shares of ``total`` and bars."""
    width = look.width or _NO_LIMIT
    name = min(max((cells(visible(each.value)) for each in values), default=0), max(width // 2 - 8, 8))
    number = max((len(f"{each.count:,}") for each in values), default=0)
    room = max(min(width - len(indent) - name - number - 12, 40), 0)
    most = max((each.count for each in values), default=0)
    for each in values:
        share = f"{each.count / total:7.1%}" if total else ""
        pieces = ((indent, ""), (pad(visible(each.value), name), ""), (f"  {each.count:>{number},}", ""))
        yield line((*pieces, (f"{share}  ", DIM), (bar(each.count, most, room), "36")), look.width, colour=look.colour)


def facet_lines(facets: Facets, look: Look) -> Iterator[str]:
    """The values of a field, and below them how many entries do not have it."""
    yield from share_lines(facets.values, facets.seen, look)
    if facets.absent:
        share = f"{facets.absent / facets.seen:.1%}" if facets.seen else ""
        yield line(((f"{facets.absent:,} without the field ({share})", DIM),), look.width, colour=look.colour)


def histogram_lines(histogram: Histogram, look: Look) -> Iterator[str]:
    """A line per bucket: its start, how many entries, how many of them bad, and a bar as red as the worst of them."""
    buckets = histogram.buckets
    bands = [band for band in _SHOWN_BANDS if any(bucket.counts[band] for bucket in buckets)]
    heads = ("entries", *(BAND_NAMES[band] for band in bands))
    columns = [[bucket.total for bucket in buckets], *([bucket.counts[band] for bucket in buckets] for band in bands)]
    widths = [
        max([len(head), *(len(f"{number:,}") for number in column)])
        for head, column in zip(heads, columns, strict=True)
    ]
    label = len(_label(0, histogram.width, look))
    room = max((look.width or _NO_LIMIT) - label - sum(widths) - 2 * len(widths) - 2, 0)
    most, today = max(columns[0], default=0), ""
    head = "".join(f"  {name:>{width}}" for name, width in zip(heads, widths, strict=True))
    yield line(((" " * label + head, DIM),), look.width, colour=look.colour)
    for bucket in buckets:
        if histogram.width < _DAY_MICROS and (new := day(bucket.start, look.zone)) != today:
            today = new
            yield line(((f"── {today} ──", DIM),), look.width, colour=look.colour)
        counts = [f"  {number:>{width},}" for number, width in zip(_counts(bucket, bands), widths, strict=True)]
        styles = ["", *(BAND_STYLES[band] if bucket.counts[band] else DIM for band in bands)]
        worst = max((band for band, count in enumerate(bucket.counts) if count), default=0)
        pieces = [(_label(bucket.start, histogram.width, look), DIM), *zip(counts, styles, strict=True)]
        drawn = (f"  {bar(bucket.total, most, room)}", BAND_STYLES[worst])
        yield line([*pieces, drawn], look.width, colour=look.colour)


def _counts(bucket: Bucket, bands: Iterable[int]) -> list[int]:
    return [bucket.total, *(bucket.counts[band] for band in bands)]


def _label(start: int, width: int, look: Look) -> str:
    if not (time := at(start, look.zone)):
        return str(start)
    if width >= _DAY_MICROS:
        return f"{time:%a} {time.date().isoformat()}"
    return f"{time:%H:%M:%S}" if width % _SECOND_MICROS == 0 else f"{time:%H:%M:%S}.{time.microsecond // 1000:03}"


def compact(number: int) -> str:
    """A count in six cells at most: ``99,999``, ``123k``, ``12.3M``."""
    if number < _SHORTENED:
        return f"{number:,}"
    for scale, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= scale:
            short = f"{number / scale:.3g}" if number < _KILO * scale else f"{number // scale}"
            return short + unit
    raise AssertionError


def table_lines(
    heads: Sequence[str], rows: Sequence[Sequence[Piece]], look: Look, *, flexible: Sequence[int] = ()
) -> Iterator[str]:
    """Rows of visible texts with styles, in columns as wide as they need; numbers to the right.

    Where that is wider than the terminal, the ``flexible`` columns are cut, the widest first.
    """
    columns = [[row[index][0] for row in rows] for index in range(len(heads))]
    widths = [max(map(cells, (head, *texts))) for head, texts in zip(heads, columns, strict=True)]
    numeric = [all(map(_is_number, texts)) for texts in columns]
    while look.width is not None and flexible and sum(widths) + 2 * len(widths) - 2 > look.width:
        widest = max(flexible, key=lambda index: widths[index])
        if widths[widest] <= _LEAST_COLUMN:
            break
        widths[widest] -= 1
    for row in ([(head, DIM) for head in heads], *rows):
        pieces: list[Piece] = []
        for (text, style), width, right in zip(row, widths, numeric, strict=True):
            pieces.append((f"{text:>{width}}" if right else pad(text, width), style))
            pieces.append(("  ", ""))
        yield line(pieces[:-1], look.width, colour=look.colour)


def _is_number(text: str) -> bool:
    return text[:1].isdecimal() and text.rstrip("kMGT").replace(",", "").replace(".", "").isdecimal()
