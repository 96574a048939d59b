"""The words of the store: states that follow each other, and who is at work."""

import os

import pytest

from qscanner.store.words import FROM, OPEN, Class, State, StoreError, Unknown, Who


def test_states_follow_each_other() -> None:
    """What is final is left by no way, and a release goes through a claim."""
    final = {State.RELEASED, State.DELETED, State.EXPIRED}
    assert not final & {before for states in FROM.values() for before in states}
    assert FROM[State.RELEASED] == (State.RELEASING,)
    assert set(FROM) == set(State)
    assert set(OPEN) == set(State) - final


def test_bits() -> None:
    """Each state has a bit of its own."""
    assert len({state.bit for state in State}) == len(State)
    assert sum(state.bit for state in State) == 31


def test_who_is_at_work() -> None:
    """This process is; one with its pid and another start is not, nor one of another host."""
    me = Who.here("test")
    assert me.name
    assert me.is_at_work
    host, _, started = me.via.rpartition(":")
    for via in (f"{host}:{int(started) + 1}", me.via.replace("@", "@not-"), "x", "", "a@b:1:1"):
        assert not Who(name="x", via=via).is_at_work


def test_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit names the person, not root."""
    monkeypatch.setenv("SUDO_USER", "ann")
    assert Who.here("test").name == "ann"


def test_a_uid_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told by its number."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(KeyError("nobody")))
    assert Who.here("test").name == f"uid {os.getuid()}"


def test_classes_are_those_of_the_settings() -> None:
    """Every class has a time for which it is kept."""
    from qscanner.settings import Keep

    assert {each.value for each in Class} == set(Keep.__dataclass_fields__)


def test_errors() -> None:
    """They have one root."""
    assert issubclass(Unknown, StoreError)
