"""policy.routing: who gets an accepted message."""

import pytest

from qscanner.codec.envelope import encode
from qscanner.model import Action, Decision, Envelope, Verdict
from qscanner.policy.routing import raw, recipients

A, Q = Action.ACCEPT, Action.QUARANTINE


def sent(*redirect_to: bytes, copy_to: tuple[bytes, ...] = ()) -> Decision:
    return Decision(action=A, redirect_to=redirect_to, copy_to=copy_to)


HELD = Decision(action=Q)
TO = (b"a@x", b"b@x", b"c@x")


def envelope(to: tuple[bytes, ...]) -> Envelope:
    return Envelope(sender=b"s@y", recipients=to, raw=encode(b"s@y", to))


@pytest.mark.parametrize(
    ("decisions", "want"),
    [
        ((sent(), sent(), sent()), TO),
        ((sent(), HELD, sent()), (b"a@x", b"c@x")),
        ((sent(b"n@x"), HELD, sent()), (b"n@x", b"c@x")),
        ((sent(b"n@x", b"m@x"), sent(), sent()), (b"n@x", b"m@x", b"b@x", b"c@x")),
        ((sent(b"n@x"), sent(b"n@x"), sent(b"N@x")), (b"n@x",)),
        ((sent(b"b@x"), sent(), HELD), (b"b@x",)),
        ((sent(b"a@x"), HELD, HELD), (b"a@x",)),
        ((sent(b"b@x"), sent(b"a@x"), HELD), (b"b@x", b"a@x")),
        ((sent(copy_to=(b"z@x",)), sent(copy_to=(b"z@x", b"y@x")), HELD),
         (b"a@x", b"b@x", b"z@x", b"y@x")),
        ((sent(copy_to=(b"B@x", b"z@x")), sent(), HELD), (b"a@x", b"b@x", b"z@x")),
        ((sent(copy_to=(b"b@x",)), HELD, HELD), (b"a@x", b"b@x")),
        ((sent(b"n@x", copy_to=(b"n@x",)), HELD, HELD), (b"n@x",)),
    ],
    ids=[
        "all", "one held", "redirected", "to two", "three to one", "to one who has it",
        "to itself", "crosswise", "copies", "a copy to one who has it", "a copy to one held",
        "both",
    ],
)  # fmt: skip
def test_recipients(decisions: tuple[Decision, ...], want: tuple[bytes, ...]) -> None:
    """In the order of the envelope, copies last, nobody twice; the octets say the same."""
    verdict = Verdict(action=A, decisions=decisions)
    assert recipients(envelope(TO), verdict) == want
    assert raw(envelope(TO), verdict) == encode(b"s@y", want)


def test_the_host_itself_is_not_copied() -> None:
    """Or a copy that bounces would be copied; a redirection holds."""
    verdict = Verdict(action=A, decisions=(sent(b"n@x", copy_to=(b"z@x",)),))
    assert recipients(envelope((b"a@x",)), verdict, is_host=True) == (b"n@x",)
    assert raw(envelope((b"a@x",)), verdict, is_host=True) == encode(b"s@y", (b"n@x",))


def test_twice_in_the_envelope() -> None:
    """Stays so: the envelope is the sender's."""
    verdict = Verdict(action=A, decisions=(sent(), sent()))
    given = envelope((b"a@x", b"a@x"))
    assert raw(given, verdict) is given.raw


def test_other_letters_and_no_recipients() -> None:
    """Are carried along as they stand."""
    octets = b"Fs@y\0Mmark\0Ta@x\0Qmore\0Tb@x\0\0"
    given = Envelope(sender=b"s@y", recipients=(b"a@x", b"b@x"), raw=octets)
    verdict = Verdict(action=A, decisions=(sent(b"n@x", copy_to=(b"z@x",)), HELD))
    assert raw(given, verdict) == b"Fs@y\0Mmark\0Tn@x\0Qmore\0Tz@x\0\0"
    empty = Envelope(sender=b"s@y", recipients=(), raw=b"Fs@y\0\0")
    assert raw(empty, Verdict(action=A, decisions=())) == b"Fs@y\0\0"


def test_a_verdict_about_something_else() -> None:
    """Is a mistake of ours."""
    with pytest.raises(ValueError, match="shorter"):
        recipients(envelope(TO), Verdict(action=A, decisions=(sent(),)))
