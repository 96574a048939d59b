"""The one table of endings: its columns agree, and it is the table of the manual."""

import inspect

import pytest

from qscanner import outcomes
from qscanner.outcomes import REPLIES, CheckFailed, Ending, QScannerError
from tests.fakes.replies import Flavour, closing, smtp_reply

# DESIGN.md section 5, and the exit codes of qmail-queue(8).
CODES = {
    Ending.ACCEPTED: 0,
    Ending.HELD: 0,
    Ending.DISCARDED: 0,
    Ending.REJECTED: 31,
    Ending.DEFERRED: 71,
    Ending.ADDRESS_TOO_LONG: 11,
    Ending.OUT_OF_MEMORY: 51,
    Ending.DEADLINE: 52,
    Ending.DISK_FULL: 53,
    Ending.CUT_SHORT: 54,
    Ending.UNUSABLE: 55,
    Ending.BUG: 81,
    Ending.BAD_ENVELOPE: 91,
}
ENDING_OF = {
    "QScannerError": Ending.BUG,
    "Unusable": Ending.UNUSABLE,
    "CutShort": Ending.CUT_SHORT,
    "BadEnvelope": Ending.BAD_ENVELOPE,
    "AddressTooLong": Ending.ADDRESS_TOO_LONG,
    "DiskFull": Ending.DISK_FULL,
    "OutOfTime": Ending.DEADLINE,
    "Later": Ending.DEFERRED,
}
BY_NAME = [pytest.param(ending, id=ending.value) for ending in Ending]


def test_every_ending_has_one_row() -> None:
    """No ending is without a row, and no row without an ending."""
    assert set(REPLIES) == set(Ending) == set(CODES)


@pytest.mark.parametrize("ending", BY_NAME)
def test_the_codes_are_those_of_the_manual(ending: Ending) -> None:
    """The exit code without a text is the one that every qmail understands."""
    assert REPLIES[ending].exit_without_text == CODES[ending]


@pytest.mark.parametrize("ending", BY_NAME)
def test_the_columns_agree(ending: Ending) -> None:
    """Exit code, SMTP code, enhanced code and letter tell the same story."""
    reply = REPLIES[ending]
    kind = reply.smtp // 100
    assert kind == int(reply.dsn[0])
    assert (kind == 2) == (reply.exit_without_text == 0)
    assert (kind == 5) == (11 <= reply.exit_without_text <= 40)
    assert bool(reply.letter) == bool(reply.text)
    assert kind in {"": (2, 4, 5), "D": (5,), "Z": (4,)}[reply.letter]


@pytest.mark.parametrize("flavour", [pytest.param(kind, id=kind.name.lower()) for kind in Flavour])
@pytest.mark.parametrize("ending", BY_NAME)
def test_every_qmail_says_what_the_table_says(ending: Ending, flavour: Flavour) -> None:
    """Without a text each kind of qmail answers with the SMTP code of our row."""
    reply = REPLIES[ending]
    said = smtp_reply(closing(flavour, reply.exit_without_text, b""))
    assert said[:3] == str(reply.smtp)


@pytest.mark.parametrize("ending", BY_NAME)
def test_only_a_decision_and_a_long_address_are_permanent(ending: Ending) -> None:
    """Whatever is trouble of ours means "later"."""
    is_permanent = REPLIES[ending].smtp // 100 == 5
    assert is_permanent == (ending in (Ending.REJECTED, Ending.ADDRESS_TOO_LONG))


def test_every_exception_has_its_ending() -> None:
    """The tree of exceptions is this one; a new one must say how it ends."""
    ours = {
        name: kind.ending
        for name, kind in inspect.getmembers(outcomes, inspect.isclass)
        if issubclass(kind, QScannerError)
    }
    assert ours == ENDING_OF


def test_a_failed_check_ends_nothing() -> None:
    """CheckFailed is no way out of a program: it becomes an outcome of the check."""
    assert not issubclass(CheckFailed, QScannerError)
    assert not hasattr(CheckFailed, "ending")


def test_a_row_cannot_be_changed() -> None:
    """The rows are frozen values."""
    with pytest.raises(AttributeError):
        REPLIES[Ending.BUG].smtp = 250
