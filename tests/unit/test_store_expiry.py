"""Expiry: which time goes for which class. What becomes of mail is tested in fakes/vault.py."""

from qscanner.settings import Keep, Quarantine
from qscanner.store.expiry import Expired, cutoffs
from qscanner.store.words import Class


def test_cutoffs() -> None:
    """Each class has its own time; 0 is for ever."""
    found = cutoffs(Quarantine(keep=Keep(virus=10.0, spam=0.0)), 1000.0)
    assert found[Class.VIRUS] == 990.0
    assert Class.SPAM not in found
    assert set(found) == set(Class) - {Class.SPAM}


def test_nothing_done() -> None:
    """It begins with nothing."""
    assert Expired() == Expired(expired=0, removed=0, packed=0, forgotten=0)
