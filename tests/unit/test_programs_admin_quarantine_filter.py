"""programs.admin_quarantine_filter: which messages a command is about."""

from dataclasses import replace
from pathlib import Path

import click
import pytest

from qscanner.programs.admin_quarantine_filter import Asked, meant
from qscanner.settings import Quarantine
from qscanner.store.store import Store
from qscanner.store.words import Class, Filter, State, Who
from tests.fakes.holds import several

ANN = Who(name="ann", via="test")


def test_as_the_store_understands_it() -> None:
    """Each option in its field; what is not asked for does not matter."""
    asked = Asked(since=1.0, sender="@x", class_="virus", state="released", score=0.0)
    want = Filter(
        since=1.0, sender="@x", class_=Class.VIRUS, state=State.RELEASED, score=0.0, limit=5
    )
    assert asked.filter(limit=5) == want
    assert not asked.is_empty
    assert not Asked(score=0.0).is_empty
    assert Asked().is_empty
    assert Asked().filter() == Filter()


def test_ids_or_a_filter(tmp_path: Path) -> None:
    """One of them: an empty command line means nothing, least of all everything."""
    with Store.open(Quarantine(dir=str(tmp_path))) as store:
        for ids, asked in (((), Asked()), (("abc",), Asked(rule="x"))):
            with pytest.raises(click.UsageError):
                meant(store, ids, asked)


@pytest.mark.parametrize(
    ("asked", "recipients"),
    [
        (Asked(), ("",)),
        (Asked(since=1.0), ("",)),
        (Asked(since=1.0), ("joe@example.com", "")),
        (Asked(since=1.0, recipient=""), ()),
        (Asked(since=1.0, domain=""), ()),
        (Asked(since=1.0, rule=""), ()),
        (Asked(since=1.0, text=""), ()),
        (Asked(recipient="ann@example.com"), ("joe@example.com",)),
    ],
)
def test_what_would_mean_more(asked: Asked, recipients: tuple[str, ...], tmp_path: Path) -> None:
    """An empty word, as of a variable that is not set, never means everybody's copies."""
    settings = Quarantine(dir=str(tmp_path))
    for hold in several(2):
        hold.keep(settings)
    with Store.open(settings) as store, pytest.raises(click.UsageError):
        meant(store, (), asked, recipients)


def test_whose_copies(tmp_path: Path) -> None:
    """Of what is held, oldest first, each message once, and only the copies that are meant."""
    settings = Quarantine(dir=str(tmp_path))
    holds = several(4)
    holds[3] = replace(holds[3], to=(b"Joe@example.com", b"x@example.com", b"joe@other.example"))
    for hold in holds:
        hold.keep(settings)
    with Store.open(settings) as store:
        store.move(store.find(holds[0].digest), None, State.DELETED, by=ANN)
        found = meant(store, (), Asked(rule="spam"))
        assert [held.digest for held, _ in found] == [hold.digest for hold in holds[1:]]
        assert {these for _, these in found} == {None}

        def copies(asked: Asked, *recipients: str) -> list[list[str]]:
            return [
                [one.address for one in these or ()]
                for _, these in meant(store, (), asked, recipients)
            ]

        joe = ["joe@example.com"]
        assert copies(Asked(recipient="joe@example.com")) == [joe, joe, ["Joe@example.com"]]
        assert copies(Asked(), "JOE@example.com") == [joe, joe, ["Joe@example.com"]]
        assert copies(Asked(recipient="@example.com"))[2] == ["Joe@example.com", "x@example.com"]
        assert copies(Asked(), "sue@example.net", "x@example.com") == [
            ["sue@example.net"],
            ["sue@example.net"],
            ["x@example.com"],
        ]
        store.move(store.find(holds[1].digest), None, State.DELETED, by=ANN)
        assert len(copies(Asked(recipient="joe@example.com"))) == 2
