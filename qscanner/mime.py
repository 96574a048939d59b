"""The only home of `email`: the octets of a message to a View of headers, leaves and findings.

Theory. The stdlib builds the tree, but is never let near what it cannot digest. We lex every
header block ourselves (codec.fields: bounded, tolerant), hand the stdlib clean blocks, and decide
for it, in a subclass of its Message, what is a container and which boundary counts: its own
reading of a Content-Type is quadratic, raises, and takes every message/* for a container. Bodies
are kept out of it: it sees a line with a secret mark; the payload puts the octets back. What the
tree does not show, or shows in one way of several, codec.sweep looks for in the octets.

Called by  scan, and checks.attachments for messages inside messages.
Ends       always with a View, for any octets; what the stdlib raises is a finding.
Careful    compat32 only. Text fed to the stdlib has one character per octet (Latin-1), so nothing
           is lost and a boundary of 8-bit octets matches. Nothing is ever re-serialised.
"""

import re
import secrets
from dataclasses import dataclass, field, replace
from email.feedparser import FeedParser
from email.message import Message
from email.policy import Policy, compat32
from functools import partial
from typing import Any

from qscanner.codec import fields, transfer
from qscanner.codec import names as naming
from qscanner.codec.delimiters import Delimiter, Delimiters
from qscanner.codec.effort import Effort
from qscanner.codec.extents import Extent, are_certain
from qscanner.codec.fields import Octets
from qscanner.codec.mediatype import Media, media_of
from qscanner.codec.payload import Leaf, Payload, leaves_of_uu, unplaced
from qscanner.codec.sweep import sweep
from qscanner.model import Finding, Header, Where
from qscanner.settings import Limits

_KIB = 1 << 10
_HEAD_OCTETS = 1024 * _KIB
_EOL = re.compile(rb"\r\n\Z|\n\Z|\r\Z")
_MAX_BOUNDARIES = 24
_DELIMITERS_A_PART = 8
_MESSAGE_TYPES = {"message/rfc822", "message/global", "message/news"}
_PLAIN_MESSAGES = {"message/rfc822", "message/delivery-status", "message/disposition-notification"}
_TAME = {"mime.repeated-header"}  # no way around a raw look
_TEXT, _MULTIPART, _MESSAGE = "text/plain", "multipart/mixed", "message/rfc822"


@dataclass(frozen=True, slots=True, kw_only=True)
class MimeLimits:
    """Bounds of one view; each that is hit is a finding `limit.*`."""

    depth: int = 32
    parts: int = 1000
    headers: int = 10_000
    header_line: int = 256 * _KIB
    content_header: int = 8 * _KIB

    @classmethod
    def of(cls, limits: Limits) -> "MimeLimits":
        """Take what the settings say; the rest is not for admins to choose."""
        return cls(depth=limits.depth, parts=limits.parts)


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
    feeder = _Feeder(octets, limits)
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


class _Node(Message):
    """A Message that reads its own type by our rules, and knows its depth.

    The parser asks get_content_type() once the header block is complete, then get_boundary().
    """

    def __init__(self, tree: "_Feeder", policy: Policy = compat32) -> None:
        super().__init__(policy=policy)
        self.tree = tree
        self.depth = 0
        self.extent = Extent()
        self.role = ""  # what the parser is told: text/plain, multipart/mixed, message/rfc822
        self.media = Media()
        self.odd: set[str] = set()
        self.boundary = ""  # what the parser is told
        self.boundaries: list[str] = []  # what delimits
        tree.last = self
        tree.nodes += 1

    def attach(self, payload: Any) -> None:
        super().attach(payload)
        if isinstance(payload, _Node):
            payload.depth = self.depth + 1

    def get_content_type(self) -> str:
        if not self.role:
            self.tree.judge(self)
        return self.role

    def get_content_maintype(self) -> str:
        return self.get_content_type().partition("/")[0]

    def get_boundary(self, failobj: object = None) -> str:  # noqa: ARG002
        return self.tree.enter(self)

    def pieces(self) -> list["_Node"]:
        """Give the children, none for a leaf."""
        payload = self.get_payload()
        return [node for node in payload if isinstance(node, _Node)] if self.is_multipart() else []

    def body(self) -> str:
        """Give the payload of a leaf as it was fed."""
        payload = self.get_payload()  # Latin-1 has no surrogates: the text comes as it was fed
        return payload if isinstance(payload, str) else ""


class _Feeder:
    """Walks the octets in step with the parser: header blocks lexed, bodies in long stretches."""

    def __init__(self, octets: Octets, limits: MimeLimits) -> None:
        self.octets = octets
        self.limits = limits
        self.size = len(octets)
        self.nodes = 0
        self.last: _Node
        self.root: _Node | None = None
        self.mark = secrets.token_hex(16)
        self.spans: list[tuple[int, int]] = []
        self.blocks: list[tuple[int, int]] = []
        self.top: fields.Block | None = None
        self._odd: set[str] = set()  # of the header block that the parser is about to judge
        self._block_at: int | None = None  # where that block begins
        self._at = 0  # where the parser is
        self._delimiters: Delimiters[_Node] = Delimiters(octets)
        self._field_limits = fields.FieldLimits(
            fields=limits.headers, octets=limits.header_line, content_octets=limits.content_header
        )
        factory: Any = partial(_Node, self)  # typeshed knows the factory of old only
        self._parser = FeedParser(factory, policy=compat32)
        self.nodes = 0  # the parser tries its factory once

    def run(self) -> None:
        """Feed all octets; afterwards `root` is the tree."""
        self._parser.feed("")
        self.root = self.last
        self._headers(self.size)
        # Of delimiters upon delimiters the parser makes no parts: they have a bound of their own.
        for _ in range(_DELIMITERS_A_PART * (self.limits.parts + 1)):
            delimiter = self._delimiters.next(self._at)
            self._body(delimiter.start if delimiter else self.size)
            if delimiter is None or self.nodes > self.limits.parts:
                break
            self._take(delimiter)
        if self._at < self.size:
            self.root.odd.add("limit.parts")
        self._parser.close()

    def _headers(self, stop: int) -> None:
        """Feed the header block here, and those of messages that begin with its body."""
        is_next = True
        while is_next:
            block = fields.read_block(self.octets, self._at, stop, self._field_limits)
            self.blocks.append((self._at, block.body_at))
            self._at = block.body_at
            self._odd, self._block_at = block.odd, self.blocks[-1][0]
            self.top = self.top or block
            lines = [f"{name}: {value}\n" for name, value in block.fields]
            # The empty line makes the parser judge the node now, while we know where we are.
            self._parser.feed("".join([*lines, "\n"]))
            is_next = not self.last.role and self._at < stop

    def _body(self, stop: int) -> None:
        eol = _EOL.search(bytes(self.octets[max(self._at, stop - 2) : stop]))
        line_end = eol[0] if eol else b""
        mark = ""
        if stop - self._at > len(line_end):
            mark = f"{self.mark}{len(self.spans)};"
            self.spans.append((self._at, stop - len(line_end)))
        self._parser.feed(mark + line_end.decode())
        self._at = stop

    def _take(self, delimiter: Delimiter["_Node"]) -> None:
        """Feed a delimiter line, and the header block behind it."""
        node = delimiter.owner
        node.extent.cut(self.octets, delimiter.start)
        is_close = delimiter.is_close
        if delimiter.has_words:
            node.odd.add("mime.delimiter-junk")
        self._delimiters.leave(delimiter, with_owner=False)
        if is_close and self._delimiters.goes_on(delimiter):
            # Some clients go on behind an early end: read it as if it were not the last delimiter.
            node.odd.add("mime.after-close")
            is_close = False
        self._at = delimiter.end
        self._parser.feed(f"--{node.boundary}{'--' if is_close else ''}\n")
        if is_close:
            self._delimiters.leave(delimiter, with_owner=True)
            return
        following = self._delimiters.next(self._at)
        stop = following.start if following else self.size
        if self._at < stop:
            self._headers(stop)

    def judge(self, node: _Node) -> None:
        """Decide what a node is for the parser, from its header fields."""
        node.media = media_of(list(node.raw_items()), default=node.get_default_type())
        node.odd |= node.media.odd | self._odd
        node.extent.start = self._block_at
        self._odd, self._block_at = set(), None
        node.role = _TEXT
        kind = node.media.declared
        is_message = kind in _MESSAGE_TYPES and node.media.encodings == (transfer.IDENTITY,)
        if not is_message and not node.media.is_multipart and not node.media.boundaries:
            return
        if node.depth >= self.limits.depth:
            node.odd.add("limit.depth")
        elif is_message:
            node.role = _MESSAGE
        elif self._choose_boundary(node):
            # The parser gives the parts of a digest another default type.
            node.role = "multipart/digest" if kind == "multipart/digest" else _MULTIPART
            if not node.media.is_multipart:
                node.odd.add("mime.odd-type")

    def _choose_boundary(self, node: _Node) -> bool:
        """Take all boundaries that occur; failing that, one that looks like it.

        Clients differ about which of several counts: parts under any of them are parts.
        """
        candidates = node.media.boundaries[:_MAX_BOUNDARIES]
        node.boundaries = self._delimiters.occurring(candidates, self._at)
        if self._delimiters.is_blind:
            node.odd.add("limit.boundaries")
        if not node.boundaries and node.media.is_multipart:
            guess = self._delimiters.guess(self._at)
            node.odd.add("mime.no-boundary" if guess is None else "mime.guessed-boundary")
            node.boundaries = [] if guess is None else [guess]
        if node.boundaries:
            node.boundary = node.boundaries[0]
        return bool(node.boundaries)

    def enter(self, node: _Node) -> str:
        """Note that the parser begins to read a multipart; give it the boundary."""
        self._delimiters.enter(node, node.boundaries, self._at)
        return node.boundary


class _Reader:
    """Makes the View of a tree that was fed."""

    def __init__(self, feeder: _Feeder, effort: Effort) -> None:
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
            is_leaf = root.role == _TEXT
            root.extent.end = self._feeder.size
            self._walk(root, "1" if is_leaf else "", is_nested=False)
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

    def _walk(self, node: _Node, path: str, *, is_nested: bool) -> None:
        # Recursion is bounded by limits.depth.
        where = path if node.depth else ""
        self._findings += [Finding(id=id_, where=where) for id_ in sorted(node.odd)]
        kind = node.media.declared
        self._has_other_message |= kind.startswith("message/") and kind not in _PLAIN_MESSAGES
        names = naming.forms([*node.media.names, *node.media.located])
        self._findings += naming.look(names, path)
        children = node.pieces()
        place = _where(node.media, is_nested=is_nested)
        if not children:
            self._leaf(node, path or "1", names, place)
            return
        is_message = node.role == _MESSAGE
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
            if is_message and child.role not in (_TEXT, ""):
                below = path  # the parts of a message's multipart are numbered from 1
            self._walk(child, below, is_nested=is_nested or is_message)

    def _leaf(self, node: _Node, path: str, names: tuple[str, ...], where: Where) -> None:
        payload = self._payload(node.body())
        for place, encoding in enumerate(node.media.encodings):
            leaf = Leaf(
                path=path if place == 0 else f"{path}~{encoding}",
                names=names,
                declared=node.media.declared,
                where=where,
                depth=node.depth,
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
