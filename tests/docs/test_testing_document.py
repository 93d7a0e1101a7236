"""The tests shown in docs/testing.md pass where a reader would put them: in a project of his own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_tests_shown_pass(tmp_path: Path, writer_postgres_url: str) -> None:
    """Those with fixtures, and the one with a proxy in front of a real server, with warnings as errors."""
    blocks = re.findall(r"^```(?:python|py)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    shown = [block for block in blocks if "def test_" in block]
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["dblog.testing"]\n')
    (tmp_path / "test_shown.py").write_text("\n".join(shown))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # not ours, where the temporary folder lies in the checkout
    without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "asyncio")]
    command = [sys.executable, "-m", "pytest", "-q", "-Werror", *without, str(tmp_path)]
    given = {**os.environ, "DATABASE_URL": writer_postgres_url}
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=given)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(shown)} passed" in result.stdout
    assert len(shown) == 5


def test_every_name_is_documented() -> None:
    """What the package exports, and every fault of sink and proxy."""
    from dblog import testing

    document = DOCUMENT.read_text()
    faults = {
        name
        for kind in (testing.FaultProxy, testing.MemorySink)
        for name, value in vars(kind).items()
        if callable(value) and not name.startswith("_")
    }
    of_a_sink = {"write", "refused_days", "dead_letter", "report", "prune", "reachable", "abort", "close", "abandon"}
    missing = [name for name in {*testing.__all__, *faults} - of_a_sink if f"`{name}" not in document]
    assert not missing
