"""Kinds: what a part is, by declared type, names, libmagic and our own signatures together.

Called by  checks.attachments. The vocabulary is KINDS; docs/findings.md explains each.
Ends       always with a set, never an empty one; nothing here raises.
Careful    a union: a part that lies about itself has the kinds it claims and those it is.
"""

import re
from collections.abc import Iterable, Iterator

from qscanner.codec import scripts
from qscanner.kind_tables import ARCHIVES, BY_EXTENSION, BY_TYPE, SIGNATURES

_HEAD = 1024
_WIDE_HEAD = 16
_TEXT_SHARE = 20  # one control character in so many is still text
_PDF_WITHIN = 1024  # readers accept %PDF- that late
_ZIP_WITHIN = 64 << 10
_ZIP_RECORD = 22  # the end of a central directory without its comment
_ZIP_END = (64 << 10) + _ZIP_RECORD  # end of central directory and its longest comment
_ZIP_NAMES = 1 << 20  # the octets at the end that hold the directory of nearly every zip
_BEHIND = 1 << 20  # WinRAR and 7-Zip look so far for an archive behind something else
_HTA_WITHIN = 64 << 10
_TAIL = 64 << 10
_MAX_MZ = 1000
_JAVA_CLASS = 20  # classes have the same mark, and a higher number than any fat Mach-O
_EXTENSION = re.compile(r"((?:\.[a-z0-9_-]{1,16}){1,2})\Z")
_TEXT_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1b\b"))
_BOMS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))
_INSTALLER = re.compile(rb"[\x82\x84\x86]\x10\x0c\0{5}\xc0\0{6}\x46")  # classes of msi, msp, mst
_OLD_MACRO_SHEET = re.compile(rb"\x09[\0\2\4][\4\6]\0..\x40\0", re.DOTALL)  # BOF of BIFF 2 to 4
_MARKUP = (
    (
        re.compile(
            rb"(?i)\s*(?:<!--.{0,500}?-->\s*)*<(?:!doctype\s+html|html|head|body|script|iframe)\b",
            re.DOTALL,
        ),
        "html",
    ),
    (
        re.compile(rb"(?i)\s*<(?:\?xml[\s>]|(?!html)[a-z][\w:.-]{0,60}\s[^<>]{0,2000}\bxmlns\b)"),
        "xml",
    ),
    (
        re.compile(
            rb"(?i)\s*(?:<\?xml.{0,500}?\?>\s*)?(?:<!--.{0,500}?-->\s*)*"
            rb"(?:<!doctype\s+svg\b.{0,500}?>\s*)?<svg\b",
            re.DOTALL,
        ),
        "svg",
    ),
    (
        re.compile(
            rb"(?i)\s*(?:\[internetshortcut[\].]|\[\{000214a0-|\[shell\]\s"
            rb"|web\r?\n1\r?\n\s*(?:https?|ftp|\\\\)"
            rb"|(?:[a-z ]{1,40}:[isb]:[^\n]{0,200}\n){0,40}full address:s:"
            rb"|(?:<\?xml.{0,200}?\?>\s*)?<(?:librarydescription|persistedquery|pcsettings"
            rb"|searchconnectordescription|appinstaller|(?:asmv1:)?assembly)\b)",
            re.DOTALL,
        ),
        "url",
    ),
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
    (re.compile(rb"(?i)\s*\[desktop entry\]"), "shell-script"),
    (re.compile(rb"(?i)\s*(?:<\?xml.{0,200}?\?>\s*)?<jnlp\b", re.DOTALL), "jar"),
    (re.compile(rb"(?i)\s*(?:<\?xml.{0,200}?\?>\s*)?<mmc_consolefile\b", re.DOTALL), "script"),
    (
        re.compile(
            rb"(?i)\s*<(?:\?xml|[a-z]{1,20}:stylesheet)(?=.{0,2000}urn:schemas-microsoft-com:xslt)"
            rb".{0,4000}<[a-z]{1,20}:script\b",
            re.DOTALL,
        ),
        "script",
    ),
    (re.compile(rb"(?i)begin:vcalendar\b"), "calendar"),
    (re.compile(rb"(?i)begin:vcard\b"), "vcard"),
    (re.compile(rb"-----BEGIN PGP MESSAGE-----"), "encrypted-mail"),
    (re.compile(rb"-----BEGIN PGP SIGNATURE-----"), "signature"),
)
_HTA = b"<hta:application"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FAT_PROGRAMS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")
_CODE_IN_PAGE = re.compile(rb"<(?:script|html|hta:application)\b")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS = _words(
    """pe elf macho dos-com script shell-script lnk url hta chm msi jar disk-image onenote xll reg
    office-macro ole ooxml rtf pdf html svg xml csv sylk archive zip tar gzip bzip2 xz zstd lz4 7z
    rar cab arj lha ace zpaq tnef message text image audio video font calendar vcard signature
    encrypted-mail unknown empty"""
)


def kinds(
    names: Iterable[str], declared: str, content: bytes, mime_type_by_magic: str | None
) -> frozenset[str]:
    """Give all kinds that a part claims or has.

    `declared` is its type in lower case, "" for none; `content` is the decoded octets;
    `mime_type_by_magic` is libmagic's answer, None where it was not asked or had none.
    """
    names = tuple(names)
    found = set(by_signature(content))
    if declared == "text/plain" and not names:
        found.discard("hta")  # a message about such pages is none
    for type_ in (declared, mime_type_by_magic or ""):
        found |= _by_type(type_)
    for name in names:
        found |= _by_name(name)
    if found & ARCHIVES:
        found.add("archive")
    if not content:
        found.add("empty")
    else:
        is_text = is_plain_text(content) or wide_codec(content) is not None
        # What a message says in its own text is not run, whatever it is about.
        if is_text and (names or not declared.startswith("text/")) and _is_script(content):
            found.add("script")
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
    yield from _programs(content, head)
    yield from _containers(content)
    if head.startswith(_OLE[:4]):
        yield from _in_ole(content)
    if _OLD_MACRO_SHEET.match(head):
        yield from ("ole", "office-macro")
    if content.find(b"%PDF-", 0, _PDF_WITHIN) >= 0:
        yield "pdf"
    yield from _markup(content)


def _programs(content: bytes, head: bytes) -> Iterator[str]:
    # Windows runs what begins with MZ only, but mail clients strip blanks and line feeds.
    stripped = head.lstrip(b" \t\r\n\0")
    if stripped[:2] in (b"MZ", b"ZM") and not is_plain_text(stripped[:64]):
        yield "pe"
        if b"xlAutoOpen" in content:  # what Excel calls in an add-in
            yield "xll"
    elif head.startswith(_PICTURES) and _has_program(content):
        yield "pe"
    if stripped.startswith(b"X5O!P%@AP"):  # the EICAR test file is a program
        yield "dos-com"
    if head.startswith(_FAT_PROGRAMS) and int.from_bytes(head[4:8], "big") < _JAVA_CLASS:
        yield "macho"


def _has_program(content: bytes) -> bool:
    """Say whether a whole program stands behind something else: MZ that leads to its PE."""
    at = 0
    for _ in range(_MAX_MZ):
        at = content.find(b"MZ", at + 1, _BEHIND)
        if at < 0:
            break
        offset = int.from_bytes(content[at + 60 : at + 64], "little")
        if content.startswith(b"PE\0\0", at + offset):
            return True
    return False


def _containers(content: bytes) -> Iterator[str]:
    has_zip_end = _has_zip_end(content)
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")) or (
        has_zip_end
        and (content.find(b"PK\x03\x04", 0, _ZIP_WITHIN) >= 0 or content.rfind(b"PK\x01\x02") >= 0)
    ):
        yield "zip"
        yield from _in_zip(content)
    if content.startswith((b"MZ", b"L\0\0\0\1", *_PICTURES)):
        for mark, kind in (
            (b"7z\xbc\xaf\x27\x1c", "7z"),
            (b"Rar!\x1a\x07", "rar"),
            (b"MSCF\0\0\0\0", "cab"),
        ):
            if content.find(mark, 0, _BEHIND) >= 0:
                yield kind
    if content[-512:-508] in (b"koly", b"cone"):  # trailers of dmg and vhd
        yield "disk-image"
    if content.startswith(b"ustar", 257):
        yield "tar"


def _has_zip_end(content: bytes) -> bool:
    at = content.rfind(b"PK\x05\x06", max(0, len(content) - _ZIP_END))
    if at < 0 or not content.startswith(_OLE):
        return at >= 0
    # Office keeps small zips of its own in a compound file: this is one if it ends with the file.
    return at + _ZIP_RECORD + int.from_bytes(content[at + 20 : at + 22], "little") == len(content)


def _in_zip(content: bytes) -> Iterator[str]:
    """Give what a zip is for, by names that its directory holds in the clear.

    Members that no directory lists are contents with kinds of their own.
    """
    names = content
    if len(content) > _ZIP_WITHIN + _ZIP_NAMES:
        names = content[:_ZIP_WITHIN] + content[-_ZIP_NAMES:]
    names = names.lower()
    if b"[content_types].xml" in names:
        yield "ooxml"
    if b"vbaproject.bin" in names or b"basic/script-lc.xml" in names:
        yield "office-macro"
    if b"meta-inf/manifest.mf" in names:
        yield "jar"


def _in_ole(content: bytes) -> Iterator[str]:
    """Give what a compound file is for: its class, and the names in its directory."""
    shift = 12 if content[30:31] == b"\x0c" else 9
    root = (int.from_bytes(content[48:52], "little") + 1) << shift
    if _INSTALLER.match(content, root + 80):
        yield "msi"
    if "_VBA_PROJECT".encode("utf-16-le") in content:
        yield "office-macro"


def _markup(content: bytes) -> Iterator[str]:
    head = _utf8(content[: 4 * _HEAD])
    for pattern, kind in _MARKUP:
        if pattern.match(head):
            yield kind
    low = _utf8(content[:_HTA_WITHIN]).lower()
    if _HTA in low or (
        # mshta runs the page in any file: programs and shortcuts carry one at their end.
        content.startswith((b"MZ", b"L\0\0\0\1\x14\2\0")) and _has_page(content, low)
    ):
        yield "hta"


def _has_page(content: bytes, low: bytes) -> bool:
    if content.startswith(b"L") and _CODE_IN_PAGE.search(low):
        return True
    return _HTA in content[-_TAIL:].lower()


def _utf8(octets: bytes) -> bytes:
    """Give text as UTF-8, without its mark; other octets as they are."""
    for bom, codec in _BOMS:
        if octets.startswith(bom):
            return octets[len(bom) :].decode(codec, "replace").encode("utf-8", "replace")
    wide = wide_codec(octets)
    return octets.decode(wide, "replace").encode("utf-8", "replace") if wide else octets


def _is_script(content: bytes) -> bool:
    return scripts.is_script(_utf8(content[: 2 * _HTA_WITHIN]))
