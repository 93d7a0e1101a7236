"""How a URL is shown to people: never a password nor a piece of one, even when it is malformed.

What is not surely harmless is not shown. So a URL with a stray ``@``, ``/`` or ``?`` in
its password loses more than it had to, and a string that is no URL is not shown at all.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final

__all__ = ["safe_url"]

_MASK: Final = "***"
_URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+]{0,30})://(?P<rest>.*)", re.DOTALL)
_HOSTS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:/?@\[\],]*)(?::\d{1,5})?")
_SECRETS: Final = frozenset({"password", "sslpassword", "passwd", "pwd", "pass", "token", "secret"})
# A parameter outside of this list may be the end of a password that held a bare `&`.
_SHOWN: Final = frozenset({
    "application_name", "channel_binding", "check_same_thread", "connect_timeout", "host", "mode", "passfile",
    "port", "ssl", "sslcert", "sslmode", "sslrootcert", "target_session_attrs", "timeout", "uri",
})  # fmt: skip


def safe_url(url: object) -> str:
    """A URL for messages: user, host and database where they can be told, ``***`` for the rest.

    Takes anything (a str, a SQLAlchemy URL) and never raises.
    """
    render = getattr(url, "render_as_string", None)
    text = str(render(hide_password=True)) if render is not None else url
    match = _URL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return "(not a URL)"
    scheme, rest = match["scheme"], match["rest"]
    if scheme.startswith("sqlite") and rest.startswith("/"):
        path, mark, query = rest.partition("?")
        return f"{scheme}://{path}{mark}{_query(query)}"
    login, at, tail = rest.rpartition("@")
    if "?" in login or "@" in login:
        # Where the password ends cannot be told.
        return f"{scheme}://{_MASK}"
    user, colon, _ = login.partition(":")
    place, mark, query = tail.partition("?")
    return f"{scheme}://{user}{colon and ':' + _MASK}{at}{_place(place)}{mark}{_query(query)}"


def _place(text: str) -> str:
    """Host, port and database; a port that is no number may be a password without its ``@``."""
    hosts, slash, database = text.partition("/")
    if not all(_HOSTS.fullmatch(host) for host in hosts.split(",")):
        return f"{_MASK}"
    return f"{hosts}{slash}{database}"


def _query(text: str) -> str:
    shown = []
    for part in text.split("&") if text else []:
        name, equals, _ = part.partition("=")
        plain = urllib.parse.unquote(name)
        if equals and plain in _SHOWN:
            shown.append(part)
        elif equals and plain in _SECRETS:
            shown.append(f"{plain}={_MASK}")
        else:
            shown.append(_MASK)
    return "&".join(shown)
