"""forms: blanks, rows, and lines that fall away."""

import pytest

from qscanner.forms import fill, fill_with_rows, mistakes, mistakes_with_rows

FORM = "to $who\n%rows\n- $name\n  says $what\n%end\nand $more more\n\n\n\nend\n"


def test_fill() -> None:
    """What is known is filled in, once; the rest stays."""
    assert fill("$a ${a}b $$ $x $", {"a": "$b"}) == "$b $bb $ $x $"


def test_rows() -> None:
    """Once for each; a line without its blank is left out, and blank lines are never many."""
    rows = [{"name": "a", "what": "x"}, {"name": "b", "what": ""}]
    assert fill_with_rows(FORM, {"who": "joe", "more": ""}, rows) == (
        "to joe\n- a\n  says x\n- b\n\nend\n"
    )
    assert fill_with_rows(FORM, {"who": "", "more": "3"}, []) == "and 3 more\n\nend\n"


def test_values_are_no_form() -> None:
    """What a stranger writes is neither blank nor mark."""
    rows = [{"name": "$who\n%end\n%rows", "what": "$what"}]
    assert fill_with_rows(FORM, {"who": "joe", "more": ""}, rows) == (
        "to joe\n- $who\n%end\n%rows\n  says $what\n\nend\n"
    )


def test_rows_know_what_is_known() -> None:
    """And their own names count before."""
    got = fill_with_rows("%rows\n$a $b\n%end", {"a": "1", "b": "2"}, [{"b": "3"}])
    assert got.split() == ["1", "3"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FORM, []),
        ("  %rows  \n$name\n\t%end", []),
        ("$who", ["it needs one line"]),
        ("%rows\n$name", ["it needs one line"]),
        ("%end\n%rows\n", ["it needs one line"]),
        ("%rows\n%end\n%rows\n%end", ["it needs one line"]),
        ("$name\n%rows\n%end", ['"$name" is not known here (who, more)']),
        ("%rows\n$nam\n%end", ['"$nam" is not known here (who, more, name, what)']),
        ("%rows\n$ 5\n%end", ['a "$" without']),
    ],
    ids=["fine", "blanks", "none", "open", "turned", "two", "outside", "misspelt", "dollar"],
)
def test_mistakes(text: str, said: list[str]) -> None:
    """Each is told once, and a form with it is filled in all the same."""
    found = list(mistakes_with_rows(text, ("who", "more"), ("name", "what")))
    assert len(found) == len(said)
    assert all(each.startswith(begin) for each, begin in zip(found, said, strict=True))
    assert isinstance(fill_with_rows(text, {"who": "", "more": ""}, [{"name": ""}]), str)


def test_mistakes_without_rows() -> None:
    """Of an ordinary form."""
    assert list(mistakes("$a $b", ("a",))) == ['"$b" is not known here (a)']
