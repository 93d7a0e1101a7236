"""Queries that cannot be read: one sentence, the place, and a repair that parses; and nothing else is ever raised."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.entry import LogEntry
from dblog.errors import QuerySyntaxError
from dblog.query.canonical import canonical
from dblog.query.parser import parse_tree
from dblog.query.tree import MOST_LENGTH
from tests.embedded_clickhouse import ENGINES
from tests.querymarks import assert_bound
from tests.querytrees import START

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.querystores import Stores

NOW = 1_795_171_500.0

LOGQL = "this is LogQL; here a label is a field (service:api), a line filter is a word, and nothing needs parsing"
SQL = "this is SQL; a query is what would follow WHERE, and no more"
NO_LEVEL = "level has no order with 'eror': only TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL and Python's numbers have"
WHOLE = "metadata is an object: name a key of it (metadata.user), search all of it (*:value), or ask has(metadata)"
NO_NUMBER = "{} begins like a number and is none; in quotes it is compared as a text"
NEAR_LEVEL = "there is no level {!r}; in quotes it is the name of one of your own"
COMMA = "a comma does not stand between levels"
BLANK = 'a blank ends a time: write it without one or in quotes; to search for "{0}", quote that'
IS_NULL = '"{0}" are words where no column is named: write {1}, or quote it to search for it'
BEYOND = "the name of a field with letters beyond ASCII is in backquotes; to search for the text, quote it"

MISTAKES: list[tuple[str, int, str, str | None]] = [
    # names
    ("levle:error", 0, "there is no field 'levle'", "level:error"),
    ("a -servcie:x", 3, "there is no field 'servcie'", "a -service:x"),
    ("SERVICE:x", 0, "there is no field 'SERVICE'", "service:x"),
    ("has(exec_type)", 4, "there is no field 'exec_type'", "has(exc_type)"),
    ("sincee:1h", 0, "there is no field 'sincee'", "since:1h"),
    ("last>5", 0, "last takes a time after a colon (last:15m); metadata.last is the key of that name", None),
    ("a[9999999999]:1", 0, "an index is at most 2147483647", None),
    # values that are missing
    ("service:", 8, "service: needs a value", "service:*"),
    ("service: level:error", 9, "service: needs a value", "service:* level:error"),
    ("(service:)", 9, "service: needs a value", "(service:*)"),
    ("service: and b", 9, "service: needs a value", "service:* and b"),
    ("since:", 6, "since: needs a value", "since:15m"),
    ("around:", 7, "around: needs a value", "around:10:42"),
    ("x>", 2, "x> needs a value", None),
    ("x=", 2, "x= needs a value", None),
    ("key=~", 5, "key=~ needs a value", None),
    ("service: -level:error", 9, "service: needs a value", "service:* -level:error"),
    # keywords
    ("a AND", 5, "AND needs something after it", "a"),
    ("a or not", 8, "not needs something after it", "a"),
    ("(a &&", 5, "&& needs something after it", "(a)"),
    ("(a AND) b", 6, "AND needs something after it", "(a) b"),
    ("AND a", 0, "AND needs something before it", "a"),
    ("a AND AND b", 6, "AND after AND means nothing", "a AND b"),
    ("a OR || b", 5, "|| after OR means nothing", "a OR b"),
    # parentheses, quotes, brackets: the opening one
    ("(a OR b", 0, "this parenthesis is never closed", "(a OR b)"),
    ("((a) b", 0, "this parenthesis is never closed", "((a) b)"),
    ("a)", 1, "this parenthesis closes nothing", "a"),
    ("()", 0, "there is nothing in these parentheses", ""),
    ("a ()", 2, "there is nothing in these parentheses", "a "),
    ('a "b c', 2, "this quote is never closed", 'a "b c"'),
    ("service:'b", 8, "this quote is never closed", "service:'b'"),
    ("(service:'b)", 9, "this quote is never closed", "(service:'b')"),
    ('x:("b', 3, "this quote is never closed", 'x:("b")'),
    ('a"b"', 1, 'a quote inside of a word: put all of it in quotes, or write \\"', 'a\\"b\\"'),
    ("x:[1 TO 5", 2, "this bracket is never closed", "x:[1 TO 5]"),
    ("has(x", 3, "this parenthesis is never closed", "has(x)"),
    ('has("exc")', 4, "has() takes the name of one field", "has(exc)"),
    ("has()", 4, "has() takes the name of one field", None),
    # ranges and lists
    ("x:[1..5]", 7, "a range is [low TO high]; * leaves a side open, and { } leave a bound out", "x:[1 TO 5]"),
    ("x:[1,5]", 6, "a range is [low TO high]; * leaves a side open, and { } leave a bound out", "x:[1 TO 5]"),
    ("x:[1 - 5]", 5, "a range is [low TO high]; * leaves a side open, and { } leave a bound out", "x:[1 TO 5]"),
    ("x:[1 to b]", 8, "b is a text and the other bound a number: quote it if that is meant", None),
    ("x:(a b)", 5, "between values stands OR", "x:(a OR b)"),
    ("x in (a b)", 8, "between values stands a comma", "x in (a, b)"),
    ("x:(a AND b)", 5, "AND does not stand between values: each needs its x", "(x:a AND x:b)"),
    ("x:(NOT a)", 3, "NOT does not stand among values: write -x:value beside the list", None),
    ("x:(-a OR b)", 3, "NOT does not stand among values: write -x:value beside the list", None),
    ("tags in [1, 2]", 8, "in takes values in parentheses: tags in (a, b)", "tags in (1, 2)"),
    ("tags\nin [1]", 8, "in takes values in parentheses: tags in (a, b)", "tags\nin (1)"),
    ("a tags NOT IN [1,2] b", 14, "IN takes values in parentheses: tags NOT IN (a, b)", "a tags NOT IN (1,2) b"),
    ("x=(a, b)", 2, "= takes one value; lists and ranges stand after a colon", "x:(a, b)"),
    (", a", 0, 'unexpected ","', '"," a'),
    # operators
    ("dur_ms>>250", 7, 'unexpected ">" after ">"', "dur_ms>250"),
    ("x=>5", 2, 'unexpected ">" after "="', "x>=5"),
    ("x =< 5", 3, 'unexpected "<" after "="', "x <= 5"),
    ("x === 5", 4, 'unexpected "=" after "=="', "x = 5"),
    ("service:!api", 8, 'unexpected "!" after ":"', "-service:api"),
    ("service:=api", 8, 'unexpected "=" after ":"', "service=api"),
    ("> 5", 0, '">" stands behind the name of a field, as in dur_ms>250; to search for it, quote it', '">" 5'),
    ("x > 5 and < 9", 10, '"<" stands behind the name of a field, as in dur_ms>250; to search for it, quote it',
     "x > 5 and x< 9"),
    ('"service":api', 0, "the name of a field is not quoted", "service:api"),
    ('"unit price">5', 0, "the name of a field is not quoted", "`unit price`>5"),
    ("a - b", 2, '"-" stands right before what it excludes, without a blank', "a -b"),
    ("! b", 0, '"!" stands right before what it excludes, without a blank', "!b"),
    ("-", 0, '"-" stands right before what it excludes, without a blank', '"-"'),
    ("a & b", 2, '"&" is not an operator: write AND, or nothing', "a AND b"),
    ("a | b", 2, '"|" starts a pipeline in LogQL and KQL; there is none here: write AND, or nothing', "a AND b"),
    ("error|warn", 5, '"|" means nothing outside of a regex: write OR between alternatives', "(error OR warn)"),
    ("level:error|warn", 11, '"|" means nothing outside of a regex: write OR between alternatives',
     "level:(error OR warn)"),
    ("[ERROR] a", 0, "a bracket begins a range, after a field: dur_ms:[100 TO 500]; to search for it, quote it",
     '"[ERROR]" a'),
    ("msg like %x%", 9, "like takes a text in quotes", 'msg like "%x%"'),
    ("`abc", 0, "this backquote is never closed", None),
    ("`abc d`", 0, "backquotes hold the name of a field, and an operator follows; a text is in quotes", '"abc d"'),
    # regexes
    ("msg=~timeout", 5, "=~ needs a regex, between slashes or in quotes", "msg=~/timeout/"),
    ("msg=~/time", 5, "this regex is never closed", "msg=~/time/"),
    ("msg=~/a/b/", 5, "after a regex stands a blank, or an i that ignores case; a slash inside of it is \\/",
     "msg=~/a\\/b/"),
    ("msg=~/ab(c/", 8, "there is no ) for this (; write \\( for the character", None),
    ('msg=~"ab\\"(c"', 10, "there is no ) for this (; write \\( for the character", None),
    ("x:(a, /b(/)", 8, "there is no ) for this (; write \\( for the character", None),
    ("/a\\/b**/", 5, "a repeat of a repeat needs parentheses around the first", None),
    # values
    ("pid:abc", 4, "pid is a number, and 'abc' is not", None),
    ("id:abc", 3, "id is a UUID, 32 hexadecimal digits with or without dashes; 'abc' is none", None),
    ("id>5", 3, "id has no order: only = and != compare it", None),
    ("id~5", 0, "id is found by all of its digits only", None),
    ("ts~5", 0, "timestamp is a time, not a text: compare it", None),
    ("x>true", 2, "true has no order; the text of that spelling is in quotes", 'x>"true"'),
    ("level>=eror", 7, NO_LEVEL, "level>=ERROR"),
    ("took>5s", 5, "the name took does not say its unit, as took_ms would, so 5s cannot be converted", "took>5"),
    ("metadata:x", 9, WHOLE, None),
    ("since:foo", 6, "'foo' is not a time", None),
    ("since:2026-13-01", 6, "'2026-13-01' is not a time that exists", None),
    ("since:25:00", 6, "'25:00' is not a time that exists", None),
    ("last:99999999d", 5, "'99999999d' is outside of the years 1 to 9999", None),
    ("since:0001-01-01T00:00:00+01:00", 6, "'0001-01-01T00:00:00+01:00' is outside of the years 1 to 9999", None),
    ("around:10:42±x", 7, "'x' is not a duration", None),
    ('"\\ud800"', 0, "half of a surrogate pair is no character", None),
    ('"\\u0000"', 0, "U+0000 cannot be in a text: neither database keeps it", None),
    ("a\0", 1, "U+0000 is in no stored text", None),
    ("a\udc00", 1, "half of a surrogate pair is no character", None),
    # numbers in an order that are none
    ("took>1h30m", 5, "the name took does not say its unit, as took_ms would, so 1h30m cannot be converted", None),
    ("size>5k", 5, NO_NUMBER.format("5k"), "size>5000"),
    ("size>5kb", 5, NO_NUMBER.format("5kb"), "size>5kB"),
    ("rss_mb<=2gb", 8, NO_NUMBER.format("2gb"), "rss_mb<=2GB"),
    ("dur_ms>15min", 7, NO_NUMBER.format("15min"), "dur_ms>15m"),
    ("price>1,000", 6, NO_NUMBER.format("1,000"), "price>1000"),
    ("price>1,000,000.50", 6, NO_NUMBER.format("1,000,000.50"), "price>1000000.50"),
    ("price:>$5", 7, NO_NUMBER.format("$5"), "price:>5"),
    ("price>5€", 6, NO_NUMBER.format("5€"), "price>5"),
    ("price>-$1,000", 6, NO_NUMBER.format("-$1,000"), "price>-1000"),
    ("pct>5%", 4, NO_NUMBER.format("5%"), "pct>5"),
    ("n>1e3", 2, NO_NUMBER.format("1e3"), "n>1000"),
    ("n>2.5E-1", 2, NO_NUMBER.format("2.5E-1"), "n>0.25"),
    ("n>007", 2, NO_NUMBER.format("007"), "n>7"),
    ("n>+5", 2, NO_NUMBER.format("+5"), "n>5"),
    ("n>.5", 2, NO_NUMBER.format(".5"), "n>0.5"),
    ("n>5.", 2, NO_NUMBER.format("5."), "n>5"),
    ("n>1_000", 2, NO_NUMBER.format("1_000"), "n>1000"),
    ("n>9007199254740993", 2, NO_NUMBER.format("9007199254740993"), 'n>"9007199254740993"'),
    ("n>1e99999999999", 2, NO_NUMBER.format("1e99999999999"), 'n>"1e99999999999"'),
    ("n:[1k TO 5k]", 3, NO_NUMBER.format("1k"), None),
    ("version>=1.2.3", 9, NO_NUMBER.format("1.2.3"), 'version>="1.2.3"'),
    ("created>2026-11-20", 8, NO_NUMBER.format("2026-11-20"), 'created>"2026-11-20"'),
    ("n>-x", 2, NO_NUMBER.format("-x"), 'n>"-x"'),
    ("user>0x1f", 5, NO_NUMBER.format("0x1f"), 'user>"0x1f"'),
    ("pid>5k", 4, "pid is a number, and '5k' is not", "pid>5000"),
    # levels
    ("level:erorr", 6, NEAR_LEVEL.format("erorr"), "level:ERROR"),
    ("level:errors", 6, NEAR_LEVEL.format("errors"), "level:ERROR"),
    ("-lvl=wrn", 5, NEAR_LEVEL.format("wrn"), "-lvl=WARN"),
    ("level!=EROR", 7, NEAR_LEVEL.format("EROR"), "level!=ERROR"),
    ("level in (error, waning)", 17, NEAR_LEVEL.format("waning"), "level in (error, WARNING)"),
    ("level:error,warning", 6, COMMA, "level:(error OR warning)"),
    ("level:error,", 6, COMMA, "level:error"),
    ("level:warn,notice,", 6, COMMA, "level:(warn OR notice)"),
    ("level=error,warning", 6, COMMA, "level:(error OR warning)"),
    ("level!=error,warning", 7, COMMA, None),
    # times nearly right
    ("since:15min", 6, "'15min' is not a time", "since:15m"),
    ("last:2hours30mins", 5, "'2hours30mins' is not a time", "last:2h30m"),
    ("since:-15m", 6, "'-15m' is not a time", "since:15m"),
    ("since:10:45Z", 6, "'10:45Z' is not a time", "since:2026-11-20T10:45Z"),
    ("since:10:50+00:00", 6, "'10:50+00:00' is not a time", "since:2026-11-19T10:50+00:00"),
    ("since:25:45Z", 6, "'25:45Z' is not a time", None),
    # times with a blank in them
    ("since:2026-11-20 10:00", 17, BLANK.format("10:00"), 'since:"2026-11-20 10:00"'),
    ("a until:yesterday 10:00:30 b", 18, BLANK.format("10:00:30"), 'a until:"2026-11-19 10:00:30" b'),
    ("ts>=2026-11-20 10:00Z", 15, BLANK.format("10:00Z"), 'ts>="2026-11-20 10:00Z"'),
    ("ts:>2026-11-20 10:00", 15, BLANK.format("10:00"), 'ts:>"2026-11-20 10:00"'),
    ("since:10:00 11:00", 12, BLANK.format("11:00"), "since:10:00 until:11:00"),
    ("until:10:00 11:00", 12, BLANK.format("11:00"), 'until:10:00 "11:00"'),
    ("around:10:42 5m", 13, BLANK.format("5m"), "around:10:42±5m"),
    ("around:10:42 ±5m", 13, BLANK.format("±5m"), "around:10:42±5m"),
    ("since:1h ago", 9, BLANK.format("ago"), "since:1h"),
    ("last:1h 30m", 8, BLANK.format("30m"), "last:1h30m"),
    ("since:today 5m", 12, BLANK.format("5m"), 'since:today "5m"'),
    ("since:10:00 OR b since:1h ago", 26, BLANK.format("ago"), "since:10:00 OR b since:1h"),
    ("since:0001-01-01 10:00", 17, BLANK.format("10:00"), 'since:"0001-01-01 10:00"'),
    # ranges of nothing
    ("ts:[9999-12-31T11:00 TO 10:00]", 4, "nothing lies within: the lower bound stands first",
     "ts:[10:00 TO 9999-12-31T11:00]"),
    ("n:[5 TO 1]", 3, "nothing lies within: the lower bound stands first", "n:[1 TO 5]"),
    ("n:{5.5 TO 1}", 3, "nothing lies within: the lower bound stands first", "n:{1 TO 5.5}"),
    ("n:[b TO a]", 3, "nothing lies within: the lower bound stands first", "n:[a TO b]"),
    ("n:[5 TO 5}", 3, "nothing lies within: a bound of { } is outside", "n:[5 TO 5]"),
    ("dur_ms:[1s TO 5ms]", 8, "nothing lies within: the lower bound stands first", "dur_ms:[5ms TO 1s]"),
    ("level:[error TO info]", 7, "nothing lies within: the lower bound stands first", "level:[info TO error]"),
    ("ts:[now TO 1h]", 4, "nothing lies within: the lower bound stands first", "ts:[1h TO now]"),
    # other languages
    ("n is null", 0, IS_NULL.format("n is null", "-has(n)"), "-has(n)"),
    ("a (b IS NOT NULL or d)", 3, IS_NULL.format("b IS NOT NULL", "has(b)"), "a (has(b) or d)"),
    ("a is\nnull", 0, IS_NULL.format("a is null", "-has(a)"), "-has(a)"),
    ('n ilike "a%"', 2, "ilike is spelled like here: no case, in either", 'n like "a%"'),
    ("service not ilike 'a%'", 12, "ilike is spelled like here: no case, in either", "service not like 'a%'"),
    ("exists(a)", 0, "whether a field is there is asked by has()", "has(a)"),
    ("b NOT exists(a.b) c", 6, "whether a field is there is asked by has()", "b NOT has(a.b) c"),
    ("_exists_:user", 0, "whether a field is there is asked by has()", "has(user)"),
    ('_exists_:"x" user', 0, "whether a field is there is asked by has()", "has(x) user"),
    ("größe:5", 0, BEYOND, "`größe`:5"),
    ("-größe.ä>=5", 1, BEYOND, "-`größe`.`ä`>=5"),
    ('{service="api"} |= "timeout" | json | dur_ms > 250', 0, LOGQL, "service:api timeout dur_ms>250"),
    ('{a=~"x|y",b!="z",c!~"p.*"} |~ "1/2" != "not me"', 0, LOGQL, 'a:(x OR y) -b:z -c:/^(?:p.*)$/ /1\\/2/ -"not me"'),
    ('sum(rate({a="b"}[5m]))', 9, LOGQL, None),
    ("SELECT * FROM logs WHERE level = 'ERROR' ORDER BY id LIMIT 5;", 0, SQL, "level = 'ERROR'"),
    ("where level = 'ERROR'", 0, SQL, "level = 'ERROR'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "reason", "repaired"), MISTAKES, ids=[each[0] for each in MISTAKES])
def test_what_people_mistype(text: str, column: int, reason: str, repaired: str | None) -> None:
    """The sentence and the place; a repaired query where it is clear what was meant, said in the suggestion."""
    error = error_of(text)
    assert (error.reason, error.column, error.repaired) == (reason, column, repaired)
    assert error.text == text
    if repaired is not None:
        parse_tree(repaired, now=NOW, timezone=dt.UTC)
        assert error.suggestion


@pytest.mark.parametrize("text", [each[0] for each in MISTAKES])
def test_the_message_is_for_people(text: str) -> None:
    """Never a name from the grammar; the place is within the query; shown, it is a few lines with a caret."""
    error = error_of(text)
    assert 0 <= error.column <= len(text)
    assert not any(
        word in str(error).replace(text, "") for word in ("Token", "$END", "_COLON", "LPAR", "VALUE", "FIELD")
    )
    assert str(error).splitlines()[2].strip() == "^"
    assert len(error.reason) <= 150


def test_what_could_stand_there_is_said() -> None:
    """Where no rule knows better: in words."""
    error = error_of(", a")
    assert error.expected == ("a word", "field:value", "a text in quotes", '"("')
    assert error_of("since:foo").expected[0] == "a date (2026-11-20)"


def error_of(text: str) -> QuerySyntaxError:
    with pytest.raises(QuerySyntaxError) as caught:
        parse_tree(text, now=NOW, timezone=dt.UTC)
    return caught.value


INJECTIONS = (
    "'; DROP TABLE logs; --", "1' OR '1'='1", '" OR ""="', "x' UNION SELECT * FROM logs --", "$(reboot)", "`reboot`",
    "%27%20OR%201=1", "service:'; DELETE FROM logs; --'", "x:1); DROP TABLE logs", "$1", ":param", "%(x)s", "{0}",
    "\\'", 'service:"a\\" OR 1=1 --"', "/(a+)+$/", "msg=~/(a|a)*b/", "metadata.`a' OR '1`:1", "`$.a`:1", "a.`#>>`:1",
    "\u202e:gnp.exe", "\u2028", "\x1b[2J", "service:\x1b]0;x\x07", "x:\ufeff", "\U0010ffff",
)  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_text_is_text(text: str) -> None:
    """It parses to a tree that canonical text preserves, or is a QuerySyntaxError."""
    assert survives(text)


TOKENS = (
    "a", "b", '"', "'", "(", ")", "[", "]", "{", "}", "/", "\\", "`", "|", "&", "-", "!", "*", "?", ":", "=", "<",
    ">", "~", ",", " ", "  ", "AND", "OR", "NOT", "TO", "in", "like", "contains", "has(", "since:", "around:",
    "level", "dur_ms", "5", "1s", "null", "true", "@", ".", "[0]", "\n", "é", "\0", "\ud800", "日", "is null", '"x"',
    "/x/", "|=", "json", "WHERE", "SELECT", "from", "±", "now", "10:42", "2026-11-20", "9" * 30, "\\u0041",
    "\\ud83d", "%", "_", "#", "ago", "5m", "is", "ilike", "exists(", "größe:5", "1,000", "erorr", "a->5", "]",
)  # fmt: skip


def _fuzzed(seed: int) -> str:
    """Token soup, an example with a few changes, or anything at all."""
    chance = random.Random(seed)
    kind = chance.random()
    if kind < 0.4:
        return "".join(chance.choice(TOKENS) + chance.choice(["", " "]) for _ in range(chance.randint(1, 12)))
    if kind < 0.8:
        text = list(chance.choice(MISTAKES)[0])
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text) + 1)
            text[at : at + chance.choice([0, 0, 1, 3])] = chance.choice(
                [chance.choice(TOKENS), "", chance.choice(MISTAKES)[0]]
            )
        return "".join(text)
    ranges = ((32, 127), (0, 0x300), (0, 0x110000))
    return "".join(chr(chance.randrange(*chance.choice(ranges))) for _ in range(chance.randint(1, 20)))


def survives(text: str) -> bool:
    """A tree whose canonical text parses back; or a QuerySyntaxError with a place, and a repair that parses."""
    try:
        tree = parse_tree(text, now=NOW, timezone=dt.UTC)
    except QuerySyntaxError as error:
        first, *_ = str(error).splitlines()
        repaired = error.repaired
        if repaired is not None:
            parse_tree(repaired, now=NOW, timezone=dt.UTC)
        return 0 <= error.column <= len(text) and error.reason in first
    written = canonical(tree)
    return len(written) <= MOST_LENGTH and parse_tree(written, now=0) == tree


@pytest.mark.parametrize("part", range(4))
def test_nothing_but_a_syntax_error_comes_of_any_text(part: int) -> None:
    """Of 2,000 made-up queries each one survives; ``long`` tries a hundred thousand."""
    for seed in range(part * 500, part * 500 + 500):
        assert survives(_fuzzed(seed)), _fuzzed(seed)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_nothing_but_a_syntax_error_comes_of_a_hundred_thousand_texts() -> None:
    """As above, with other texts."""
    for seed in range(10_000, 110_000):
        assert survives(_fuzzed(seed)), _fuzzed(seed)


def run(stores: Stores, texts: Iterable[str]) -> int:
    """Run those that are queries, in every database, nothing but parameters of them; how many."""
    ran = 0
    words = filter(str.isprintable, TOKENS)
    with stores.holding([LogEntry(START, "INFO", 9, "a", word, metadata='{"a":"b"}') for word in words]):
        for text in texts:
            with contextlib.suppress(QuerySyntaxError):
                tree = parse_tree(text, now=NOW, timezone=dt.UTC)
                assert_bound(tree)
                for dialect in ENGINES:
                    stores.ids(dialect, tree)
                ran += 1
    return ran


def test_any_text_that_is_a_query_runs(stores: Stores) -> None:
    """Hostile and made-up texts are bound, and no database refuses them; ``long`` runs ten thousand."""
    assert run(stores, [*INJECTIONS, *map(_fuzzed, range(300))]) > 50


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_any_of_ten_thousand_texts_that_is_a_query_runs(stores: Stores) -> None:
    """As above."""
    assert run(stores, map(_fuzzed, range(10_000))) > 2_000


@given(st.text(max_size=40))
def test_nothing_but_a_syntax_error_comes_of_unicode(text: str) -> None:
    """Whatever Hypothesis thinks of."""
    assert survives(text)
