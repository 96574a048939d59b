"""checks.auth_told: notes of the own mail server, and those of strangers that look like them."""

from dataclasses import replace

import pytest

from qscanner.checks.auth_told import Told, told
from qscanner.model import Client, Direction

OURS = Client(uid=1, is_trusted=True, direction=Direction.IN, ip="192.0.2.1")
RECEIVED = b"Received: from x (192.0.2.1)\n  by mx.example; 23 Nov 2026 10:00:00 -0000\n"
REST = b"From: jane@partner.example\n\nhello\n"
SENDER = b"jane@partner.example"
SPF = b"Received-SPF: pass (mx.example: designates 192.0.2.1 as permitted sender)\n"
DKIM = (
    b"Authentication-Results: mx.example;\n dkim=pass (x) header.d=Partner.example;\n arc=pass\n"
)


def look(above: bytes, below: bytes = b"", *, client: Client = OURS, sender: bytes = SENDER,
         authserv_id: str = "MX.example") -> Told:  # fmt: skip
    octets = above + RECEIVED + below + REST
    return told(octets, client, sender, authserv_id=authserv_id)


def test_what_is_believed() -> None:
    """Fields above the top Received field answer what they are about."""
    found = look(SPF + DKIM)
    assert found.answered == {"spf", "dkim", "arc"}
    assert found.proven.spf_domain == "partner.example"
    assert found.proven.dkim_domains == {"partner.example"}
    assert found.proven.is_arc


@pytest.mark.parametrize(
    ("above", "answered"),
    [
        pytest.param(SPF.replace(b"pass", b"softfail"), {"spf"}, id="softfail"),
        pytest.param(SPF.replace(b"pass", b"temperror"), set(), id="temperror"),
        pytest.param(SPF[:-1] + b" client-ip=192.0.2.2;\n", set(), id="other-client"),
        pytest.param(SPF[:-1] + b" envelope-from=x@other.example;\n", set(), id="other-sender"),
        pytest.param(SPF[:-1] + b" identity=helo;\n", set(), id="helo"),
        pytest.param(DKIM.replace(b"pass", b"fail"), {"dkim", "arc"}, id="dkim-fail"),
        pytest.param(DKIM.replace(b"mx.example", b"mx.other.example"), set(), id="other-server"),
        pytest.param(b"Authentication-Results: mx.example; none\n", set(), id="none"),
    ],
)
def test_what_proves_nothing(above: bytes, answered: set[str]) -> None:
    """A final answer needs no second one; what is about something else is no answer."""
    found = look(above)
    assert found.answered == answered
    assert (found.proven.spf_domain, found.proven.dkim_domains) == ("", frozenset())


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(look(b"", SPF + DKIM), id="below-received"),
        pytest.param(look(SPF, client=replace(OURS, is_trusted=False)), id="untrusted-caller"),
        pytest.param(look(SPF, client=replace(OURS, ip="")), id="not-from-the-network"),
        pytest.param(look(DKIM, authserv_id=""), id="no-id-in-the-settings"),
        pytest.param(look(SPF, sender=b"a)\rReceived-SPF: pass@x.example"), id="odd-sender"),
        pytest.param(look(b"X-A: b\rReceived-SPF: pass\n"), id="behind-a-lone-cr"),
        pytest.param(look(b"X-A: b\n Received-SPF: pass\n"), id="folded"),
        pytest.param(told(SPF + REST, OURS, SENDER, authserv_id=""), id="no-received"),
        pytest.param(
            told(b"X: " + b"y" * 70000 + b"\n" + SPF + RECEIVED, OURS, SENDER, authserv_id=""),
            id="too-far-down",
        ),
    ],
)
def test_what_is_not_believed(found: Told) -> None:
    """Whoever can be anybody says nothing."""
    assert found == Told()


def test_a_mailfrom_beside_a_helo() -> None:
    """An SPF result that names the sender is about the sender."""
    line = b"Authentication-Results: mx.example; spf=pass smtp.mailfrom=%s smtp.helo=x.example\n"
    assert look(line % SENDER).proven.spf_domain == "partner.example"
    assert not look(line % b"a@other.example").proven.spf_domain
    helo = b"Authentication-Results: mx.example; spf=pass smtp.helo=partner.example\n"
    assert not look(helo).answered


def test_a_signer_by_its_identity() -> None:
    """Some servers name only header.i."""
    line = b"Authentication-Results: mx.example; dkim=pass header.i=@Mail.partner.example\n"
    assert look(line).proven.dkim_domains == {"mail.partner.example"}
