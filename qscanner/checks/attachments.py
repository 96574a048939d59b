"""Parts: every leaf and every member of every archive, with names and kinds, for policy.

Called by  scan, with the View; the embedded virus engine hangs at `on_content`.
Ends       with a Looked. Out of time is a finding like any other bound; only bugs raise.
Careful    contents are handed on and forgotten; what the chain of archives in archives keeps is
           bounded. A member's name becomes text in a path that is shown, never one that is opened.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from qscanner import archives, documents, magic_kinds
from qscanner import kinds as kinds_of
from qscanner.archives import Budget, Member
from qscanner.codec import htmltext, words
from qscanner.codec import names as naming
from qscanner.codec.payload import Leaf
from qscanner.deadline import Deadline
from qscanner.mime import MimeLimits, View
from qscanner.mime import view as view_of
from qscanner.model import Finding, Part, Text, Where
from qscanner.outcomes import OutOfTime

OnContent = Callable[[str, bytes, bool], None]

_SHOWN_NAME = 200  # characters of a name in a path
_SHOWN_PATH = 2000
_STREAM_EXTENSIONS = {"tgz": ".tar", "tbz": ".tar", "tbz2": ".tar", "txz": ".tar", "svgz": ".svg"}
_HEADER_FIRST = re.compile(rb"\s*+(?:>?From |[!-9;-~]{1,80}[ \t]*:)")
_BLOCK_END = re.compile(rb"\n\r*\n")
_BLOCK_OCTETS = 4 << 10
_WITH_PARTS = re.compile(
    rb"^content-(?:type[ \t]*:[^\r\n]{0,200}/|transfer-encoding[ \t]*:[ \t]*[bqx])", re.I | re.M
)
_TEXTS_ASKED, _CONTENTS_ASKED = 200, 5000  # of libmagic: then our own signatures must do
_SEEN_DEPTH = 8  # of archives in archives: deeper, virus scanners stop, and say nothing
_MAX_WIDE = 8 << 20  # octets of UTF-16 that are also shown as UTF-8
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """All parts in the order of the message, an archive before its members, and all findings.

    `texts` are what readers see, where somebody wants them.
    """

    parts: tuple[Part, ...] = ()
    findings: tuple[Finding, ...] = ()
    texts: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """One content to look at, wherever it came from."""

    path: str
    names: tuple[str, ...]
    content: bytes
    declared: str
    where: Where
    depth: int
    is_container: bool = False
    is_encrypted: bool = False
    is_unreadable: bool = False
    is_fragment: bool = False  # see codec.payload.Leaf
    is_hidden: bool = False  # from those who look at the raw message only
    span: tuple[int, int] | None = None  # of the outermost part that it is in


def look(
    view: View,
    budget: Budget,
    on_content: OnContent,
    *,
    deadline: Deadline,
    wants_texts: bool = False,
) -> Looked:
    """Look at every part of a view and what is inside.

    `on_content(path, octets, is_hidden)` is called once for each decoded content, outer before
    inner; `is_hidden`: a scanner that was given the raw message may not have seen it.
    """
    walk = _Walk(budget, on_content, deadline)
    walk.text_left = htmltext.MAX_OCTETS if wants_texts else 0
    try:
        walk.leaves(view)
    except OutOfTime:
        walk.findings.append(Finding(id="limit.time", detail="not all parts were looked at"))
    return Looked(
        parts=tuple(walk.parts),
        findings=tuple(dict.fromkeys(walk.findings)),
        texts=tuple(walk.texts),
    )


class _Walk:
    def __init__(self, budget: Budget, on_content: OnContent, deadline: Deadline) -> None:
        self._budget = budget
        self._on_content = on_content
        self._deadline = deadline
        self._has_magic = True
        self._asked = 0
        self._views: list[View] = []
        budget.check_time = deadline.remaining_s
        budget.words = self._words
        self.parts: list[Part] = []
        self.findings: list[Finding] = []
        self.texts: list[Text] = []
        self.text_left = 0  # octets

    def leaves(self, view: View, inside: _Content | None = None) -> None:
        """Look at the leaves of a message, or of one inside a content."""
        prefix = f"{inside.path}/" if inside else ""
        self._views.append(view)
        for leaf in view.leaves:
            if prefix and not self._budget.take_member():
                self.findings.append(Finding(id="limit.archive-members", where=prefix))
                return
            self._leaf(leaf, inside)

    def _words(self) -> tuple[str, ...]:
        """Give what may be passwords: words of the message at hand, then of those around it."""
        subjects = (
            header.decoded
            for view in reversed(self._views)
            for header in view.headers
            if header.name.lower() == "subject"
        )
        texts = (
            leaf.decode() for view in reversed(self._views) for leaf in view.leaves if leaf.is_text
        )
        return words.candidates("\n".join(itertools.islice(subjects, 8)), texts)

    def _leaf(self, leaf: Leaf, inside: _Content | None) -> None:
        path = f"{inside.path}/{leaf.path}" if inside else leaf.path
        self._content(
            _Content(
                path=_below(path, leaf.names) if leaf.names else path,
                names=leaf.names,
                content=leaf.decode(),
                declared=leaf.declared,
                where=Where.NESTED if inside else leaf.where,
                depth=leaf.depth + (inside.depth + 1 if inside else 0),
                is_container=leaf.is_container,
                is_fragment=leaf.is_fragment or bool(inside and inside.is_fragment),
                is_hidden=leaf.is_hidden or bool(inside and inside.is_hidden),
                span=inside.span if inside else leaf.span,
            )
        )

    def _content(self, this: _Content) -> None:
        self._deadline.remaining_s()
        if this.content:
            self._hand_on(this)
        kinds = self._kinds(this)
        if self.text_left > 0 and this.content and not this.names:  # files are no body
            self._text(this, "text/html" if "html" in kinds else this.declared)
        has_secret = "ole" in kinds and _ENCRYPTED_OFFICE in this.content
        if has_secret:
            self.findings.append(Finding(id="archive.encrypted", where=this.path, detail="Office"))
        self.parts.append(
            Part(
                path=this.path,
                names=this.names,
                declared=this.declared,
                kinds=kinds,
                octets=len(this.content),
                where=this.where,
                is_encrypted=this.is_encrypted or has_secret,
                is_unreadable=this.is_unreadable,
                span=this.span,
            )
        )
        if this.content and self._may_enter(this, kinds):
            self._budget.held += len(this.content)
            self._inside(this, kinds)
            self._budget.held -= len(this.content)

    def _text(self, this: _Content, declared: str) -> None:
        """Keep what a reader of a text sees, as long as there is room."""
        found = htmltext.text(this.path, declared, this.content[: self.text_left])
        if found is None:
            return
        self.texts.append(found)
        self.text_left -= len(this.content)
        if self.text_left < 0:
            self.findings.append(Finding(id="limit.texts", where=this.path))

    def _hand_on(self, this: _Content) -> None:
        self._on_content(this.path, this.content, this.is_hidden or this.depth > _SEEN_DEPTH)
        wide = kinds_of.wide_codec(this.content)
        if wide:  # Windows runs such text; engines look for octets
            text = this.content[:_MAX_WIDE].decode(wide, "replace").encode("utf-8", "replace")
            self._on_content(this.path, text, True)

    def _kinds(self, this: _Content) -> frozenset[str]:
        found = kinds_of.kinds(this.names, this.declared, this.content, self._by_magic(this))
        # A container's octets are its children's, an encrypted member's are not to be had.
        is_locked = this.is_encrypted and not this.content
        is_without = this.is_container or is_locked or this.is_unreadable
        return found - {"empty"} or frozenset({"unknown"}) if is_without else found

    def _by_magic(self, this: _Content) -> str | None:
        is_said_text = this.declared.startswith(("text/", "message/")) and not this.names
        if not this.content or not self._has_magic:
            return None
        self._asked += 1
        is_like_others = is_said_text or self._asked > _TEXTS_ASKED
        if is_like_others and kinds_of.is_plain_text(this.content):
            return None  # libmagic is dearer than the parsing of a plain text
        if self._asked > _CONTENTS_ASKED:
            self.findings.append(Finding(id="limit.kinds", detail=f"{_CONTENTS_ASKED} contents"))
            return None
        try:
            return magic_kinds.type_of(this.content)
        except magic_kinds.MagicError as error:
            self._has_magic = False
            self.findings.append(Finding(id="magic.error", where=this.path, detail=str(error)))
            return None

    def _may_enter(self, this: _Content, kinds: frozenset[str]) -> bool:
        """Say whether there is an inside, and whether the bounds allow to look at it."""
        is_archive = kinds & _WITH_INSIDE or archives.begins_like_one(this.content)
        if this.is_container or not (is_archive or _is_message(this, kinds)):
            return False
        if this.depth >= self._budget.depth:
            self.findings.append(Finding(id="limit.archive-depth", where=this.path))
            return False
        if self._budget.held + len(this.content) > self._budget.limits.decoded:
            self.findings.append(Finding(id="limit.archive-octets", where=this.path))
            return False
        return True

    def _inside(self, this: _Content, kinds: frozenset[str]) -> None:
        for found in itertools.chain(
            archives.members(this.content, kinds, self._budget),
            documents.members(this.content, kinds, self._budget),
        ):
            if isinstance(found, Finding):
                if not (this.is_fragment and found.id in _OF_FORM):
                    self.findings.append(replace(found, where=this.path))
            else:
                self._member(found, this)
        if _is_message(this, kinds):
            self._message(this)

    def _member(self, member: Member, outer: _Content) -> None:
        names = member.names
        if member.is_stream:
            names = naming.forms([*names, *map(_without_extension, outer.names)])
        path = _below(outer.path, names)
        self.findings += naming.look(names, path)
        self._content(
            _Content(
                path=path,
                names=names,
                content=member.content,
                declared="",
                where=Where.ARCHIVE,
                depth=outer.depth + 1,
                is_encrypted=member.is_encrypted,
                is_unreadable=member.is_unreadable,
                is_fragment=outer.is_fragment,
                is_hidden=outer.is_hidden or member.is_hidden,
                span=outer.span,
            )
        )

    def _message(self, this: _Content) -> None:
        """Look at a message that came as a content: encoded, in an archive, or called .eml."""
        if len(this.content) > self._budget.octets:
            self.findings.append(Finding(id="limit.decoded", where=this.path))
            return
        self._budget.octets -= len(this.content)
        limits = MimeLimits.of(self._budget.limits)
        limits = replace(limits, depth=self._budget.depth - this.depth - 1)
        inner = view_of(this.content, limits, self._views[0].effort)
        prefix = f"{this.path}/"
        self.findings += [
            replace(finding, where=f"{prefix}{finding.where}".rstrip("/"))
            for finding in inner.findings
        ]
        self.leaves(inner, this)
        self._views.pop()


# Of what came to light by chance these say that it is no content: base64 in a text, say.
_OF_FORM = {
    "archive.unreadable", "archive.odd", "archive.not-opened", "pdf.unreadable",
    "office.unreadable",
}  # fmt: skip
_WITH_INSIDE = archives.WITH_INSIDE | documents.WITH_INSIDE


def _is_message(this: _Content, kinds: frozenset[str]) -> bool:
    """Say whether a content is to be read as a message: somebody does who opens it.

    What neither says so nor is known by its first octets counts if its header is one of MIME: of a
    text that begins like a header, such as a report of a mail program, nothing else is encoded.
    """
    if not _HEADER_FIRST.match(this.content):
        return False
    if "message" in kinds or this.declared.startswith("message/"):
        return True
    head = this.content.lstrip()[:_BLOCK_OCTETS]
    end = _BLOCK_END.search(head)
    return _WITH_PARTS.search(head[: end.start() if end else None]) is not None


def _without_extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return stem + _STREAM_EXTENSIONS.get(extension.lower(), "") if dot else name


def _below(path: str, names: tuple[str, ...]) -> str:
    """Give the path of something called so: its first name that is no encoded word."""
    shown = next((name for name in names if "=?" not in name), names[0] if names else "?")
    return f"{path[:_SHOWN_PATH]}/{shown[:_SHOWN_NAME]}"
