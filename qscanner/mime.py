"""The octets of a message to a View of headers, leaves and findings.

Theory. mime_tree makes a tree of it; we walk that tree, and what it does not show, or shows in one
way of several, codec.sweep looks for in the octets.

Called by  scan, and checks.attachments for messages inside messages.
Ends       always with a View, for any octets; what the stdlib raises is a finding.
Careful    a part has as many leaves as it has readings; only their paths tell them apart.
"""

from dataclasses import dataclass, field, replace

from qscanner.codec import fields, transfer
from qscanner.codec import names as naming
from qscanner.codec.effort import Effort
from qscanner.codec.extents import are_certain
from qscanner.codec.fields import Octets
from qscanner.codec.mediatype import Media
from qscanner.codec.payload import Leaf, Payload, leaves_of_uu, unplaced
from qscanner.codec.sweep import sweep
from qscanner.mime_tree import MESSAGE, TEXT, Feeder, MimeLimits, Node
from qscanner.model import Finding, Header, Where

__all__ = ["MimeLimits", "View", "view"]

_HEAD_OCTETS = 1 << 20
_SWAPPED_OCTETS = 1 << 20  # in which the first LF CR stands
_PLAIN_MESSAGES = {"message/rfc822", "message/delivery-status", "message/disposition-notification"}
_TAME = {"mime.repeated-header"}  # no way around a raw look


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One reading of a message: its own headers, the leaves of its tree, what was odd.

    `head` is the header block as octets, at most 1 MiB, for checks of the octets themselves;
    `effort` is what is left for the messages in it.
    """

    headers: tuple[Header, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    findings: tuple[Finding, ...] = ()
    head: bytes = field(default=b"", repr=False)
    effort: Effort = field(default_factory=Effort, repr=False, compare=False)


def view(octets: Octets, limits: MimeLimits, effort: Effort | None = None) -> View:
    """Give one View of any octets at all; nothing is raised (RFC 5322, 2045 to 2047, 2231).

    `effort` is what the message around it has left; of its own there is one for the outermost.
    """
    if octets.find(b"\n") < 0 <= octets.find(b"\r"):  # line ends of old Macs
        octets = bytes(octets).replace(b"\r", b"\n")
    if _has_swapped_ends(octets):
        return _view_of_swapped(octets, limits, effort)
    feeder = Feeder(octets, limits)
    trouble: list[Finding] = []
    seen = View()
    reader = _Reader(feeder, effort or Effort.of(len(octets)))
    for step in (feeder.run, reader.walk, reader.sweep):
        try:
            seen = step() or seen
        except MemoryError:
            raise  # not the message's doing: the next try may have more
        except Exception as error:  # noqa: BLE001  the stdlib may raise anything on hostile input
            trouble.append(Finding(id="mime.parser-error", detail=type(error).__name__))
    if trouble:  # what was not read as parts is looked at as one text
        whole = Leaf(path="0", payload=Payload.of_octets(octets))
        seen = replace(seen, leaves=(*seen.leaves, whole), findings=(*trouble, *seen.findings))
    return seen if are_certain(seen.findings) else replace(seen, leaves=unplaced(seen.leaves))


def _has_swapped_ends(octets: Octets) -> bool:
    """Say whether most lines end in LF CR."""
    first = octets.find(b"\n\r", 0, _SWAPPED_OCTETS)
    if first < 0 or octets[max(first - 1, 0) : first] == b"\r":
        return False
    text = bytes(octets)
    swapped = text.count(b"\n\r")
    return text.count(b"\r") > 1 and 2 * swapped > text.count(b"\n")


def _view_of_swapped(octets: Octets, limits: MimeLimits, effort: Effort | None) -> View:
    """Read a message as those do who pass over its CRs; its places are then no places in it.

    Other CRs that it has end lines for some: of that reading nothing is looked at, so it is told.
    """
    text = bytes(octets)
    seen = view(text.translate(None, b"\r"), limits, effort)
    is_odd = text.count(b"\r") > text.count(b"\n\r") + 1
    told = (Finding(id="mime.control-in-header"),) if is_odd else ()
    return replace(
        seen,
        findings=(*told, *seen.findings),
        leaves=tuple(replace(leaf, is_hidden=True) for leaf in unplaced(seen.leaves)),
        head=text[: len(seen.head) + seen.head.count(b"\n")],
    )


class _Reader:
    """Makes the View of a tree that was fed."""

    def __init__(self, feeder: Feeder, effort: Effort) -> None:
        self._feeder = feeder
        self._effort = effort
        self._headers: tuple[Header, ...] = ()
        self._leaves: list[Leaf] = []
        self._findings: list[Finding] = []
        self._has_other_message = False  # a message of a type that not all scanners know
        self._may_have_uu = feeder.octets.find(b"begin") >= 0

    def walk(self) -> View:
        """Walk the tree and give what is in it."""
        root = self._feeder.root
        if root is not None:
            is_leaf = root.role == TEXT
            root.extent.end = self._feeder.size
            self._walk(root, "1" if is_leaf else "", is_nested=False, around=())
        return self._view()

    def sweep(self) -> View:
        """Add what no leaf decodes; say of leaves whether a raw look may have missed them."""
        odd = {finding.id for finding in self._findings if finding.id.startswith("mime.")}
        swept = sweep(
            self._feeder.octets,
            self._leaves,
            self._feeder.blocks,
            is_ambiguous=bool(odd - _TAME),
            effort=self._effort,
        )
        self._findings += swept.findings
        is_odd = swept.is_ambiguous or self._has_other_message
        self._leaves = [
            replace(leaf, is_hidden=True) if is_odd or leaf.path in swept.untidy else leaf
            for leaf in self._leaves
        ]
        self._leaves += swept.leaves
        return self._view()

    def _view(self) -> View:
        top = self._feeder.top or fields.Block()
        self._headers = self._headers or tuple(fields.header(*each) for each in top.fields)
        return View(
            headers=self._headers,
            leaves=tuple(self._leaves),
            findings=tuple(self._findings),
            head=bytes(self._feeder.octets[: min(top.body_at, _HEAD_OCTETS)]),
            effort=self._effort,
        )

    def _walk(self, node: Node, path: str, *, is_nested: bool, around: tuple[str, ...]) -> None:
        # Recursion is bounded by limits.depth. `around`: encodings of the multiparts around it.
        where = path if node.depth else ""
        self._findings += [Finding(id=id_, where=where) for id_ in sorted(node.odd)]
        kind = node.media.declared
        self._has_other_message |= kind.startswith("message/") and kind not in _PLAIN_MESSAGES
        names = naming.forms([*node.media.names, *node.media.located])
        self._findings += naming.look(names, path)
        children = node.pieces()
        place = _where(node.media, is_nested=is_nested)
        if not children:
            self._leaf(node, path or "1", names, place, around)
            return
        around = tuple(dict.fromkeys((*around, *node.media.encodings)))
        is_message = node.role == MESSAGE
        if names or (is_message and node.depth):
            self._leaves.append(
                Leaf(
                    path=path or "1",
                    names=names,
                    declared=node.media.declared,
                    where=place,
                    is_container=True,
                    depth=node.depth,
                    span=node.extent.span,
                    payload=Payload.of_octets(b""),
                )
            )
        for number, child in enumerate(children, 1):
            node.extent.hold(child.extent)
            below = f"{path}.{number}" if path else str(number)
            if is_message and child.role not in (TEXT, ""):
                below = path  # the parts of a message's multipart are numbered from 1
            self._walk(child, below, is_nested=is_nested or is_message, around=around)

    def _leaf(
        self,
        node: Node,
        path: str,
        names: tuple[str, ...],
        where: Where,
        around: tuple[str, ...],
    ) -> None:
        payload = self._payload(node.body())
        own = node.media.encodings
        # A part that does not say how it is encoded is, for some, as the multipart says.
        inherited = () if "content-transfer-encoding" in node else tuple({*around} - {*own})
        for place, encoding in enumerate((*own, *sorted(inherited))):
            leaf = Leaf(
                path=path if place == 0 else f"{path}~{encoding}",
                names=names,
                declared=node.media.declared,
                where=where,
                depth=node.depth,
                is_hidden=place >= len(own),
                is_fragment=place >= len(own),
                encoding=encoding,
                span=node.extent.span,
                payload=payload,
            )
            self._leaves.append(leaf)
            if leaf.is_text and encoding != transfer.UUENCODE and self._may_have_uu:
                self._leaves += leaves_of_uu(leaf)

    def _payload(self, text: str) -> Payload:
        pieces: list[bytes | tuple[int, int]] = []
        # The mark is a secret of this view, so no message can hold it: "12;" stands behind each.
        for place, piece in enumerate(text.split(self._feeder.mark)):
            rest = piece
            if place:
                number, _, rest = piece.partition(";")
                pieces.append(self._feeder.spans[int(number)])
            if rest:
                pieces.append(rest.encode("latin-1"))
        return Payload(octets=self._feeder.octets, pieces=tuple(pieces))


def _where(media: Media, *, is_nested: bool) -> Where:
    if is_nested:
        return Where.NESTED
    is_shown = media.disposition == "inline" or (not media.disposition and not media.is_named)
    return Where.INLINE if is_shown else Where.ATTACHMENT
