"""checks.told: what a scorer hears of envelope and findings, and that it is only ASCII lines."""

import pytest

from qscanner.checks.told import told
from qscanner.model import Client, Envelope, Finding, Part

ENVELOPE = Envelope(sender=b"s@x.example", recipients=(b"a@y.example",), raw=b"")
CLIENT = Client(uid=1, ip="192.0.2.1", host="h.example", auth_user="ann")


def test_everything_is_told() -> None:
    """Envelope, connection, every finding and the first name of every part, each once."""
    said = told(
        ENVELOPE,
        CLIENT,
        [Finding(id="mime.x"), Finding(id="name.y", where="2"), Finding(id="mime.x", where="3")],
        [
            Part(path="1"),
            Part(path="2", names=("a.pdf", "b.pdf")),
            Part(path="3", names=("c.zip",)),
        ],
    )
    assert (said.sender, said.recipients) == (b"s@x.example", (b"a@y.example",))
    assert (said.ip, said.host, said.auth_user) == ("192.0.2.1", "h.example", "ann")
    assert said.head == (
        b"X-Qscanner-Findings: mime.x name.y\nX-Qscanner-Attachments: a.pdf; c.zip\n"
    )


def test_nothing_found_is_no_line() -> None:
    """Ordinary mail is scored as it came."""
    assert told(ENVELOPE, CLIENT, [], [Part(path="1")]).head == b""


@pytest.mark.parametrize(
    "name",
    ["a\r\nSubject: x.pdf", "a\n\nbody", "\u202efdp.exe", "n\u00e4me.pdf", "x" * 5000, "\0"],
    ids=["line", "end of header", "bidi", "letters", "long", "nul"],
)
def test_a_name_is_never_a_line(name: str) -> None:
    """What a stranger calls a file ends no line and stays below the bound of RFC 5322."""
    head = told(ENVELOPE, CLIENT, [], [Part(path="1", names=(name,))] * 3).head
    assert head.count(b"\n") == 1
    assert head.endswith(b"\n")
    assert len(head) < 998
    assert all(octet == 10 or 32 <= octet < 127 for octet in head)


def test_many_findings_are_cut() -> None:
    """As many as fit on a line, whole ones."""
    found = [Finding(id=f"kind.number-{number}") for number in range(1000)]
    head = told(ENVELOPE, CLIENT, found, []).head
    assert len(head) < 998
    last = head.split()[-1].decode()
    assert last in {each.id for each in found}
