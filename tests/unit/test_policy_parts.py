"""policy.parts: which parts each table means, and that keys hold on the same part."""

import pytest

from qscanner.model import Part, Where
from qscanner.patterns import compile, compile_glob
from qscanner.policy.addresses import FOREVER
from qscanner.policy.names import names
from qscanner.policy.parts import Parts, PartTable
from tests.fakes.facts import TODAY, evidence, part

EXE = PartTable(names=(compile(r"\.exe$"), compile(r"\.scr$")))


@pytest.mark.parametrize(
    ("table", "given", "want"),
    [
        (PartTable(), part(), True),
        (EXE, part("a.pdf", "a.scr"), True),
        (EXE, part("a.pdf"), False),
        (EXE, part(), False),
        (PartTable(name_lists=(names([(".exe", FOREVER)]),)), part("x", "a.EXE"), True),
        (PartTable(name_lists=(names([(".exe", FOREVER)]),)), part("a.pdf"), False),
        (PartTable(kinds=frozenset({"pe", "lnk"})), part(kinds=("text", "lnk")), True),
        (PartTable(kinds=frozenset({"pe"})), part(kinds=("text",)), False),
        (PartTable(types=(compile_glob("image/*"),)), part(declared="image/png"), True),
        (PartTable(types=(compile_glob("image/*"),)), part(declared=""), False),
        (PartTable(types=(compile_glob("a/*"), compile_glob("b/*"))), part(declared="b/c"), True),
        (PartTable(over=9), part(octets=10), True),
        (PartTable(over=10), part(octets=10), False),
        (PartTable(under=11), part(octets=10), True),
        (PartTable(under=10), part(octets=10), False),
        (PartTable(wheres=frozenset({Where.ARCHIVE})), part(where=Where.ARCHIVE), True),
        (PartTable(wheres=frozenset({Where.ARCHIVE})), part(), False),
        (PartTable(is_encrypted=True), part(is_encrypted=True), True),
        (PartTable(is_encrypted=True), part(), False),
        (PartTable(is_encrypted=False), part(), True),
        (PartTable(is_unreadable=True), part(is_unreadable=True), True),
        (PartTable(is_unreadable=True), part(), False),
        (PartTable(any_of=(EXE, PartTable(over=9))), part(octets=10), True),
        (PartTable(any_of=(EXE, PartTable(over=9))), part(octets=9), False),
        (PartTable(over=9, any_of=(EXE,)), part("a.exe", octets=9), False),
    ],
)
def test_one_part(table: PartTable, given: Part, want: bool) -> None:
    """Every key, and tables within it."""
    assert table.is_meant(given, TODAY) is want


@pytest.mark.parametrize(
    ("condition", "given", "want"),
    [
        (Parts(name="part", table=EXE), (part("a.exe"),), True),
        (Parts(name="part", table=EXE), (part("a"), part("a.exe")), True),
        (Parts(name="part", table=EXE), (), False),
        (Parts(name="part", table=EXE, count_over=1), (part("a.exe"), part("b")), False),
        (Parts(name="part", table=EXE, count_over=1), (part("a.exe"), part("b.exe")), True),
        (
            Parts(name="part", table=PartTable(names=(compile("a"),), over=9)),
            (part("a"), part("b", octets=10)),
            False,
        ),
    ],
    ids=["one", "the second", "none", "not over", "over", "not the same part"],
)
def test_a_message(condition: Parts, given: tuple[Part, ...], want: bool) -> None:
    """More than so many parts are meant."""
    assert condition.holds(evidence(parts=given)) is want


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ((part("a.exe", octets=3), part("b.exe")),
         'part "1", called "a.exe", 3 octets, and 1 more'),
        ((part("x"), part("b.scr", kinds=("pe", "zip"), path="2/b")),
         'part "2/b", called "b.scr", is pe/zip, 0 octets'),
        ((part("x"),), "none of 1 parts"),
    ],
)  # fmt: skip
def test_because(given: tuple[Part, ...], want: str) -> None:
    """The first part that is meant, and how many more there are."""
    assert Parts(name="part", table=EXE).because(evidence(parts=given)) == want
