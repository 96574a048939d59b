"""Messages signed with DKIM and sealed with ARC, and the keys that a name server gives for them.

Called by  tests of what verifies. Keys are made once in a process: an RSA key takes a while.
"""

import base64
import functools
from typing import Any

import dkim
import nacl.encoding
import nacl.signing
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.dns import txt

PLAIN = (
    b"Received: from mx.partner.example (192.0.2.1)\n  by mx.example; 23 Nov 2026 10:00:00 -0000\n"
    b"From: Jane <jane@partner.example>\nTo: bob@example.org\nSubject: hello\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0000\n\nHello  \nBob\n\n"
)


def rsa_key(bits: int = 1024) -> tuple[bytes, str]:
    """Give a private key as PEM, and its public key as it stands in p=."""
    return _rsa_key(bits)


@functools.cache
def _rsa_key(bits: int) -> tuple[bytes, str]:
    made = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem, base64.b64encode(public).decode()


@functools.cache
def ed25519_key() -> tuple[bytes, str]:
    """Give a private key as dkimpy takes it, and its public key as it stands in p=."""
    made = nacl.signing.SigningKey.generate()
    encoder = nacl.encoding.Base64Encoder
    return made.encode(encoder), made.verify_key.encode(encoder).decode()


def record(p: str, tags: str = "k=rsa") -> tuple[str]:
    """Give a key as the one TXT record of its name."""
    return (txt(f"v=DKIM1; {tags}; p={p}"),)


def signed(
    message: bytes = PLAIN,
    *,
    domain: str = "partner.example",
    selector: str = "s1",
    is_rsa: bool = True,
    bits: int = 1024,
    canonicalize: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
    tags: tuple[tuple[bytes, bytes], ...] = (),
    has_length: bool = False,
    names: tuple[bytes, ...] = (b"from", b"subject", b"to"),
) -> bytes:
    """Give the message with a signature below its first field; `tags` are signed with it."""
    key = rsa_key(bits)[0] if is_rsa else ed25519_key()[0]
    signer = _Signer(message, minkey=1)
    signer.more = tags
    line = signer.sign(
        selector.encode(),
        domain.encode(),
        key,
        signature_algorithm=b"rsa-sha256" if is_rsa else b"ed25519-sha256",
        canonicalize=canonicalize,
        include_headers=list(names),
        length=has_length,
    )
    return below_received(message, line)


class _Signer(dkim.DKIM):  # type: ignore[misc]
    more: tuple[tuple[bytes, bytes], ...] = ()

    def gen_header(self, fields: Any, *others: Any, **named: Any) -> Any:
        given = dict(self.more)
        kept = [each for each in fields if each[0] not in given]
        return super().gen_header([*kept[:-1], *given.items(), kept[-1]], *others, **named)


def below_received(message: bytes, line: bytes) -> bytes:
    """Put header lines below the first field of a message, where signers leave them."""
    at = message.index(b"\nFrom:") + 1
    return message[:at] + line.replace(b"\r\n", b"\n") + message[at:]


def sealed(message: bytes, *, domain: str = "list.example", number: int = 1) -> bytes:
    """Give the message with one more set of ARC fields on top of what is below its Received."""
    key = dkim.crypto.parse_pem_private_key(rsa_key()[0])
    sealer = dkim.ARC(message)
    relaxed = dkim.CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
    sealer.hasher = dkim.HASH_ALGORITHMS[b"rsa-sha256"]
    i = str(number).encode()
    results = b"i=" + i + b"; mx." + domain.encode() + b"; dkim=pass\r\n"
    body = base64.b64encode(sealer.hasher(relaxed.canonicalize_body(sealer.body)).digest())
    common = [(b"a", b"rsa-sha256"), (b"d", domain.encode()), (b"s", b"s1"), (b"t", b"1700000000")]
    names = (b"from", b"subject")
    said = [(b"i", i), *common, (b"c", b"relaxed/relaxed"), (b"h", b":".join(names)),
            (b"bh", body), (b"b", b"0" * 60)]  # fmt: skip
    signature = sealer.gen_header(said, names, relaxed, b"ARC-Message-Signature", key)
    older = [each for each in sealer.headers if each[0].lower().startswith(b"arc-")]
    new = [(b"ARC-Authentication-Results", b" " + results),
           (b"ARC-Message-Signature", b" " + signature)]  # fmt: skip
    # From the oldest set to the newest, as a verifier reads them: bottom up.
    sealer.headers = [*reversed(new), *older]
    chain = [name.lower() for name, _ in reversed(sealer.headers)]
    said = [(b"i", i), (b"cv", b"none" if number == 1 else b"pass"), *common, (b"b", b"0" * 60)]
    seal = sealer.gen_header(said, chain, relaxed, b"ARC-Seal", key)
    lines = [b"ARC-Seal: " + seal, b"ARC-Message-Signature: " + signature,
             b"ARC-Authentication-Results: " + results]  # fmt: skip
    at = message.find(b"\nARC-") + 1 or message.index(b"\nFrom:") + 1
    return message[:at] + b"".join(lines).replace(b"\r\n", b"\n") + message[at:]
