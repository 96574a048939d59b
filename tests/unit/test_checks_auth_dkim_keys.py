"""checks.auth_dkim_keys: keys for something else, and keys that nobody should reckon with."""

import base64

import pytest

from qscanner.checks.auth_dkim_keys import MAX_OCTETS, key
from tests.fakes.signed import ed25519_key, rsa_key

SIG = {b"a": b"rsa-sha256", b"d": b"a.example", b"i": b"@a.example"}
RSA, WEAK = rsa_key()[1], rsa_key(1024)[1]


def der(modulus: int, exponent: int) -> str:
    """Give an RSA key as DER, in base64: what no tool would make."""

    def item(tag: int, body: bytes) -> bytes:
        size = len(body).to_bytes(2, "big")
        return bytes([tag, 0x82]) + size + body

    def whole(number: int) -> bytes:
        return item(2, b"\0" + number.to_bytes((number.bit_length() + 7) // 8, "big"))

    return base64.b64encode(item(0x30, whole(modulus) + whole(exponent))).decode()


@pytest.mark.parametrize(
    ("record", "sig"),
    [
        (f"v=DKIM1; k=rsa; p={RSA}", SIG),
        (f"p={RSA}", SIG),
        (f"p={RSA}; s=email; h=sha1:sha256; t=s", SIG),
        (f"k=ed25519; p={ed25519_key()[1]}", SIG | {b"a": b"ed25519-sha256"}),
        (f"p={der(1 << 1023 | 1, 65537)}", SIG),
    ],
    ids=["rsa", "short", "with-tags", "ed25519", "1024-bits"],
)
def test_good(record: str, sig: dict[bytes, bytes]) -> None:
    """dkimpy gets it."""
    assert key(record.encode(), sig)


@pytest.mark.parametrize(
    ("record", "sig", "why"),
    [
        pytest.param("p=", {}, "revoked", id="revoked"),
        pytest.param(f"t=y; p={RSA}", {}, "for tests", id="testing"),
        pytest.param(f"t=s; p={RSA}", {b"i": b"@b.a.example"}, "subdomains", id="strict"),
        pytest.param(f"s=other; p={RSA}", {}, "not for mail", id="service"),
        pytest.param(f"h=sha1; p={RSA}", {}, "SHA-256", id="sha1"),
        pytest.param(f"p={RSA}", {b"a": b"ed25519-sha256"}, "another kind", id="kind"),
        pytest.param(f"k=ed25519; p={RSA}", {b"a": b"ed25519-sha256"}, "32 octets", id="size"),
        pytest.param(f"p={der(1 << 1022 | 1, 65537)}", {}, "1023 bits", id="weak"),
        pytest.param(f"p={der(1 << 9000 | 1, 65537)}", {}, "9001 bits", id="huge"),
        pytest.param(f"p={der(1 << 2047 | 1, 1 << 2000)}", {}, "exponent", id="slow"),
        pytest.param(f"p={der(1 << 2047 | 1, 1)}", {}, "exponent", id="no-exponent"),
        pytest.param("x" * MAX_OCTETS + f"=; p={RSA}", {}, "octets", id="long"),
    ],
)
def test_bad(record: str, sig: dict[bytes, bytes], why: str) -> None:
    """It is said what is wrong, before anything is reckoned."""
    with pytest.raises(ValueError, match=why):
        key(record.encode(), SIG | sig)


@pytest.mark.parametrize("record", ["", "v=DKIM1", "p=AAAA", f"v=DKIM2; p={RSA}", "p=MIIC!"])
def test_no_key(record: str) -> None:
    """Whatever that raises, it is no key."""
    with pytest.raises(Exception):  # noqa: B017 - whatever dkimpy raises
        key(record.encode(), SIG)
