"""The body of a message as a DKIM signature hashes it (RFC 6376 3.4.3, 3.4.4), in pieces.

Called by  checks.auth_dkim, once for each of the two ways in which a signature may read a body.
Ends       always, in linear time; nothing here raises.
Careful    this is ours because dkimpy's is quadratic in runs of blanks, copies the body several
           times, and does all of it again for each signature. Line ends may be LF or CRLF, as
           qmail has them; a lone CR is a character.
"""

import hashlib
import re

_BLANKS = re.compile(rb"[ \t]+")
_CRLF = b"\r\n"
_OPEN_ENDS = (b" \r", b" ", b"\r")  # of a relaxed piece: what follows says what they are


class Body:
    """Feed it the body, then ask for its hash. `octets` is how many l= would count."""

    def __init__(self, *, is_relaxed: bool) -> None:
        self.octets = 0
        self._is_relaxed = is_relaxed
        self._hash = hashlib.sha256()
        self._carry = b""
        self._ends = 0  # line ends that count only if something follows them

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the body."""
        text = self._carry + octets
        if self._is_relaxed:
            text = _BLANKS.sub(b" ", text)
        open_ends = _OPEN_ENDS if self._is_relaxed else (b"\r",)
        self._carry = next((each for each in open_ends if text.endswith(each)), b"")
        self._take(text[: len(text) - len(self._carry)])

    def finish(self) -> bytes:
        """Give the SHA-256 of the whole; to be called once, when all was fed."""
        self._take(self._carry)
        if self.octets or not self._is_relaxed:
            self._put(_CRLF)
        return self._hash.digest()

    def _take(self, text: bytes) -> None:
        text = text.replace(_CRLF, b"\n").replace(b"\n", _CRLF)
        if self._is_relaxed:
            text = text.replace(b" \r\n", _CRLF)
        size = _without_ends(text)
        if size:
            self._put(_CRLF * self._ends)
            self._put(text[:size])
            self._ends = 0
        self._ends += (len(text) - size) // len(_CRLF)

    def _put(self, octets: bytes) -> None:
        self.octets += len(octets)
        self._hash.update(octets)


def _without_ends(text: bytes) -> int:
    """Give the size of the text without the line ends at its end."""
    size = len(text.rstrip(_CRLF))
    if text[size:] == _CRLF * ((len(text) - size) // len(_CRLF)):
        return size
    size = len(text)  # lone CRs among them
    while text.endswith(_CRLF, 0, size):
        size -= len(_CRLF)
    return size
