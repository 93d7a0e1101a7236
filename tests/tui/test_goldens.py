"""Every screen of the application looks as it did when somebody last looked at it.

The pictures are in ``goldens``: one file a size, every screen in it below its name. ``DBLOG_UPDATE_GOLDENS=1`` writes
them anew; read the difference before you commit it.
"""

from __future__ import annotations

import asyncio
import difflib
import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.tui.golden_data import freeze, shop
from tests.tui.tour import PICTURES, VARIANTS, tour

if TYPE_CHECKING:
    from collections.abc import Callable

_GOLDENS: Final = Path(__file__).parent / "goldens"
_HEAD: Final = "######## "
_DATA_BEYOND_ASCII: Final = frozenset("漢字“”éà␀␊")
"""What somebody has logged is shown as it is, whatever the glyphs of the application are."""

pytestmark = pytest.mark.timeout(300)
"""A whole tour is part of whichever test is the first to need it."""
_SAME: Final = {"nocolour": "80x24"}
"""Variants that look like others, character for character."""

Taken = tuple[dict[str, str], dict[str, list[str]]]


@pytest.fixture(scope="session")
def toured(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Callable[[str], Taken]:
    """Pictures of a variant, taken once by whichever process of the run is the first to need them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if worker else base) / "tours"
    shared.mkdir(exist_ok=True)
    made: dict[str, Taken] = {}

    def taken(variant: str) -> Taken:
        if variant not in made:
            result, failed = shared / f"{variant}.json", shared / f"{variant}.failed"
            with (shared / f"{variant}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if failed.exists():
                    pytest.fail(f"its tour has failed already: {failed.read_text(encoding='utf-8')}")
                if not result.exists():
                    failed.write_text("it was interrupted", encoding="utf-8")
                    try:
                        result.write_text(json.dumps(_take(variant, shared, sqlite_template)), encoding="utf-8")
                    except Exception as error:
                        failed.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
                        raise
                    failed.unlink()
            pictures, colours = json.loads(result.read_text(encoding="utf-8"))
            made[variant] = pictures, colours
            if os.environ.get("DBLOG_UPDATE_GOLDENS"):
                _write(variant, pictures)
        return made[variant]

    return taken


def _take(variant: str, folder: Path, template: Path) -> Taken:
    with pytest.MonkeyPatch.context() as patch:
        freeze(patch)
        url = shop(folder / f"{variant}.db", template)
        return asyncio.run(tour(url, folder / f"{variant} home", variant, patch))


def _write(variant: str, pictures: dict[str, str]) -> None:
    if variant in _SAME:
        return
    text = "".join(f"{_HEAD}{name}\n{picture}\n" for name, picture in pictures.items())
    (_GOLDENS / f"{variant}.txt").write_text(text, encoding="utf-8")


def _golden(variant: str) -> dict[str, str]:
    text = (_GOLDENS / f"{_SAME.get(variant, variant)}.txt").read_text(encoding="utf-8")
    parts = [part.partition("\n") for part in f"\n{text}".removesuffix("\n").split(f"\n{_HEAD}")[1:]]
    return {name: picture for name, _, picture in parts}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", PICTURES)
def test_every_screen_looks_as_it_did(toured: Callable[[str], Taken], variant: str, name: str) -> None:
    """Character for character; without colours no code of one is sent, and in ASCII only data goes beyond."""
    pictures, colours = toured(variant)
    golden = _golden(variant).get(name, "")
    different = difflib.unified_diff(golden.split("\n"), pictures[name].split("\n"), "golden", "now", lineterm="")
    assert pictures[name] == golden, "\n".join(different)
    if variant == "nocolour":
        assert colours[name] == []
    else:
        assert colours[name]
    if variant == "ascii":
        assert {char for char in pictures[name] if not char.isascii()} <= _DATA_BEYOND_ASCII


def test_every_picture_is_taken(toured: Callable[[str], Taken]) -> None:
    """The tour stops at all screens there are, and nothing else is in the files."""
    pictures, _ = toured("80x24")
    assert list(pictures) == list(PICTURES)
    for variant in VARIANTS:
        assert list(_golden(variant)) == list(PICTURES)


def test_pictures_fit_their_terminal(toured: Callable[[str], Taken]) -> None:
    """As many lines as the terminal has, none longer than it is wide."""
    from rich.cells import cell_len

    for variant, given in VARIANTS.items():
        width, height = given["size"]
        for name, picture in toured(variant)[0].items():
            lines = picture.split("\n")
            assert len(lines) == height, name
            assert max(map(cell_len, lines)) <= width, name
