"""The tree of a message, as the parser of the standard library sees what we hand it.

Theory. The stdlib builds the tree, but is never let near what it cannot digest. We lex every
header block ourselves (codec.fields: bounded, tolerant), hand the stdlib clean blocks, and decide
for it, in a subclass of its Message, what is a container and which boundary counts: its own
reading of a Content-Type is quadratic, raises, and takes every message/* for a container. Bodies
are kept out of it: it sees a line with a secret mark; the payload puts the octets back.

Called by  mime only, which makes a View of the tree.
Ends       with a tree; what the stdlib raises goes up to mime, for which it is a finding.
Careful    compat32 only. Text fed to the stdlib has one character per octet (Latin-1), so nothing
           is lost and a boundary of 8-bit octets matches. Nothing is ever re-serialised.
"""

import re
import secrets
from dataclasses import dataclass
from email.feedparser import FeedParser
from email.message import Message
from email.policy import Policy, compat32
from functools import partial
from typing import Any

from qscanner.codec import fields, transfer
from qscanner.codec.delimiters import Delimiter, Delimiters
from qscanner.codec.extents import Extent
from qscanner.codec.fields import Octets
from qscanner.codec.mediatype import Media, media_of
from qscanner.settings import Limits

_KIB = 1 << 10
_EOL = re.compile(rb"\r\n\Z|\n\Z|\r\Z")
_MAX_BOUNDARIES = 24
_DELIMITERS_A_PART = 8
_MESSAGE_TYPES = {"message/rfc822", "message/global", "message/news"}
TEXT, MULTIPART, MESSAGE = "text/plain", "multipart/mixed", "message/rfc822"


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


class Node(Message):
    """A Message that reads its own type by our rules, and knows its depth.

    The parser asks get_content_type() once the header block is complete, then get_boundary().
    """

    def __init__(self, tree: "Feeder", policy: Policy = compat32) -> None:
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
        if isinstance(payload, Node):
            payload.depth = self.depth + 1

    def get_content_type(self) -> str:
        if not self.role:
            self.tree.judge(self)
        return self.role

    def get_content_maintype(self) -> str:
        return self.get_content_type().partition("/")[0]

    def get_boundary(self, failobj: object = None) -> str:  # noqa: ARG002
        return self.tree.enter(self)

    def pieces(self) -> list["Node"]:
        """Give the children, none for a leaf."""
        payload = self.get_payload()
        return [node for node in payload if isinstance(node, Node)] if self.is_multipart() else []

    def body(self) -> str:
        """Give the payload of a leaf as it was fed."""
        payload = self.get_payload()  # Latin-1 has no surrogates: the text comes as it was fed
        return payload if isinstance(payload, str) else ""


class Feeder:
    """Walks the octets in step with the parser: header blocks lexed, bodies in long stretches."""

    def __init__(self, octets: Octets, limits: MimeLimits) -> None:
        self.octets = octets
        self.limits = limits
        self.size = len(octets)
        self.nodes = 0
        self.last: Node
        self.root: Node | None = None
        self.mark = secrets.token_hex(16)
        self.spans: list[tuple[int, int]] = []
        self.blocks: list[tuple[int, int]] = []
        self.top: fields.Block | None = None
        self._odd: set[str] = set()  # of the header block that the parser is about to judge
        self._block_at: int | None = None  # where that block begins
        self._at = 0  # where the parser is
        self._delimiters: Delimiters[Node] = Delimiters(octets)
        self._field_limits = fields.FieldLimits(
            fields=limits.headers, octets=limits.header_line, content_octets=limits.content_header
        )
        factory: Any = partial(Node, self)  # typeshed knows the factory of old only
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

    def _take(self, delimiter: Delimiter["Node"]) -> None:
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

    def judge(self, node: Node) -> None:
        """Decide what a node is for the parser, from its header fields."""
        node.media = media_of(list(node.raw_items()), default=node.get_default_type())
        node.odd |= node.media.odd | self._odd
        node.extent.start = self._block_at
        self._odd, self._block_at = set(), None
        node.role = TEXT
        kind = node.media.declared
        is_message = kind in _MESSAGE_TYPES and node.media.encodings == (transfer.IDENTITY,)
        if not is_message and not node.media.is_multipart and not node.media.boundaries:
            return
        if node.depth >= self.limits.depth:
            node.odd.add("limit.depth")
        elif is_message:
            node.role = MESSAGE
        elif self._choose_boundary(node):
            # The parser gives the parts of a digest another default type.
            node.role = "multipart/digest" if kind == "multipart/digest" else MULTIPART
            if not node.media.is_multipart:
                node.odd.add("mime.odd-type")

    def _choose_boundary(self, node: Node) -> bool:
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

    def enter(self, node: Node) -> str:
        """Note that the parser begins to read a multipart; give it the boundary."""
        self._delimiters.enter(node, node.boundaries, self._at)
        return node.boundary
