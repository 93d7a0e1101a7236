"""What is typed behind ``:``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import ConfigurationError
from dblog_tui.commands import COMMANDS, Command, Known, Spec, complete, parse
from dblog_tui.keys import KEYS
from dblog_tui.links import Link

KNOWN = Known(
    views=("night", "payment errors"),
    columns=("time", "level", "service", "message", "trace_id"),
    profiles=("prod", "staging"),
    themes=("ansi-dark", "nord"),
    query=lambda text: [f"{text}:api"],
)
_argument = {
    "level": "warn", "context": "5", "set": "wrap=on", "view": "save x", "goto": "14:05", "range": "1h", "tz": "UTC",
}  # fmt: skip


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.name)
def test_a_command_is_found_by_its_names(spec: Spec) -> None:
    """Its name, its aliases, in any case, with a colon or without; and its key is one there is."""
    argument = _argument.get(spec.name, "x") if spec.argument else ""
    for name in (spec.name, *spec.aliases, spec.name.upper()):
        assert parse(f":{name} {argument}").name == spec.name
        assert parse(f"  {name} {argument}").name == spec.name
    assert not spec.key or spec.key in {key.id for key in KEYS}
    assert not spec.key or spec.action
    if spec.action:
        assert parse(spec.name).action == spec.action


def test_names_are_one_command_each() -> None:
    """No alias is another command's name."""
    names = [name for spec in COMMANDS for name in (spec.name, *spec.aliases)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("filter service:api  level:error", Command("filter", "service:api  level:error")),
        ("fil", Command("filter")),
        ("pat", Command("patterns")),
        ("level warn", Command("level", "warning")),
        ("view night", Command("view", "night", "load")),
        ("view save payment errors", Command("view", "payment errors", "save")),
        ("view rm night", Command("view", "night", "rm")),
        ("context 50", Command("context", "50")),
        ("set wrap on", Command("set", "wrap=on")),
        ("set wrap = off", Command("set", "wrap=off")),
        ("trace", Command("trace")),
        ("dblog-tui prod -q a", Command("open", link=Link("prod", "a"))),
        (":dblog-tui --trace 4bf9", Command("open", link=Link(trace="4bf9"))),
    ],
)
def test_a_line_is_a_command(line: str, command: Command) -> None:
    """Shortened names, arguments with blanks, a command line that was pasted."""
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "type a command; Tab completes it"),
        (":", "type a command; Tab completes it"),
        ("healht", "there is no command :healht; did you mean :health?"),
        ("zzz", "there is no command :zzz; Tab shows what there is"),
        ("he", ":he may be :health, :help"),
        ("health now", ":health takes nothing behind it"),
        ("range", ":range RANGE: RANGE is missing"),
        ("level", ":level LEVEL: LEVEL is missing"),
        ("level loud", "'loud' is not a level"),
        ("context lots", ":context N: a number of rows, 1 to 500"),
        ("context 0", ":context N: a number of rows, 1 to 500"),
        ("view save", ":view save NAME: which view?"),
        ("set colour=red", "there is no setting 'colour'"),
        ("set wrap", ":set wrap=on|off"),
        ("dblog-tui --since x", "--since: 'x' is not a time"),
    ],
)
def test_what_is_no_command_is_a_sentence(line: str, sentence: str) -> None:
    """With what may have been meant."""
    with pytest.raises(ConfigurationError) as caught:
        parse(line)
    assert sentence in str(caught.value)


_begun = st.sampled_from(COMMANDS).flatmap(lambda spec: st.text(max_size=9).map(f"{spec.name} ".__add__))


@given(st.text(max_size=30) | _begun)
def test_any_line_is_a_command_or_a_sentence_and_completes(line: str) -> None:
    """Nothing that is typed ends in another exception; what completes a line begins with its command."""
    try:
        command = parse(line)
        assert command.name == "open" or command.name in {spec.name for spec in COMMANDS}
    except ConfigurationError as error:
        assert "\n" not in str(error) or "\n" in line  # noqa: PT017 - a sentence, in one line
    for completion in complete(line, KNOWN):
        assert completion.text.strip()


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("he", ["health", "help"]),
        ("f", ["filter ", "find ", "fields"]),
        ("q", ["quit"]),
        ("level w", ["level warning"]),
        ("goto y", ["goto yesterday", "goto today"]),
        ("theme nor", ["theme nord"]),
        ("conn sta", ["conn staging"]),
        ("columns time,le", ["columns time,level"]),
        ("view ", ["view load ", "view save ", "view rm ", "view load night", "view load payment errors"]),
        ("view rm pay", ["view rm payment errors"]),
        ("view nig", ["view load night"]),
        ("tz berlin", ["tz Europe/Berlin"]),
        ("filter service", ["filter service:api"]),
        ("set wr", ["set wrap=on", "set wrap=off"]),
        ("export ", []),
        ("nothing ", []),
        ("dblog-tui pr", []),
    ],
)
def test_a_line_is_completed(line: str, texts: list[str]) -> None:
    """Names of commands, and values of what they take; what begins so goes first."""
    assert [completion.text for completion in complete(line, KNOWN)] == texts


def test_every_line_that_completes_the_name_of_a_command_is_one() -> None:
    """And says what it does."""
    completions = complete("")
    assert len(completions) == len(COMMANDS)
    assert all(completion.says for completion in completions)
