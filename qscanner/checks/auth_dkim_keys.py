"""The key of a DKIM signature: may it be used for this one, and can it be reckoned with?

Called by  checks.auth_dkim, with a TXT record.
Ends       with what dkimpy makes of the key; raises ValueError with what is wrong with it, and
           whatever its octets make dkimpy raise.
Careful    a stranger publishes the key. To raise a number to a power of thousands of bits takes
           minutes, during which all of Python stands still: so its size is looked at first.
"""

import base64
from collections.abc import Iterator
from itertools import chain
from typing import Any

MAX_OCTETS = 4096
MIN_RSA_BITS, MAX_RSA_BITS = 1024, 8192  # RFC 8301 3.2
MIN_EXPONENT, MAX_EXPONENT_BITS = 3, 64
_ED25519_OCTETS = 32
_Tags = dict[bytes, bytes]


def key(record: bytes, sig: _Tags) -> Any:
    """Give the public key, its bits, kind and use, as dkimpy's evaluate_pk() does."""
    import dkim

    if len(record) > MAX_OCTETS:
        raise ValueError(f"it has more than {MAX_OCTETS} octets")
    tags = dkim.parse_tag_value(record)
    if not base64.b64decode(tags[b"p"]):
        raise ValueError("it was revoked")
    problem = next(chain(_unfit(tags, sig), _weak(tags, sig)), "")
    if problem:
        raise ValueError(problem)
    return dkim.evaluate_pk(b"key", record)


def _unfit(tags: _Tags, sig: _Tags) -> Iterator[str]:
    """Say why the key is for something else (RFC 6376 3.6.1)."""
    flags = _words(tags.get(b"t", b""))
    if b"y" in flags:
        yield "it is for tests (t=y)"
    _, at, below = sig.get(b"i", b"").rpartition(b"@")
    if b"s" in flags and at and below.lower() != sig[b"d"].lower():
        yield "it is not for subdomains (t=s)"
    if not {b"*", b"email"} & _words(tags.get(b"s", b"*")):
        yield "it is not for mail (s=)"
    if b"sha256" not in _words(tags.get(b"h", b"sha256")):
        yield "it is not for SHA-256 (h=)"
    if not sig[b"a"].startswith(tags.get(b"k", b"rsa") + b"-"):
        yield "it is of another kind than a= says"


def _weak(tags: _Tags, sig: _Tags) -> Iterator[str]:
    """Say why nobody should reckon with the key."""
    from dkim.crypto import parse_public_key

    octets = base64.b64decode(tags[b"p"])
    if not sig[b"a"].startswith(b"rsa-"):
        if len(octets) != _ED25519_OCTETS:
            yield "an Ed25519 key has 32 octets"
        return
    rsa = parse_public_key(octets)
    bits, exponent = rsa["modulus"].bit_length(), rsa["publicExponent"]
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        yield f"an RSA key of {bits} bits"
    if exponent < MIN_EXPONENT or exponent.bit_length() > MAX_EXPONENT_BITS:
        yield "an RSA key with an odd exponent"


def _words(value: bytes) -> set[bytes]:
    return {word.strip() for word in value.split(b":")}
