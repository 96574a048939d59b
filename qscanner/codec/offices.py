"""Office documents: what they do by themselves, in compound files and in the XML of newer ones.

Theory. The members of a newer document (a zip) are contents of their own by the time they come
here, so each is judged alone: a relationship says what is fetched, a field says what is started.
Of an older one (a compound file) the names of its streams say most, and a few records the rest.

Called by  documents.
Ends       always with what was found; nothing here raises.
Careful    what ordinary documents do every day (pictures and workbooks that are linked, templates
           on a file server) has findings of its own, so that policy can let it pass.
"""

import html
import re
import struct
from collections.abc import Iterator

from qscanner.codec.oles import Compound, OleEntry
from qscanner.codec.packages import Carried, Inflate, native
from qscanner.codec.text import readable
from qscanner.codec.transfer import decode_base64
from qscanner.model import Finding

_SHOWN = 200
_MAX_CARRIED = 1_000
_MAX_RELATIONSHIPS = 50_000
_MAX_RECORDS = 100_000
_HEAD = 64 << 10

# --- compound files

_ENCRYPTED = Finding(id="archive.encrypted", detail="Office")
_WORD_MAGIC, _WORD_ENCRYPTED = (0xA5EC, 0xA5DC), 0x0100  # [MS-DOC] 2.5.2
_EOF, _FILEPASS, _BOUNDSHEET, _SUPBOOK = 0x0A, 0x2F, 0x85, 0x1AE  # [MS-XLS] 2.3
_MACRO_SHEET = 1
_PPT_ENCRYPTED = b"\xdf\xc4\xd1\xf3"  # [MS-PPT] 2.3.2, headerToken
_PPT_OBJECT = re.compile(rb"([\x00\x10])\x00\x11\x10(.{4})", re.DOTALL)  # 2.10.34
_MARKS = (
    b"PK\3\4",
    b"MZ",
    b"%PDF",
    b"\xd0\xcf\x11\xe0",
    b"{\\rt",
    b"\x7fELF",
    b"Rar!",
    b"7z\xbc\xaf",
)
_ATTACHED = "__substg1.0_37010102"
_OBJECT_NAME = re.compile(r"_\d{1,12}")
_PACKAGES = frozenset({"package", "contents"})
_LARGE = frozenset({"worddocument", "workbook", "book", "powerpoint document"})
_MAX_LARGE = 64  # also those of documents that are embedded
_VBA = frozenset({"_vba_project", "vba", "_vba_project_cur", "macros"})
_FIELD = re.compile(rb"(?i)\x13\s{0,20}\\?\s{0,20}(dde(?:auto)?\b[^\x13-\x15]{0,200})")
_FIELD_WIDE = re.compile(
    rb"(?i)\x13\0(?:\s\0){0,20}(d\0d\0e\0(?:a\0u\0t\0o\0)?(?:[^\x13-\x15\0]\0){0,200})"
)
_TEMPLATE_WIDE = re.compile(rb"(?i)h\0t\0t\0p\0(?:s\0)?:\0/\0/\0(?:[!-~]\0){1,300}")
_URL_MONIKER = bytes.fromhex("e0c9ea79f9bace118c8200aa004ba90b")


def look_ole(octets: Compound, inflate: Inflate) -> Iterator[Carried | Finding]:
    """Give what a compound file carries and does."""
    names = {part.lower() for entry in octets.entries for part in entry.path}
    if "encryptedpackage" in names:
        yield _ENCRYPTED
    if names & _VBA and "dir" in names:
        yield Finding(id="office.vba")
    if "equation native" in names:
        yield Finding(id="office.equation")
    large = 0
    for entry in octets.streams():
        large += entry.name.lower() in _LARGE
        if large > _MAX_LARGE:
            yield Finding(id="limit.document", detail="ole: documents in it")
            break
        yield from _stream(octets, entry, inflate)
    yield from _attachments(octets)
    if octets.is_broken:
        yield Finding(id="office.unreadable", detail="a compound file")
    if octets.is_cut:
        yield Finding(id="limit.document", detail="ole: streams")


def _stream(octets: Compound, entry: OleEntry, inflate: Inflate) -> Iterator[Carried | Finding]:
    name = entry.name.lower()
    match name:
        case "\x01ole10native":
            yield from _native(octets.read(entry))
        case "\x01ole":
            yield from _linked(octets.read(entry, _HEAD))
        case "worddocument":
            yield from _word(octets.read(entry))
        case "workbook" | "book":
            yield from _records(octets.read(entry))
        case "current user":
            if octets.read(entry, 64)[12:16] == _PPT_ENCRYPTED:
                yield _ENCRYPTED
        case "powerpoint document":
            yield from _slides(octets.read(entry), inflate)
        case "0table" | "1table":
            yield from _template(octets.read(entry))
        case _:
            yield from _whole(octets, entry, inflate)


def _whole(octets: Compound, entry: OleEntry, inflate: Inflate) -> Iterator[Carried]:
    """Give a stream that is a file by itself."""
    if entry.name.lower().startswith(_ATTACHED):  # it comes with its name, from _attachments()
        return
    head = octets.read(entry, 8)
    if entry.name.lower() in _PACKAGES or head.startswith(_MARKS):
        yield Carried(content=octets.read(entry))
    elif _OBJECT_NAME.fullmatch(entry.name) and head[4:5] == b"x":  # of oledata.mso: size, zlib
        yield Carried(content=inflate(octets.read(entry)[4:]), is_inflated=True)


def _native(octets: bytes) -> Iterator[Carried | Finding]:
    yield Finding(id="office.ole-object")
    found = native(octets)
    if found:
        yield found


def _linked(octets: bytes) -> Iterator[Finding]:
    """Say where a linked object is, if that is an address ([MS-OLEDS] 2.3.3)."""
    at = octets.find(_URL_MONIKER)
    if at >= 0:
        url = (
            octets[at + len(_URL_MONIKER) + 4 :].decode("utf-16-le", "replace").partition("\0")[0]
        )
        shown = readable(url.encode("utf-8", "replace"))[:_SHOWN]
        yield Finding(id="office.remote-template", detail=shown)


def _word(octets: bytes) -> Iterator[Finding]:
    if len(octets) >= 12:  # noqa: PLR2004 - the flags end there
        magic, flags = struct.unpack_from("<H8xH", octets)
        if magic in _WORD_MAGIC and flags & _WORD_ENCRYPTED:
            yield _ENCRYPTED
            return
    for pattern in (_FIELD, _FIELD_WIDE):
        found = pattern.search(octets)
        if found:
            yield Finding(id="office.dde", detail=readable(found[1].replace(b"\0", b"")))


def _template(octets: bytes) -> Iterator[Finding]:
    for found in _TEMPLATE_WIDE.finditer(octets):
        url = readable(found[0].replace(b"\0", b""))
        if re.search(r"(?i)\.(?:dot[mx]?|docm?|rtf)\b", url):
            yield Finding(id="office.remote-template", detail=url[:_SHOWN])
            return


def _records(octets: bytes) -> Iterator[Finding]:
    """Walk the records of a workbook: sheets of macros, a password, DDE ([MS-XLS] 2.1.4)."""
    at = 0
    for _ in range(_MAX_RECORDS):
        if at + 4 > len(octets):
            return
        kind, size = struct.unpack_from("<HH", octets, at)
        body = octets[at + 4 : at + 4 + size]
        at += 4 + size
        if kind == _EOF:  # of what is said about the whole workbook: sheets follow
            return
        if kind == _FILEPASS:
            yield _ENCRYPTED
            return
        if kind == _BOUNDSHEET and body[5:6] == bytes([_MACRO_SHEET]):
            yield Finding(id="office.xlm")
        elif kind == _SUPBOOK and b"\x03" in body[4:]:
            said = body[4:].replace(b"\0", b"").replace(b"\x03", b" ")
            yield Finding(id="office.dde", detail=readable(said)[:_SHOWN].strip())
    yield Finding(id="limit.document", detail="ole: records")


def _slides(octets: bytes, inflate: Inflate) -> Iterator[Carried | Finding]:
    """Give the objects of a presentation, macros among them."""
    at = 0
    for _ in range(_MAX_CARRIED):
        found = _PPT_OBJECT.search(octets, at)
        if found is None:
            return
        size = int.from_bytes(found[2], "little")
        at = found.end()
        body = octets[at : at + size]
        is_packed = found[1] == b"\x10"
        if is_packed and body[4:5] == b"x":
            at += size
            yield Carried(content=inflate(body[4:]), is_inflated=True)
        elif not is_packed and body.startswith(_MARKS):
            at += size
            yield Carried(content=body)
    yield Finding(id="limit.document", detail="ole: objects")


def _attachments(octets: Compound) -> Iterator[Carried]:
    """Give the attachments of an Outlook message ([MS-OXMSG] 2.2.2)."""
    texts: dict[tuple[str, ...], list[str]] = {}
    data: list[OleEntry] = []
    for entry in octets.streams():
        name = entry.name.lower()
        if name.startswith(_ATTACHED):
            data.append(entry)
        elif name[:16] in {"__substg1.0_3704", "__substg1.0_3707", "__substg1.0_3001"}:
            raw = octets.read(entry, 2048)
            text = raw.decode("utf-16-le", "replace") if name.endswith("1f") else readable(raw)
            shown = readable(text.encode("utf-8", "replace")).strip("\0")
            texts.setdefault(entry.path[:-1], []).append(shown)
    for entry in data:
        names = tuple(dict.fromkeys(texts.get(entry.path[:-1], [])))
        yield Carried(names=names, content=octets.read(entry))


# --- XML

_RELATIONSHIP = re.compile(rb"<(?:\w{1,30}:)?Relationship\s([^<]{1,8000}+)")
_ATTRIBUTE = re.compile(
    rb"(?<![\w:])(\w{1,30}:)?(\w{1,40})\s{0,20}=\s{0,20}(?:\"([^\"]{0,4000})\"|'([^']{0,4000})')"
)
_FETCHED = frozenset({"attachedtemplate", "oleobject", "frame", "subdocument", "externallink"})
_MEANINGS = {
    "vbaproject": "office.vba",
    "wordvbadata": "office.vba",
    "xlmacrosheet": "office.xlm",
    "xlintlmacrosheet": "office.xlm",
    "control": "office.activex",
    "activexcontrol": "office.activex",
    "activexcontrolbinary": "office.activex",
}
_ADDRESS = re.compile(r"(?i)\s*(?:https?|ftps?|mhtml|webdav|ms-[a-z]+)\s*:")
_ON_HOST = re.compile(r"(?i)\s*(?:file:)?[\\/]{2,}([^\\/:]{1,255})[\\/]")
_MARKED = re.compile(
    rb"<(?:\w{1,30}:)?(fldChar|instrText|delInstrText|fldSimple|ddeLink|macrosheet|binData|binaryData)"
    rb"(?=[\s>/])((?>(?:[^<>\"']|\"[^\"<]{0,4000}+\"|'[^'<]{0,4000}+'){0,4000}))>([^<]*+)"
)
_DDE = re.compile(r"(?i)(?:\A|[\s\n])\\?(dde(?:auto)?\s[^\n]{0,200})")
_QUOTED = re.compile(r"(?i)\bquote((?:\s+\d{1,5}){3,500})")
_FIELDS = frozenset([b"fldChar", b"fldSimple", b"instrText", b"delInstrText"])


def look_xml(content: bytes) -> Iterator[Carried | Finding]:
    """Give what one XML file of an Office document does and carries; mostly nothing."""
    if b"Relationship" in content:
        for number, found in enumerate(_RELATIONSHIP.finditer(content)):
            if number >= _MAX_RELATIONSHIPS:
                yield Finding(id="limit.document", detail="xml: relationships")
                break
            yield from _relationship(found[1])
    fields: list[str] = []
    for number, found in enumerate(_MARKED.finditer(content)):
        if number >= _MAX_RECORDS:
            yield Finding(id="limit.document", detail="xml: fields")
            break
        if found[1] in _FIELDS:
            fields.append(_of_field(found))
        else:
            yield from _of_element(found)
    yield from _dde("".join(fields))


def _of_field(found: re.Match[bytes]) -> str:
    """Give the text of a field, or of its piece; a line feed where a field begins."""
    match found[1]:
        case b"fldChar":
            return "\n" if b"begin" in found[2] else ""
        case b"fldSimple":
            return f"\n{_attributes(found[2]).get('instr', '')}\n"
        case _:
            return _text(found[3])


def _of_element(found: re.Match[bytes]) -> Iterator[Carried | Finding]:
    match found[1]:
        case b"ddeLink":
            said = _attributes(found[2])
            shown = f"{said.get('ddeservice', '')} {said.get('ddetopic', '')}"
            yield Finding(id="office.dde", detail=shown[:_SHOWN])
        case b"macrosheet":
            yield Finding(id="office.xlm")
        case _:
            yield Carried(names=_named(found[2]), content=decode_base64([found[3]]))


def _dde(text: str) -> Iterator[Finding]:
    def spelled(found: re.Match[str]) -> str:
        return "".join(chr(int(code) % 0xD800) for code in found[1].split())

    found = _DDE.search(_QUOTED.sub(spelled, text))
    if found:
        yield Finding(id="office.dde", detail=found[1][:_SHOWN])


def _relationship(raw: bytes) -> Iterator[Finding]:
    said = _attributes(raw)
    kind = said.get("type", "").rstrip("/").rpartition("/")[2].lower()
    target = said.get("target", "")
    if said.get("targetmode", "").lower() == "external":
        if kind in _FETCHED and kind != "externallink" and _ADDRESS.match(target):
            yield Finding(id="office.remote-template", detail=target[:_SHOWN])
        elif kind in _FETCHED and _ON_HOST.match(target):
            yield Finding(id="office.linked-file", detail=target[:_SHOWN])
    elif kind in _MEANINGS:
        yield Finding(id=_MEANINGS[kind])
    elif kind == "oleobject":
        yield Finding(id="office.ole-object")


def _named(raw: bytes) -> tuple[str, ...]:
    name = _attributes(raw).get("name", "").rpartition("/")[2]
    return (name,) if name else ()


def _attributes(raw: bytes) -> dict[str, str]:
    """Give attributes by their names in lower case; those without a prefix come first."""
    said: dict[str, str] = {}
    for found in sorted(_ATTRIBUTE.finditer(raw), key=lambda found: found[1] is not None):
        value = found[3] if found[3] is not None else found[4]
        said.setdefault(readable(found[2]).lower(), _text(value))
    return said


def _text(raw: bytes) -> str:
    text = html.unescape(readable(raw))
    return text.encode("utf-8", "replace").decode("utf-8")
