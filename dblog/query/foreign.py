"""Queries in other systems' languages: recognised, and turned into ours where that is easy. LogQL and SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dblog.query import spelling
from dblog.query.mistakes import BadValue, Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["logql", "sql"]

_STRING: Final = r'"(?:[^"\\]|\\.)*+"|`[^`]*+`'
_QUOTED: Final = re.compile(rf"{_STRING}|'(?:[^'\\]|\\.)*+'", re.DOTALL)
_IS_LOGQL: Final = re.compile(
    r"\A\s*+(?:[a-z_]++\s*+\(\s*+)*+\{|\|[=~>]"
    r"|\|\s*+(?:json|logfmt|unpack|pattern|regexp|line_format|label_format|decolorize|drop|keep)\b"
)
_SELECTOR: Final = re.compile(r"\s*+\{([^{}]*+)\}")
_LABEL: Final = re.compile(rf"\s*+([A-Za-z_][A-Za-z0-9_]*+)\s*+(=~|!~|!=|=)\s*+({_STRING})\s*+(?:,|\Z)", re.DOTALL)
_LINE: Final = re.compile(rf"\s*+(\|=|\|~|!=|!~)\s*+({_STRING})", re.DOTALL)
_PARSER: Final = re.compile(r"\s*+\|\s*+(?:json|logfmt|unpack|decolorize)\b[^|]*+")
_FILTER: Final = re.compile(r"\s*+\|\s*+([A-Za-z_][A-Za-z0-9_]*+\s*+(?:[<>]=?|[!=]=|=~|!~|=)[^|]++)")
_OPERATOR: Final = re.compile(r"\s*+([<>]=|[!=]=|=~|!~|[<>=])\s*+")
_ALTERNATIVES: Final = re.compile(r"[\w-]++(?:\|[\w-]++)*+")

_SQL: Final = re.compile(
    r"\s*+(?:select\b.*?\bfrom\s++[^\s;]++(?:\s++where\s++(.*))?|where\s++(?=\S++\s*+(?:[<>=!~]|in\b|like\b|is\b|not\b))(.*))",
    re.IGNORECASE | re.DOTALL,
)
_AFTER_WHERE: Final = re.compile(r"\b(?:group\s++by|order\s++by|limit|offset)\s.*\Z|;\s*+\Z", re.IGNORECASE | re.DOTALL)


def sql(text: str) -> Mistake | None:
    """The complaint about a statement of SQL; what follows its WHERE is nearly always a query of ours."""
    if not (match := _SQL.fullmatch(text)):
        return None
    condition = _AFTER_WHERE.sub("", match[1] or match[2] or "").rstrip().rstrip(";").rstrip()
    at = len(text) - len(text.lstrip())
    return Mistake(at, "this is SQL; a query is what would follow WHERE, and no more", repairs=(condition,))


def logql(text: str, at: int) -> Mistake | None:
    """The complaint about LogQL."""
    if not _IS_LOGQL.search(_QUOTED.sub('""', text)):
        return None
    try:
        translated = _translated(text)
    except BadValue:  # a text in it is none
        translated = None
    return Mistake(
        at,
        "this is LogQL; here a label is a field (service:api), a line filter is a word, and nothing needs parsing",
        repairs=() if translated is None else (translated,),
    )


def _translated(text: str) -> str | None:
    parts: list[str] = []
    at = 0
    if match := _SELECTOR.match(text):
        labels = list(_labels(match[1]))
        if None in labels:
            return None
        parts += [label for label in labels if label]
        at = match.end()
    while text[at:].strip():
        if match := _LINE.match(text, at):
            parts.append(_line(match[1], match[2]))
        elif match := _FILTER.match(text, at):
            condition = _OPERATOR.sub(r"\1", match[1].strip())
            parts.append(f"({condition})" if re.search(r"\bor\b", condition, re.IGNORECASE) else condition)
        elif not (match := _PARSER.match(text, at)):
            return None
        at = match.end()
    return " ".join(parts)


def _labels(text: str) -> Iterator[str | None]:
    at = 0
    while text[at:].strip():
        if not (match := _LABEL.match(text, at)):
            yield None
            return
        name, operator, value = match[1], match[2], _content(match[3])
        sign = "-" if operator.startswith("!") else ""
        yield f"{sign}{name}:{_anchored(value) if operator.endswith('~') else _bare(value)}"
        at = match.end()


def _line(operator: str, source: str) -> str:
    value = _content(source)
    sign = "-" if operator.startswith("!") else ""
    return f"{sign}{f'/{spelling.slashed(value)}/' if operator.endswith('~') else _bare(value)}"


def _anchored(pattern: str) -> str:
    """LogQL's matchers of labels see the whole value."""
    if _ALTERNATIVES.fullmatch(pattern):
        return f"({pattern.replace('|', ' OR ')})"
    if pattern in (".*", ".+"):
        return "*"
    return f"/^(?:{spelling.slashed(pattern)})$/"


def _content(source: str) -> str:
    return source[1:-1] if source.startswith("`") else spelling.text(source)


def _bare(value: str) -> str:
    return value if spelling.plain(value) else spelling.quoted(value)
