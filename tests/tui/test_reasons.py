"""Reasons in one line: what says least goes first, a path loses its middle, and the reason itself stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dblog.reading.failures import missing_file
from dblog_tui import header
from dblog_tui.present.look import ASCII, Look
from dblog_tui.present.reasons import brief, shortened, with_reason
from dblog_tui.source import Down
from tests import hostile

_FRONTS = (" cannot be read since 10:41:12, attempt 12: ", " cannot be read since 10:41:12: ", " cannot be read: ")

paths = st.lists(st.text("abc :é日()", min_size=1, max_size=12), min_size=1, max_size=12).map("/".join)


@given(hostile.texts | paths, st.integers(0, 80), st.sampled_from(["…", "~"]))
def test_a_shortened_path_fits_and_keeps_its_file(path: str, room: int, ellipsis: str) -> None:
    """Never wider than there is room; whole where it fits, and with its file's name where that has room."""
    made = shortened(path, room, ellipsis)
    assert cell_len(made) <= room or made == ""
    if cell_len(path) <= room:
        assert made == path
    elif (name := path.replace("\\", "/").split("/")[-1]) and cell_len(name) + 2 <= room:
        assert made.endswith(name)


@given(paths, st.text("abcé-.", min_size=1, max_size=20), st.integers(66, 200))
def test_why_a_file_is_not_there_can_be_read_however_long_its_path_is(folder: str, name: str, room: int) -> None:
    """At 80 columns, of which the keys at the end take some: that it does not exist, and the name of the file."""
    why = str(missing_file(f"/srv/{folder}/{name}.db"))
    front, said = with_reason(_FRONTS, why, room, "…")
    assert cell_len(front + said) <= room
    assert f"{name}.db does not exist" in said
    assert front in _FRONTS


@given(hostile.texts, st.integers(1, 200))
def test_whatever_is_said_is_something_of_it(why: str, room: int) -> None:
    """Any sentence is taken, whole where there is room for it; nothing is said that it does not say."""
    front, said = with_reason(_FRONTS, why, room, "…")
    assert front in _FRONTS
    if cell_len(_FRONTS[0] + why) <= room:
        assert (front, said) == (_FRONTS[0], why)
    assert brief(why, 10_000, "…") == why


def test_the_banner_says_why_at_80_columns() -> None:
    """What says least goes: advice, the code, since when; the keys are the caller's and stay."""
    path = "/srv/projects/shop/deployments/staging/eu-central/logs/of/all/services/application-logs.db"
    for look in (Look(), Look(glyphs=ASCII)):
        down = Down(0.0, 12, 1.0, str(missing_file(path)), refused=True)
        left, right = header.down_line(down, 5.0, look, 80)
        said = "".join(segment.text for segment in left)
        assert sum(segment.cell_length for segment in (*left, *right)) < 80
        assert said.startswith(" cannot be read: the file /")
        assert said.endswith("/application-logs.db does not exist")
        assert str(missing_file(path)) in "".join(segment.text for segment in header.down_line(down, 5.0, look, 300)[0])
        trouble = "".join(segment.text for segment in header.trouble_line(str(missing_file(path)), look, 80))
        assert "application-logs.db does not exist" in trouble
        assert cell_len(trouble) <= 80
