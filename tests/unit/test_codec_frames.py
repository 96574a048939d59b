"""The answer to the queue program: exactly an answer, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec.frames import MAX_OCTETS, Answer, FrameError, decode, encode
from qscanner.outcomes import Ending

ANSWERS = [pytest.param(Answer(ending=ending), id=ending.name.lower()) for ending in Ending] + [
    pytest.param(
        Answer(ending=Ending.REJECTED, words="nein, gr\u00fc\u00dfe", error_text="6:82"),
        id="words",
    ),
    pytest.param(Answer(ending=Ending.REJECTED, words=""), id="empty-words"),
    pytest.param(Answer(ending=Ending.DEFERRED, words="-"), id="words-like-none"),
    pytest.param(
        Answer(ending=Ending.ACCEPTED, program="/var/qmail/bin/\udcff queue"), id="odd-program"
    ),
]
USUAL = Answer(ending=Ending.REJECTED, words="no", error_text="auto", program="/bin/q")
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)


@pytest.mark.parametrize("answer", ANSWERS)
def test_there_and_back(answer: Answer) -> None:
    """What is written is read again."""
    assert decode(encode(answer)) == answer


@given(st.sampled_from(Ending), st.none() | _TEXT, _TEXT)
def test_any_answer_there_and_back(ending: Ending, words: str | None, program: str) -> None:
    """Any words and any path but with a NUL."""
    answer = Answer(ending=ending, words=words, program=program)
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
        pytest.param(encode(USUAL).replace(b"+no", b"no"), id="words-without-sign"),
        pytest.param(encode(USUAL).replace(b"+no", b"-no"), id="words-with-minus"),
        pytest.param(encode(USUAL).replace(b"+no", b""), id="no-words-field"),
        pytest.param(encode(USUAL).replace(b"+no", b"+\xff"), id="words-not-utf-8"),
        pytest.param(encode(USUAL).replace(b"auto", b"\xff"), id="setting-not-ascii"),
        pytest.param(encode(USUAL).replace(b"+no", b"+" + b"n" * MAX_OCTETS), id="too-long"),
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
        pytest.param(Answer(ending=Ending.REJECTED, words="a\0b"), id="nul-in-words"),
        pytest.param(Answer(ending=Ending.REJECTED, error_text="a\0b"), id="nul-in-setting"),
        pytest.param(Answer(ending=Ending.ACCEPTED, program="a\0b"), id="nul-in-program"),
        pytest.param(Answer(ending=Ending.REJECTED, words="x" * MAX_OCTETS), id="too-long"),
        pytest.param(Answer(ending=Ending.REJECTED, words="\ud800"), id="not-utf-8"),
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
