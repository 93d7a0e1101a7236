"""``dblog demo``: three processes log through ``DatabaseHandler`` into one database, as three services would.

A request goes gateway → orders → payments; its trace goes with it in the headers
(``dblog.inject``, ``dblog.extract``). This module runs them and gives figures; what
the screen looks like is ``dblog.cli.demo``'s. It refuses to run for long: after
twelve seconds the gateway takes no more requests.
"""

from __future__ import annotations

import contextlib
import logging
import logging.config
import multiprocessing
import queue
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import dblog
from dblog.errors import DblogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.process import BaseProcess

__all__ = ["PER_REQUEST", "SERVICES", "Progress", "Step", "Summary", "run"]

SERVICES = ("gateway", "orders", "payments")
PER_REQUEST = 10
"""Records of one request: three, four and three."""

_BUDGET = {"gateway": 11.0, "orders": 13.0, "payments": 13.0}
"""Seconds each takes requests at most; a healthy database has them all by then."""
_LIMIT = 19.0
"""Seconds the processes may take in all."""
_REPORT_EVERY = 0.1
_PATIENCE = 5.0
"""Seconds a process may be silent after the others have ended."""
_DECLINED = 97
"""Every so many payments one is declined."""

logger = logging.getLogger("shop")


class Progress(NamedTuple):
    """Where the demo is."""

    stored: int
    total: int
    seconds: float


class Step(NamedTuple):
    """One row of a trace, as it stands in the database."""

    timestamp: int
    """µs since 1970-01-01 UTC."""
    service: str
    level: str
    message: str


@dataclass(slots=True)
class Summary:
    """What happened, from the three ledgers and from the database."""

    emitted: int = 0
    stored: int = 0
    dropped: int = 0
    failed: int = 0
    seconds: float = 0.0
    """From the first record to the last commit."""
    cost: float = 0.0
    """Seconds a call of ``logger.info`` took, median over all processes' medians."""
    found: int = 0
    """Rows of this run in the table."""
    trace_id: str = ""
    trace: list[Step] = field(default_factory=list)


def run(url: str, records: int, progress: Callable[[Progress], None] = lambda _: None) -> Summary:
    """Log about ``records`` records from three processes into a migrated database, and look at the result.

    Raises:
        DblogError: one of the processes did not end well.
    """
    requests = max(1, records // PER_REQUEST)
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    pipes = [context.Pipe(duplex=False) for _ in SERVICES[1:]]
    processes: list[BaseProcess] = []
    began = time.time()
    for index, service in enumerate(SERVICES):
        ends = (pipes[index - 1][0] if index else None, pipes[index][1] if index < len(pipes) else None)
        arguments = (service, url, requests, ends, reports)
        processes.append(context.Process(target=_serve, args=arguments, name=service, daemon=True))
    try:
        with _children_ignore_interrupts():
            for process in processes:
                process.start()
        for reader, writer in pipes:  # theirs now: a process that ends is then seen by its neighbours
            reader.close()
            writer.close()
        final = _watch(processes, reports, requests * PER_REQUEST, progress)
        for process in processes:
            process.join(_PATIENCE)
    finally:
        _end(processes)
        reports.close()
    return _summary(url, began, final)


def _watch(
    processes: Sequence[BaseProcess], reports: Any, total: int, progress: Callable[[Progress], None]
) -> dict[str, dict[str, Any]]:
    """Tell of the progress until each process has sent its last report; those."""
    until = time.monotonic() + _LIMIT
    began, stored = 0.0, dict.fromkeys(SERVICES, 0)
    final: dict[str, dict[str, Any]] = {}
    heard = time.monotonic()
    while len(final) < len(SERVICES):
        try:
            report = reports.get(timeout=_REPORT_EVERY)
        except queue.Empty:
            if time.monotonic() > until:
                raise DblogError(f"the demo was not done after {_LIMIT:g} s: is the database there?") from None
            _complain_of_the_dead(processes, final, heard)
            continue
        heard = time.monotonic()
        began = began or heard
        stored[report["service"]] = report["stored"]
        if report["final"]:
            final[report["service"]] = report
        progress(Progress(sum(stored.values()), total, heard - began))
    return final


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        if process.pid is not None:
            process.terminate()
            process.join()


def _complain_of_the_dead(processes: Sequence[BaseProcess], final: dict[str, Any], heard: float) -> None:
    missing = [process for process in processes if process.name not in final and process.exitcode is not None]
    if missing and (missing[0].exitcode or time.monotonic() - heard > _PATIENCE):
        raise DblogError(f"the demo's process {missing[0].name!r} ended early, with exit code {missing[0].exitcode}")


def _summary(url: str, began: float, final: dict[str, dict[str, Any]]) -> Summary:
    found = Summary(
        **{name: sum(each[name] for each in final.values()) for name in ("emitted", "stored", "dropped", "failed")}
    )
    found.seconds = max(each["ended"] for each in final.values()) - min(each["began"] for each in final.values())
    found.cost = sorted(each["cost"] for each in final.values())[len(final) // 2]
    found.trace_id = final[SERVICES[-1]]["trace_id"]
    _read(url, began, found)
    return found


def _read(url: str, began: float, found: Summary) -> None:
    import sqlalchemy as sa  # noqa: PLC0415 - the processes that log do not wait for it

    from dblog.schema import metadata_for  # noqa: PLC0415 - as above
    from dblog.url import sync_url  # noqa: PLC0415 - as above

    made = sync_url(url)
    logs = metadata_for(made.get_backend_name()).tables["logs"]
    engine = sa.create_engine(made, poolclass=sa.NullPool)
    since = int(began * 1e6)
    try:
        with engine.connect() as connection:
            recent = logs.c.timestamp >= (since if engine.dialect.name == "sqlite" else sa.func.to_timestamp(began))
            mine = sa.and_(recent, logs.c.service.in_(SERVICES), logs.c.seq.is_not(None))
            found.found = connection.scalar(sa.select(sa.func.count()).select_from(logs).where(mine)) or 0
            columns = (logs.c.timestamp, logs.c.service, logs.c.level, logs.c.message)
            one = (
                sa.select(*columns)
                .where(logs.c.trace_id == found.trace_id, recent)
                .order_by(logs.c.timestamp, logs.c.id)
            )
            found.trace = [Step(_microseconds(when), *rest) for when, *rest in connection.execute(one)]
    finally:
        engine.dispose()


def _microseconds(when: Any) -> int:
    return when if isinstance(when, int) else round(when.timestamp() * 1e6)


@contextlib.contextmanager
def _children_ignore_interrupts() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal; only the one that started the others answers it."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: nobody interrupts it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# -- in the three processes ---------------------------------------------------------------------------------------


def _serve(service: str, url: str, requests: int, ends: tuple[Any, Any], reports: Any) -> None:
    """One service: configured by ``dictConfig`` as an application would, then at work until its source ends."""
    source, target = ends
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                # A service would keep the default, which never waits; this one has nothing to do but log.
                "db": {"class": "dblog.DatabaseHandler", "url": url, "service": service, "overflow": "block"},
            },
            "root": {"handlers": ["db"], "level": "DEBUG"},
        }
    )
    handler: Any = logging.getLogger().handlers[0]
    work = _Work(service, handler, target, reports)
    with contextlib.suppress(EOFError, BrokenPipeError):  # the others were ended
        for number, headers in _arrivals(requests, source, time.monotonic() + _BUDGET[service]):
            work.one(number, headers)
    if target is not None:
        target.close()
    handler.close()
    work.report(final=True)
    reports.close()
    reports.join_thread()


def _arrivals(requests: int, source: Any, until: float) -> Iterator[tuple[int, dict[str, str]]]:
    """``(number, headers)`` of each request: the gateway's come from outside, the others' through the pipe."""
    arriving = ((number, {}) for number in range(requests)) if source is None else iter(source.recv, None)
    for number, headers in arriving:
        if time.monotonic() > until:
            return
        yield number, headers


class _Work:
    """What a service does with a request, and what it tells of itself."""

    def __init__(self, service: str, handler: Any, target: Any, reports: Any) -> None:
        self._service = service
        self._handler = handler
        self._target = target
        self._reports = reports
        self._answer: Callable[[int], None] = getattr(self, f"_{service}")
        self._costs: list[float] = []
        self._began = time.time()
        self._next_report = 0.0
        self._trace_id = ""

    def one(self, number: int, headers: dict[str, str]) -> None:
        """Answer one request in its trace, and hand it on."""
        with dblog.bound(**dblog.extract(headers), request=number):
            if not headers:
                dblog.new_trace(user_id=f"u-{number % 500}")
            self._answer(number)
            if self._target is not None:
                onward: dict[str, str] = {}
                dblog.inject(onward)
                self._target.send((number, onward))
        if time.monotonic() >= self._next_report:
            self.report()

    def report(self, *, final: bool = False) -> None:
        """Send the ledger's figures."""
        self._next_report = time.monotonic() + _REPORT_EVERY
        stats = self._handler.stats()
        cost = sorted(self._costs)[len(self._costs) // 2] if final and self._costs else 0.0
        report = {"service": self._service, "final": final, "began": self._began, "ended": time.time(), "cost": cost}
        figures = {name: getattr(stats, name) for name in ("emitted", "stored", "dropped", "failed")}
        self._reports.put({**report, **figures, "trace_id": self._trace_id})

    def _log(self, level: int, message: str, *args: object, **extra: object) -> None:
        started = time.perf_counter()
        logger.log(level, message, *args, extra=extra)
        self._costs.append(time.perf_counter() - started)

    def _gateway(self, number: int) -> None:
        self._log(logging.INFO, "POST /orders accepted", client="web", bytes=512 + number % 1024)
        self._log(logging.DEBUG, "session of customer %d is valid", number % 500)
        self._log(logging.INFO, "handing order %d to orders", number)

    def _orders(self, number: int) -> None:
        self._log(logging.INFO, "order %d received", number, items=1 + number % 5)
        self._log(logging.DEBUG, "stock of article %d: %d", number % 90, 7 + number % 40)
        if number % 40 == 0:
            self._log(logging.WARNING, "article %d is running low", number % 90)
        else:
            self._log(logging.INFO, "articles reserved", warehouse="north")
        self._log(logging.INFO, "asking payments for %.2f EUR", 5 + number % 200)

    def _payments(self, number: int) -> None:
        self._log(logging.INFO, "charging %.2f EUR", 5 + number % 200, method="card")
        self._log(logging.DEBUG, "bank answered", code=200)
        if number % _DECLINED == 0:
            self._trace_id = dblog.current().trace_id or ""
            self._log(logging.ERROR, "card declined: order %d is put on hold", number)
        else:
            self._log(logging.INFO, "order %d paid", number)
