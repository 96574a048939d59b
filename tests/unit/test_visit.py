"""visit: its packets are those of codec.frames; more of it is in tests/programs/test_clients."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner import intake, visit
from qscanner.codec import frames
from qscanner.outcomes import REPLIES, Ending, Later, OutOfTime
from tests.fakes import daemon

_FIELD = st.binary(max_size=30).map(lambda octets: octets.replace(b"\0", b""))


@pytest.fixture
def files() -> Iterator[tuple[int, int]]:
    """Give a message and an envelope as the first stage has them."""
    fds = intake.memory_file(), intake.memory_file()
    intake.write_all(fds[0], b"Subject: x\n\nbody\n")
    intake.write_all(fds[1], b"Fa@b\0Tc@d\0\0")
    yield fds
    for fd in fds:
        os.close(fd)


def ask(
    script: daemon.Script, folder: Path, files: tuple[int, int]
) -> tuple[visit.Answer | None, list[daemon.Taken]]:
    with daemon.serving(script, folder, Path("/bin/true")) as fake:
        path = str(fake.path).encode()
        return visit.ask(*files, {b"QSCANNER_SOCKET": path, b"TCPREMOTEIP": b"::1"}), fake.taken


def test_accepted(tmp_path: Path, files: tuple[int, int]) -> None:
    """Both files arrive whole, and two come back."""
    answer, taken = ask(daemon.accepts, tmp_path, files)
    assert answer
    assert (answer.ending, answer.program, len(answer.files)) == (Ending.ACCEPTED, "/bin/true", 2)
    assert not any(os.get_inheritable(fd) for fd in answer.files)
    octets = [os.pread(fd, 999, 0) for fd in answer.files]
    assert octets == [daemon.MARK + taken[0].message, taken[0].envelope]
    for fd in answer.files:
        os.close(fd)


def test_away(tmp_path: Path, files: tuple[int, int]) -> None:
    """Nobody there, or gone before the go: None, and we may scan by ourselves."""
    nowhere = str(tmp_path / "nowhere").encode()
    assert visit.ask(*files, {b"QSCANNER_SOCKET": nowhere}) is None
    assert ask(daemon.Visit.hear_hello, tmp_path, files) == (None, [])


def test_no_descriptor_for_the_visit(tmp_path: Path, files: tuple[int, int]) -> None:
    """A path that is too long is nobody's."""
    assert visit.ask(*files, {b"QSCANNER_SOCKET": b"/" + b"x" * 200}) is None


def takes_and_dies(one: daemon.Visit) -> None:
    one.go()
    one.take()


def is_silent(one: daemon.Visit) -> None:
    one.go(b"0")
    one.take()
    one.wait()


def test_later(tmp_path: Path, files: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """After the question it is "later" or, past the time that was named, a deadline."""
    monkeypatch.setattr(visit, "GRACE_S", 0.1)
    monkeypatch.setattr(visit, "WAIT_S", 0.2)
    with pytest.raises(Later):
        ask(takes_and_dies, tmp_path, files)
    with pytest.raises(OutOfTime):
        ask(is_silent, tmp_path, files)
    with pytest.raises(Later, match="did not answer"):
        ask(daemon.Visit.wait, tmp_path, files)


@pytest.mark.parametrize("ending", list(Ending), ids=lambda ending: ending.value)
def test_every_answer_is_understood(ending: Ending) -> None:
    """What codec.frames encodes is decoded here, field by field."""
    text = REPLIES[ending].letter and REPLIES[ending].letter + "why"
    packet = frames.encode(
        frames.Answer(ending=ending, text=text, error_text="4:82", program="/caf\udce9")
    )
    kind, *fields = packet[:-1].split(b"\0")
    assert kind == b"qscanner answer 1"
    answer = visit.Answer(fields, ())
    told = (answer.ending, answer.text, answer.error_text, answer.program)
    assert told == (ending, text, "4:82", "/caf\udce9")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param((b"HELD", b"71", b"", b"auto", b""), id="another-code"),
        pytest.param((b"held", b"0", b"", b"auto", b""), id="no-ending"),
        pytest.param((b"H\xff", b"0", b"", b"auto", b""), id="not-ascii"),
        pytest.param((b"DEFERRED", b"71", b"Z\xff", b"auto", b""), id="text-not-ascii"),
    ],
)
def test_rubbish_is_later(fields: tuple[bytes, ...]) -> None:
    """An answer that cannot be one is never obeyed."""
    with pytest.raises(Later):
        visit.Answer(list(fields), ())


@given(st.dictionaries(_FIELD.map(lambda name: name.replace(b"=", b"") or b"A"), _FIELD))
def test_any_question_is_understood(environment: dict[bytes, bytes]) -> None:
    """codec.frames reads back what is asked here."""
    question = frames.question(visit._question(environment))
    assert (question.pid, question.environment) == (os.getpid(), environment)


@given(_FIELD)
def test_any_hello_is_understood(ip: bytes) -> None:
    """So with the first packet."""
    assert frames.claimed_ip(visit._hello({b"TCPREMOTEIP": ip})) == ip


@given(st.lists(st.binary(max_size=8)))
def test_seconds_are_those_of_frames(fields: list[bytes]) -> None:
    """A go is read as codec.frames reads it, but rubbish is None."""
    packet = b"".join(field.replace(b"\0", b"") + b"\0" for field in [b"qscanner go 1", *fields])
    try:
        want: int | None = frames.seconds(packet)
    except frames.FrameError:
        want = None
    assert visit._seconds(packet[:-1].split(b"\0")) == want
