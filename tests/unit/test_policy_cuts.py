"""policy.cuts: which parts a rule takes out, and when that is not to be said."""

from pathlib import Path
from typing import Any

import pytest

from qscanner.model import Cut, Part
from qscanner.policy.cuts import cuts, goes_with
from qscanner.policy.evidence import Evidence
from tests.fakes.facts import TODAY, facts, part, policy


def rule(asked: str, *, id_: str = "a", strip: bool = True) -> str:
    said = ["[[rule]]", f'id = "{id_}"', f'why = "why {id_}"', f"part = {{ {asked} }}"]
    return "\n".join([*said, 'action = "accept"', f"strip = {str(strip).lower()}", ""])


def taken(folder: Path, rules: str, *parts: Part) -> tuple[Cut, ...] | None:
    return cuts(policy(folder, rules).rules, Evidence(facts(parts=parts), TODAY))


TEXT = part(path="1", span=(10, 20), declared="text/plain")
EXE = part("a.exe", path="2/a.exe", kinds=("pe",), span=(30, 90))
ZIP = part("b.zip", path="3/b.zip", kinds=("zip",), span=(95, 120))
MEMBER = part("c.exe", path="3/b.zip/c.exe", kinds=("pe",), span=(95, 120))
OTHER = part("d.exe", path="2~sweep1/d.exe", kinds=("pe",))
STRAY = part("e.exe", path="~stray1/e.exe", kinds=("pe",))
FORWARD = part("f.eml", path="4/f.eml", kinds=("message",), span=(130, 300))
FORWARDED = part("g.exe", path="4.2/g.exe", kinds=("pe",), span=(200, 250))
PE, ALL = "kind = 'pe'", "kind = ['pe', 'message', 'zip']"


@pytest.mark.parametrize(
    ("asked", "parts", "want"),
    [
        (PE, (TEXT, ZIP), []),
        (PE, (TEXT, EXE, ZIP), [((30, 90), "2/a.exe", "")]),
        (PE, (TEXT, EXE, ZIP, MEMBER),
         [((30, 90), "2/a.exe", ""), ((95, 120), "3/b.zip", "3/b.zip/c.exe")]),
        ("kind = ['pe', 'zip']", (ZIP, MEMBER), [((95, 120), "3/b.zip", "")]),
        (PE, (FORWARD, FORWARDED), [((200, 250), "4.2/g.exe", "")]),
        (ALL, (FORWARD, FORWARDED), [((130, 300), "4/f.eml", "")]),
        (PE, (EXE, OTHER), [((30, 90), "2/a.exe", "")]),
        (PE, (TEXT, OTHER), None),
        (PE, (EXE, STRAY), None),
        ("kind = 'pe', count_over = 5", (EXE,), [((30, 90), "2/a.exe", "")]),
        ("any = [{ name = 'x' }, { name = 'a.exe' }]", (EXE, ZIP), [((30, 90), "2/a.exe", "")]),
    ],
    ids=[
        "none", "one", "of an archive, the whole", "archive and member", "in a forwarded message",
        "the forwarded message", "another reading of what goes", "another reading",
        "a stray part", "count_over is the rule's, not the part's", "any",
    ],
)  # fmt: skip
def test_what_is_taken(
    tmp_path: Path, asked: str, parts: tuple[Part, ...], want: list[Any] | None
) -> None:
    """The outermost part that has a place in the octets; nothing where one has none."""
    found = taken(tmp_path, rule(asked), *parts)
    got = None if found is None else [(c.span, c.part.path, c.inside) for c in found]
    assert got == want


def test_several_rules(tmp_path: Path) -> None:
    """The first that means a part is named; those without strip take nothing."""
    rules = rule("name = 'zip'", strip=False, id_="no") + rule(PE, id_="b") + rule(ALL, id_="c")
    found = taken(tmp_path, rules, TEXT, EXE, ZIP)
    assert found
    assert [(c.rule, c.why, c.span[0]) for c in found] == [("b", "why b", 30), ("c", "why c", 95)]


@pytest.mark.parametrize(
    ("signature", "want"),
    [
        (part(path="1.2/s.asc", declared="application/pgp-signature"), [True, False]),
        (part(path="3/smime.p7s", declared="application/pkcs7-signature"), [True, True]),
        (part(path="2.2", declared="application/pkcs7-signature"), [False, True]),
        (part(path="3", declared="text/plain"), [False, False]),
    ],
    ids=["around the first", "around all", "around the second", "none"],
)
def test_what_is_signed(tmp_path: Path, signature: Part, want: list[bool]) -> None:
    """A signature beside it, or beside what it is in, is about it."""
    inner = (
        part("a.exe", path="1.1.2/a.exe", kinds=("pe",), span=(1, 2)),
        part("b.exe", path="2.1/b.exe", kinds=("pe",), span=(3, 4)),
    )
    found = taken(tmp_path, rule(PE), *inner, signature)
    assert found
    assert [cut.is_signed for cut in found] == want


@pytest.mark.parametrize(
    ("other", "want"),
    [(EXE, True), (TEXT, False), (OTHER, True), (STRAY, False),
     (part(path="2.1"), True), (part(path="20"), False), (part(path="2.uu1/x"), True),
     (part(path="?"), False)],
    ids=["itself", "another", "another reading", "stray", "in it", "a longer number", "uuencoded",
         "no place"],
)  # fmt: skip
def test_goes_with(tmp_path: Path, other: Part, want: bool) -> None:
    """What is in it, or read from it, by place or by path."""
    (cut,) = taken(tmp_path, rule(PE), EXE) or ()
    assert goes_with(other, cut) is want


def test_a_part_without_numbers(tmp_path: Path) -> None:
    """Nothing goes with a part whose path has none."""
    (cut,) = taken(tmp_path, rule(PE), part("x.exe", path="?", kinds=("pe",), span=(1, 2))) or ()
    assert not goes_with(TEXT, cut)
    assert not goes_with(OTHER, cut)
