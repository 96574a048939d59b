"""What may be spent on looking for what a message hides: one account for it and all inside it.

Called by  mime, which opens one for the outermost message; codec.sweep, which spends it.
Ends       always. What is refused is for the caller to report: limit.sweep, limit.readings.
Careful    spent in the order of looking, the outer message before those in it: of many messages
           in each other only the first can be dear.
"""

from dataclasses import dataclass, field

_MIB = 1 << 20
_LINE_COST, _RUN_COST = 64, 1 << 12  # octets that a line, a run is as dear as
_LOOKS, _FREE_LOOKS = 8, 64 * _MIB
_CLOSE_COST = 4  # times that a close look is as dear as another
_COPIES, _FREE_OCTETS = 2, 32 * _MIB


@dataclass(slots=True, kw_only=True)
class Effort:
    """What is left: octets to look through and to read again, stray parts, contents to hand on.

    `octets` are those of contents, which are in memory together; `seen` holds hashes of what was
    handed on: nothing is handed on twice.
    """

    looks: int = _FREE_LOOKS
    readings: int = 8 * _MIB
    strays: int = 500
    contents: int = 200
    octets: int = _FREE_OCTETS
    seen: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, octets: int) -> "Effort":
        """Give what may be spent on a message of so many octets and all that is in it."""
        return cls(looks=_FREE_LOOKS + _LOOKS * octets, octets=_FREE_OCTETS + _COPIES * octets)

    def may_look(self, octets: int, *, is_close: bool) -> bool:
        """Spend a look at so many octets; False where no more is left."""
        self.looks -= octets * (_CLOSE_COST if is_close else 1)
        return self.looks >= 0

    def may_read(self, text: bytes) -> bool:
        """Spend the second readings of an encoded text; False where no more is left."""
        marks = sum(map(text.count, (b"\n", b"\r", b"=")))
        self.readings -= len(text) + _LINE_COST * marks + _RUN_COST
        return self.readings >= 0

    def may_hand_on(self, octets: int) -> bool:
        """Spend one content of so many octets; False where no more is left."""
        self.contents -= 1
        self.octets -= octets
        return self.contents >= 0 and self.octets >= 0

    def note(self, octets: bytes, called: str = "") -> bool:
        """Remember a content under a name; False where it was there before."""
        mark = hash((octets, called))
        is_new = mark not in self.seen
        self.seen.add(mark)
        return is_new
