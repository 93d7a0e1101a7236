"""URLs of ClickHouse: any accepted spelling → clickhouse-connect's, which speaks HTTP.

The native protocol's ports are refused by name, because people know them by heart and
the driver would wait there for an answer that never comes. A parameter is one the
driver knows or a setting dblog can live with: a setting that makes an INSERT return
before its rows are stored is not, whoever asks for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dblog.errors import ConfigurationError
from dblog.safe_url import safe_url

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["CLICKHOUSE", "clickhouse_url"]

CLICKHOUSE: Final = frozenset({
    "clickhouse", "clickhouse+http", "clickhouse+https", "clickhouse+connect", "clickhousedb", "clickhousedb+connect",
})  # fmt: skip
"""The spellings of a ClickHouse URL's scheme."""

_NATIVE: Final = {9000: "8123", 9440: "8443"}
"""Ports of the native protocol, and HTTP's beside them."""
_DRIVER: Final = frozenset({
    "secure", "verify", "ca_cert", "client_cert", "client_cert_key", "server_host_name", "tls_mode",
    "compress", "connect_timeout", "send_receive_timeout", "http_proxy", "https_proxy", "proxy_path", "client_name",
})  # fmt: skip
_SETTINGS: Final = frozenset({
    "async_insert", "async_insert_busy_timeout_ms", "insert_quorum", "insert_quorum_parallel", "insert_quorum_timeout",
    "select_sequential_consistency", "max_threads", "max_memory_usage", "skip_unavailable_shards",
})  # fmt: skip
"""Of the server: sent with every statement."""
_EMBEDDED: Final = frozenset({"interface", "path"})
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})


def clickhouse_url(parsed: URL, url: str | URL) -> URL:
    """``parsed`` as ``clickhousedb+connect``; with TLS where the scheme, ``secure`` or the port says so.

    Raises:
        ConfigurationError: the native protocol's port, or a parameter that neither the driver nor dblog knows.
    """
    query = dict(parsed.query)
    for name in sorted(query):
        if name not in _DRIVER | _SETTINGS | _EMBEDDED:
            raise ConfigurationError(f"{safe_url(url)}: {_shown(name, url)} has no meaning for ClickHouse, remove it")
        if not isinstance(query[name], str):
            raise ConfigurationError(f"{safe_url(url)} gives {name} more than once")
    if query.get("interface") == "chdb":
        return parsed.set(drivername="clickhousedb+connect")
    if "interface" in query or "path" in query:
        raise ConfigurationError(f"{safe_url(url)}: interface and path are not for a server, remove them")
    if parsed.port in _NATIVE:
        http = _NATIVE[parsed.port]
        msg = f"{safe_url(url)}: {parsed.port} is the native protocol's port, dblog speaks HTTP: {http} as a rule"
        raise ConfigurationError(msg)
    if secure := _secure(parsed, str(query.pop("secure", "")).lower(), url):
        query["secure"] = secure
    mapped = parsed.set(drivername="clickhousedb+connect", host=parsed.host or "localhost", query=query)
    return mapped if mapped.database else mapped._replace(database=None)  # `set` takes None for nothing to set


def _secure(parsed: URL, given: str, url: str | URL) -> str:
    if given not in _TRUE | _FALSE | {""}:
        raise ConfigurationError(f"{safe_url(url)}: secure={given!r} is not allowed: use true or false")
    if parsed.drivername == "clickhouse+https":
        if given in _FALSE:
            raise ConfigurationError(f"{safe_url(url)} gives both https and secure=false: give one of them")
        return "true"
    return "" if not given else str(given in _TRUE).lower()


def _shown(name: str, url: str | URL) -> str:
    """A parameter's name, unless it may be the end of a password that held a bare ``&``."""
    known = "pass" not in str(url) and re.fullmatch(r"[a-z_]{1,40}", name)
    return f"the parameter {name}" if known else "a parameter"
