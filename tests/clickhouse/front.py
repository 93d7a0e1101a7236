"""An HTTP server in front of the ClickHouse engine, in a process of its own: a server that can be hurt.

The engine (chdb) is real, the HTTP is ours: as much of ClickHouse's interface as
clickhouse-connect uses. What a fault does is said in a request of its own, so that a test
can have an INSERT executed and its answer lost, or a connection hang.

As a node of a cluster it has one shard, which nobody answers for, or which it is itself, and does for itself what it
is told ON CLUSTER, without replicas, for want of a Keeper; DDL that is not ON CLUSTER it refuses there.

Run as a program, with a folder for the engine's data, a port (0 for any), the cluster's name, which may be empty, and
its shard's port; it prints its port, and ends when its stdin does.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import os

_RESERVED = frozenset({
    "query", "database", "session_id", "query_id", "wait_end_of_query", "client_protocol_version", "compress",
    "enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
})  # fmt: skip
_CODE = re.compile(r"Code: (\d+)")
_INSERT = re.compile(rb"\s*(INSERT INTO .+?) FORMAT (\w+)\n", re.DOTALL)
_DDL = re.compile(r"\s*(CREATE|ALTER(?! TABLE \S+ (?:DELETE|APPLY DELETED MASK) )|DROP|RENAME)\b")
"""But for what replicas hand on among themselves."""
_REPLICATED = re.compile(r"ReplicatedReplacingMergeTree\('[^']*', '[^']*'(?:, )?")
_CLUSTER = (
    "<clickhouse><remote_servers><{0}><shard><replica><host>127.0.0.1</host><port>{1}</port></replica></shard></{0}>"
    "</remote_servers><tcp_port>9000</tcp_port></clickhouse>"
)
_AWAY, _ITSELF = 1, 9000
"""Ports of a shard; at its own the engine asks nobody, for it is in this process, and listens nowhere."""
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)


class Front:
    """The server's process, for a test."""

    def __init__(
        self, folder: str | os.PathLike[str], port: int = 0, *, cluster: str = "", whole: bool = False
    ) -> None:
        self._folder = str(folder)
        self._cluster = cluster
        self._shard = str(_ITSELF if whole else _AWAY)
        self._process = self._start(port)

    def _start(self, port: int) -> subprocess.Popen[str]:
        arguments = self._folder, str(port), self._cluster, self._shard
        process = subprocess.Popen([sys.executable, __file__, *arguments], stdin=-1, stdout=-1, text=True)
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        return process

    @property
    def url(self) -> str:
        """As a user would write it."""
        return f"clickhouse://default@127.0.0.1:{self.port}/default"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        process = self._process
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def again(self) -> None:
        """Start it anew, at the same port and with the same data."""
        self._process = self._start(self.port)

    def fault(self, kind: str, times: int = 1) -> None:
        """What becomes of the next INSERTs, or, with ``read-`` before the kind, of the next statements that are none.

        ``swallow``: executed, and the connection is closed without an answer. ``hang``: not executed, no answer until
        ``mend``. A number: refused with this code of ClickHouse's. An HTTP status as ``http503``: a proxy's answer.
        """
        self._tell(f"/_fault?kind={kind}&times={times}")

    def mend(self) -> None:
        """No more faults, and what hangs is let go."""
        self._tell("/_fault?kind=&times=0")

    def hanging(self) -> int:
        """How many requests hang, once there is one."""
        return int(self._tell("/_hanging"))

    def seen(self) -> str:
        """The ``Authorization`` of the last INSERT."""
        return self._tell("/_seen")

    def _tell(self, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read().decode()


class _Faults:
    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.kind = ""
        self.times = 0
        self.hanging = 0
        self.authorization = ""

    def next(self, *, insert: bool) -> str:
        with self.lock:
            if not self.times or insert == self.kind.startswith("read-"):
                return ""
            self.times -= 1
            return self.kind.removeprefix("read-")

    def hang(self) -> None:
        with self.lock:
            self.hanging += 1
            self.lock.notify_all()
            self.lock.wait_for(lambda: not self.kind)
            self.hanging -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults = _Faults()
    place = ""
    cluster = ""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if path == "/ping":
            self._answer(200, b"Ok.\n")
        elif path == "/_fault":
            with self.faults.lock:
                self.faults.kind, self.faults.times = given["kind"], int(given["times"])
                self.faults.lock.notify_all()
            self._answer(200, b"")
        elif path == "/_seen":
            self._answer(200, self.faults.authorization.encode())
        elif path == "/_hanging":
            with self.faults.lock:
                self.faults.lock.wait_for(lambda: self.faults.hanging)
            self._answer(200, str(self.faults.hanging).encode())
        else:
            self._query(given, b"")

    def do_POST(self) -> None:
        _, _, query = self.path.partition("?")
        self._query(dict(urllib.parse.parse_qsl(query, keep_blank_values=True)), self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(pieces)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if encoding := self.headers.get("Content-Encoding"):
            from clickhouse_connect.driver._backend.chdb_backend import _decompress

            return _decompress(body, encoding)
        return body

    def _query(self, given: dict[str, str], body: bytes) -> None:
        text = given["query"].encode() + b"\n" + body if "query" in given else body
        insert = _INSERT.match(text)
        if insert:
            self.faults.authorization = self.headers.get("Authorization", "")
        kind = self.faults.next(insert=insert is not None)
        if kind == "hang":
            self.faults.hang()
            self.close_connection = True
            return
        if kind.startswith("http"):
            self._answer(int(kind[4:]), b"<html>a proxy's page</html>")
            return
        try:
            if kind.isdigit():
                raise RuntimeError(f"Code: {kind}. DB::Exception: secret of a row. (BY_TEST)")
            result, output = self._run(given, text, insert)
        except RuntimeError as error:
            code = _CODE.search(str(error))
            self._answer(500, str(error).encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})
            return
        if kind == "swallow":
            self.close_connection = True
            return
        self._answer(200, result, {"X-ClickHouse-Format": output} if output else {})

    def _run(self, given: dict[str, str], text: bytes, insert: re.Match[bytes] | None) -> tuple[bytes, str]:
        connection = _engine().connect(self.place)
        try:
            for name, value in given.items():
                if name not in _RESERVED and not name.startswith("param_"):
                    connection.query(f"SET {name} = '{value}'")
            if given.get("database"):
                connection.query(f"USE `{given['database']}`")
            if insert is not None:
                with tempfile.NamedTemporaryFile(suffix=".native") as file:
                    file.write(text[insert.end() :])
                    file.flush()
                    sql = f"{insert[1].decode()} FROM INFILE '{file.name}' FORMAT {insert[2].decode()}"
                    connection.query(sql)
                return b"", ""
            sql = self._on_cluster(text.decode())
            named = _FORMAT.search(sql)
            parameters = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
            result = connection.query(sql, "TabSeparated", params=parameters).bytes() or b""
            return result, named[1] if named else ("TabSeparated" if result else "")
        finally:
            connection.close()

    def _on_cluster(self, sql: str) -> str:
        if not self.cluster:
            return sql
        if _DDL.match(sql) and f"ON CLUSTER '{self.cluster}'" not in sql:
            raise RuntimeError("Code: 36. DB::Exception: not ON CLUSTER. (BAD_ARGUMENTS)")
        return _REPLICATED.sub("ReplacingMergeTree(", sql.replace(f" ON CLUSTER '{self.cluster}'", ""))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in {"X-ClickHouse-Timezone": "UTC", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


def _engine() -> Any:
    return importlib.import_module("chdb")  # it has no types, and is not there where the types are checked


def main(folder: str, port: str, cluster: str, shard: str) -> None:
    """Serve until stdin ends."""
    Path(folder).mkdir(exist_ok=True)
    place = folder
    if cluster:
        config = Path(f"{folder}.xml")
        config.write_text(_CLUSTER.format(cluster, shard))
        place = f"{folder}?config-file={config}"
    _Handler.place, _Handler.cluster = place, cluster
    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), _Handler)
    keep = _engine().connect(place)  # the engine stays while requests come and go
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    keep.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
