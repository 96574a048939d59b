"""specimen: made-up messages that nothing finds odd, and archives that open."""

import io
import zipfile
from pathlib import Path

import pytest

from qscanner import specimen
from qscanner.budget import Budget
from qscanner.checks import attachments
from qscanner.deadline import Deadline
from qscanner.mime import MimeLimits, view
from qscanner.model import Direction
from qscanner.policy.trials import Enclosed, Specimen
from qscanner.settings import Limits

MEMBER = Enclosed(name="deep/grüße.txt", octets=b"hello")
ZIP = Enclosed(name="a.zip", is_zip=True, members=(MEMBER, Enclosed(name="b", filler=3)))
LOCKED = Enclosed(name="a.zip", is_zip=True, is_encrypted=True, members=(MEMBER,))
MADE = {
    "nothing": Specimen(),
    "text": Specimen(text="hello\nthere"),
    "text of other letters": Specimen(text="grüße"),
    "a long line": Specimen(text="x" * 5000),
    "html": Specimen(html="<b>x</b>"),
    "both": Specimen(text="x", html="<b>x</b>"),
    "an attachment alone": Specimen(attached=(Enclosed(name="a.txt", octets=b"x"),)),
    "all of it": Specimen(text="x", html="<b>x</b>", attached=(ZIP, Enclosed())),
    "names": Specimen(
        attached=(Enclosed(name='a "b" \\.txt'), Enclosed(name="ü" * 20), Enclosed(name="a;b"))
    ),
    "many recipients": Specimen(recipients=tuple(b"a%d@b.example" % n for n in range(500))),
    "the null sender": Specimen(sender=b""),
}


def looked(made: Specimen) -> attachments.Looked:
    """Give what the path of a message sees of it."""
    seen = view(specimen.octets(made), MimeLimits())
    found = attachments.look(seen, Budget.of(Limits()), lambda *_: None, deadline=Deadline(10))
    return attachments.Looked(parts=found.parts, findings=(*seen.findings, *found.findings))


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_nothing_odd(made: Specimen) -> None:
    """A message that says nothing odd has no findings."""
    assert looked(made).findings == ()


def test_names_as_they_are_said() -> None:
    """Each attachment is seen under its name, whatever characters that has."""
    names = {name for part in looked(MADE["names"]).parts for name in part.names}
    assert {'a "b" \\.txt', "ü" * 20, "a;b"} <= names


def test_zip() -> None:
    """It is an archive for others, too, and what is in it is seen as a part."""
    opened = zipfile.ZipFile(io.BytesIO(specimen._content(ZIP)))
    assert opened.testzip() is None
    assert opened.read("deep/grüße.txt") == b"hello"
    assert opened.read("b") == b"\0\0\0"
    assert [part.path for part in looked(Specimen(attached=(ZIP,))).parts][-2:] == [
        "1/a.zip/deep/grüße.txt", "1/a.zip/b",
    ]  # fmt: skip


def test_zip_with_a_password() -> None:
    """`encrypted` is what a scanner finds."""
    found = looked(Specimen(attached=(LOCKED,)))
    assert [each.id for each in found.findings] == ["archive.encrypted"]


def test_headers() -> None:
    """Given fields stand in the place of ours; () leaves one out; two stand both."""
    made = Specimen(headers=(("date", ()), ("SUBJECT", ("a", "b")), ("X-Y", ("ü",))))
    head = specimen.octets(made).partition(b"\n\n")[0].decode()
    assert "Date:" not in head
    assert "A test" not in head
    assert head.endswith("SUBJECT: a\nSUBJECT: b\nX-Y: ü")


def test_a_file(tmp_path: Path) -> None:
    """An eml is taken as it is; one that went away raises OSError."""
    (tmp_path / "x.eml").write_bytes(b"\0\xff")
    assert specimen.octets(Specimen(eml=str(tmp_path / "x.eml"))) == b"\0\xff"
    with pytest.raises(OSError, match="No such"):
        specimen.octets(Specimen(eml=str(tmp_path / "y.eml")))


CALLERS = {
    "a stranger": (Specimen(), Direction.IN, "", False),
    "with an address": (Specimen(ip="192.0.2.1"), Direction.IN, "", False),
    "authenticated": (Specimen(auth="jane"), Direction.OUT, "jane", False),
    "may relay": (Specimen(is_relay=True), Direction.OUT, "", True),
    "said to be local": (Specimen(direction=Direction.LOCAL), Direction.LOCAL, "", False),
    "by the environment": (Specimen(environment={"RELAYCLIENT": ""}), Direction.OUT, "", True),
}


@pytest.mark.parametrize(("made", "direction", "user", "is_relay"), CALLERS.values(), ids=CALLERS)
def test_callers(made: Specimen, direction: Direction, user: str, is_relay: bool) -> None:
    """A client is one that is believed."""
    found = specimen.caller(made)
    assert (found.direction, found.auth_user, found.is_relay) == (direction, user, is_relay)
    assert found.is_trusted
    assert found.ip == made.ip


def test_envelope() -> None:
    """As qmail-queue reads it."""
    assert (
        specimen.envelope(Specimen(sender=b"a@b", recipients=(b"c@d",))).raw == b"Fa@b\0Tc@d\0\0"
    )
