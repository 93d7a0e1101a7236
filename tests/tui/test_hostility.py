"""The corpus of hostile texts is what it says: reproducible, of every kind, and in every field of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dblog.visible import visible
from tests.administered import ask, now
from tests.hostile import DANGEROUS
from tests.tui.hostility import COUNT, FIELDS, KINDS, entries, hostile, store

if TYPE_CHECKING:
    from dblog.reading.values import Page


def test_the_corpus_is_reproducible_and_complete() -> None:
    """Ten thousand texts, the same at each run, of every kind, with every character that must not reach a terminal."""
    texts = hostile()
    assert len(texts) == COUNT
    assert hostile() == texts
    assert {each.kind for each in texts} == set(KINDS)
    chars = set("".join(each.text for each in texts))
    surrogates = {char for char in DANGEROUS if 0xD800 <= ord(char) < 0xE000}
    assert chars >= DANGEROUS - surrogates
    assert len(chars & surrogates) > 3
    assert len({each.text for each in texts}) > COUNT * 0.85
    marks = [each.mark for each in texts if each.mark]
    assert len(set(marks)) == len(marks) > COUNT * 0.8
    assert all(visible(each.text).startswith(each.mark) for each in texts)
    assert not any(DANGEROUS & set(visible(each.text)) for each in texts[::10])


def test_every_text_is_in_an_entry() -> None:
    """At least once; each field of text has had texts of every kind."""
    texts = hostile(3000)
    made = list(entries(texts, now()))
    fields = {str(getattr(each, name)) for each in made for name in FIELDS}
    metadata = "".join(str(each.metadata) for each in made)
    missing = [each for each in texts if each.text not in fields and each.mark and each.mark not in metadata]
    assert missing == []
    kinds = {each.text: each.kind for each in texts}
    assert len({kinds.get(each.message) for each in made}) == len(KINDS)
    assert len({each.trace_id for each in made}) <= len(made) // 5 + 1


def test_databases_hold_it(database_url: str, reading_url: str) -> None:
    """Whatever is in it, it is stored, and a reader reads each entry, each writer and each dead letter."""
    texts = hostile(1000)
    count = store(database_url, texts, now(), writers=20)
    page: Page = ask(reading_url, lambda reader: reader.search(limit=10_000))
    assert len(page) == count
    shown = "".join(visible(str(each)) for each in page)
    assert all(each.mark in shown for each in texts)
    assert len(ask(reading_url, lambda reader: reader.instances())) == 20
    assert len(ask(reading_url, lambda reader: reader.dead_letters())) == 20
