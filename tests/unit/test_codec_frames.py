"""The answer to the queue program: exactly an answer, or refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec import frames
from qscanner.codec.frames import MAX_ANSWER_OCTETS, Answer, FrameError, decode, encode
from qscanner.outcomes import Ending

ANSWERS = [pytest.param(Answer(ending=ending), id=ending.name.lower()) for ending in Ending] + [
    pytest.param(
        Answer(ending=Ending.REJECTED, text="Dnein, danke (#5.7.1)", error_text="6:82"),
        id="text",
    ),
    pytest.param(Answer(ending=Ending.REJECTED, text=""), id="empty-text"),
    pytest.param(
        Answer(ending=Ending.ACCEPTED, program="/var/qmail/bin/\udcff queue"), id="odd-program"
    ),
]
USUAL = Answer(ending=Ending.REJECTED, text="Dno", error_text="auto", program="/bin/q")
_ASCII = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=300)
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)


@pytest.mark.parametrize("answer", ANSWERS)
def test_there_and_back(answer: Answer) -> None:
    """What is written is read again."""
    assert decode(encode(answer)) == answer


@given(st.sampled_from(list(Ending)), _ASCII, _TEXT)
def test_any_answer_there_and_back(ending: Ending, text: str, program: str) -> None:
    """Any text and any path but with a NUL."""
    answer = Answer(ending=ending, text=text, program=program)
    assert decode(encode(answer)) == answer


def test_every_cut_is_refused() -> None:
    """An answer that is not whole is none."""
    packet = encode(USUAL)
    for size in range(len(packet)):
        with pytest.raises(FrameError):
            decode(packet[:size])


@pytest.mark.parametrize("octet", range(256))
def test_every_extra_octet_is_refused(octet: int) -> None:
    """Neither behind nor before an answer may anything stand."""
    for packet in (encode(USUAL) + bytes([octet]), bytes([octet]) + encode(USUAL)):
        with pytest.raises(FrameError):
            decode(packet)


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(encode(USUAL).replace(b"answer 1", b"answer 2"), id="other-version"),
        pytest.param(encode(USUAL).replace(b"REJECTED", b"SURPRISED"), id="unknown-ending"),
        pytest.param(encode(USUAL).replace(b"REJECTED", b"rejected"), id="ending-in-small"),
        pytest.param(encode(USUAL).replace(b"REJECTED", b"REJECT\xc9D"), id="ending-not-ascii"),
        pytest.param(encode(USUAL).replace(b"31", b"0"), id="another-exit-code"),
        pytest.param(encode(USUAL).replace(b"31", b""), id="no-exit-code"),
        pytest.param(encode(USUAL).replace(b"Dno", b"\xff"), id="text-not-ascii"),
        pytest.param(encode(USUAL).replace(b"auto", b"\xff"), id="setting-not-ascii"),
        pytest.param(encode(USUAL).replace(b"Dno", b"D" * MAX_ANSWER_OCTETS), id="too-long"),
        pytest.param(b"\0" * 5, id="only-nuls"),
    ],
)
def test_rubbish_is_refused(packet: bytes) -> None:
    """Whatever is not an answer of this version is refused."""
    with pytest.raises(FrameError):
        decode(packet)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(ending=Ending.REJECTED, text="a\0b"), id="nul-in-text"),
        pytest.param(Answer(ending=Ending.REJECTED, error_text="a\0b"), id="nul-in-setting"),
        pytest.param(Answer(ending=Ending.ACCEPTED, program="a\0b"), id="nul-in-program"),
        pytest.param(Answer(ending=Ending.REJECTED, text="x" * MAX_ANSWER_OCTETS), id="too-long"),
        pytest.param(Answer(ending=Ending.REJECTED, text="\u00fc"), id="text-not-ascii"),
        pytest.param(Answer(ending=Ending.REJECTED, error_text="\u00fc"), id="not-ascii"),
    ],
)
def test_what_cannot_be_written(answer: Answer) -> None:
    """A field that would break the packet is refused where it is written."""
    with pytest.raises(FrameError):
        encode(answer)


@given(st.binary(max_size=300))
def test_decode_raises_nothing_else(octets: bytes) -> None:
    """Any octets: an answer or FrameError."""
    with pytest.raises(FrameError):
        decode(octets)


# ---- hello, go, question


@pytest.mark.parametrize("address", [b"", b"192.0.2.7", b"::1", b"\xff\n"])
def test_hello_there_and_back(address: bytes) -> None:
    """The claimed address arrives as it was claimed."""
    assert frames.claimed_ip(frames.hello(address)) == address


def test_a_hello_is_bounded() -> None:
    """However long the claim, the packet is short, and a NUL does not break it."""
    assert len(frames.hello(b"1\0" * 5000)) <= frames.MAX_HELLO_OCTETS


@pytest.mark.parametrize("within_s", [0, 1, 240, 86400])
def test_go_there_and_back(within_s: int) -> None:
    """The seconds arrive."""
    assert frames.seconds(frames.go(within_s)) == within_s


def test_question_there_and_back() -> None:
    """Pid and environment arrive, also a value with "=" in it, and an empty one."""
    environment = {b"TCPREMOTEIP": b"192.0.2.7", b"RELAYCLIENT": b"", b"ODD": b"a=b\xff"}
    asked = frames.question(frames.ask(4711, environment))

    assert (asked.pid, dict(asked.environment)) == (4711, environment)


def test_a_question_is_bounded() -> None:
    """What does not fit is left out; what comes after it and fits is told."""
    asked = frames.question(frames.ask(1, {b"BIG": b"x" * (1 << 20), b"SMALL": b"y"}))

    assert dict(asked.environment) == {b"SMALL": b"y"}


OTHERS = [frames.hello(b"1"), frames.go(1), frames.ask(1, {b"A": b"B"}), encode(USUAL)]


@pytest.mark.parametrize("decoder", [frames.claimed_ip, frames.seconds, frames.question, decode])
def test_every_packet_is_only_what_it_is(decoder: Callable[[bytes], object]) -> None:
    """No decoder takes another's packet, a cut one, one with more behind it, or rubbish."""
    taken = 0
    for packet in OTHERS:
        try:
            decoder(packet)
            taken += 1
        except FrameError:
            continue
        for wrong in (packet[:-1], packet[:10], packet + b"x", b"x" + packet, b"", b"\0"):
            with pytest.raises(FrameError):
                decoder(wrong)
    assert taken == 1


@pytest.mark.parametrize("field", [b"", b"-1", b"1e3", b"9999999", b"\xb2"])
def test_numbers_are_digits(field: bytes) -> None:
    """Seconds and a pid are digits, and not too many."""
    with pytest.raises(FrameError):
        frames.seconds(b"qscanner go 1\0" + field + b"\0")
    with pytest.raises(FrameError):
        frames.question(b"qscanner question 1\0" + (field * 2) + b"\0")
