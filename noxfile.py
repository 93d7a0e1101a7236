#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox>=2025.2.9", "packaging"]
# ///

"""Sessions: what a change has to pass.

``nox`` runs the default ones; ``coverage``, ``long``, ``clickhouse``, ``pooler``, ``ecosystem``, ``timescale`` and
``benchmarks`` are asked for by name. Everything comes from PyPI by pip, the PostgreSQL server and ClickHouse's
engine too; ``pooler`` needs Debian's pgbouncer, ``ecosystem`` its prometheus, ``timescale`` a TimescaleDB.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.version import Version

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"  # pip everywhere: what a user has
nox.options.sessions = ["lint", "types", "contracts", "tests", "minimums", "package"]

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
TOP_LEVEL = {"dblog", "dblog_tui", "dblog_migrations"}


def present_pythons() -> list[str]:
    """Every supported Python that runs here, oldest first.

    Asked of the machine rather than listed, so that no session fails for an
    interpreter nobody installed. pyenv puts a name on the path even where that
    version is not active, so each candidate is started; one found only among
    pyenv's versions is put in front of the path, where the sessions look.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    oldest = int(PROJECT["requires-python"].removeprefix(">=3."))
    found = []
    for minor in range(oldest, oldest + 20):
        name = f"python3.{minor}"
        on_path = shutil.which(name)
        candidates = [on_path, *map(str, sorted(pyenv.glob(f"3.{minor}.*/bin/{name}"), key=_numbers, reverse=True))]
        running = next((path for path in candidates if path and _runs(path)), None)
        if running is None:
            continue
        if running != on_path:
            os.environ["PATH"] = os.pathsep.join([str(Path(running).parent), os.environ["PATH"]])
        found.append(f"3.{minor}")
    return found


def _runs(executable: str) -> bool:
    return subprocess.run([executable, "-c", ""], check=False, capture_output=True).returncode == 0


def _numbers(executable: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", executable.parent.parent.name)]


def lowest_versions() -> list[str]:
    """A pip constraint per direct requirement of ``.[all,test]``: its declared lower bound, exactly."""
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["all"], *extras["test"]]
    lowest: dict[str, str] = {}
    for requirement in map(Requirement, wanted):
        if requirement.name == PROJECT["name"]:
            wanted += [line for extra in requirement.extras for line in extras[extra]]
            continue
        (version,) = (each.version for each in requirement.specifier if each.operator == ">=")
        # An extra may ask for more than we do without it.
        lowest[requirement.name] = max(version, lowest.get(requirement.name, version), key=Version)
    return [f"{name}=={version}" for name, version in sorted(lowest.items())]


PYTHONS = present_pythons()


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The default tests, on every Python that is present."""
    session.install("-e", ".[all,test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format and rules."""
    session.install("-e", ".[dev]")
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, over everything that is Python here."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def contracts(session: nox.Session) -> None:
    """The borders between modules."""
    session.install("-e", ".[dev]")
    session.run("lint-imports")


@nox.session(python=PYTHONS[0])
def minimums(session: nox.Session) -> None:
    """The default tests on the oldest Python with the lowest versions declared."""
    constraints = Path(session.create_tmp(), "lowest.txt")
    constraints.write_text("\n".join(lowest_versions()) + "\n")
    session.install("-e", ".[all,test]", "--constraint", str(constraints))
    session.run("pytest", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build, look at the top-level names, install the wheel alone, migrate with it."""
    session.install("build")
    work = Path(session.create_tmp()).resolve()
    shutil.rmtree(work, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(work / "dist"))
    (wheel,) = (work / "dist").glob("*.whl")
    dist_info = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    top_level = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    if top_level != TOP_LEVEL | {dist_info}:
        session.error(f"the wheel's top-level names are {sorted(top_level)}")

    session.run("python", "-m", "venv", str(work / "clean"))
    commands = work / "clean" / "bin"
    session.run(str(commands / "pip"), "install", "-q", str(wheel), external=True)
    session.chdir(work)  # away from the checkout, so that only what the wheel brought can be imported
    url = f"sqlite:///{work / 'logs.db'}"
    behind = session.run(str(commands / "dblog"), "check", "--url", url, external=True, success_codes=[1], silent=True)
    if "dblog upgrade" not in str(behind):
        session.error(f"`dblog check` does not say what to run: {behind}")
    session.run(str(commands / "dblog"), "upgrade", "--url", url, external=True)
    session.run(str(commands / "dblog"), "check", "--url", url, external=True)
    session.run(str(commands / "dblog-tui"), external=True, success_codes=[2])
    # An application's own alembic.ini may name our migrations.
    (work / "alembic.ini").write_text("[alembic]\nscript_location = dblog_migrations:\n")
    session.run(str(commands / "alembic"), "upgrade", "head", external=True, env={"DBLOG_URL": url})


@nox.session
def coverage(session: nox.Session) -> None:
    """Branch coverage of the default tests, child processes included."""
    session.install("-e", ".[all,test]")
    session.run("pytest", "--cov", "--cov-report=term-missing", *session.posargs)


@nox.session
def long(session: nox.Session) -> None:
    """The tests at full length, and every property with twenty times the examples."""
    session.install("-e", ".[all,test]")
    env = {"HYPOTHESIS_PROFILE": "long"}
    session.run("pytest", "-m", "long or hypothesis", "--timeout=1800", *session.posargs, env=env)


@nox.session
def clickhouse(session: nox.Session) -> None:
    """What takes every database takes ClickHouse's engine, too; its wheel is 180 MB, so it is in no extra."""
    session.install("-e", ".[all,test]", "chdb>=4.4")
    tests = session.posargs or [
        "tests/clickhouse", "tests/query", "tests/reader", "tests/tail", "tests/contract", "tests/admin/test_gaps.py",
    ]  # fmt: skip
    there = [each for each in tests if each.startswith("-") or Path(each.partition("::")[0]).exists()]
    session.run("pytest", *there, env={"DBLOG_TEST_CLICKHOUSE": "1"})


@nox.session
def pooler(session: nox.Session) -> None:
    """Readers and a writer through PgBouncer in transaction mode, which has to be installed."""
    if shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        session.error("pgbouncer is not installed: apt-get install pgbouncer")
    session.install("-e", ".[all,test]")
    session.run("pytest", "-n", "0", "-m", "pooler", *session.posargs)


@nox.session
def timescale(session: nox.Session) -> None:
    """The log table as a hypertable of a real TimescaleDB: a server's URL is given, or Debian's package is there."""
    given = os.environ.get("DBLOG_TEST_TIMESCALE")
    found = sorted(Path("/usr/lib/postgresql").glob("*/lib/timescaledb.so"))
    starter = shutil.which("pg_virtualenv")
    if not given and not (found and starter):
        session.error(
            "no TimescaleDB: give DBLOG_TEST_TIMESCALE=postgresql://... of a superuser, on a server with"
            " shared_preload_libraries = 'timescaledb', or apt-get install postgresql-18-timescaledb"
        )
    session.install("-e", ".[all,test]")
    command = [f"{session.bin}/pytest", "-n", "0", "-m", "timescale", *session.posargs]
    if not given:
        options = ["-v", found[-1].parts[-3], "-o", "shared_preload_libraries=timescaledb"]
        command = [str(starter), *options, "--", *command]
    session.run(*command, external=True)


@nox.session
def ecosystem(session: nox.Session) -> None:
    """Metrics, rules and configuration read by Prometheus itself, and scraped by it; it has to be installed."""
    missing = [program for program in ("prometheus", "promtool") if shutil.which(program) is None]
    if missing:
        session.error(f"not installed: {', '.join(missing)}: apt-get install prometheus")
    session.install("-e", ".[all,test]")
    session.run("pytest", "-n", "0", "-m", "ecosystem", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Beside the peers and the limit, in one run; prints medians and ratios, saves JSON."""
    session.install("-e", ".[all,test,bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)


if __name__ == "__main__":
    nox.main()
