"""An application behind a real server, uvicorn or the standard library's, in a thread of this process."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serving", "serving_wsgi"]


@contextlib.contextmanager
def serving(application: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI application by uvicorn on a free port; its address."""
    ready = threading.Event()
    failed: list[BaseException] = []

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.set()

    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off", **options)
    server = Server(config)

    def run(listener: socket.socket) -> None:
        try:
            server.run([listener])
        except BaseException as error:  # the test says what
            failed.append(error)
        ready.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run, args=(listener,), name="uvicorn")
        thread.start()
        assert ready.wait(30)
        assert not failed, failed
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Nothing."""


@contextlib.contextmanager
def serving_wsgi(application: Any) -> Iterator[str]:
    """Serve a WSGI application by wsgiref on a free port; its address."""
    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="wsgiref")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(30)
