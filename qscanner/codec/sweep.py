"""The sweep: encoded octets that no leaf decodes, wherever they stand; leaves read in other ways.

Theory. However a message misleads about its structure, what it carries stands in it somewhere, in
one of few encodings. So all that no leaf decodes for certain is looked through for runs of them,
and for header blocks where no part begins; and a leaf that decoders would read differently is
read in all their ways. A message without anomalies is only looked through for long runs.

Called by  mime, with the leaves of the tree.
Ends       always with a Swept; a bound that was hit is a finding. Nothing here raises.
Careful    ordinary mail is full of what looks encoded (keys, hashes, links): what does not decode
           to the beginning of some content is dropped, or kept in one heap if the message is odd.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from urllib.parse import unquote_to_bytes

from qscanner.codec import fields, mediatype, names, readings, runs, transfer
from qscanner.codec.effort import Effort
from qscanner.codec.fields import Octets
from qscanner.codec.payload import MAX_FILES, Leaf, Payload, has_uu, leaves_of_uu
from qscanner.model import Finding, Where

_MAX_RAW = 20  # of one text
_HEAD_OCTETS = 200
_MIN_HEAD = 32
_MIN_GAP = 60  # between leaves: more than a delimiter line
_FIELD_LIMITS = fields.FieldLimits(fields=200, octets=64 << 10, content_octets=8 << 10)
_BLOCK_OCTETS = 4 << 10  # from its begin to its first Content-* field
_STRAY = re.compile(  # begins with what has no case: that is looked for six times as fast
    rb"-(?:type[ \t]*:[^\r\n]{0,200}/|transfer-encoding[ \t]*:|disposition[ \t]*:)", re.I
)
_BLOCK_END = re.compile(rb"\n--|\n[ \t>]*\r*\n")
_DELIMITER = re.compile(rb"\n[ \t>]*--\S")
_TRIPLET = rb"=[0-9A-Fa-f]{2}[^=\r\n]{0,9}(?:=[ \t]*+\r*+\n)?"
_QUOTED = re.compile(_TRIPLET + rb"(?:" + _TRIPLET + rb"){5}")
_RAW = re.compile(rb"\n(?=MZ[\x80-\xff\0]|PK\x03\x04|X5O!P%@AP|\x7fELF|Rar!\x1a|\xd0\xcf\x11\xe0)")
_DATA_URI = re.compile(rb"data:[\w/+.;=-]{0,200},([^\s\"'<>]{20,})")
_WIDE = re.compile(rb"\0[\t\r\n -~](?:\0[\t\r\n -~]){29}")
_MESSAGE_LIKE = re.compile(
    rb"\s*+(?:>?From |(?:received|from|to|subject|date|return-path|mime-version|message-id"
    rb"|content-[a-z-]{2,20})[ \t]*:)",
    re.IGNORECASE,
)
_WITH_TEXT = ("text/", "multipart/", "message/")
_MESSAGES = {"message/rfc822", "message/global", "message/news"}


@dataclass(slots=True, kw_only=True)
class Swept:
    """What was found: further leaves, what was odd, and paths of leaves that are not tidy."""

    leaves: list[Leaf] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    untidy: set[str] = field(default_factory=set)
    is_ambiguous: bool = False


def sweep(
    octets: Octets,
    leaves: Sequence[Leaf],
    blocks: Sequence[tuple[int, int]],
    *,
    is_ambiguous: bool,
    effort: Effort,
) -> Swept:
    """Look for what no leaf decodes.

    `leaves` are those of the tree; `blocks` the (start, end) of the header blocks that were read,
    in order; `is_ambiguous`: the message has an anomaly, so look closely; `effort` is what is left
    for this message and those around it and in it.
    """
    work = _Sweep(octets, blocks, effort, is_ambiguous=is_ambiguous)
    work.leaves(leaves)
    work.strays()
    if octets.find(b"\0") >= 0 and _WIDE.search(octets):
        work.look(bytes(octets), "", is_close=True)
    work.remains()
    work.finish()
    return work.swept


class _Sweep:
    def __init__(
        self,
        octets: Octets,
        blocks: Sequence[tuple[int, int]],
        effort: Effort,
        *,
        is_ambiguous: bool,
    ) -> None:
        self._octets = octets
        self._blocks = sorted(blocks)
        self._decoded: list[tuple[int, int]] = []  # what leaves decode, for certain or in all ways
        self._shown: list[tuple[int, int]] = []  # what is the body of some leaf
        self._effort = effort
        self._heap: list[bytes] = []
        self._counts: dict[str, int] = {}
        self.swept = Swept(is_ambiguous=is_ambiguous)

    def leaves(self, leaves: Sequence[Leaf]) -> None:
        """Take the leaves of the tree: where they decode, and how else they may be read."""
        encoded: list[tuple[Leaf, bool]] = []
        for leaf in leaves:
            is_plain = leaf.encoding == transfer.IDENTITY
            is_own = leaf.payload.octets is self._octets
            if leaf.is_container:
                continue
            if is_own:
                spans = [piece for piece in leaf.payload.pieces if not isinstance(piece, bytes)]
                self._shown += spans
                self._decoded += [] if is_plain else spans
            if is_plain:
                self._undeclared(leaf)
            elif leaf.encoding == transfer.UUENCODE and not is_own:
                self._effort.note(*_marks_of_uu(leaf))  # the text around it is looked through
            else:
                encoded.append((leaf, readings.is_tidy(leaf.encoding, leaf.payload.slices())))
        for leaf, is_tidy in encoded:
            if not is_tidy or self.swept.is_ambiguous:
                self._effort.note(leaf.decode())
        for leaf, is_tidy in encoded:
            self._encoded(leaf, is_tidy=is_tidy)

    def _encoded(self, leaf: Leaf, *, is_tidy: bool) -> None:
        if not is_tidy:
            self.swept.untidy.add(leaf.path)
            self._read(leaf)
        if leaf.encoding == transfer.QUOTED_PRINTABLE or leaf.declared.startswith(_WITH_TEXT):
            octets = leaf.decode()
            # A message is looked through when it is read as one.
            if leaf.declared not in _MESSAGES or not _MESSAGE_LIKE.match(octets):
                self.look(octets, leaf.path)

    def _undeclared(self, leaf: Leaf) -> None:
        """Decode a leaf that is not said to be encoded, and is nothing but base64."""
        head = next(leaf.payload.slices(), b"")[:_HEAD_OCTETS]
        if len(head) > _MIN_HEAD and readings.is_tidy(
            transfer.BASE64, [head[: head.rfind(b"\n")]]
        ):
            self._run(leaf.payload.all(), leaf.path, is_close=self.swept.is_ambiguous)

    def _read(self, leaf: Leaf) -> None:
        """Add the other readings of a leaf's payload."""
        text = leaf.payload.all()
        if not self._may_read(text, leaf.path):
            return
        is_all = not leaf.is_text or self.swept.is_ambiguous
        if is_all or has_uu(text):
            self.look(text, leaf.path, is_close=is_all)  # it may be of another encoding
        for name, octets in readings.others(leaf.encoding, text):
            if is_all or runs.begins_like_content(octets):
                self._add(octets, f"{leaf.path}~{name}", where=leaf.where, depth=leaf.depth)
                self._note("mime.encoding-ambiguous", leaf.path)

    def _may_read(self, text: bytes, path: str) -> bool:
        may_read = self._effort.may_read(text)
        if not may_read:
            self._note("limit.readings", path)
        return may_read

    def strays(self) -> None:
        """Read header blocks that stand where no part begins."""
        starts = list(islice(self._strays(), self._effort.strays + 1))
        if len(starts) > self._effort.strays:
            starts.pop()
            self._note("limit.sweep", "")
        self._effort.strays -= len(starts)
        for place, (start, block_at) in enumerate(starts):
            following = starts[place + 1][1] if place + 1 < len(starts) else len(self._octets)
            block = fields.read_block(self._octets, block_at, following, _FIELD_LIMITS)
            if block.body_at <= start:
                block = fields.read_block(self._octets, start, following, _FIELD_LIMITS)
            self._stray(block, following)

    def _strays(self) -> Iterator[tuple[int, int]]:
        """Give where each stray Content-* field stands, and where its block begins."""
        done = 0
        starts = [start for start, _end in self._blocks]
        for found in _STRAY.finditer(self._octets):
            at = found.start() - len(b"content")
            if at < 0 or bytes(self._octets[at : found.start()]).lower() != b"content":
                continue
            place = bisect_right(starts, at) - 1
            if place >= 0 and at < self._blocks[place][1]:
                continue
            line = self._octets.rfind(b"\n", max(done, at - 8), at) + 1 or at
            if at < done or self._octets[line:at].strip(b" \t>"):
                continue
            floor = max(done, at - _BLOCK_OCTETS)
            begin = floor
            for end in _BLOCK_END.finditer(self._octets, floor, line):
                begin = self._octets.find(b"\n", end.start() + 1) + 1
            block = fields.read_block(self._octets, line, len(self._octets), _FIELD_LIMITS)
            done = max(block.body_at, found.end())
            yield line, min(begin, line)

    def _stray(self, block: fields.Block, following: int) -> None:
        media = mediatype.media_of(block.fields)
        end = _DELIMITER.search(self._octets, max(block.body_at - 2, 0), following)
        stop = max(end.start() if end else following, block.body_at)
        every = names.forms([*media.names, *media.located])
        self._note("mime.stray-part", "")
        for encoding in media.encodings:
            is_plain = encoding == transfer.IDENTITY
            if is_plain and not every and media.declared.startswith(_WITH_TEXT):
                continue  # what it holds stands in the text, and is found there
            is_bare = is_plain and media.declared.startswith(("multipart/", "message/"))
            body = (stop, stop) if is_bare else (block.body_at, stop)
            payload = Payload(octets=self._octets, pieces=(body,))
            if not (every or payload.all().strip()):
                continue
            if not self._effort.may_hand_on(0):  # no copy of octets
                self._note("limit.sweep", "")
                return
            self._decoded += [] if is_plain else [body]
            leaf = Leaf(
                path=self._path("stray", ""),
                names=every,
                declared=media.declared,
                where=Where.NESTED,
                is_hidden=True,
                encoding=encoding,
                payload=payload,
            )
            self.swept.leaves.append(leaf)
            self._look_into_stray(leaf)

    def _look_into_stray(self, leaf: Leaf) -> None:
        if not readings.is_tidy(leaf.encoding, leaf.payload.slices()):
            self._read(leaf)
        if leaf.is_text and leaf.encoding != transfer.IDENTITY:
            self.look(leaf.decode(), leaf.path)

    def remains(self) -> None:
        """Look through all that no leaf decodes, and closely at what is no body of any."""
        for text in self._between(self._decoded):
            self.look(text, "")
        for text in self._between([*self._blocks, *self._shown, *self._decoded]):
            if len(text) > _MIN_GAP:
                self.look(text, "", is_close=True)

    def _between(self, spans: list[tuple[int, int]]) -> Iterator[bytes]:
        at = 0
        for start, end in [*sorted(spans), (len(self._octets), len(self._octets))]:
            if start > at:
                yield bytes(self._octets[at:start])
            at = max(at, end)

    def look(self, text: bytes, path: str, *, is_close: bool = False) -> None:
        """Add what is encoded in a text."""
        is_close = is_close or self.swept.is_ambiguous or bool(self.swept.findings)
        if not self._effort.may_look(len(text), is_close=is_close):
            self._note("limit.sweep", path)
            return
        if b"\0" in text and _WIDE.search(text):
            is_close = True
            text = text.replace(b"\0", b"")  # UTF-16
        for start, end in runs.base64_runs(text, is_thorough=is_close):
            run = text[start:end]
            if is_close or runs.is_worth_decoding(run):
                self._run(run, path, is_close=is_close)
        for name, octets in self._files(text, path, is_close=is_close):
            self._add(octets, self._path("sweep", path), called=name)
        if is_close:
            self._look_closely(text, path)

    def _files(self, text: bytes, path: str, *, is_close: bool) -> Iterator[tuple[str, bytes]]:
        """Give (name, octets) of each file in a text whose encoding marks its own begin."""
        if has_uu(text):
            yield from self._uu_files(text, path)
        if b"=ybegin" in text:
            for count, file in enumerate(runs.yenc_files(text), 1):
                self._bound(count, path)
                yield file
        if b"BinHex" in text or is_close:
            yield from self._binhex_files(text, path)
        for quoted in _DATA_URI.finditer(text) if b"data:" in text else ():
            octets = unquote_to_bytes(quoted[1])
            if runs.begins_like_content(octets):
                yield "", octets

    def _uu_files(self, text: bytes, path: str) -> Iterator[tuple[str, bytes]]:
        leaves = list(leaves_of_uu(Leaf(path="", payload=Payload.of_octets(text))))
        self._bound(len(leaves), path)
        for leaf in leaves:
            if self._effort.note(*_marks_of_uu(leaf)):
                yield leaf.names[0] if leaf.names else "", leaf.decode()

    def _binhex_files(self, text: bytes, path: str) -> Iterator[tuple[str, bytes]]:
        for count, (name, octets) in enumerate(runs.binhex_files(text), 1):
            self._bound(count, path)
            if not self._effort.may_look(len(octets), is_close=True):
                self._note("limit.sweep", path)
                break  # it grows while it is decoded
            yield name, octets

    def _bound(self, files: int, path: str) -> None:
        if files >= MAX_FILES:
            self._note("limit.sweep", path)

    def _run(self, run: bytes, path: str, *, is_close: bool) -> None:
        octets = transfer.decode_base64([run])
        if runs.begins_like_content(octets):
            self._add(octets, self._path("sweep", path))
        elif self.swept.is_ambiguous:
            self._heap.append(octets)
        if (b"=" in run.rstrip(b"=\r\n\t >") or is_close) and self._may_read(run, path):
            for piece in runs.pieces(run):
                self._add(transfer.decode_base64([piece]), self._path("sweep", path))
            for _name, other in readings.others(transfer.BASE64, run):
                if other != run and runs.begins_like_content(other):
                    self._add(other, self._path("sweep", path))

    def _look_closely(self, text: bytes, path: str) -> None:
        """Look for quoted-printable, and for contents that are not encoded at all."""
        found = _QUOTED.search(text)
        if found:
            start = text.rfind(b"\n", 0, found.start()) + 1
            end = _DELIMITER.search(text, found.end())
            part = text[start : end.start() if end else len(text)]
            self._add(transfer.decode_quoted_printable(part), self._path("sweep", path))
            for _name, octets in readings.others(transfer.QUOTED_PRINTABLE, part):
                if octets != part:
                    self._add(octets, self._path("sweep", path))
        begins = list(islice(_RAW.finditer(text), _MAX_RAW))
        if len(begins) == _MAX_RAW:
            self._note("limit.sweep", path)
        zip_end = 0
        for begin in begins:
            is_zip = text.startswith(b"PK", begin.end())
            if is_zip and begin.end() < zip_end:
                continue  # a zip is looked through for all that is in it, and behind it
            end = _DELIMITER.search(text, begin.end())
            stop = end.start() if end else len(text)
            zip_end = stop if is_zip else zip_end
            self._add(text[begin.end() : stop], self._path("sweep", path))

    def _path(self, how: str, path: str) -> str:
        number = self._counts[how] = self._counts.get(how, 0) + 1
        return f"{path}~{how}{number}"

    def _note(self, id_: str, where: str) -> None:
        finding = Finding(id=id_, where=where)
        if finding not in self.swept.findings:
            self.swept.findings.append(finding)

    def _add(
        self,
        octets: bytes,
        path: str,
        *,
        called: str = "",
        where: Where = Where.NESTED,
        depth: int = 0,
    ) -> None:
        if not octets or not self._effort.note(octets, called):
            return
        if not self._effort.may_hand_on(len(octets)):
            self._note("limit.sweep", "")
            return
        is_message = _MESSAGE_LIKE.match(octets) is not None
        self.swept.leaves.append(
            Leaf(
                path=path,
                names=names.forms([called]),
                declared="message/rfc822" if is_message else "application/octet-stream",
                where=where,
                depth=depth,
                is_hidden=True,
                payload=Payload.of_octets(octets),
            )
        )

    def finish(self) -> None:
        """Hand on in one heap what decodes to nothing that is known."""
        heap = b"\n".join(self._heap)
        if heap.strip():
            self._add(heap, "~rest")
        is_tidy = not self.swept.is_ambiguous and not self.swept.findings
        self.swept.leaves = [
            replace(leaf, is_hidden=True, is_fragment=is_tidy and not leaf.names)
            for leaf in self.swept.leaves
        ]


def _marks_of_uu(leaf: Leaf) -> tuple[bytes, str]:
    """Give what tells one uuencoded file from another, without decoding it."""
    return leaf.payload.all().strip(), leaf.names[0] if leaf.names else ""
