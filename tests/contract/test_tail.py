"""A tail beside live writers, on every database: each row once, none missed, whatever it goes by."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from dblog import LogReader
from dblog.entry import LogEntry
from dblog.opening import new_origin
from dblog.options import Options
from dblog.store import opener
from tests.contract.copied import rows
from tests.embedded_clickhouse import ENGINES
from tests.tail_tools import now

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

WRITERS, BATCHES, ROWS = 3, 12, 7


def write(url: str, failed: list[BaseException]) -> None:
    """Batches of one writer, every third of them sent again in two pieces, as after an answer that was lost."""
    options = Options.of()
    try:
        with closing(opener(url, options)(new_origin(options))) as sink:
            for number in range(BATCHES):
                start = number * ROWS
                batch: list[Any] = [
                    (start + index, LogEntry(now(), "INFO", 9, "a", f"m{index}")) for index in range(1, ROWS + 1)
                ]
                sink.write(batch)
                if number % 3 == 0:
                    sink.write(batch[:3], replay=True)
                    sink.write(batch[3:], replay=True)
    except BaseException as error:
        failed.append(error)


@pytest.mark.parametrize("kind", ENGINES)
async def test_each_row_of_many_writers_comes_once(place: Callable[..., str], kind: str) -> None:
    """Also of those that were sent again; interrupted halfway, it goes on from its token without gap or repetition."""
    url = place(kind)
    failed: list[BaseException] = []
    wanted = WRITERS * BATCHES * ROWS
    seen: list[UUID | None] = []
    async with LogReader(url) as reader:
        first = await anext(aiter(reader.tail(lossless=True, poll_interval=0.02)))
        threads = [threading.Thread(target=write, args=(url, failed)) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        token = first.token
        async with asyncio.timeout(60):
            while len(seen) < wanted and not failed:
                tail = reader.tail(after=token, lossless=True, poll_interval=0.02, limit=50)
                async for batch in tail:
                    seen += [each.id for each in batch]
                    token = batch.token
                    if len(batch.entries) % 3 == 1 or len(seen) >= wanted:  # any time is one to break off at
                        break
        for thread in threads:
            await asyncio.to_thread(thread.join)
        async for batch in reader.tail(after=token, lossless=True, follow=False):
            seen += [each.id for each in batch]
    assert not failed
    assert len(seen) == len(set(seen)) == wanted
    assert set(seen) == {each.id for each in rows(url)}
