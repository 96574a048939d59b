"""Leaves: names, type and payload of a part; octets in pieces, decoded on demand; uuencoded files.

Called by  mime, which makes them; checks.attachments, which decodes them.
Ends       always with octets; nothing here raises.
Careful    the pieces point into the message, maybe a mapping: keep it open while you decode.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from qscanner.codec import names, transfer
from qscanner.codec.fields import Octets
from qscanner.codec.text import readable
from qscanner.model import Where

_SLICE = 1 << 20  # octets that are copied at a time
# A line like `begin 644 name`, as lenient decoders take it: that of what is at hand is enough.
_UU_FIRST_BEGIN = re.compile(
    rb"[ \t\0\x0b\r.]{0,80}+[Bb][Ee][Gg][Ii][Nn](?:(-[Bb][Aa][Ss][Ee]64)[!-~]{0,20})?"
    rb"(?:[ \t\x0b\xa0]++(-?[0-9A-Za-z]{1,6}))?(?:[ \t\x0b\xa0]++([^\r\n]{0,1000}))?"
    rb"(?=(\r{0,9}\n|\r))"
)
_UU_BEGIN = re.compile(rb"\n" + _UU_FIRST_BEGIN.pattern)
_UU_LINE = re.compile(rb"[\0-\x20]{0,99}?([!-`])([ -`]{2,84})[^\r\n]{0,2}(?:[\r\n]|\Z)")
_MODE = re.compile(rb"0?[0-7]{3}\Z")
MAX_FILES = 100  # uuencoded ones in one text


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The pieces of one payload in order: octets, or a stretch (start, end) of the message."""

    octets: Octets
    pieces: tuple[bytes | tuple[int, int], ...]

    @classmethod
    def of_octets(cls, octets: Octets) -> "Payload":
        """Take all octets as they are."""
        return cls(octets=octets, pieces=((0, len(octets)),))

    def slices(self) -> Iterator[bytes]:
        """Give the octets in slices of at most 1 MiB, or a piece that is no stretch."""
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                start, end = piece
                for at in range(start, end, _SLICE):
                    yield bytes(self.octets[at : min(at + _SLICE, end)])

    def all(self) -> bytes:
        """Give all octets."""
        if len(self.pieces) == 1 and not isinstance(self.pieces[0], bytes):
            start, end = self.pieces[0]
            return bytes(self.octets[start:end])
        return b"".join(self.slices())


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One leaf of the tree, in one reading; a container only for the names it bears.

    `path` is like `1.2`; `names` holds every form of every name, as written first; `declared` is
    its type; `depth` is how many containers it is in; `is_hidden`: a scanner that is given the
    raw message may not see it; `is_fragment`: it came to light where nothing says that it is a
    content, maybe by chance, so how well it is formed says nothing. `span` is where it stands in
    the message, from its header block to before the line end of the next delimiter; None where
    there is no one such place.
    """

    path: str
    names: tuple[str, ...] = ()
    declared: str = "text/plain"
    where: Where = Where.INLINE
    is_container: bool = False
    depth: int = 0
    is_hidden: bool = False
    is_fragment: bool = False
    encoding: str = transfer.IDENTITY
    span: tuple[int, int] | None = None
    payload: Payload = field(repr=False)

    @property
    def is_text(self) -> bool:
        """Whether it says that it is text."""
        return self.declared.startswith("text/")

    def decode(self) -> bytes:
        """Give the octets that the transfer encoding means; of a container none. Never raises."""
        if self.is_container:
            return b""
        try:
            return transfer.decode(self.encoding, self.payload.slices())
        except ValueError:  # binascii.Error is one: whatever it was, it is looked at as it came
            return self.payload.all()


def unplaced(leaves: Iterable[Leaf]) -> tuple[Leaf, ...]:
    """Give the leaves of a message about whose structure mail programs may differ."""
    return tuple(replace(leaf, span=None) for leaf in leaves)


def leaves_of_uu(leaf: Leaf) -> Iterator[Leaf]:
    """Give a leaf for each uuencoded file in the text of a leaf."""
    if leaf.encoding == transfer.BASE64:
        return
    text = leaf.decode()
    for number, (name, start, end, is_base64) in enumerate(_uu_blocks(text), 1):
        yield Leaf(
            path=f"{leaf.path}.uu{number}",
            names=names.forms([name]),
            declared="application/octet-stream",
            where=Where.NESTED if leaf.where is Where.NESTED else Where.ATTACHMENT,
            depth=leaf.depth,
            is_hidden=True,
            encoding=transfer.BASE64 if is_base64 else transfer.UUENCODE,
            payload=Payload(octets=text, pieces=((start, end),)),
        )


def has_uu(text: bytes) -> bool:
    """Say, fast, whether any line may begin a uuencoded file."""
    return b"begin" in text.lower() and any(_begins_of_uu(text))


def _begins_of_uu(text: bytes) -> Iterator[re.Match[bytes]]:
    """Give the lines that begin a uuencoded file: by their mode, or by the line behind them."""
    first = _UU_FIRST_BEGIN.match(text)
    for found in chain(filter(None, [first]), _UU_BEGIN.finditer(text)):
        if _MODE.match(found[2] or b"") or found[1] or _is_uu(text, found.end(4)):
            yield found


def _is_uu(text: bytes, at: int) -> bool:
    """Say whether a line is one of uuencode: its first character says how long it is."""
    line = _UU_LINE.match(text, at)
    if not line:
        return False
    length = (((line[1][0] - 32) & 63) + 2) // 3 * 4
    return length - 4 <= len(line[2]) <= length + 2


def _uu_blocks(text: bytes) -> Iterator[tuple[str, int, int, bool]]:
    """Give (name, start, end, is base64) of each uuencoded file in a text, at most 100.

    uuencode(5); start is that of its first line of data. A file without its last line ends where
    the next begins, or with the text.
    """
    begins = list(islice(_begins_of_uu(text), MAX_FILES))
    stops = [found.start() for found in begins[1:]] + [len(text)]
    for found, stop in zip(begins, stops, strict=False):
        is_base64 = found[1] is not None
        last = b"\n====" if is_base64 else b"\nend"
        start = found.end(4)
        end = text.find(last, start - 1, stop)
        yield readable(found[3] or b"").strip(), start, end + 1 if end >= 0 else stop, is_base64
