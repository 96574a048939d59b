"""codec.places: what tomllib says stays as it is, and every place points at what it names."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qscanner.codec.places import MAX_OCTETS, Document, Path, Place, parse
from qscanner.codec.problems import Problems

RULES = b"""\
# a comment with [brackets] and "quotes"
schema = 1

[[rule]]
id     = "programs"   # why not
when   = { to = ["@example.org", "@b"], direction = "in" }
part   = { any = [{ name = '(?i)\\.(exe|scr)$' }, { kind = ["pe", "lnk"] }] }
  [[rule.test]]
  attach = [{ name = "a.pdf", hex = "4d5a" }]
  expect.action = "reject"
  [[rule.test]]
  expect = { action = "accept" }

[[rule]]
id = "second"
"quoted key" = 1979-05-27 07:32:00
'literal \\ key' = [
  1, # one ]
  2,
]
text = \"\"\"
several
lines \"\"\"\"\"
[a.b."c.d"]
x . y = true
[a]
"caf\\u00e9" = -inf
"""


def taken(document: Document, place: Place) -> str:
    return document.lines[place.line - 1][place.column - 1 : place.column - 1 + place.length]


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("schema",), "schema", "1"),
        (("rule",), "rule", "rule"),
        (("rule", 0), "rule", "rule"),
        (("rule", 0, "id"), "id", '"programs"'),
        (("rule", 1, "id"), "id", '"second"'),
        (("rule", 0, "when"), "when", '{ to = ["@example.org", "@b"], direction = "in" }'),
        (("rule", 0, "when", "to"), "to", '["@example.org", "@b"]'),
        (("rule", 0, "when", "to", 1), '"@b"', '"@b"'),
        (("rule", 0, "when", "direction"), "direction", '"in"'),
        (("rule", 0, "part", "any", 0, "name"), "name", r"'(?i)\.(exe|scr)$'"),
        (("rule", 0, "part", "any", 1, "kind", 1), '"lnk"', '"lnk"'),
        (("rule", 0, "test", 0, "attach", 0, "hex"), "hex", '"4d5a"'),
        (("rule", 0, "test", 0, "expect"), "expect", "expect"),
        (("rule", 0, "test", 0, "expect", "action"), "action", '"reject"'),
        (("rule", 0, "test", 1, "expect", "action"), "action", '"accept"'),
        (("rule", 1, "quoted key"), '"quoted key"', "1979-05-27 07:32:00"),
        (("rule", 1, "literal \\ key"), "'literal \\ key'", "["),
        (("rule", 1, "literal \\ key", 1), "2", "2"),
        (("rule", 1, "text"), "text", '"""'),
        (("a", "b", "c.d", "x", "y"), "y", "true"),
        (("a", "b", "c.d"), '"c.d"', '"c.d"'),
        (("a", "caf\u00e9"), '"caf\\u00e9"', "-inf"),
        # What is not there is shown at its nearest parent.
        (("rule", 1, "action"), "rule", "rule"),
        (
            ("rule", 0, "when", "nothing", 7),
            "when",
            '{ to = ["@example.org", "@b"], direction = "in" }',
        ),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_the_place_of(path: Path, key: str, value: str) -> None:
    """Keys and values are found where they stand, in every form TOML has for them."""
    document = parse(RULES, file="rules.toml")
    assert taken(document, document.key(path)) == key
    assert taken(document, document.value(path)) == value


def test_later_tables_of_an_array_have_their_own_line() -> None:
    """The second [[rule]] is not confused with the first, and [a] is its own header."""
    document = parse(RULES, file="rules.toml")
    assert document.key(("rule", 0)).line == 4
    assert document.key(("rule", 1)).line == 14
    assert document.key(("rule", 0, "test", 1)).line == 11
    assert document.key(("a",)).line == 26


def test_a_path_that_is_nowhere_means_the_whole_file() -> None:
    """A missing top-level key has no place: the problem says the file alone."""
    problem = parse(b"a = 1\n", file="f.toml").problem(("b",), "b is missing")
    assert problem.render() == "f.toml: b is missing"


def test_a_problem_points_at_key_or_value() -> None:
    """The caret of a Problem stands below what is wrong, also with CRLF line ends."""
    document = parse(b"[queue]\r\nprogam = 'x'\r\n", file="f.toml")
    assert document.problem(("queue", "progam"), "no", at="key").render() == (
        "f.toml:2: no\n    progam = 'x'\n    ^~~~~~"
    )
    assert document.problem(("queue", "progam"), "no").render() == (
        "f.toml:2: no\n    progam = 'x'\n             ^~~"
    )


ODD = {
    "empty": "",
    "only comment": "# [x]",
    "no last newline": "a = 1",
    "empty strings": "a = \"\"\nb = ''\nc = \"\"\"\"\"\"\nd = ''''''\n\"\" = 1\n[x]\n'' . x = 2",
    "quotes before the end": 'a = """x"""""\nb = \'\'\'y\'\'\'\'\'\nc = """"x"""\n',
    "quotes inside": 'a = """ "" " \\""" \\\\"""\nb = \'\'\' \'\' \' \'\'\'\n',
    "hash and brackets in strings": 'a = ["#]", \'}#\', """]\n#}"""] # ]\n[b] # [c]\n',
    "empty containers": "a = []\nb = {}\nc = [[], [{}], {d = []}]\n[e]\n[[f]]\n[[f]]\n",
    "dates": "a = [1979-05-27 07:32:00.5, 07:32:00, 1979-05-27T07:32:00-07:00] \n",
    "dotted": "a . b.'c' = 1\na.b.\"d\" = { e.f = 2, e.g = 3 }\n1.2 = 3\n",
    "spaces": "\t [ a . \"b]\" ] \n\t k\t=\t1 \n [[ 'c' ]]\n",
    "array below an array": "[[a]]\n[[a.b]]\n[a.b.c]\nd = 1\n[[a.b]]\n[[a]]\n[a.b]\n",
    "super table later": "[a.b.c]\n[a.b]\n[a]\nx = [ # c\n 1 # d\n , # e\n ]\n",
    "crlf": 'a = """\r\nx\r\n"""\r\n[b]\r\nc = [\r\n1,\r\n]\r\n',
    "unicode": '"\u00e9" = "\U0001f600"\nb = ["\u6f22", "\\u00e9", "\\U0001F600"]\n"\\"=[" = 1\n',
    "line continuation": 'a = """\\\n   x \\\n  y"""\nb = 1\n',
    "deep array": "a = " + "[" * 150 + "]" * 150,
    "deep key": ".".join("a" * 300) + " = 1",
    "deep table": "a = " + "{b = " * 90 + "1" + "}" * 90,
}


def paths_of(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    todo = [(path, data)]
    while todo:
        path, data = todo.pop()
        yield path, data
        if isinstance(data, dict):
            todo += [((*path, key), each) for key, each in data.items()]
        elif isinstance(data, list):
            todo += [((*path, number), each) for number, each in enumerate(data)]


def check_places(text: str) -> None:
    """What stands at each place must be read by tomllib as the value that the path names."""
    document = parse(text.encode(), file="f.toml")
    assert repr(document.data) == repr(tomllib.loads(text))  # nan is not nan
    known = dict(paths_of(document.data))
    assert not (set(document.keys) | set(document.values)) - set(known), "a path that is not there"
    for path, data in known.items():
        if not path or len(path) > 60:
            continue
        key, value = document.keys.get(path), document.values.get(path)
        assert key or value, f"no place for {path}"
        if isinstance(path[-1], str):
            assert key, f"no key for {path}"
            assert tomllib.loads(f"{taken(document, key)} = 1") == {path[-1]: 1}
        if not isinstance(data, dict | list):
            assert value, f"no value for {path}"
            written = taken(document, value)
            if not written.startswith(('"""', "'''")):
                assert repr(tomllib.loads(f"k = {written}")["k"]) == repr(data)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_documents(text: str) -> None:
    """Every key and value of the data has a place, and what stands there is that value."""
    check_places(text)


STRINGS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)
BLANKS = st.sampled_from(["", " ", "\t", "  "])
BREAKS = st.sampled_from(["", " ", "\n", " # ]},'\"\n", "\n\n"])


def basic(text: str) -> str:
    return '"' + "".join(c if c.isalnum() else f"\\U{ord(c):08x}" for c in text) + '"'


def literal(text: str) -> str:
    plain = "".join(c for c in text if c == "\t" or (" " <= c != "'" and c.isprintable()))
    return f"'{plain}'"


def several_lines(text: str) -> str:
    plain = "".join(c for c in text if c in "\t\n" or (" " <= c != "\\" and c.isprintable()))
    return '"""' + plain.replace('"""', '""').rstrip('"') + '"""'


WRITTEN_STRINGS = st.builds(
    lambda form, text: form(text), st.sampled_from([basic, literal, several_lines]), STRINGS
)
KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True),
    st.builds(lambda form, text: form(text), st.sampled_from([basic, literal]), STRINGS),
)
PLAIN = st.sampled_from(["1", "-0.5e3", "true", "nan", "1979-05-27 07:32:00", "0xff", "07:32:00"])
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)


def inside(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.builds(
        lambda parts, gap: "[" + gap + (gap + "," + gap).join(parts) + gap + "]",
        st.lists(values, max_size=4),
        BREAKS,
    )
    tables = st.builds(
        lambda parts: "{" + ", ".join(f"{key} = {value}" for key, value in parts) + "}",
        st.lists(st.tuples(DOTTED, values), max_size=3),
    )
    return arrays | tables


VALUES = st.recursive(PLAIN | WRITTEN_STRINGS, inside, max_leaves=8)
LINES = st.one_of(
    st.builds("{}{}{}={}{}".format, BLANKS, DOTTED, BLANKS, BLANKS, VALUES),
    st.builds("{}[{}{}]".format, BLANKS, BLANKS, DOTTED),
    st.builds("{}[[{}{}]] # ]]".format, BLANKS, BLANKS, DOTTED),
    st.just("# x = ["),
)


def accepted(lines: list[str]) -> str:
    """Keep each line that tomllib takes together with those before it."""
    kept: list[str] = []
    for line in lines:
        try:
            tomllib.loads("\n".join([*kept, line]))
        except ValueError:
            continue
        kept.append(line)
    return "\n".join(kept)


@pytest.mark.property
@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=12).map(accepted))
def test_places_agree_with_tomllib(text: str) -> None:
    """Whatever tomllib accepts is walked without an exception, and every place is right."""
    check_places(text)


@pytest.mark.property
@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=60), st.text("[]{}=,.#'\"\\\n ab1-", max_size=30).map(str.encode))
)
def test_nothing_but_problems_is_raised(octets: bytes) -> None:
    """Any octets give a Document or Problems that can be printed."""
    try:
        document = parse(octets, file="f.toml")
    except Problems as problems:
        said = str(problems)
    else:
        check_places("\n".join(document.lines))
        said = ""
    assert said.replace("\n", "").isprintable()


def test_a_long_file_is_walked_in_linear_time() -> None:
    """Half a million octets of rules, strings and brackets are no trouble in the time limit."""
    text = '[[rule]]\nid = "x" # [\nto = [' + "'y', " * 20 + "]\n"
    document = parse(text.encode() * 4000, file="f.toml")
    assert document.value(("rule", 3999, "to", 19)).line == 12000


def test_a_huge_file_is_refused() -> None:
    """A file that no admin wrote is not even parsed."""
    with pytest.raises(Problems, match="more than 8 MiB"):
        parse(b"#" * (MAX_OCTETS + 1), file="f.toml")
