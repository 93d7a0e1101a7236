"""SIGKILL at any instant of an append: what was promised is on disk, whole, once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "kills", [60, pytest.param(2000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])], ids=["short", "full"]
)
def test_what_was_appended_outlives_sigkill(tmp_path: Path, kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Children killed while they append, read and acknowledge: every record whose append returned is stored or found.

    None twice, none with another text, none that was never appended; the page of counters is exact; the kill itself
    damages nothing, and nothing is left behind.
    """
    seed = random.randrange(2**32)
    command = [sys.executable, "-m", "tests.spool.killing", str(tmp_path / "root" / "t"), str(kills), str(seed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    with capsys.disabled():
        print(f"\n  {kills} kills, {result['acknowledged']} records acknowledged, seed {seed}: {result['lost']} lost")
    assert result.pop("kills") == kills
    assert result.pop("acknowledged") > 100 * kills
    assert set(result.values()) == {0}, f"seed {seed}: {result}"
