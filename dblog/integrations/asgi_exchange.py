"""A request and a WebSocket as ``dblog.integrations.asgi`` sees them: between the server and the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dblog.integrations.exchange import CLIENT_GONE, Exchange, declared, tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping
    from typing import TypeAlias

    from dblog.context import Context

    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Scope: TypeAlias = MutableMapping[str, Any]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]

__all__ = ["AsgiExchange", "HttpExchange", "WebSocketExchange"]

_APOLOGY = b"Internal Server Error"
_SWITCHING, _REFUSED = 101, 403
_NORMAL, _ABNORMAL = 1000, 1006


class AsgiExchange(Exchange):
    """What the two have in common."""

    __slots__ = ("_last", "_receive", "_root", "_scope", "_send", "_sized", "answers")

    def __init__(  # noqa: PLR0917 - what a server hands over, in its order
        self,
        tracking: Any,
        scope: Scope,
        receive: Receive,
        send: Send,
        context: Context,
        found: Mapping[bytes, bytes],
    ) -> None:
        super().__init__(tracking, scope.get("method", "WEBSOCKET"), scope["path"], context)
        self._scope, self._receive, self._send = scope, receive, send
        self._root = scope.get("root_path", "")
        self.answers = tracking.answer_errors and "app" not in scope
        """An exception before the answer is answered here."""
        self._last = False
        self.request_bytes = declared(found.get(b"content-length"))
        self._sized = self.request_bytes is not None
        agent = found.get(b"user-agent")
        if agent is not None:
            self.agent = agent.decode("latin-1")
        client = scope.get("client")
        if client:
            self.client = client[0]
        self.version = scope.get("http_version")

    def template(self) -> str | None:
        """By Starlette, FastAPI or Django, or by ``scope["dblog.route"]``."""
        route: str | None = self.tracking.routes.of(self._scope, self._root)
        return route

    async def apologize(self) -> None:
        """Answer an exception where nobody has."""

    def _with_header(self, message: Message) -> Message:
        """The message that starts an answer, with the trace id; as it is where the application has put one there."""
        name = self.tracking.name
        if not name:
            return message
        headers = [*message.get("headers", ())]
        for known, _ in headers:
            if known == name:
                return message
        headers.append((name, self.trace_id.encode("ascii")))
        return {**message, "headers": headers}


class HttpExchange(AsgiExchange):
    """A request and its answer."""

    __slots__ = ()

    async def receive(self) -> Message:
        """What the server received; the body is counted where its length was not declared."""
        message = await self._receive()
        try:
            if message["type"] == "http.disconnect":
                self.gone = self.gone or not self._last
            elif not self._sized:
                self.request_bytes = (self.request_bytes or 0) + len(message.get("body", b""))
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("receive", error)
        return message

    async def send(self, message: Message) -> None:
        """To the server: with the header at the answer's start; its end is the request's."""
        try:
            kind = message["type"]
            if kind == "http.response.body":
                self.response_bytes += len(message.get("body", b""))
                self._last = not message.get("more_body", False)
            elif kind == "http.response.start":
                self.status = CLIENT_GONE if self.gone else message["status"]  # gone: nobody is answered
                message = self._with_header(message)
            elif kind == "http.response.pathsend":
                self._last = True
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("send", error)
        await self._send(message)
        if self._last:
            self.finish(answered=True)

    async def apologize(self) -> None:
        """Answer 500 in the server's place, where the answer has not begun."""
        if self.status is not None or self.gone:
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_APOLOGY))]
        try:
            start = self._with_header({"type": "http.response.start", "status": 500, "headers": headers})
            await self._send(start)
            await self._send({"type": "http.response.body", "body": _APOLOGY})
            self.response_bytes = len(_APOLOGY)
        except Exception as error:  # noqa: BLE001 - the server answers, as it would have
            tell("answer", error)


class WebSocketExchange(AsgiExchange):
    """A connection from its handshake to its close: ``status_code`` tells how it began, ``close_code`` how it ended.

    It may last for hours, so the metrics of requests are not told.
    """

    __slots__ = ("close_code",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.method = "WEBSOCKET"
        self.answers = False
        self.close_code: int | None = None
        self.request_bytes = 0

    def count(self) -> None:
        """Not a request."""

    async def receive(self) -> Any:
        """What the server received, counted."""
        message = await self._receive()
        try:
            if message["type"] == "websocket.disconnect":
                if self.close_code is None:
                    self.close_code = message.get("code", _ABNORMAL)
                self.gone = self.status is None
            else:
                self.request_bytes = (self.request_bytes or 0) + _size(message)
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("receive", error)
        return message

    async def send(self, message: Any) -> None:
        """To the server: with the header in the handshake's answer."""
        try:
            message = self._seen(message)
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("send", error)
        await self._send(message)

    def _seen(self, message: Any) -> Any:
        kind = message["type"]
        if kind == "websocket.accept":
            self.status = _SWITCHING
            return self._with_header(message)
        if kind == "websocket.http.response.start":
            self.status = message["status"]
            return self._with_header(message)
        if kind == "websocket.close":
            self.close_code = message.get("code", _NORMAL)
            if self.status is None:
                self.status = _REFUSED
        else:
            self.response_bytes += _size(message)
        return message

    def extras(self, *args: Any) -> dict[str, object]:
        """With ``close_code``."""
        extras = super().extras(*args)
        if self.close_code is not None:
            extras["close_code"] = self.close_code
        return extras


def _size(message: Message) -> int:
    """Bytes of the payload; a text's as UTF-8."""
    data = message.get("bytes")
    if data is None:
        data = message.get("body")
    if data is not None:
        return len(data)
    text = message.get("text") or ""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
