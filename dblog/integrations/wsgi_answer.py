"""What a WSGI server gets for the application's answer: the same bytes, made in the request's own context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dblog.integrations.exchange import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Answer", "SizedAnswer"]


class Answer:
    """The application's answer, each step of it in the request's own context."""

    __slots__ = ("_answer", "_busy", "_exchange", "_over", "_steps")

    def __init__(self, exchange: Any, answer: Iterable[bytes]) -> None:
        self._exchange, self._answer = exchange, answer
        self._steps: Any = None
        self._busy = self._over = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        exchange = self._exchange
        self._busy = True
        try:
            if self._steps is None:
                self._steps = exchange.run(iter, self._answer)
            data: bytes = exchange.run(next, self._steps)
        except StopIteration:
            self._over = True
            exchange.run(exchange.finish)
            raise
        except BaseException as error:
            self._over = True
            exchange.failed(error)
            raise
        finally:
            self._busy = False
        try:
            exchange.response_bytes += len(data)
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("answer", error)
        return data

    def close(self) -> None:
        """The server has done: close the application's answer, and log the record where the end was not reached."""
        exchange = self._exchange
        # A server may close from another thread while a step hangs: no context is entered twice.
        run = _directly if self._busy else exchange.run
        exchange.gone = self._steps is not None and not self._over
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                run(close)
        except BaseException as error:
            run(exchange.finish, error)
            raise
        run(exchange.finish)


class SizedAnswer(Answer):
    """With the length the application's answer has: a server may declare the size of the only item of one."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._answer)  # type: ignore[arg-type]  # made only of those that have one


def _directly(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
