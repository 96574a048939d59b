r"""codec.mistakes: for what people write wrongly, the file's line, a caret and what to do."""

import pytest

from qscanner.codec.places import parse
from qscanner.codec.problems import Problems


@pytest.mark.parametrize(
    ("text", "line", "advice", "under_caret"),
    [
        (r'name = "\.exe$"', 1, "put a regex in single quotes", r"\."),
        ('name = """x\n\\y"""', 2, "put a regex in single quotes", r"\y"),
        (r'name = "\u12"', 1, "use single quotes", r"\u"),
        ("a = 1\nwithin = 60 s", 2, 'stands in quotes: "60 s"', "s"),
        ("within = 60s", 1, 'stands in quotes: "60 s"', "s"),
        ("engines = clamav", 1, "text stands in quotes", "c"),
        ("dir = /var/spool", 1, "text stands in quotes", "/"),
        ("keep = True", 1, "in lower case", "T"),
        ("keep = yes", 1, "in lower case", "y"),
        ("a = \u201cauto\u201d", 1, "use straight quotes", "\u201c"),
        ("a = \nb = 1", 1, "a value is missing", ""),
        ("a = # later", 1, "a value is missing", "#"),
        ("a = 1\n  a = 2", 2, "stands twice", "a = 2"),
        ("[a]\nb = 1\n[a]", 3, "this table stands twice", "[a]"),
        ('a = "x', 1, "the string never ends", '"'),
        ('a = "x\nb = 1', 1, "a quote is missing", ""),
        ('a = """x\nb = 1\n\n', 1, "the string never ends", '"'),
        ("a = '''x\nb = 1", 1, "the string never ends", "'"),
        ("a = 'x\nb = 1", 1, "the string never ends", "'"),
        ("a = 'x\nb = 'y'", 1, "a ' is missing", ""),
        ("just words", 1, "either [table] or key = value", "just words"),
        ("a = [1 2]", 1, "the closing ] of a list", "2"),
        ("a = [1,\n", 1, "a value is missing", ""),
        ("a = {b = 1 c = 2}", 1, "the closing } is missing", "c"),
        ("\ufeffa = 1", 1, "byte order mark", "\ufeff"),
        ("a = 1\n[b", 2, "not TOML: expected ']'", ""),
        ("a = 'x' b = 2", 1, "not TOML: expected newline", "b"),
    ],
    ids=lambda value: repr(value)[1:30] if isinstance(value, str) else "",
)
def test_advice(text: str, line: int, advice: str, under_caret: str) -> None:
    """Each usual mistake has its own words, and the caret stands on it."""
    with pytest.raises(Problems) as caught:
        parse(text.encode(), file="f.toml")
    (problem,) = caught.value.problems
    assert problem.line == line
    assert advice in problem.text
    start = problem.column - 1
    assert problem.source[start : start + problem.length] == under_caret


def test_not_utf8() -> None:
    """A file in Latin-1 is shown with the first octet that is wrong."""
    with pytest.raises(Problems) as caught:
        parse("a = 1\nb = 'caf\u00e9'\n".encode("latin-1"), file="f.toml")
    assert str(caught.value) == (
        "f.toml:2: octet 0xe9 is not UTF-8: save the file as UTF-8\n"
        "    b = 'caf\ufffd'\n"
        "            ^\n"
        "1 problem"
    )


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "1" * 5000], ids=["deep", "long"])
def test_what_tomllib_itself_cannot_bear(text: str) -> None:
    """Python's own limits end as a problem, not as a bug."""
    with pytest.raises(Problems):
        parse(text.encode(), file="f.toml")
