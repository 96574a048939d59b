"""qmail's envelope: `F` sender NUL, then `T` recipient NUL each, then NUL (qmail-queue(8)).

Called by  the queue programs, on fd 1; nobody else knows the grammar.
Ends       with an Envelope, or raises BadEnvelope, AddressTooLong, CutShort.
Careful    any octet but NUL may occur in an address: never validated, copied octet for octet.
           Entries with other letters (M, L, Q of some SMTP daemons) are carried along untouched.
"""

from qscanner.outcomes import AddressTooLong, BadEnvelope, CutShort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qscanner.model import Envelope

MAX_ADDRESS_OCTETS = 1002  # qmail-queue.c: ADDR is 1003 with the NUL
_NUL = 0
_CUT_SHORT = "the envelope ended before its last NUL: the caller gave up"


class Decoder:
    """Takes octets as they come with feed(); `result` is the Envelope once the last NUL was seen.

    `is_done` says that the last NUL was seen. What comes behind it is left alone, as qmail-queue
    does: it stops reading there.
    """

    def __init__(self) -> None:
        self._raw = bytearray()
        self._entry_at = 0  # where the entry that is being read begins
        self._looked_at = 0  # up to where we have looked for its NUL
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []
        self.is_done = False

    def feed(self, octets: bytes) -> None:
        """Take the next octets.

        Raises BadEnvelope at a first letter that is not F or a later one that is no letter, and
        AddressTooLong as soon as an address has more than 1002 octets.
        """
        if self.is_done:
            return
        self._raw += octets
        while self._entry_at < len(self._raw) and not self._take_end():
            if not self._take_entry():
                return

    def _take_end(self) -> bool:
        """Take the closing NUL if that is what stands here; say whether it was."""
        if self._raw[self._entry_at] != _NUL:
            return False
        if self._sender is None:
            raise BadEnvelope("the envelope begins with NUL instead of F")
        del self._raw[self._entry_at + 1 :]
        self.is_done = True
        return True

    def _take_entry(self) -> bool:
        """Take one whole entry; say whether there was one."""
        letter = self._raw[self._entry_at]
        if self._sender is None and letter != ord("F"):
            raise BadEnvelope("the envelope does not begin with F")
        if not (ord("A") <= letter <= ord("Z")):
            raise BadEnvelope("an entry of the envelope does not begin with T")
        start = self._entry_at + 1
        # A search that starts again at the entry would be quadratic for one-octet pieces.
        end = self._raw.find(_NUL, max(start, self._looked_at))
        length = (len(self._raw) if end < 0 else end) - start
        if length > MAX_ADDRESS_OCTETS:
            raise AddressTooLong("an address of the envelope has more than 1002 octets")
        if end < 0:
            self._looked_at = len(self._raw)
            return False
        self._keep(letter, bytes(self._raw[start:end]))
        self._entry_at = end + 1
        return True

    def _keep(self, letter: int, address: bytes) -> None:
        if self._sender is None:
            self._sender = address
        elif letter == ord("T"):
            self._recipients.append(address)

    @property
    def raw(self) -> bytes:
        """The octets up to the last NUL. Raises CutShort as long as that was not seen."""
        if not self.is_done:
            raise CutShort(_CUT_SHORT)
        return bytes(self._raw)

    @property
    def result(self) -> "Envelope | None":
        """The Envelope, or None as long as the last NUL was not seen."""
        if not self.is_done or self._sender is None:
            return None
        from qscanner.model import Envelope  # the first stage needs the octets only

        return Envelope(sender=self._sender, recipients=tuple(self._recipients), raw=self.raw)

    def finish(self) -> "Envelope":
        """Give the Envelope at the end of the stream, or raise CutShort where it is not whole."""
        envelope = self.result
        if envelope is None:
            raise CutShort(_CUT_SHORT)
        return envelope


def encode(sender: bytes, recipients: tuple[bytes, ...]) -> bytes:
    """Give the octets of an envelope. Raises BadEnvelope where an address holds a NUL."""
    if any(_NUL in address for address in (sender, *recipients)):
        raise BadEnvelope("an address holds a NUL")
    return b"F" + sender + b"\0" + b"".join(b"T" + to + b"\0" for to in recipients) + b"\0"


def narrow(raw: bytes, keep: tuple[bool, ...]) -> bytes:
    """Give the envelope's octets with only those recipients whose place in `keep` is true.

    Everything else, other letters included, stays octet for octet and in its order.
    """
    entries = raw[:-2].split(b"\0")  # the last entry's NUL and the closing NUL are cut
    wanted = iter(keep)
    kept = [entry for entry in entries if not entry.startswith(b"T") or next(wanted)]
    return b"".join(entry + b"\0" for entry in kept) + b"\0"
