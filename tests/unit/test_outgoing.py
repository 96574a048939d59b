"""The message as it leaves: our lines on top, forged ones out, all else octet for octet."""

import os
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner import outgoing
from qscanner.intake import IN_MEMORY_OCTETS
from qscanner.model import Cut, Edits, Part
from qscanner.outcomes import DiskFull
from qscanner.spool import Message
from tests.fakes import child

LINES = ("X-Spam-Flag: NO", "X-Qscanner: mx.example id=1 verdict=accept")
HEAD = b"X-Spam-Flag: NO\nX-Qscanner: mx.example id=1 verdict=accept\n"


def composed(
    octets: bytes,
    *,
    lines: tuple[str, ...] = LINES,
    prefix: str = "",
    folder: str = "/nonexistent",
) -> bytes:
    """Give the outgoing octets, and see that the incoming message was left alone."""
    message = Message.of_octets(octets)
    os.lseek(message.fd, 0, os.SEEK_SET)
    fd = outgoing.compose(message, lines, Edits(subject_prefix=prefix), folder=folder)
    try:
        assert os.lseek(message.fd, 0, os.SEEK_CUR) == 0
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)
        message.close()


UNCHANGED = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\n", id="only-a-blank-line"),
    pytest.param(b"no header at all", id="no-header"),
    pytest.param(b"Subject: x\n\nbody\n", id="usual"),
    pytest.param(b"Subject: x\r\n\r\nbody\r\n", id="crlf"),
    pytest.param(b"Subject: x", id="no-newline"),
    pytest.param(b" a continuation first\nSubject: x\n\nbody", id="continuation-first"),
    pytest.param(b"From ann Mon Nov 23 2026\nSubject: x\n\nbody", id="mbox-line"),
    pytest.param(b"A: b\n\nX-Qscanner: in the body\nX-Spam-Flag: YES\n", id="ours-in-the-body"),
    pytest.param(b"\nX-Qscanner: all is body\n", id="blank-line-first"),
    pytest.param(b"\0\xff\r\rbare\n\nbody\0\n\n.\n", id="any-octet"),
    pytest.param(b"X-Spam-Report: not ours\nX-Qscanner-Not: x\n\n", id="names-like-ours"),
    pytest.param(b"A: b\n X-Spam-Flag: in a continuation\n\n", id="ours-in-a-continuation"),
]


@pytest.mark.parametrize("octets", UNCHANGED)
def test_nothing_is_changed(octets: bytes) -> None:
    """Our lines, then the message as it came."""
    assert composed(octets) == HEAD + octets


@given(st.binary(max_size=2000))
def test_any_octets_leave_as_they_came(octets: bytes) -> None:
    """Octets that hold none of our names (binary never does) are untouched."""
    assert composed(octets) == HEAD + octets


FORGED = [
    b"X-Qscanner: f\n",
    b"X-Spam-Flag:f\n g\n",
    b"x-spam-status : f\r\n\tg\r\n",
    b"X-SPAM-LEVEL:\n",
]
OTHERS = [b"Subject: x\n", b"To: a\n b\n", b"junk line\n", b"X-Spam: y\n", b"A: X-Qscanner: z\r\n"]


@given(
    st.lists(st.sampled_from([*FORGED, *OTHERS]), max_size=12),
    st.sampled_from([b"", b"\n", b"\nX-Qscanner: body\n", b"\r\nX-Spam-Flag: body\r\n"]),
)
def test_only_the_forged_lines_are_taken_out(lines: list[bytes], body: bytes) -> None:
    """Wherever they stand among whatever: forged ones go, everything else stays in its order."""
    kept = b"".join(line for line in lines if line not in FORGED)
    assert composed(b"".join(lines) + body) == HEAD + kept + body


@pytest.mark.parametrize("name", outgoing.OURS)
def test_a_forged_line_without_newline(name: str) -> None:
    """The message may end inside the forged line."""
    assert composed(b"A: b\n" + name.encode() + b": forged") == HEAD + b"A: b\n"


def test_no_lines_no_edits() -> None:
    """Without lines of ours it is the message, less what is forged."""
    assert composed(b"X-Spam-Flag: NO\nA: b\n\nc", lines=()) == b"A: b\n\nc"


@pytest.mark.parametrize(
    ("octets", "prefix", "want"),
    [
        pytest.param(b"Subject: x\n\n", "[SPAM]", b"Subject: [SPAM] x\n\n", id="usual"),
        pytest.param(b"Subject: x\n\n", "[SPAM] ", b"Subject: [SPAM] x\n\n", id="with-blank"),
        pytest.param(b"A: b\nSubject:x\n\n", "[S]", b"A: b\nSubject: [S] x\n\n", id="no-blank"),
        pytest.param(b"Subject:\tx\n\n", "[S]", b"Subject: [S]\tx\n\n", id="a-tab"),
        pytest.param(b"Subject:\n x\n\n", "[S]", b"Subject: [S]\n x\n\n", id="folded"),
        pytest.param(b"Subject:\r\n x\r\n\r\n", "[S]", b"Subject: [S]\r\n x\r\n\r\n", id="crlf"),
        pytest.param(b"SUBJECT : x\n\n", "[S]", b"SUBJECT : [S] x\n\n", id="odd-name"),
        pytest.param(b"Subject:\n\n", "[S]", b"Subject: [S]\n\n", id="empty"),
        pytest.param(b"Subject:", "[S]", b"Subject: [S] ", id="ends-there"),
        pytest.param(b"Subject: [S] x\n\n", "[S]", b"Subject: [S] x\n\n", id="already"),
        pytest.param(b"Subject:[S]x\n\n", "[S]", b"Subject:[S]x\n\n", id="already-no-blank"),
        pytest.param(
            b"Subject:    [S] x\n\n", "[S]", b"Subject:    [S] x\n\n", id="already-blanks"
        ),
        pytest.param(b"Subject:\n [S] x\n\n", "[S]", b"Subject:\n [S] x\n\n", id="already-folded"),
        pytest.param(b"Subject: Re: [S]\n\n", "[S]", b"Subject: [S] Re: [S]\n\n", id="elsewhere"),
        pytest.param(
            b"Subject: x\nSubject: y\n\n", "[S]", b"Subject: [S] x\nSubject: y\n\n", id="two"
        ),
        pytest.param(
            b"X-Spam-Flag: f\nSubject: x\nX-Qscanner: f\n\n",
            "[S]",
            b"Subject: [S] x\n\n",
            id="between-forged",
        ),
    ],
)
def test_subject_prefix(octets: bytes, prefix: str, want: bytes) -> None:
    """The prefix goes into the first Subject, once, and nothing else moves."""
    assert composed(octets, prefix=prefix) == HEAD + want


@pytest.mark.parametrize("octets", [b"A: b\n\nc", b"\nSubject: in the body\n", b""])
def test_a_prefix_without_a_subject(octets: bytes) -> None:
    """A message without a Subject gets one, below our own lines."""
    assert composed(octets, prefix="[SPAM]") == HEAD + b"Subject: [SPAM]\n" + octets


@pytest.mark.parametrize(
    ("prefix", "shown"),
    [
        pytest.param("[W\u00e4rnung]", "[W\u00e4rnung]", id="umlaut"),
        pytest.param("\u8b66\u544a:", "\u8b66\u544a:", id="chinese"),
        pytest.param("\u8b66" * 40, "\u8b66" * 6, id="cut-between-characters"),
        pytest.param("a\r\nBcc: x", "a\r\nBcc: x", id="hostile"),
    ],
)
@pytest.mark.parametrize("subject", [b"Subject: x\n", b"Subject:x\n", b"Subject: =?utf-8?q?x?=\n"])
def test_a_prefix_that_is_not_ascii(prefix: str, shown: str, subject: bytes) -> None:
    """It becomes one encoded word with blanks around it, which mail readers can read; and once."""
    octets = composed(subject + b"\n", prefix=prefix)
    assert octets.isascii()
    assert octets.count(b"\n") == HEAD.count(b"\n") + 2
    decoded = str(make_header(decode_header(message_from_bytes(octets)["Subject"])))
    assert decoded.startswith(shown)
    assert decoded.endswith("x")
    again = octets.removeprefix(HEAD)
    assert composed(again, prefix=prefix) == octets


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("a b", "X-A: a b", id="usual"),
        pytest.param("a\r\nBcc: b\0\x1b", "X-A: a\\x0d\\x0aBcc: b\\x00\\x1b", id="hostile"),
        pytest.param("\u00fc\u202e", "X-A: \\xfc\\u202e", id="not-ascii"),
    ],
)
def test_line(text: str, want: str) -> None:
    """One printable line."""
    assert outgoing.line("X-A", text) == want


@given(st.text(max_size=1500), st.integers(1, 1200))
def test_a_line_is_bounded(text: str, name: int) -> None:
    """Text never makes a line longer than it may be."""
    got = outgoing.line("X" * name, text)
    assert len(got) <= max(outgoing.MAX_LINE_OCTETS, name + 2)
    assert all(" " <= char <= "~" for char in got)


def test_a_small_one_is_a_sealed_memory_file() -> None:
    """What leaves cannot be changed any more, and is not handed to every child."""
    message = Message.of_octets(b"A: b\n\n")
    fd = outgoing.compose(message, LINES, Edits(), folder="/nonexistent")
    assert os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:")
    assert not os.get_inheritable(fd)
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    os.close(fd)
    message.close()


@pytest.mark.parametrize("folder", ["spool", "missing"])
def test_a_large_one_goes_to_the_spool(folder: str, tmp_path: Path) -> None:
    """More than 1 MiB in an unlinked file, or in memory where the folder cannot be written."""
    (tmp_path / "spool").mkdir()
    octets = b"A: b\n\n" + os.urandom(IN_MEMORY_OCTETS)
    assert composed(octets, folder=str(tmp_path / folder)) == HEAD + octets
    assert list((tmp_path / "spool").iterdir()) == []


CUT = Cut(span=(6, 10), part=Part(path="1"), rule="r")


def test_what_was_asked_for_is_done() -> None:
    """Ranges are replaced, below our lines; cuts of which nobody said how never go unnoticed."""
    message = Message.of_octets(b"A: b\n\nPARTrest")
    edits = Edits(cuts=(CUT,), ranges=((6, 10, b"text"), (0, 0, b"B: c\n")))
    fd = outgoing.compose(message, LINES, edits, folder="/nonexistent")
    assert os.pread(fd, 1000, 0) == HEAD + b"B: c\nA: b\n\ntextrest"
    os.close(fd)
    with pytest.raises(ValueError, match="nobody said how"):
        outgoing.compose(message, LINES, Edits(cuts=(CUT,)), folder="/nonexistent")
    message.close()


def test_no_room_for_it(tmp_path: Path) -> None:
    """A spool that is full: 53, and no descriptor is left."""
    code = (
        "import os, resource, sys\n"
        "from qscanner import outgoing; from qscanner.model import Edits\n"
        "from qscanner.outcomes import DiskFull; from qscanner.spool import Message\n"
        "message = Message.of_octets(b'A: b\\n\\n' + b'x' * (2 << 20))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "before = len(os.listdir('/proc/self/fd'))\n"
        "try: outgoing.compose(message, ('X-A: b',), Edits(), folder=sys.argv[1])\n"
        "except DiskFull: print(len(os.listdir('/proc/self/fd')) - before)\n"
    )
    assert child.said(child.run(code, tmp_path)) == "0\n"
    assert DiskFull.ending.value == "disk full"
