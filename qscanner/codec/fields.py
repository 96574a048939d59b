"""Header fields: a block of octets to fields, values to parameters, encoded words to text.

Theory. A header block is what mail clients disagree about most: a blank before the colon, a line
without a colon, a lone CR. The lexer reads it as the more generous clients do, says what was odd,
and gives fields that hold no line end any more, so that whoever reads them next cannot disagree.

Called by  mime only. Values travel as text with one character per octet (Latin-1) until names and
           header texts are made of them.
Ends       always with a result; nothing here raises.
Careful    everything is bounded, and linear in the octets that are looked at.
"""

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from qscanner.codec.text import readable, without_surrogates
from qscanner.codec.transfer import decode_base64, decode_quoted_printable
from qscanner.model import Header

Octets = bytes | mmap.mmap

_FIELD = re.compile(rb"([!-9;-~]+)([ \t]*):")
# Groups are repeated within (?>...), not with a + behind the repetition: Python before 3.11.5 goes
# on where a repetition that failed has left off (cpython issue 106052), and Debian 12 has 3.11.2.
# A name whose colon stands in a later line, behind blanks: some unfold first, and read a field.
_FOLDED_COLON = re.compile(rb"([!-9;-~]{1,80})[ \t]*+(?>(?:\r{0,3}+\n[ \t]++|\r[ \t]*+){1,20}):")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_TIDY_FIELD = re.compile(
    rb"([!#-'*-9;<>-~]++):([^\r\n\0]*+\r?+\n(?>(?:[ \t]++(?![Cc][Oo][Nn][Tt]|[\r\n])"
    rb"[^\r\n\0]*+\r?+\n)*))"
)
_TIDY_BLOCK = re.compile(rb"(?>(?:" + _TIDY_FIELD.pattern + rb")+)")
_FIELD_END = re.compile(rb"\n(?![ \t])")
_BLANK_LINE = re.compile(rb"\n\r*\n")
_GOES_ON = re.compile(rb"[ \t]+[^ \t\r\n]|(?!--)[!-9;-~]+[ \t]*:|[ \t]*\r*\n|:|\Z")
_MIME_NAMES = {
    b"content-type",
    b"content-transfer-encoding",
    b"content-disposition",
    b"content-description",
    b"content-id",
    b"mime-version",
}
_NAME_JUNK = re.compile(rb"\([^()]*\)?|[^!-9;-~]+|\"")
_KNOWN_FIELD = re.compile(
    rb"(?im)^(?:[ \t]{0,20}content-(?:type|transfer-encoding|disposition)|content-[a-z-]+"
    rb"|mime-version|from|to|cc|subject|date|message-id|reply-to"
    rb"|received|return-path|x-[a-z0-9-]+)[ \t]*:"
)
# Behind a blank, or without a colon: a field for some. The value tells it from a list of names.
_HIDDEN_FIELD = re.compile(
    rb"(?i)([ \t]*)(content-(?:type|transfer-encoding|disposition))(?:[ \t]*:|[ \t])[ \t]*"
    rb"(?=[\w.-]+[ \t]*/|(?:base64|quoted-printable|x-uu|uu|7bit|8bit|binary|attachment|inline)\b)"
)
_INDENTED_FIELD = re.compile(rb"(?i)([ \t]+)(content-[a-z-]{2,40})[ \t]*:")
_LONGER_NAME = re.compile(
    rb"(?i)(content-(?:type|transfer-encoding|disposition)[^:\s]{1,80})[ \t]"
)
_NOT_IN_NAME = re.compile(rb"[^!-9;-~]")
_PARAMETER = re.compile(rb"[A-Za-z][\w*-]{1,40}[ \t]*=[ \t]*[^ \t=]")
_AHEAD_OCTETS = 1 << 16
_NAME_OCTETS = 200
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=")
_MAX_WORDS_TEXT = 1 << 16
_CHARSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}\Z")
# Codecs that warn, are quadratic or do not stand for the charset of any mail.
_NO_CHARSETS = {"unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined", "mbcs"}
_UTF16 = {"utf-16", "utf16", "utf_16", "ucs-2", "iso-10646-ucs-2"}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|\((?:[^()\\]|\\.)*+\)?|[^;"(]++|.', re.DOTALL)
_MAX_PARAMETERS = 500
_NOT_OF_A_NAME = re.compile(r"[^!-~]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLimits:
    """How many fields a block may have, and how many octets a field, a Content-* field."""

    fields: int
    octets: int
    content_octets: int


@dataclass(slots=True, kw_only=True)
class Block:
    """One header block: fields as (name, value), where its body begins, and what was odd.

    Values are Latin-1 text without line ends. `odd` holds finding ids.
    """

    fields: list[tuple[str, str]] = field(default_factory=list)
    body_at: int = 0
    odd: set[str] = field(default_factory=set)


def read_block(octets: Octets, start: int, stop: int, limits: FieldLimits) -> Block:
    """Read the header block between two offsets: up to an empty line, or where no field is."""
    return _tidy_block(octets, start, stop, limits) or _Lexer(octets, stop, limits).read(start)


def _tidy_block(octets: Octets, start: int, stop: int, limits: FieldLimits) -> Block | None:
    """Read a block in which nothing is odd, as that of nearly every message, six times as fast."""
    ahead = bytes(octets[start : min(stop, start + _AHEAD_OCTETS)])
    end = _EMPTY_LINE.search(ahead)
    if not end or end.start() > limits.octets:
        return None
    if not _TIDY_BLOCK.fullmatch(ahead, 0, end.start() + 1):
        return None
    found = [
        (name.decode("ascii"), value.replace(b"\r", b"").replace(b"\n", b"").decode("latin-1"))
        for name, value in _TIDY_FIELD.findall(ahead, 0, end.start() + 1)
    ]
    if len(found) > limits.fields or max(len(value) for _, value in found) > limits.content_octets:
        return None
    return Block(fields=found, body_at=start + end.end())


class _Lexer:
    def __init__(self, octets: Octets, stop: int, limits: FieldLimits) -> None:
        self._octets = octets
        self._stop = stop
        self._limits = limits
        self._block = Block()
        self._name = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._fields_end: int | None = None  # behind the last known field before an empty line

    def read(self, start: int) -> Block:
        at = start
        while at < self._stop:
            if len(self._block.fields) + bool(self._name) > self._limits.fields:
                at = self._behind_empty_line(at)
                self._block.odd.add("limit.headers")
                break
            line, end = self._line(at)
            if not line.rstrip(b"\r\n") or self._ends_with(line, end, is_first=at == start):
                at = end
                break
            if not self._take(line.rstrip(b"\r\n"), at, is_first=at == start):
                break
            # What is beyond a bound is not read line by line.
            at = end if self._size <= self._limits.octets else self._behind_field(end)
        else:
            if start < self._stop < len(self._octets):
                self._block.odd.add("mime.no-separator")
        self._finish_field()
        del self._block.fields[self._limits.fields :]
        self._block.body_at = at
        return self._block

    def _line(self, at: int) -> tuple[bytes, int]:
        """Give a line and where it ends; a name is joined to the colon in a line behind it."""
        folded = _FOLDED_COLON.match(self._octets, at, self._stop)
        start = folded.end() if folded else at
        end = self._octets.find(b"\n", start, self._stop) + 1 or self._stop
        line = bytes(self._octets[start : min(end, start + 2 * self._limits.octets)])
        if not folded:
            return line, end
        is_content = folded[1].lower().startswith(b"content-")
        self._block.odd.add("mime.hidden-field" if is_content else "mime.blank-before-colon")
        return folded[1] + b":" + line, end

    def _ends_with(self, line: bytes, end: int, *, is_first: bool) -> bool:
        """Say whether a line of blanks ends the block: what comes next is no field at all."""
        if is_first or line[:1] not in (b" ", b"\t") or line.strip():
            return False
        following = bytes(self._octets[end : min(self._stop, end + _NAME_OCTETS)])
        if _GOES_ON.match(following) or end >= self._end_of_fields(end) > 0:
            return False
        self._block.odd.add("mime.no-separator")
        return True

    def _behind_empty_line(self, at: int) -> int:
        found = _BLANK_LINE.search(self._octets, at - 1, self._stop)
        return found.end() if found else self._stop

    def _behind_field(self, at: int) -> int:
        found = _FIELD_END.search(self._octets, at - 1, self._stop)
        return found.end() if found else self._stop

    def _take(self, line: bytes, at: int, *, is_first: bool) -> bool:
        """Take one line. False: the block ended before it, without an empty line."""
        first, *others = [piece for piece in line.split(b"\r") if piece] or [b""]
        if not self._take_line(first, is_first=is_first):
            if at >= self._end_of_fields(at):
                if self._name:
                    self._block.odd.add("mime.no-separator")
                return False
            self._block.odd.add("mime.junk-line")
        if self._name and (others or b"\0" in line):
            self._block.odd.add("mime.control-in-header")
        for other in others:  # A lone CR is a line end for some, and not for others.
            if other and not self._take_line(other, is_first=False):
                self._append(other)
        return True

    def _take_line(self, line: bytes, *, is_first: bool) -> bool:
        if line[:1] in (b" ", b"\t"):
            return self._take_hidden(line, is_first=is_first) or self._continue(line)
        found = _FIELD.match(line)
        if found and b"=" in found[1] and self._take_parameter(line):
            return True
        if found and not (b"(" in found[1] and self._take_odd_name(line)):
            if found[2]:
                self._block.odd.add("mime.blank-before-colon")
            self._begin(found[1], line[found.end() :])
        if found:
            return True
        if is_first and line.startswith((b"From ", b">From ")):
            if line.startswith(b">"):
                self._block.odd.add("mime.from-line")
            return True
        return (
            self._take_odd_name(line)
            or self._take_hidden(line, is_first=False)
            or self._take_longer_name(line)
            or self._take_parameter(line)
        )

    def _continue(self, line: bytes) -> bool:
        if not line.strip():
            self._block.odd.add("mime.blank-fold")
        if self._name:
            self._append(line)
        return bool(self._name)

    def _take_hidden(self, line: bytes, *, is_first: bool) -> bool:
        """Take a Content-* field behind blanks, or without a colon: for some it is one.

        Behind the blanks of a first line there is no other field that it could go on with.
        """
        found = _HIDDEN_FIELD.match(line) or (_INDENTED_FIELD.match(line) if is_first else None)
        if not found:
            return False
        if found[1] and self._name:
            self._append(line)  # and for others it goes on with the field before
        self._block.odd.add("mime.hidden-field")
        self._begin(found[2], line[found.end() :])
        return True

    def _take_longer_name(self, line: bytes) -> bool:
        """Take a line that begins with a MIME field's name and some sign: that is its colon."""
        found = _LONGER_NAME.match(line)
        if not found:
            return False
        self._block.odd.add("mime.junk-line")
        self._begin(_NOT_IN_NAME.sub(b"?", found[1]), line[found.end() :])
        return True

    def _take_parameter(self, line: bytes) -> bool:
        """Take a parameter that stands in a line of its own, without the blanks of a fold."""
        is_open = self._name[:8].lower() == b"content-" and self._lines[-1].rstrip().endswith(b";")
        if not is_open or not _PARAMETER.match(line):
            return False
        self._block.odd.add("mime.junk-line")
        self._append(b" " + line)
        return True

    def _take_odd_name(self, line: bytes) -> bool:
        colon = line.find(b":", 0, _NAME_OCTETS)
        name = _NAME_JUNK.sub(b"", line[: max(colon, 0)])
        if name.lower() not in _MIME_NAMES:
            return False
        self._block.odd.add("mime.junk-in-name")
        self._begin(name, line[colon + 1 :])
        return True

    def _begin(self, name: bytes, value: bytes) -> None:
        self._finish_field()
        self._name = name
        self._size = len(value)
        self._lines = [value]

    def _append(self, line: bytes) -> None:
        is_content = self._name[:8].lower() == b"content-"
        limit = self._limits.content_octets if is_content else self._limits.octets
        self._size += len(line)
        if self._size <= limit or self._size - len(line) <= limit:
            self._lines.append(line)

    def _finish_field(self) -> None:
        if not self._name:
            return
        is_content = self._name[:8].lower() == b"content-"
        limit = self._limits.content_octets if is_content else self._limits.octets
        value = b"".join(self._lines)
        if self._size > limit:
            self._block.odd.add("limit.content-header" if is_content else "limit.header-line")
            value = value[:limit]
        self._block.fields.append((self._name.decode("ascii"), value.decode("latin-1")))

    def _end_of_fields(self, at: int) -> int:
        """Where the last well-known field before the next empty line begins; once per block."""
        if self._fields_end is None:
            ahead = bytes(self._octets[at : min(self._stop, at + _AHEAD_OCTETS)])
            empty = _BLANK_LINE.search(ahead)
            known = [
                found.start()
                for found in _KNOWN_FIELD.finditer(ahead[: empty.start() if empty else None])
            ]
            self._fields_end = at + known[-1] if known else 0
        return self._fields_end


def header(name: str, value: str) -> Header:
    """Give a field with its value as text, as it stands there and decoded."""
    plain = text_of(value)
    return Header(name=name, plain=plain, decoded=decode_words(plain))


def text_of(value: str) -> str:
    """Give a Latin-1 value as readable text, without the blanks around it."""
    return readable(value.encode("latin-1", "replace")).strip(" \t\r\n")


def in_charset(octets: bytes, charset: str) -> str:
    """Give octets as text in a charset that a stranger names; in an unknown one as readable()."""
    if not _CHARSET.match(charset) or charset.lower().replace("_", "-") in _NO_CHARSETS:
        return readable(octets)
    if charset.lower() in _UTF16 and not octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        charset = "utf-16-be" if octets.startswith(b"\0") else "utf-16-le"
    try:
        return without_surrogates(octets.decode(charset, "replace"))
    except (LookupError, ValueError):  # UnicodeError is a ValueError
        return readable(octets)


def decode_words(text: str) -> str:
    """Decode the encoded words of a header text (RFC 2047), bounded at 64 Ki characters.

    Own reading instead of email.header's: linear, and lenient (blanks in words, lost padding,
    a character split between two words).
    """
    if "=?" not in text:
        return text
    out: list[str] = []
    at = 0
    charset, pending = "", b""
    for found in _ENCODED_WORD.finditer(text, 0, _MAX_WORDS_TEXT):
        between = text[at : found.start()]
        this_charset = found[1].partition("*")[0]  # RFC 2231 section 5: a language may follow
        if between.strip(" \t\r\n") or this_charset.lower() != charset.lower() or not pending:
            out.append(in_charset(pending, charset))
            pending = b""
            if between.strip(" \t\r\n") or at == 0:
                out.append(between)
        charset = this_charset
        pending += _word(found[2], found[3])
        at = found.end()
    return "".join([*out, in_charset(pending, charset), text[at:]])


def _word(encoding: str, text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_base64([octets])
    return decode_quoted_printable(octets.replace(b"_", b" "))


def parameters(value: str) -> Iterator[tuple[str, str, str]]:
    """Give (name, value, value as written) of each parameter of a Content-* value, at most 500.

    Lenient: comments and missing values are passed over; names are lower case. `value` is without
    quotes and with escapes undone; `value as written` only without the quotes (RFC 2045 5.1).
    """
    for count, segment in enumerate(_segments(value)):
        if count > _MAX_PARAMETERS:
            return
        name, equals, raw = segment.partition("=")
        name = _NOT_OF_A_NAME.sub("", name).lower()
        if not equals or not name:
            continue
        raw = raw.strip(" \t\r\n")
        if raw.startswith('"'):
            inner = _QUOTED.match(raw)
            written = inner[1] if inner else raw
            yield name, _ESCAPED.sub(r"\1", written), written
        else:
            yield name, raw, raw


def _segments(value: str) -> Iterator[str]:
    """Split at semicolons outside quotes and comments; comments are dropped."""
    pieces: list[str] = []
    for found in _TOKEN.finditer(value):
        if found[0] == ";":
            yield "".join(pieces)
            pieces = []
        elif not found[0].startswith("("):
            pieces.append(found[0])
    yield "".join(pieces)
