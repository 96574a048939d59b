"""The words: the order of actions, and values that stay what they are."""

import dataclasses
import inspect

import pytest

from qscanner import model
from qscanner.model import Action, Client, Direction, Envelope, Verdict

VALUES = [
    pytest.param(kind, id=name)
    for name, kind in inspect.getmembers(model, dataclasses.is_dataclass)
]


def test_the_order_of_severity() -> None:
    """A defer beats accept and yields to every definite hit."""
    order = ["accept", "defer", "quarantine", "discard", "reject"]
    assert [action.value for action in sorted(Action, key=lambda each: each.severity)] == order


@pytest.mark.parametrize("kind", VALUES)
def test_values_are_frozen_and_named(kind: type) -> None:
    """Every value is frozen, slotted and made with keywords only."""
    assert "__slots__" in vars(kind)
    assert vars(kind)["__dataclass_params__"].frozen
    assert all(each.kw_only for each in dataclasses.fields(kind))


def test_a_client_of_whom_nothing_is_known_is_believed_nothing() -> None:
    """The defaults of a client are those of a stranger."""
    client = Client(uid=7)
    assert not client.is_trusted
    assert not client.is_relay
    assert not client.is_host
    assert client.direction is Direction.LOCAL
    assert not client.environment


def test_what_is_long_or_secret_stays_out_of_repr() -> None:
    """The raw envelope and the environment never come along with a repr in a log."""
    assert "raw-octets" not in repr(Envelope(sender=b"", recipients=(), raw=b"raw-octets"))
    assert "secret" not in repr(Client(uid=7, environment={"PASSWORD": "secret"}))


def test_a_verdict_edits_nothing_unless_asked() -> None:
    """The default of the edits is none."""
    edits = Verdict(action=Action.ACCEPT, decisions=()).edits
    assert edits.add_headers == ()
    assert edits.subject_prefix == ""
