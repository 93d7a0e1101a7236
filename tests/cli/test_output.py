"""Which form a command's output has, and that it is written whole."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given

from dblog.visible import json_visible
from tests.fake_reader import entry
from tests.hostile import DANGEROUS, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_reader import FakeReader

HOSTILE = entry(1, "a\x1b[31m\x7f\x9b\u202eb\U000e0041")


def test_json_where_no_person_looks(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Into a pipe: one object per line, the values as they are; a pipe may end on a terminal, as in `| cat`."""
    fake.entries = [HOSTILE, entry(2)]
    done = dblog("search")
    assert [json.loads(each)["message"] for each in done.lines] == [HOSTILE.message, "hello"]
    assert not DANGEROUS & set(done.out.replace("\n", ""))
    text = dblog("search", "--text", "--utc")
    assert text.lines[1] == "10:02:04.778 INFO  shop.cart a␛[31m␡\ufffd\ufffdb\ufffd"


@pytest.mark.usefixtures("terminal")
def test_json_on_a_terminal_does_nothing_to_it(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """The same values, with escapes for what JSON may leave as it is."""
    fake.entries = [HOSTILE]
    done = dblog("search", "--json")
    assert not DANGEROUS & set(done.out.rstrip("\n"))
    assert json.loads(done.out)["message"] == HOSTILE.message


@given(texts)
def test_escaped_json_means_the_same(text: str) -> None:
    """For every text without lone surrogates, which no database holds."""
    sound = text.encode("utf-8", "replace").decode()
    plain = json.dumps({"a": sound}, ensure_ascii=False).encode()
    shown = json_visible(plain)
    assert not DANGEROUS & set(shown.decode())
    assert json.loads(shown) == orjson.loads(shown) == {"a": sound}
    assert json_visible(shown) == shown
    assert json_visible(plain + b"\n") == shown + b"\n"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("environment", "arguments", "coloured"),
    [
        ({}, (), True),
        ({"NO_COLOR": "1"}, (), False),
        ({"NO_COLOR": ""}, (), True),
        ({"TERM": "dumb"}, (), False),
        ({}, ("--color", "never"), False),
        ({"NO_COLOR": "1"}, ("--color", "always"), True),
        ({}, ("--json", "--color", "always"), False),
    ],
)
def test_colours(  # noqa: PLR0917 - pytest passes them by name
    dblog: Callable[..., Any],
    fake: FakeReader,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    arguments: tuple[str, ...],
    coloured: bool,
) -> None:
    """On a terminal, unless the environment is against it; the option decides where it is given. Never in JSON."""
    fake.entries = [entry(1)]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in dblog("search", *arguments).out) is coloured


def test_a_pipe_has_no_colours_and_no_width(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Text into a pipe is whole; colours only where they are asked for."""
    fake.entries = [entry(1, "x" * 500)]
    assert "x" * 500 in dblog("search", "--text").out
    assert "\x1b[" not in dblog("search", "--text").out
    assert "\x1b[" in dblog("search", "--text", "--color", "always").out


def test_a_real_terminal(sqlite_url: str) -> None:
    """A pseudo-terminal is one: text, coloured talk on stderr, nothing on stdout where nothing is found."""
    main, side = pty.openpty()
    environment = {**os.environ, "DBLOG_URL": sqlite_url, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-c", "from dblog.cli import main; main()", "search"]
    done = subprocess.run(command, stdout=side, stderr=side, env=environment, check=False)
    os.close(side)
    shown = b""
    with contextlib.suppress(OSError):  # how a pseudo-terminal says that its other side is closed
        while part := os.read(main, 4096):
            shown += part
    os.close(main)
    assert (done.returncode, shown) == (0, b"\x1b[2mno entries match\x1b[0m\r\n")
