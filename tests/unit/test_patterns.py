"""patterns: what is searched, what is refused and with what advice, and that both are bounded."""

import time

import pytest

from qscanner.patterns import (
    MAX_PATTERN_CHARS,
    MAX_TEXT_CHARS,
    PatternError,
    Patterns,
    as_octets,
    compile,
    compile_for_texts,
    compile_glob,
)


@pytest.mark.parametrize(
    ("pattern", "text", "want"),
    [
        (r"\.exe$", "a.exe", True),
        (r"\.exe$", "a.exe.txt", False),
        (r"\.exe$", "a.exe\n", False),
        (r"(?i)EXE", "a.exe", True),
        ("EXE", "a.exe", False),
        ("^a.b$", "a\nb", True),
        ("^b", "a\nb", False),
        (r"\x{202e}", "a\u202eb", True),
        ("é$", "café", True),
        ("a", "\ud800a", True),
        ("\0", "a\0b", True),
        (".*", "", True),
    ],
    ids=[
        "end",
        "not at the end",
        "a newline is not the end",
        "without regard to case",
        "with regard to case",
        "a dot is also a newline",
        "a newline is no beginning",
        "a character by its number",
        "letters beyond ASCII",
        "half a character in the text",
        "NUL",
        "empty text",
    ],
)
def test_search(pattern: str, text: str, want: bool) -> None:
    """A pattern hits anywhere, and means the whole text by ^ and $."""
    assert compile(pattern).search(text) is want


@pytest.mark.parametrize(
    ("glob", "text", "want"),
    [
        ("image/*", "image/png", True),
        ("image/*", "ximage/png", False),
        ("*.Test", "win.TEST", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a.c", "abc", False),
        ("*", "", True),
        ("*", "a\nb", True),
        ("***a***", "xay", True),
        ("[a]", "[A]", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_globs(glob: str, text: str, want: bool) -> None:
    """A glob means the whole text; only * and ? are special in it."""
    assert compile_glob(glob).search(text) is want


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("(?=a)", "lookahead"),
        ("(?!a)", "unless"),
        ("(?<=a)b", "lookbehind"),
        ("(?<!a)b", "lookbehind"),
        (r"(a)\1", "backreferences"),
        ("(?P=n)", "backreferences"),
        ("(?>a)", "possessive"),
        ("a++", "possessive"),
        (r"a\Z", r"\z"),
        (r"\u202e", r"\x{202E}"),
        ("(a", r"\("),
        ("a)", r"\)"),
        ("[a", r"\["),
        ("a\\", "lone"),
        ("*.exe", "nothing before"),
        ("a{1001}", "1000"),
        (r"(\pL{100}){2}", "too large"),
        (r"\pL{1000}", "too large"),
        (r"\p{Foo}", r"RE2: invalid character class range: \p{Foo}"),
        ("", "empty"),
        ("\ud800", "half a character"),
        ("a" * (MAX_PATTERN_CHARS + 1), "longer"),
    ],
)
def test_what_cannot_be_used(pattern: str, advice: str) -> None:
    """The error says what to write instead."""
    with pytest.raises(PatternError) as caught:
        compile(pattern)
    assert advice in str(caught.value)


def test_a_long_glob_is_refused() -> None:
    """As a long pattern is."""
    with pytest.raises(PatternError):
        compile_glob("a" * (MAX_PATTERN_CHARS + 1))


def test_long_texts_are_looked_at_from_both_ends() -> None:
    """The middle is left out: what begins or ends a name or header is always seen."""
    text = "begin" + "x" * MAX_TEXT_CHARS + "hidden" + "x" * MAX_TEXT_CHARS + ".exe"
    assert compile("^begin").search(text)
    assert compile(r"\.exe$").search(text)
    assert not compile("hidden").search(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "a" * 100_000 + "!"),
        ("(a|a)*b", "a" * 100_000),
        (r"(.{0,150}a.{0,150}b){1,2}z", "ab" * 50_000),
    ],
    ids=["nested repetition", "alternation", "many states"],
)
def test_no_pattern_is_slow(pattern: str, text: str) -> None:
    """What takes re for ever takes RE2 a moment."""
    begun = time.monotonic()
    assert not compile(pattern).search(text)
    assert time.monotonic() - begun < 5


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """RE2 by itself writes its complaints to stderr."""
    with pytest.raises(PatternError):
        compile("(")
    assert capfd.readouterr() == ("", "")


MANY = [
    *(compile(f"(?i)word{n}\\b") for n in range(70)),
    compile("^begin"),
    compile("end$"),
    compile(r"\Qa.b"),
    compile(r"x\Q.\Ey"),
    compile("(?s)u.v|q"),
    compile_glob("mime.*"),
    compile("[" + "".join(map(chr, range(0x4E00, 0x4F00))) + "]{20}"),
]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["nothing"],
        ["a WORD33 and word7"],
        ["word3333"],
        ["begin", "the end"],
        ["not begin", "end not"],
        ["a.b", "axb"],
        ["x.y", "q"],
        ["MIME.x"],
        ["u\nv"],
        ["\u4e01" * 20],
        ["begin" + "x" * MAX_TEXT_CHARS * 2 + "word1"],
        ["\ud800 word2"],
    ],
)
def test_together_as_one_by_one(texts: list[str]) -> None:
    """Patterns that are joined hit what each of them hits by itself."""
    want = {each for each in MANY if any(each.search(text) for text in texts)}
    assert set(Patterns([*MANY, MANY[0]]).hits(texts)) == want


def test_in_octets_nothing_is_left_out() -> None:
    """Whole texts are searched to their middle."""
    octets = as_octets("x" * MAX_TEXT_CHARS + " word5 " + "x" * MAX_TEXT_CHARS)
    assert Patterns(MANY).hits_in_octets([octets]) == [MANY[5]]
    assert MANY[5].search_octets(octets)


def test_most_texts_cost_a_few_searches() -> None:
    """Not one for each pattern: that is the point."""
    assert len(Patterns(MANY)._groups) <= 8


def test_patterns_for_texts_are_smaller() -> None:
    """Texts are long, and time is size by length."""
    assert compile_for_texts("(?i)a{100}").source == "(?i)a{100}"
    with pytest.raises(PatternError, match="too large"):
        compile_for_texts("(?i)[a-z]{900}")
