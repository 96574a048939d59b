"""Where a part stands: from its header block to before the line end of the next delimiter.

Called by  mime, for each part while it reads, and once more when the tree is there.
Ends       always; pure.
Careful    a part without a header block, not even an empty one, stands nowhere: its span is None.
           RFC 2046 5.1.1: the line end before a delimiter line belongs to the delimiter.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from qscanner.codec.fields import Octets
from qscanner.model import Finding

Span = tuple[int, int]
# Said twice, or about what one body decodes to: nothing about where parts stand.
_TAME = {"mime.repeated-header", "mime.encoding-ambiguous"}


@dataclass(slots=True, kw_only=True)
class Extent:
    """The extent of one part: where its header block begins, where the part ends.

    `cuts` are where the parts of a multipart end, in order: before each of its delimiters.
    """

    start: int | None = None
    end: int = 0
    cuts: list[int] = field(default_factory=list)

    @property
    def span(self) -> Span | None:
        """Give (start, end), None where it has no place of its own."""
        return None if self.start is None or self.start > self.end else (self.start, self.end)

    def cut(self, octets: Octets, delimiter: int) -> None:
        """Note a delimiter line of this multipart, by the offset of its dashes."""
        before = bytes(octets[max(0, delimiter - 2) : delimiter])
        self.cuts.append(delimiter - (2 if before == b"\r\n" else before.endswith(b"\n")))

    def hold(self, part: "Extent") -> None:
        """Say where a part of this one ends: before our next delimiter, or where we end."""
        place = bisect_left(self.cuts, part.start or 0)
        part.end = self.cuts[place] if place < len(self.cuts) else self.end


def are_certain(findings: Iterable[Finding]) -> bool:
    """Say whether every mail program should see the same parts at the same places."""
    return not any(
        each.id.startswith(("mime.", "limit.")) and each.id not in _TAME for each in findings
    )
