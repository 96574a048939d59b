"""DKIM and ARC: whose good signatures a message has (RFC 6376, 8301, 8463, 8617).

Theory. dkimpy knows how a signature is made; it was not made for messages of people who mean harm.
So it is handed a header that is small enough, never the body: what a signature says of the body
is compared here (codec.canonical), and a key is looked at here before anybody reckons with it.

Called by  checks.auth. The only home of dkimpy.
Ends       with Signed: domains of good signatures, and why others are not good. Raises
           CheckFailed where a name server did not answer, OutOfTime where hashing took too long.
Careful    a signature does not count if it leaves From or a part of the body unsigned (l=), is
           past its x=, or is made with SHA-1. What dkimpy raises means that it is not good,
           whatever that is.
"""

import base64
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from qscanner.checks import auth_dkim_keys
from qscanner.checks.auth_dns import Names
from qscanner.checks.auth_spf import domain_of
from qscanner.codec import block
from qscanner.codec.canonical import Body
from qscanner.codec.text import without_surrogates
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.spool import Octets

MAX_SIGNATURES = 5
MAX_ARC_SETS = 5
MAX_HEAD_OCTETS = 1 << 20
MAX_FIELDS = 1000
MAX_FIELD_OCTETS = 8 << 10  # of a signature
MAX_SIGNED_NAMES = 200
MAX_WHY_CHARS = 200
_CHUNK_OCTETS = 1 << 20
_LONG_BLANKS = re.compile(rb"\s{100}")
_NAME = re.compile(rb"[A-Za-z0-9_.-]{1,253}")
_SIGNATURE = b"dkim-signature"
_ARC = b"arc-"
_Fields = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """`domains` have a good signature, `bad` says why others have none.

    `skipped` says why nobody looked at some of them, "" for all.
    """

    domains: frozenset[str] = frozenset()
    is_arc: bool = False
    bad: tuple[str, ...] = ()
    skipped: str = ""


def load() -> bool:
    """Say whether dkimpy is there, and load it."""
    try:
        import dkim  # noqa: F401
    except ImportError:
        return False
    return True


class Signatures:
    """The signatures of one message."""

    def __init__(self, octets: Octets, names: Names) -> None:
        self._names = names
        self._judge = _Judge(octets, names)
        head = bytes(octets[: min(block.end(octets), MAX_HEAD_OCTETS + 1)])
        self._fields, self._skipped = _fields(head)

    def dkim(self) -> Signed:
        """Verify the first DKIM signatures. Raises CheckFailed, OutOfTime."""
        import dkim

        signatures = [each for each in self._fields if each[0].lower() == _SIGNATURE]
        skipped = self._skipped
        if len(signatures) > MAX_SIGNATURES:
            skipped = f"only the first {MAX_SIGNATURES} of {len(signatures)} signatures"
        domains: set[str] = set()
        bad: list[str] = []
        failed: CheckFailed | None = None
        verifier = _made(dkim.DKIM, self._fields, self._judge)
        for place, (_, value) in enumerate(signatures[:MAX_SIGNATURES]):
            verifier.signature_fields = {}
            try:
                why = _why_bad(value, partial(verifier.verify, idx=place))
            except CheckFailed as error:
                failed = error  # another signature may do without that answer
                continue
            domain = domain_of(b"@" + verifier.signature_fields.get(b"d", b""))
            if why or not domain:
                bad.append(f"{domain or 'no domain'}: {why or 'd= is no domain'}")
            else:
                domains.add(domain)
        if failed and not domains:
            raise failed
        return Signed(domains=frozenset(domains), bad=tuple(bad), skipped=skipped)

    def arc(self) -> Signed:
        """Verify the ARC chain. Raises CheckFailed, OutOfTime."""
        import dkim

        seals = [value for name, value in self._fields if name.lower().startswith(_ARC)]
        if not seals:
            return Signed(skipped=self._skipped)
        if len(seals) > 3 * MAX_ARC_SETS:
            return Signed(skipped=f"a chain of more than {MAX_ARC_SETS} ARC seals")
        verifier = _made(dkim.ARC, self._fields, self._judge)
        why = next(filter(None, map(_why_odd, seals)), "") or _why_bad(
            seals[0], lambda: verifier.verify()[0] == dkim.CV_Pass
        )
        return Signed(is_arc=not why, bad=(f"ARC: {why}",) if why else (), skipped=self._skipped)


def _fields(head: bytes) -> tuple[_Fields, str]:
    """Give the fields of a header as dkimpy reads it, or none, and why."""
    import dkim

    if len(head) > MAX_HEAD_OCTETS or head.count(b"\n") > MAX_FIELDS * 50:
        return [], "a header too large for signatures"
    try:
        found = [(name, value) for name, value in dkim.rfc822_parse(head)[0]]
    except Exception:  # noqa: BLE001 - see the head of this module
        return [], "a header that is not well formed"
    if len(found) > MAX_FIELDS:
        return [], f"more than {MAX_FIELDS} header fields"
    return found, ""


def _why_bad(value: bytes, verify: Callable[[], bool]) -> str:
    """Say why a signature is not good, "" where it is. Raises CheckFailed, OutOfTime."""
    if why := _why_odd(value):
        return why
    try:
        return "" if verify() else "it does not verify"
    except (CheckFailed, OutOfTime):
        raise
    except Exception as error:  # noqa: BLE001 - see the head of this module
        return without_surrogates(str(error) or type(error).__name__)[:MAX_WHY_CHARS]


def _why_odd(value: bytes) -> str:
    """Say why nobody should read this field with dkimpy's patterns, which go back."""
    if len(value) > MAX_FIELD_OCTETS:
        return f"the field has more than {MAX_FIELD_OCTETS} octets"
    return "a long run of blanks" if _LONG_BLANKS.search(value) else ""


@dataclass(slots=True)
class _Judge:
    """What is asked of a signature before its cryptography, for DKIM and ARC alike."""

    octets: Octets
    names: Names
    _bodies: dict[bool, tuple[bytes, int]] = field(default_factory=dict)
    _keys: dict[bytes, bytes] = field(default_factory=dict)

    def problems(self, sig: dict[bytes, bytes], names: list[bytes]) -> Iterator[str]:
        """Say what is wrong with the signature itself."""
        if sig[b"a"].startswith(b"rsa-sha1"):
            yield "SHA-1 counts for nothing (RFC 8301)"
        if len(names) > MAX_SIGNED_NAMES:
            yield f"it signs more than {MAX_SIGNED_NAMES} names"
        if not _NAME.fullmatch(sig[b"d"]) or not _NAME.fullmatch(sig[b"s"]):
            yield "d= or s= is no name"
        if b"bh" in sig and b"from" not in names:
            yield "it does not sign From"
        if sig.get(b"x", b"").isdigit() and int(sig[b"x"][:20]) < time.time():
            yield "it has expired (x=)"

    def body_problem(self, sig: dict[bytes, bytes]) -> str:
        """Say whether the body is another one than was signed. Raises OutOfTime."""
        if b"bh" not in sig:
            return ""  # an ARC seal
        way = [*sig.get(b"c", b"simple").split(b"/"), b"simple"][1]
        digest, octets = self._body(is_relaxed=way == b"relaxed")
        if b"l" in sig and int(sig[b"l"][:20] or b"0") != octets:
            return "l= leaves a part of the body unsigned"
        told = base64.b64decode(re.sub(rb"\s+", b"", sig[b"bh"]))
        return "" if told == digest else "the body was changed"

    def _body(self, *, is_relaxed: bool) -> tuple[bytes, int]:
        if is_relaxed not in self._bodies:
            begin = block.end(self.octets)
            if begin < len(self.octets):
                begin += 2 if self.octets[begin : begin + 2] == b"\r\n" else 1
            body = Body(is_relaxed=is_relaxed)
            for at in range(begin, len(self.octets), _CHUNK_OCTETS):
                self.names.deadline.remaining_s()
                body.feed(bytes(self.octets[at : at + _CHUNK_OCTETS]))
            self._bodies[is_relaxed] = body.finish(), body.octets
        return self._bodies[is_relaxed]

    def key(self, sig: dict[bytes, bytes]) -> bytes:
        """Give the key's record. Raises CheckFailed, or ValueError for what is no single key."""
        name = sig[b"s"] + b"._domainkey." + sig[b"d"]
        if name not in self._keys:
            records = self.names.records(name.decode("ascii"), "TXT")
            if len(records) != 1:
                raise ValueError("more than one key" if records else "no key is published")
            self._keys[name] = b"".join(records[0])
        return self._keys[name]


def _made(kind: Any, fields: _Fields, judge: _Judge) -> Any:
    """Give a verifier of dkimpy's, DKIM or ARC, that never sees the body and asks our judge."""
    import dkim

    class Verifier(kind):  # type: ignore[misc]
        headers: _Fields

        def verify_sig(
            self,
            sig: dict[bytes, bytes],
            include_headers: list[bytes],
            sig_header: Any,
            dnsfunc: Any,  # noqa: ARG002 - dkimpy hands its own over
        ) -> bool:
            problem = next(judge.problems(sig, include_headers), "") or judge.body_problem(sig)
            if problem:
                raise dkim.ValidationError(problem)
            return self._has_signed(sig, include_headers, sig_header)

        def _has_signed(
            self, sig: dict[bytes, bytes], include_headers: list[bytes], sig_header: Any
        ) -> bool:
            try:
                record = judge.key(sig)
                found = auth_dkim_keys.key(record, sig)
            except CheckFailed:
                raise
            except Exception as error:
                raise dkim.ValidationError(f"key: {str(error) or type(error).__name__}") from error
            self.pk, self.keysize, self.ktag, self.seqtlsrpt = found
            rest = {name: value for name, value in sig.items() if name != b"bh"}
            wanted = set(include_headers)
            whole = self.headers
            self.headers = [each for each in whole if each[0].lower() in wanted]
            try:
                return bool(self.verify_sig_process(rest, include_headers, sig_header, None))
            finally:
                self.headers = whole

    verifier = Verifier(None, minkey=auth_dkim_keys.MIN_RSA_BITS)
    verifier.headers, verifier.body = list(fields), b""
    return verifier
