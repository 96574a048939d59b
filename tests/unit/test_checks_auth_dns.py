"""checks.auth_dns: every way in which a name server answers, or does not."""

import time
from typing import Any

import pytest

from qscanner.checks.auth_dns import MAX_QUESTIONS, Names, load
from qscanner.outcomes import CheckFailed
from tests.fakes.dns import Mood, Zone, serving, txt

LONG = "x" * 3000  # more than fits into one datagram
ZONE: Zone = {
    ("a.example", "TXT"): ['"one" "two"', '"three"'],
    ("a.example", "A"): ["192.0.2.1"],
    ("a.example", "AAAA"): ["2001:db8::1"],
    ("a.example", "MX"): ["10 mx.a.example."],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["mx.a.example."],
    ("long.example", "TXT"): [txt(LONG)],
    ("silent.example", "TXT"): Mood.SILENT,
    ("broken.example", "TXT"): Mood.SERVFAIL,
    ("rubbish.example", "TXT"): Mood.RUBBISH,
}


@pytest.mark.parametrize(
    ("name", "kind", "want"),
    [
        ("a.example", "TXT", ((b"one", b"two"), (b"three",))),
        ("A.Example", "A", ("192.0.2.1",)),
        ("a.example", "AAAA", ("2001:db8::1",)),
        ("a.example", "MX", ((10, "mx.a.example"),)),
        ("1.2.0.192.in-addr.arpa", "PTR", ("mx.a.example",)),
        ("nobody.example", "TXT", ()),
        ("long.example", "A", ()),
        ("a..example", "TXT", ()),
        (f"{'x' * 64}.example", "TXT", ()),
        ("x." * 200, "TXT", ()),
        ("b\u00fc\u00df.example", "TXT", ()),
    ],
)
def test_records(name: str, kind: str, want: tuple[Any, ...]) -> None:
    """What there is, and () for what is not there, or cannot be a name."""
    with serving(ZONE) as (server, _):
        names = Names((server,), within_s=5)
        assert sorted(names.records(name, kind)) == sorted(want)


def test_an_answer_too_long_for_a_datagram() -> None:
    """It is asked for again by TCP."""
    with serving(ZONE) as (server, answers):
        (found,) = Names((server,), within_s=5).records("long.example", "TXT")
    assert b"".join(found) == LONG.encode()
    assert len(answers.asked) == 2


@pytest.mark.parametrize("name", ["silent.example", "broken.example", "rubbish.example"])
def test_nobody_could_say(name: str) -> None:
    """It is no "there is none", and it takes no longer than it may."""
    begun = time.monotonic()
    with serving(ZONE) as (server, _), pytest.raises(CheckFailed, match="dns"):
        Names((server,), within_s=0.5).records(name, "TXT")
    assert time.monotonic() - begun < 3


def test_one_time_for_all() -> None:
    """What one question has used, the next one has not."""
    with serving(ZONE) as (server, answers):
        names = Names((server,), within_s=0.4)
        for _ in range(3):
            with pytest.raises(CheckFailed):
                names.records("silent.example", "TXT")
        with pytest.raises(CheckFailed, match="in time"):
            names.records("a.example", "TXT")
    assert ("a.example", "TXT") not in answers.asked


def test_the_second_server_is_asked() -> None:
    """One that is away is no reason to give up."""
    with serving(ZONE) as (server, _):
        assert Names(("127.0.0.1:1", server), within_s=5).records("a.example", "A")


def test_the_number_of_questions_is_bounded() -> None:
    """A stranger's records may ask for more and more names."""
    with serving(ZONE) as (server, _):
        names = Names((server,), within_s=5)
        for _ in range(MAX_QUESTIONS):
            names.records("nobody.example", "A")
        with pytest.raises(CheckFailed, match="questions"):
            names.records("a.example", "A")


def test_load() -> None:
    """The package is there where tests run."""
    assert load()
