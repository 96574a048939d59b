"""Kinds: what a part is, by declared type, names, libmagic and our own signatures together.

Called by  checks.attachments. The vocabulary is KINDS; docs/findings.md explains each.
Ends       always with a set, never an empty one; nothing here raises.
Careful    a union: a part that lies about itself has the kinds it claims and those it is.
"""

import re
from collections.abc import Iterable, Iterator

from qscanner.kind_tables import ARCHIVES, BY_EXTENSION, BY_TYPE, SIGNATURES

_HEAD = 1024
_WIDE_HEAD = 16
_TEXT_SHARE = 20  # one control character in so many is still text
_PDF_WITHIN = 1024  # readers accept %PDF- that late
_ZIP_WITHIN = 64 << 10
_ZIP_END = (64 << 10) + 22  # end of central directory and its longest comment
_SELF_EXTRACTING_WITHIN = 1 << 20
_EXTENSION = re.compile(r"((?:\.[a-z0-9_-]{1,16}){1,2})\Z")
_TEXT_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1b\b"))
_BOMS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))
_DISK_MARKS = ((b"CD001", 0x8001), (b"NSR02", 0x9801), (b"NSR03", 0x9801), (b"BEA01", 0x8001))
_MARKUP = (
    (
        re.compile(
            rb"(?i)\s*(?:<!--.{0,500}?-->\s*)*<(?:!doctype\s+html|html|head|body|script|iframe)\b",
            re.DOTALL,
        ),
        "html",
    ),
    (re.compile(rb"(?i)\s*<\?xml[\s>]"), "xml"),
    (
        re.compile(
            rb"(?i)\s*(?:<\?xml.{0,500}?\?>\s*)?(?:<!--.{0,500}?-->\s*)*"
            rb"(?:<!doctype\s+svg\b.{0,500}?>\s*)?<svg\b",
            re.DOTALL,
        ),
        "svg",
    ),
    (re.compile(rb"(?i)\s*(?:\[internetshortcut\]|\[\{000214a0-)"), "url"),
    (re.compile(rb"(?i)\s*@\s*echo\s+off\b"), "script"),
    (
        re.compile(
            rb"(?i)\s*(?:<\?xml.{0,200}?\?>\s*)?<(?:job|package|scriptlet|component)\b[^>]{0,200}>"
            rb".{0,500}?<(?:script|registration)\b",
            re.DOTALL,
        ),
        "script",
    ),
    (re.compile(rb"(?:windows registry editor version|regedit4\r?\n)", re.I), "reg"),
    (re.compile(rb"#!\s*/"), "shell-script"),
    (re.compile(rb"(?i)begin:vcalendar\b"), "calendar"),
    (re.compile(rb"(?i)begin:vcard\b"), "vcard"),
    (re.compile(rb"-----BEGIN PGP MESSAGE-----"), "encrypted-mail"),
    (re.compile(rb"-----BEGIN PGP SIGNATURE-----"), "signature"),
)
_HTA = re.compile(rb"(?i)<hta:application\b")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS = _words(
    """pe elf macho dos-com script shell-script lnk url hta chm msi jar disk-image onenote xll reg
    office-macro ole ooxml rtf pdf html svg xml archive zip tar gzip bzip2 xz zstd lz4 7z rar cab
    arj lha ace zpaq tnef message text image audio video font calendar vcard signature
    encrypted-mail unknown empty"""
)


def kinds(
    names: Iterable[str], declared: str, content: bytes, mime_type_by_magic: str | None
) -> frozenset[str]:
    """Give all kinds that a part claims or has.

    `declared` is its type in lower case, "" for none; `content` is the decoded octets;
    `mime_type_by_magic` is libmagic's answer, None where it was not asked or had none.
    """
    found = set(by_signature(content))
    for type_ in (declared, mime_type_by_magic or ""):
        found |= _by_type(type_)
    for name in names:
        found |= _by_name(name)
    if found & ARCHIVES:
        found.add("archive")
    if not content:
        found.add("empty")
    elif not found and is_plain_text(content):
        found.add("text")
    return frozenset(found or {"unknown"})


def _by_type(type_: str) -> frozenset[str]:
    if type_ in BY_TYPE:
        return BY_TYPE[type_]
    major = type_.partition("/")[0]
    if major == "message":  # reports: message/delivery-status and the like
        return frozenset({"text"})
    if type_.endswith("+xml"):
        return frozenset({"xml"})
    return frozenset({major} & {"text", "image", "audio", "video", "font"})


def _by_name(name: str) -> frozenset[str]:
    found = _EXTENSION.search(name.lower())
    if not found:
        return frozenset()
    both = found[1][1:]
    return BY_EXTENSION.get(both, frozenset()) | BY_EXTENSION.get(
        both.rpartition(".")[2], frozenset()
    )


def is_plain_text(content: bytes) -> bool:
    """Say whether octets look like text: no NUL and hardly a control character near the start."""
    head = content[:_HEAD]
    if any(head.startswith(bom) for bom, _codec in _BOMS):
        return True
    controls = len(head) - len(head.translate(None, _TEXT_CONTROLS))
    return b"\0" not in head and controls * _TEXT_SHARE <= len(head)


def wide_codec(content: bytes) -> str | None:
    """Give the codec of text in UTF-16, by its mark or by every other octet being NUL."""
    for bom, codec in _BOMS[:2]:
        if content.startswith(bom):
            return codec
    head = content[:_WIDE_HEAD]
    if len(head) == _WIDE_HEAD:
        for codec, nuls, others in (
            ("utf-16-le", head[1::2], head[::2]),
            ("utf-16-be", head[::2], head[1::2]),
        ):
            if not nuls.strip(b"\0") and b"\0" not in others:
                return codec
    return None


def by_signature(content: bytes) -> Iterator[str]:
    """Give the kinds whose marks are in the content, wherever programs still accept them."""
    head = content[:_HEAD]
    for offset, mark, found in SIGNATURES:
        if content.startswith(mark, offset):
            yield from found
    yield from _programs(head)
    yield from _containers(content)
    if head.startswith(b"\xd0\xcf\x11\xe0") and "_VBA_PROJECT".encode("utf-16-le") in content:
        yield "office-macro"
    if content.find(b"%PDF-", 0, _PDF_WITHIN) >= 0:
        yield "pdf"
    yield from _markup(content)


def _programs(head: bytes) -> Iterator[str]:
    # Windows runs what begins with MZ only, but mail clients strip blanks and line feeds.
    stripped = head.lstrip(b" \t\r\n\0")
    if stripped[:2] in (b"MZ", b"ZM") and not is_plain_text(stripped[:64]):
        yield "pe"
    if stripped.startswith(b"X5O!P%@AP"):  # the EICAR test file is a program
        yield "dos-com"


def _containers(content: bytes) -> Iterator[str]:
    has_zip_start = content.find(b"PK\x03\x04", 0, _ZIP_WITHIN) >= 0
    has_zip_end = content.rfind(b"PK\x05\x06", max(0, len(content) - _ZIP_END)) >= 0
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")) or (
        has_zip_end and (has_zip_start or content.rfind(b"PK\x01\x02") >= 0)
    ):
        yield "zip"
        yield from _in_zip(content)
    if content.startswith(b"MZ"):
        for mark, kind in (
            (b"7z\xbc\xaf\x27\x1c", "7z"),
            (b"Rar!\x1a\x07", "rar"),
            (b"MSCF\0\0\0\0", "cab"),
        ):
            if content.find(mark, 0, _SELF_EXTRACTING_WITHIN) >= 0:
                yield kind
    for mark, offset in _DISK_MARKS:
        if content.startswith(mark, offset):
            yield "disk-image"
    if content[-512:-508] in (b"koly", b"cone"):  # trailers of dmg and vhd
        yield "disk-image"
    if content.startswith(b"ustar", 257):
        yield "tar"


def _in_zip(content: bytes) -> Iterator[str]:
    """Give what a zip is for, by names that its directory holds in the clear."""
    if b"[Content_Types].xml" in content:
        yield "ooxml"
    if b"vbaProject.bin" in content:
        yield "office-macro"
    if b"META-INF/MANIFEST.MF" in content:
        yield "jar"


def _markup(content: bytes) -> Iterator[str]:
    head = content[: 4 * _HEAD]
    for bom, codec in _BOMS:
        if head.startswith(bom):
            head = head[len(bom) :].decode(codec, "replace").encode("utf-8", "replace")
    for pattern, kind in _MARKUP:
        if pattern.match(head):
            yield kind
    if _HTA.search(head):
        yield "hta"
