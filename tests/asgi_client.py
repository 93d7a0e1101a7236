"""An ASGI server of a few lines, for tests: what an application was told, and what it answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Answer", "ask", "ask_now", "http_scope"]


def http_scope(path: str = "/", method: str = "GET", headers: Any = (), **more: Any) -> dict[str, Any]:
    """The scope of a request as uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("10.0.0.7", 51234),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in dict(headers).items()],
        **more,
    }


class Answer:
    """What one request was answered."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.error: BaseException | None = None

    @property
    def status(self) -> int | None:
        """Of the answer; None where there was none."""
        return next((each["status"] for each in self.messages if each["type"] == "http.response.start"), None)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Of the answer, in their order."""
        start: dict[str, Any] = next((each for each in self.messages if "headers" in each), {"headers": []})
        return [(name.decode(), value.decode()) for name, value in start["headers"]]

    @property
    def tracking_id(self) -> str | None:
        """The value of the only X-Tracking-ID; None where there is none."""
        found = [value for name, value in self.headers if name == "x-tracking-id"]
        assert len(found) <= 1
        return found[0] if found else None

    @property
    def body(self) -> bytes:
        """The answer's."""
        return b"".join(each.get("body", b"") for each in self.messages)


async def ask(
    app: Any, scope: dict[str, Any] | None = None, *, incoming: Iterable[dict[str, Any]] = (), hang_up: bool = False
) -> Answer:
    """One request; what the application raises is kept.

    Args:
        app: the application.
        scope: of the request; ``GET /`` by default.
        incoming: what the server receives; an empty body by default.
        hang_up: whether the client has left after that; else it waits.
    """
    answer = Answer()
    waiting = list(incoming) or [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if waiting:
            return waiting.pop(0)
        if not hang_up:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answer.messages.append(dict(message))

    try:
        await app(http_scope() if scope is None else scope, receive, send)
    except BaseException as error:
        answer.error = error
    return answer


def ask_now(app: Any, scope: dict[str, Any] | None = None, **more: Any) -> Answer:
    """``ask`` where no event loop runs."""
    return asyncio.run(ask(app, scope, **more))
