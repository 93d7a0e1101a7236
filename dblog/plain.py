"""The total encoder: any Python value as bounded, plain JSON values.

``plain`` gives only ``str``, ``int`` below ±2**53, finite ``float``, ``bool``,
``None``, ``list`` and ``dict[str, ...]``, whatever it is handed: what it returns
always survives ``orjson.dumps``, never holds U+0000 or a lone surrogate, and is
bounded in depth, nodes and bytes. User code (``__repr__``, ``items``,
``isoformat``, ...) runs only under a guard: an ``Exception`` of its own becomes
text, a ``BaseException`` that is not an ``Exception`` propagates.

The walk goes level by level, not branch by branch, so that a huge value under one
key cannot push its neighbours out: what is near the top is kept first.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from dblog.scalars import SCALARS, is_numpy, scalar_of
from dblog.texts import TEXT_LIMIT, cap, clean, rendered, text

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["DEFAULT_REDACT_KEYS", "REDACTED", "Limits", "clean", "dump_object", "normal_key", "plain", "text"]

REDACTED = "[REDACTED]"
"""What stands in the place of a redacted string."""

DEFAULT_REDACT_KEYS: tuple[str, ...] = (
    *("password", "passwd", "passphrase", "pwd", "mysql_pwd", "secret", "client_secret", "secret_key", "credentials"),
    *("api_key", "apikey", "x_api_key", "private_key", "privatekey", "auth", "authorization", "proxy_authorization"),
    *("token", "access_token", "accesstoken", "refresh_token", "refreshtoken", "id_token", "auth_token"),
    *("x_auth_token", "jwt", "session", "sessionid", "phpsessid", "user_session", "aiohttp_session", "connect.sid"),
    *("cookie", "cookies", "set_cookie", "csrf", "_csrf", "csrftoken", "csrf_token", "_csrf_token", "x_csrftoken"),
    *("x_csrf_token", "_xsrf", "xsrf_token", "x_xsrf_token"),
)
"""Keys whose strings are hidden by default, as ``normal_key`` spells them. ``session_id`` is not one: it is an id."""

_KEY_LIMIT = 256
_DEEPEST = 200  # orjson refuses more than 254 levels
_TOO_DEEP, _CYCLE = "<truncated>", "<cycle>"
_CONTAINER_BYTES = len(_TOO_DEEP) + 2  # a container costs what its stand-in would: leaving one unopened adds nothing
_LEAST_ROOM = 64
_LISTS = (list, tuple, set, frozenset, deque)
_SHAPES = (dict, *_LISTS, Mapping, Sequence, AbstractSet, ValuesView)

_dumps = orjson.dumps


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a value is kept; the rest is cut and flagged ``truncated``."""

    max_depth: int = 8
    """Containers within containers; above 200 it is taken as 200."""
    max_nodes: int = 10_000
    """Values in all, containers included."""
    max_attributes: int = 128
    """Keys of any one mapping."""
    max_bytes: int = 256 * 1024
    """Bytes of the JSON; below about 64 nothing may be left but None."""


_DEFAULT_LIMITS = Limits()


def normal_key(key: str) -> str:
    """The spelling by which keys are redacted: lower case, ``-`` as ``_``; the whole key, never a part."""
    return key.lower().replace("-", "_")


def plain(value: object, *, limits: Limits, redact: Container[str]) -> tuple[object, set[str]]:
    """The value as plain JSON values, and the flags of what was done to it.

    Flags: ``sanitized`` (a NUL, a surrogate, an int from ±2**53 on, keys that became
    equal), ``nonfinite``, ``unserializable`` (only a ``repr``, a cycle, or its own
    code raised), ``truncated``, ``redacted``.

    Under a key in ``redact`` (see ``normal_key``), at any depth, everything that
    would be stored as a string is ``[REDACTED]``, in lists and mappings too; numbers,
    booleans, None and nested key names stay.
    """
    walk = _Walk(limits, redact)
    return walk.run(value), walk.flags


def dump_object(
    mapping: Mapping[Any, object], *, limits: Limits = _DEFAULT_LIMITS, redact: Container[str] = ()
) -> bytes | None:
    """The mapping through ``plain`` as a JSON object in UTF-8, or None when it is empty."""
    result, _ = plain(mapping, limits=limits, redact=redact)
    if not isinstance(result, dict) and result is not None:
        result = {"value": result}  # its own items() raised: what is left is its text
    return _dumps(result, option=orjson.OPT_STRICT_INTEGER) if result else None


class _FullError(Exception):
    """The walk has used up its nodes or bytes."""


class _Open(NamedTuple):
    """A container met but not yet walked: its stand-in is already at ``target[key]``."""

    value: object
    target: Any
    key: Any
    depth: int
    hidden: bool
    up: _Open | None


class _Walk:
    """One walk over one value: what is left of its limits, and the containers still to open."""

    __slots__ = ("bytes", "deepest", "flags", "nodes", "queue", "redact", "width")

    def __init__(self, limits: Limits, redact: Container[str]) -> None:
        self.bytes = limits.max_bytes
        self.nodes = limits.max_nodes
        self.width = limits.max_attributes
        self.deepest = min(limits.max_depth, _DEEPEST)
        self.redact = redact
        self.flags: set[str] = set()
        self.queue: deque[_Open] = deque()

    def run(self, value: object) -> object:
        root: list[object] = [None]
        try:
            root[0] = self.item(value, root, 0, None, hidden=False)
            while self.queue:
                self.open(self.queue.popleft())
        except _FullError:
            self.flags.add("truncated")
        return root[0]

    def charge(self, size: int) -> None:
        self.bytes -= size + 1  # and its comma
        self.nodes -= 1
        if self.bytes < 0 or self.nodes < 0:
            raise _FullError

    def item(self, value: Any, target: object, key: object, up: _Open | None, *, hidden: bool) -> object:
        """What to store for a value; a container is queued and gets its stand-in for now."""
        kind = type(value)
        if kind is str:
            return self.string(value, hidden=hidden)
        if kind is dict or kind is list or (value is not None and _opens(kind)):
            return self.container(_Open(value, target, key, up.depth + 1 if up else 1, hidden, up))
        scalar = scalar_of(value, self.flags)
        if type(scalar) is str:
            return self.string(scalar, hidden=hidden)
        self.charge(len(_dumps(scalar)))
        return scalar

    def string(self, value: str, *, hidden: bool) -> str:
        if hidden:
            if value != REDACTED:
                self.flags.add("redacted")
            safe = REDACTED
        else:
            safe = self.safe(value, TEXT_LIMIT)
        size = len(_dumps(safe))
        if size >= self.bytes:
            safe, size = self.squeeze(safe)
        self.charge(size)
        return safe

    def safe(self, value: str, limit: int) -> str:
        """The text capped and cleaned, in this order: a cap leaves less to clean, cleaning keeps the length."""
        short = value if len(value) <= limit else self.cut(value, limit)
        cleaned = clean(short)
        if cleaned is not short:
            self.flags.add("sanitized")
        return cleaned

    def cut(self, value: str, limit: int) -> str:
        self.flags.add("truncated")
        return cap(value, limit)

    def squeeze(self, value: str) -> tuple[str, int]:
        """The text cut to the bytes that are left, and its size; escapes make a character up to 6 bytes."""
        if self.bytes < _LEAST_ROOM:
            raise _FullError
        short, limit, size = value, len(value), len(_dumps(value))
        while size >= self.bytes:
            limit = min(limit - 1, limit * self.bytes // size)
            short = self.cut(value, limit)
            size = len(_dumps(short))
        return short, size

    def container(self, opened: _Open) -> str:
        ancestor = opened.up
        while ancestor is not None and ancestor.value is not opened.value:
            ancestor = ancestor.up
        if ancestor is not None:
            self.flags.add("unserializable")
            return self.string(_CYCLE, hidden=opened.hidden)
        if opened.depth > self.deepest:
            self.flags.add("truncated")
            return self.string(_TOO_DEEP, hidden=opened.hidden)
        self.charge(_CONTAINER_BYTES)
        self.queue.append(opened)
        return REDACTED if opened.hidden else _TOO_DEEP

    def open(self, opened: _Open) -> None:
        """Put a queued container in the place of its stand-in and fill it."""
        try:
            named, parts = _parts(opened.value, self.width, self.nodes)
        except Exception:  # noqa: BLE001 - user code: items(), __iter__, an attribute
            self.flags.add("unserializable")
            shown = rendered(opened.value, (repr,), TEXT_LIMIT)
            opened.target[opened.key] = self.string(shown, hidden=opened.hidden)
            return
        if named:
            self.fill(opened, parts)
            return
        items: list[object] = []
        opened.target[opened.key] = items
        for index, value in enumerate(parts):
            items.append(self.item(value, items, index, opened, hidden=opened.hidden))

    def fill(self, opened: _Open, pairs: list[Any]) -> None:
        fields: dict[str, object] = {}
        opened.target[opened.key] = fields
        if len(pairs) > self.width:
            self.flags.add("truncated")
            del pairs[self.width :]
        for name, value in pairs:
            key = self.safe(name if type(name) is str else rendered(name, (str, repr), _KEY_LIMIT), _KEY_LIMIT)
            hidden = opened.hidden or normal_key(key) in self.redact
            if key in fields:
                self.flags.add("sanitized")
                key = _numbered(key, fields)
            self.bytes -= len(_dumps(key)) + 1
            fields[key] = self.item(value, fields, key, opened, hidden=hidden)


def _numbered(key: str, fields: dict[str, object]) -> str:
    """Another spelling for the second of two keys that became equal, so that both values are kept."""
    number = len(fields)
    while (other := f"{key[: _KEY_LIMIT - 24]}~{number}") in fields:
        number += 1
    return other


def _opens(kind: type) -> bool:
    """Whether values of this type are walked into, by type alone: an instance can lie about its class."""
    try:
        if issubclass(kind, SCALARS):
            return False
        return issubclass(kind, _SHAPES) or hasattr(kind, "__dataclass_fields__") or is_numpy(kind, "tolist")
    except Exception:  # noqa: BLE001 - a metaclass can refuse to be hashed or looked at
        return False


def _parts(value: Any, width: int, room: int) -> tuple[bool, list[Any]]:
    """Whether a container's parts are (key, value) pairs, and the parts; at most one more than there is room for.

    Builtin types are read by their own methods even in subclasses, so no override runs.
    """
    kind = type(value)
    if issubclass(kind, dict):
        return True, list(itertools.islice(dict.items(value), width + 1))
    if issubclass(kind, Mapping):
        return True, [(key, item) for key, item in itertools.islice(value.items(), width + 1)]
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return True, list(zip(kind._fields, tuple.__iter__(value), strict=True))[: width + 1]
    for base in _LISTS:
        if issubclass(kind, base):
            return False, list(itertools.islice(base.__iter__(value), room + 1))
    if hasattr(kind, "__dataclass_fields__"):
        # A field with repr=False is kept out of sight: out of the log too.
        shown = [field.name for field in dataclasses.fields(kind) if field.repr]
        return True, [(name, getattr(value, name)) for name in shown[: width + 1]]
    return False, _tolist(value, room) if is_numpy(kind, "tolist") else list(itertools.islice(value, room + 1))


def _tolist(array: Any, room: int) -> list[Any]:
    """A numpy array as nested lists.

    Raises:
        ValueError: it is larger than there is room for (its own ``repr`` shows head and tail), or has no dimension.
    """
    items = array.tolist() if array.size <= room else None
    if type(items) is not list:
        raise ValueError
    return items
