"""A WSGI server of a few lines, for tests, checked by the standard library's validator."""

from __future__ import annotations

import io
import wsgiref.util
from typing import Any

__all__ = ["Told", "environ", "serve"]


def environ(path: str = "/", method: str = "GET", headers: Any = (), **more: Any) -> dict[str, Any]:
    """The environ of a request as gunicorn makes it."""
    made: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.7",
        "wsgi.input": io.BytesIO(),
    }
    for name, value in dict(headers).items():
        key = name.upper().replace("-", "_")
        made[key if key in {"CONTENT_LENGTH", "CONTENT_TYPE"} else f"HTTP_{key}"] = value
    wsgiref.util.setup_testing_defaults(made)
    return {**made, **more}


class Told:
    """What the server was told of one request."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.error: BaseException | None = None
        self.starts = 0

    @property
    def tracking_id(self) -> str | None:
        """The value of the only X-Tracking-ID; None where there is none."""
        found = [value for name, value in self.headers if name == "X-Tracking-ID"]
        assert len(found) <= 1
        return found[0] if found else None


def serve(app: Any, request: dict[str, Any] | None = None, *, pieces: int | None = None) -> Told:
    """One request; what the application raises is kept.

    Args:
        app: the application.
        request: its environ; ``GET /`` by default.
        pieces: how many pieces of the answer the client stays for; all by default.
    """
    told, sent = Told(), False

    def write(data: bytes) -> None:
        nonlocal sent
        sent = True
        told.body += data

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        try:
            if exc_info and sent:
                raise exc_info[1].with_traceback(exc_info[2])
            assert exc_info or told.status is None, "started twice"
        finally:
            exc_info = None
        told.status, told.headers = status, headers
        told.starts += 1
        return write

    answer: Any = None
    try:
        try:
            answer = app(environ() if request is None else request, start)
            for number, data in enumerate(answer):
                if pieces is not None and number >= pieces:
                    break
                write(data)
        finally:
            if hasattr(answer, "close"):
                answer.close()
    except BaseException as error:
        told.error = error
    return told
