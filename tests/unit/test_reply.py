"""The reply channel, with the descriptors that servers really leave open in us."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner import reply
from qscanner.outcomes import REPLIES, Ending
from tests.fakes import child

SILENT = [ending for ending in Ending if not REPLIES[ending].letter]
TELLING = [Ending.REJECTED, Ending.DEFERRED]

# Run in a process of its own, which has just the descriptors that the test gives it.
PROVE = """
import os, sys
from qscanner import reply
print(sorted(reply.prove(os.environb)))
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def prove(arranged: str, error_fd: str | None = None) -> list[int]:
    """Give what prove() finds in a process whose descriptors the code has arranged.

    Python itself leaves no descriptor above 2 open; 2 is made a file unless arranged.
    """
    env = {} if error_fd is None else {"ERROR_FD": error_fd}
    code = "import os, socket\nos.dup2(os.open('/dev/null', os.O_RDWR), 2)\n" + arranged + PROVE
    said = child.said(child.run(code, env=env))
    return [int(word) for word in said.strip().strip("[]").split(",") if word]


ARRANGED = {
    "nothing": "",
    "writable": "r, w = os.pipe(); os.dup2(w, {fd})",
    "read-end": "r, w = os.pipe(); os.dup2(r, {fd})",
    "socket": "a, b = socket.socketpair(); os.dup2(a.fileno(), {fd})",
    "stream-socket": "a = socket.socket(); os.dup2(a.fileno(), {fd})",
    "file": "import tempfile; f = tempfile.TemporaryFile(); os.dup2(f.fileno(), {fd})",
    "folder": "os.dup2(os.open('/', os.O_RDONLY), {fd})",
    "null": "os.dup2(os.open('/dev/null', os.O_WRONLY), {fd})",
}


@pytest.mark.parametrize("fd", [2, 4, 6])
@pytest.mark.parametrize("kind", ARRANGED)
def test_only_a_writable_pipe_is_proven(kind: str, fd: int) -> None:
    """Of all that may be open under our numbers only the write end of a pipe counts."""
    others = f"os.closerange(3, {fd}); os.closerange(max(3, {fd + 1}), 20)\n"
    assert prove(ARRANGED[kind].format(fd=fd) + "\n" + others) == (
        [fd] if kind == "writable" else []
    )


def test_a_named_pipe_is_a_pipe(tmp_path: Path) -> None:
    """A FIFO with a name, opened for both, can be written."""
    os.mkfifo(tmp_path / "fifo")
    arranged = f"os.dup2(os.open({str(tmp_path / 'fifo')!r}, os.O_RDWR), 6)\n"
    assert 6 in prove(arranged)


@pytest.mark.parametrize(
    ("error_fd", "want"),
    [
        pytest.param("9", [9], id="announced"),
        pytest.param("09", [9], id="with-a-zero"),
        pytest.param("8", [], id="announced-but-closed"),
        pytest.param("-1", [], id="switched-off"),
        pytest.param("", [], id="empty"),
        pytest.param("9 ", [], id="with-a-blank"),
        pytest.param("nine", [], id="garbage"),
        pytest.param("\u0669", [], id="other-digits"),
        pytest.param("9" * 4000, [], id="huge"),
        pytest.param("4294967305", [], id="9-modulo-2-to-the-32"),
        pytest.param("2147483", [], id="large"),
        pytest.param("9999999", [], id="seven-digits"),
    ],
)
def test_what_error_fd_announces(error_fd: str, want: list[int]) -> None:
    """Only a plain number of a descriptor that is a writable pipe."""
    arranged = "r, w = os.pipe(); os.dup2(w, 9)\n[os.close(n) for n in (r, w) if n != 9]\n"
    assert prove(arranged, error_fd) == want


@pytest.mark.parametrize(
    ("setting", "proven", "error_fd", "want"),
    [
        pytest.param("auto", {6, 4}, None, (6, 82), id="auto-notqmail"),
        pytest.param("auto", {4}, None, (4, 82), id="auto-netqmail"),
        pytest.param("auto", {9, 6, 4}, "9", (9, 88), id="auto-announced"),
        pytest.param("auto", {4}, "4", (4, 88), id="auto-announced-4"),
        pytest.param("auto", {6}, "9", (6, 82), id="auto-announced-not-proven"),
        pytest.param("auto", {2, 6}, "2", (6, 82), id="auto-never-2"),
        pytest.param("auto", {2}, "2", None, id="auto-only-2"),
        pytest.param("auto", {2}, None, None, id="auto-2-not-announced"),
        pytest.param("auto", {6}, "garbage", (6, 82), id="auto-garbage"),
        pytest.param("auto", set(), None, None, id="auto-nothing"),
        pytest.param("6:82", {6, 4, 2}, None, (6, 82), id="6-proven"),
        pytest.param("6:82", {4, 2}, None, None, id="6-not-proven"),
        pytest.param("4:82", {6, 4}, None, (4, 82), id="4-proven"),
        pytest.param("4:82", {6}, None, None, id="4-not-proven"),
        pytest.param("2:88", {2, 6}, None, (2, 88), id="2-proven"),
        pytest.param("2:88", {6}, None, None, id="2-not-proven"),
        pytest.param("none", {2, 4, 6, 9}, "9", None, id="none"),
    ],
)
def test_channel(
    setting: str, proven: set[int], error_fd: str | None, want: tuple[int, int] | None
) -> None:
    """The setting chooses among what is proven; "auto" prefers what the caller announced."""
    environment = {} if error_fd is None else {b"ERROR_FD": error_fd.encode()}
    assert reply.channel(setting, frozenset(proven), environment) == want


@pytest.mark.parametrize("ending", SILENT, ids=lambda ending: ending.name.lower())
@pytest.mark.parametrize("words", [None, "words"])
def test_endings_that_qmail_words(
    ending: Ending, words: str | None, pipe: tuple[int, int]
) -> None:
    """No text, nothing written, and the table's code, even where a channel is proven."""
    assert reply.text(ending, words) == ""
    assert reply.answer(ending, "Dwords", (pipe[1], 82)) == REPLIES[ending].exit_without_text
    os.close(pipe[1])
    assert os.read(pipe[0], 1000) == b""


@pytest.mark.parametrize("code", [82, 88])
@pytest.mark.parametrize("ending", TELLING, ids=lambda ending: ending.name.lower())
@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param("No programs here.", "No programs here.", id="words"),
        pytest.param(None, None, id="none"),
        pytest.param("", None, id="empty"),
        pytest.param(
            "a\r\n250 ok\n\0b\x1b[0m", "a\\x0d\\x0a250 ok\\x0a\\x00b\\x1b[0m", id="hostile"
        ),
        pytest.param("gr\u00fcn \u202e", "gr\\xfcn \\u202e", id="not-ascii"),
    ],
)
def test_answer(
    ending: Ending, words: str | None, want: str | None, code: int, pipe: tuple[int, int]
) -> None:
    """The text with its letter and enhanced code is on the pipe, in one line without an end."""
    row = REPLIES[ending]
    assert reply.answer(ending, reply.line(ending, words), (pipe[1], code)) == code
    os.close(pipe[1])
    said = os.read(pipe[0], 1000).decode("ascii")
    assert said == f"{row.letter}{want or row.text} (#{row.dsn})"
    assert said == row.letter + reply.text(ending, words)


@given(st.sampled_from(TELLING), st.none() | st.text(st.characters(codec=None), max_size=400))
def test_a_text_is_one_bounded_line(ending: Ending, words: str | None) -> None:
    """Whatever the words: printable ASCII, 3 to 255 octets with the letter, the code behind it."""
    text = REPLIES[ending].letter + reply.text(ending, words)
    assert 3 <= len(text) <= reply.MAX_OCTETS
    assert all(" " <= char <= "~" for char in text)
    assert text.endswith(f" (#{REPLIES[ending].dsn})")


def test_a_long_text_keeps_its_code() -> None:
    """What is cut are the words, never the enhanced code."""
    text = "D" + reply.text(Ending.REJECTED, "x" * 5000)
    assert len(text) == reply.MAX_OCTETS
    assert text.endswith("... (#5.7.1)")


@pytest.mark.parametrize("ending", TELLING, ids=lambda ending: ending.name.lower())
def test_without_a_channel(ending: Ending) -> None:
    """No channel: the portable code."""
    assert reply.answer(ending, "words", None) == REPLIES[ending].exit_without_text


@pytest.mark.parametrize("ending", TELLING, ids=lambda ending: ending.name.lower())
def test_the_reader_is_gone(ending: Ending, pipe: tuple[int, int]) -> None:
    """A text that nobody reads: the code without a text, and no signal."""
    os.close(pipe[0])
    assert reply.answer(ending, "words", (pipe[1], 82)) == REPLIES[ending].exit_without_text


def test_half_a_text_is_none(tmp_path: Path) -> None:
    """Where only a part of it can be written, it is the code without a text."""
    code = (
        "import os, resource, sys\n"
        "from qscanner import reply; from qscanner.outcomes import Ending\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
        "print(reply.answer(Ending.REJECTED, 'Dmore words', (fd, 82)), os.fstat(fd).st_size)\n"
    )
    assert child.said(child.run(code, tmp_path / "file")) == "31 10\n"


def test_a_full_pipe_takes_nothing(pipe: tuple[int, int]) -> None:
    """A pipe or socket without room: the code without a text, and no waiting."""
    os.set_blocking(pipe[1], False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe[1], b"x" * 4096)
    assert reply.answer(Ending.REJECTED, "words", (pipe[1], 82)) == 31
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(b"x")
        assert reply.answer(Ending.DEFERRED, "words", (ours.fileno(), 82)) == 71
