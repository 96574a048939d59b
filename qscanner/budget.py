"""What all decoders of one message may spend together, and what they give: members.

Called by  archives and the modules that open a kind of container; documents; checks.attachments.
Ends       Meter and Budget raise Spent where a bound is hit, and what the clock raises.
Careful    one Budget for a whole message. Every decoder counts what comes out in small pieces,
           so that a bomb is stopped while it explodes; that is also where the clock is looked at.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qscanner.settings import MIB, Limits

_MAX_TRIES = 1000  # words on locks: a thousand hashes each in the worst case, about 1 ms
_FREE = 1 * MIB  # decoded octets below which the ratio does not matter


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member: every form of its names, and its octets as far as they could be had.

    `is_stream`: the one member of a compressed file, which is called like the file without its
    extension. `is_hidden`: other programs may not see it, a virus scanner among them.
    `is_encrypted`: without octets, or opened with a word of the message.
    """

    names: tuple[str, ...]
    content: bytes = field(default=b"", repr=False)
    is_encrypted: bool = False
    is_unreadable: bool = False
    is_stream: bool = False
    is_hidden: bool = False


def _no_clock() -> None:
    """Let a decoder take any time."""


def _no_words() -> Sequence[str]:
    return ()


class Budget:
    """What all decoders together may still spend on one message.

    `octets` come out of decoders, `members` are those of all archives and of messages inside,
    `held` is what the chain of archives in archives keeps in memory, `depth` its bound.
    `check_time` raises when no time is left; `words` gives what may be passwords, best first,
    `fitting` are those that opened something, `tries` how many locks may still be tried.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.octets = limits.decoded
        self.members = limits.members
        self.depth = limits.depth
        self.held = 0
        self.check_time: Callable[[], object] = _no_clock
        self.words: Callable[[], Sequence[str]] = _no_words
        self.fitting: list[bytes] = []
        self.tries = _MAX_TRIES

    @classmethod
    def of(cls, limits: Limits) -> "Budget":
        """Make the budget that the settings allow."""
        return cls(limits)

    def take_member(self) -> bool:
        """Count one member; False when there may be no more."""
        self.members -= 1
        return self.members >= 0


class Spent(Exception):
    """A bound was hit: `id` of the finding, `content` what came out before."""

    def __init__(self, id_: str, content: bytes) -> None:
        super().__init__(id_)
        self.id = id_
        self.content = content


class Meter:
    """Counts what comes out of one archive of so many octets against its ratio and the budget."""

    def __init__(self, octets: int, budget: Budget) -> None:
        self._budget = budget
        self._most = max(_FREE, octets * budget.limits.ratio)

    @property
    def budget(self) -> Budget:
        """What this is counted against."""
        return self._budget

    def room(self) -> tuple[int, str]:
        """Give how many octets may still come, and the finding if they do not suffice."""
        if self._most < self._budget.octets:
            return self._most, "limit.archive-ratio"
        return self._budget.octets, "limit.archive-octets"

    def spend(self, octets: int) -> None:
        """Count octets that came. Raises what the clock raises."""
        self._most -= octets
        self._budget.octets -= octets
        self._budget.check_time()


class Sink:
    """Takes what a decoder gives, piece by piece, up to what the meter has room for.

    No content becomes larger than a message may be. Careful: a list of pieces that are joined
    would need their memory twice.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._out = io.BytesIO()
        self._left = meter.budget.limits.message

    def room(self) -> int:
        """Give how many octets may still come."""
        return min(self._meter.room()[0], self._left)

    def take(self, piece: bytes | memoryview) -> None:
        """Keep a piece. Raises Spent where it is more than there is room for."""
        room, id_ = self._meter.room()
        if self._left < room:
            room, id_ = self._left, "limit.archive-octets"
        kept = min(len(piece), room)
        self._out.write(piece[:kept] if kept < len(piece) else piece)
        self._left -= kept
        self._meter.spend(kept)
        if kept < len(piece):
            raise Spent(id_, self.content())

    def content(self) -> bytes:
        """Give all pieces, without copying them."""
        return self._out.getvalue()
