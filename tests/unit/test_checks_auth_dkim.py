"""checks.auth_dkim: good signatures, and all the ways in which one is not."""

import time

import pytest

from qscanner.checks.auth_dkim import MAX_FIELD_OCTETS, MAX_SIGNATURES, Signatures, Signed, load
from qscanner.checks.auth_dns import Names
from qscanner.outcomes import CheckFailed
from tests.fakes.dns import Mood, Zone, serving
from tests.fakes.signed import (
    PLAIN,
    below_received,
    ed25519_key,
    record,
    rsa_key,
    sealed,
    signed,
)

RSA = record(rsa_key()[1])
ZONE: Zone = {
    ("s1._domainkey.partner.example", "TXT"): RSA,
    ("s1._domainkey.other.example", "TXT"): RSA,
    ("s1._domainkey.list.example", "TXT"): RSA,
    ("two._domainkey.partner.example", "TXT"): (*RSA, *record(rsa_key()[1], "k=rsa; n=x")),
    ("ed._domainkey.partner.example", "TXT"): record(ed25519_key()[1], "k=ed25519"),
    ("test._domainkey.partner.example", "TXT"): record(rsa_key()[1], "k=rsa; t=y"),
    ("weak._domainkey.partner.example", "TXT"): record(rsa_key()[1][:100]),
    ("away._domainkey.partner.example", "TXT"): Mood.SERVFAIL,
}
CRLF, LF = b"\r\n", b"\n"


def look(message: bytes) -> Signed:
    with serving(ZONE) as (server, _):
        return Signatures(message, Names((server,), within_s=5)).dkim()


def chain(message: bytes) -> Signed:
    with serving(ZONE) as (server, _):
        return Signatures(message, Names((server,), within_s=5)).arc()


@pytest.mark.parametrize("way", [(b"relaxed", b"relaxed"), (b"simple", b"simple"),
                                 (b"relaxed", b"simple"), (b"simple", b"relaxed")])  # fmt: skip
@pytest.mark.parametrize("is_rsa", [True, False], ids=["rsa", "ed25519"])
def test_a_good_signature(way: tuple[bytes, bytes], is_rsa: bool) -> None:
    """By either kind of key, in all four ways of reading, whatever the line ends."""
    made = signed(is_rsa=is_rsa, selector="s1" if is_rsa else "ed", canonicalize=way)
    want = Signed(domains=frozenset({"partner.example"}))
    assert look(made) == want
    assert look(made.replace(LF, CRLF)) == want


@pytest.mark.parametrize(
    ("message", "why"),
    [
        pytest.param(signed() + b"more", "body was changed", id="body"),
        pytest.param(signed().replace(b"hello", b"hallo"), "does not verify", id="subject"),
        pytest.param(signed(has_length=True) + b"more", "l= leaves", id="length"),
        pytest.param(signed(tags=((b"l", b"0"),)), "l= leaves", id="no-length"),
        pytest.param(signed(tags=((b"x", b"1700000000"), (b"t", b"1600000000"))), "x=", id="old"),
        pytest.param(signed().replace(b"rsa-sha256", b"rsa-sha1"), "SHA-1", id="sha1"),
        pytest.param(signed(selector="none"), "no key is published", id="no-key"),
        pytest.param(signed(selector="two"), "more than one key", id="two-keys"),
        pytest.param(signed(selector="test"), "for tests", id="testing"),
        pytest.param(signed(selector="weak"), "key: ", id="cut-key"),
        pytest.param(signed(selector="a..b"), "no key is published", id="no-name"),
        pytest.param(signed(selector="a b"), "no name", id="blank-in-name"),
        pytest.param(signed(tags=((b"v", b"2"),)), "v= value", id="version"),
        pytest.param(signed(tags=((b"i", b"@other.example"),)), "i= domain", id="identity"),
        pytest.param(b"From: x@y.example\n" + signed(), "does not verify", id="second-from"),
        pytest.param(below_received(PLAIN, b"DKIM-Signature: v=1; v=1\n"), "v", id="twice"),
        pytest.param(below_received(PLAIN, b"DKIM-Signature: \n"), "missing", id="empty"),
        pytest.param(
            below_received(PLAIN, b"DKIM-Signature: v=1;" + b" " * 200 + b"\n"), "run of blanks",
            id="blanks",
        ),
        pytest.param(
            below_received(PLAIN, b"DKIM-Signature: v=1; z=" + b"a" * MAX_FIELD_OCTETS + b"\n"),
            "octets", id="long",
        ),
        pytest.param(
            signed(tags=((b"h", b"from:" + b":".join(b"x%d" % n for n in range(300))),)),
            "names", id="many-names",
        ),
        pytest.param(signed(tags=((b"h", b"subject:to"),)), "does not sign From", id="no-from"),
    ],
)  # fmt: skip
def test_a_signature_that_does_not_count(message: bytes, why: str) -> None:
    """It proves nothing, and is told with its reason."""
    found = look(message)
    assert not found.domains
    (told,) = found.bad
    assert why in told


def test_several_signatures() -> None:
    """Each counts for its own domain; one that is bad spoils no other."""
    made = signed(signed(signed(domain="other.example")), selector="none")
    found = look(made)
    assert found.domains == {"partner.example", "other.example"}
    assert len(found.bad) == 1


def test_no_answer() -> None:
    """It is not known to be bad; another one that is good is all that is needed."""
    with pytest.raises(CheckFailed):
        look(signed(selector="away"))
    assert look(signed(signed(), selector="away")).domains == {"partner.example"}


def test_too_many_signatures() -> None:
    """Only the first ones are looked at, and that is said."""
    line = b"DKIM-Signature: v=1\n"
    found = look(line * MAX_SIGNATURES + signed())
    assert len(found.bad) == MAX_SIGNATURES
    assert not found.domains
    assert str(MAX_SIGNATURES) in found.skipped


@pytest.mark.parametrize(
    ("head", "why"),
    [
        pytest.param(b"X: " + b"y" * (1 << 21) + b"\n", "too large", id="large"),
        pytest.param(b"X: y\n" * 2000, "fields", id="many"),
        pytest.param(b"no field\n", "well formed", id="odd"),
        pytest.param(b" folded\n", "well formed", id="folded"),
    ],
)
def test_a_header_that_nobody_reads(head: bytes, why: str) -> None:
    """It proves nothing, and that is said."""
    found = look(head + signed())
    assert not found.domains
    assert why in found.skipped


def test_no_signature() -> None:
    """Nothing is proven, and nothing is odd."""
    assert look(PLAIN) == chain(PLAIN) == Signed()


@pytest.mark.parametrize(
    "body", [b" ", b"\t\r", b"\n", b"a "], ids=["blank", "tab", "end", "word"]
)
def test_hostile_bodies(body: bytes) -> None:
    """Nothing is quadratic: dkimpy's own patterns need hours for this."""
    begun = time.monotonic()
    look(signed() + body * (1 << 19))
    assert time.monotonic() - begun < 5


def test_a_chain() -> None:
    """One seal, and two."""
    one = sealed(signed())
    assert (
        chain(one) == chain(sealed(one, domain="other.example", number=2)) == Signed(is_arc=True)
    )


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(sealed(signed()) + b"more", id="body"),
        pytest.param(sealed(signed()).replace(b"hello", b"hallo"), id="subject"),
        pytest.param(sealed(signed()).replace(b"; dkim=pass", b"; dkim=fail"), id="results"),
        pytest.param(sealed(signed(), domain="none.example"), id="no-key"),
        pytest.param(sealed(signed(), number=2), id="no-first"),
        pytest.param(sealed(signed()).replace(b"cv=none", b"cv=pass"), id="cv"),
        pytest.param(sealed(signed()).replace(b"ARC-Seal: i=1", b"ARC-Seal: i=9"), id="instance"),
        pytest.param(PLAIN.replace(b"From", b"ARC-Seal: i=999999999\nFrom", 1), id="huge-number"),
    ],
)
def test_a_chain_that_does_not_hold(message: bytes) -> None:
    """Whatever is changed, or missing."""
    found = chain(message)
    assert not found.is_arc
    assert len(found.bad) == 1


def test_a_long_chain() -> None:
    """Nobody asks for hundreds of keys."""
    found = chain(PLAIN.replace(b"From", b"ARC-Seal: i=1\n" * 100 + b"From", 1))
    assert "more than" in found.skipped


def test_load() -> None:
    """The package is there where tests run."""
    assert load()
