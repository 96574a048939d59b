"""What a document carries: files in OLE packages, old and new, and the octets of OLE 1.0 objects.

Called by  rtfs and offices, which find them; documents hands on what they give.
Ends       always with what could be read; nothing here raises.
Careful    nobody obeys [MS-OLEDS] to the letter, and malware least: a length that does not fit
           means "as much as there is".
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from qscanner.codec.oles import MARK
from qscanner.codec.text import readable

# Decodes zlib octets within the bounds of whoever hands it in; what cannot be decoded is b"".
Inflate = Callable[[bytes], bytes]

_MAX_NAME = 1024
_OLE1_HEAD = b"\x02\x00\x00\x00"  # an embedded object ([MS-OLEDS] 2.2.5); the version is anything
_PACKAGE = b"\x02\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One file in a document: its names as written, its octets.

    `is_inflated`: an Inflate gave them, which counts its octets by itself.
    """

    names: tuple[str, ...] = ()
    content: bytes = field(repr=False)
    is_inflated: bool = False


def native(octets: bytes) -> Carried | None:
    """Read an `\\x01Ole10Native` stream ([MS-OLEDS] 2.3.6): a size, then a package or raw data."""
    if len(octets) < struct.calcsize("<I"):
        return None
    return package(octets[4:]) or Carried(content=octets[4:])


def package(octets: bytes) -> Carried | None:
    """Read what Windows' Packager writes: label, file, temporary file, data; None for others.

    Nothing documents it; this is what it was found to do.
    """
    if not octets.startswith(_PACKAGE):
        return None
    label, at = _text(octets, 2)
    file, at = _text(octets, at)
    at += 8  # two unknown words, and the length of the next text
    temporary, at = _text(octets, at)
    if at + 4 > len(octets) or not (label or file or temporary):
        return None
    size = int.from_bytes(octets[at : at + 4], "little")
    at += 4
    names = [label, file, temporary]
    names += _wide_texts(octets[at + size :])
    return Carried(names=_names(names), content=octets[at : at + size])


def _names(texts: list[str]) -> tuple[str, ...]:
    """Give the names without doubles, a path's last piece first: that is what a person sees."""
    last = [text.replace("\\", "/").rpartition("/")[2] for text in texts]
    return tuple(dict.fromkeys(name for name in (*last, *texts) if name))


def _text(octets: bytes, at: int) -> tuple[str, int]:
    end = octets.find(b"\0", at, at + _MAX_NAME)
    if end < 0:
        return "", len(octets)
    return readable(octets[at:end]), end + 1


def _wide_texts(octets: bytes) -> list[str]:
    """Give the same names in UTF-16, which newer packages have behind the data."""
    found: list[str] = []
    at = 0
    for _ in range(3):
        count = int.from_bytes(octets[at : at + 4], "little")
        if not 0 < count <= _MAX_NAME:
            break
        raw = octets[at + 4 : at + 4 + 2 * count]
        found.append(readable(raw.decode("utf-16-le", "replace").encode("utf-8", "replace")))
        at += 4 + 2 * count
    return [text.strip("\0") for text in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class OleObject:
    """An object of OLE 1.0: the class it says, "" for none, and its data."""

    class_name: str
    data: bytes = field(repr=False)

    def carried(self) -> Carried:
        """Give the file in it: that of a package, the compound file, or the data as they are."""
        if self.class_name.lower() == "package" or self.data.startswith(_PACKAGE):
            found = package(self.data)
            if found:
                return found
        at = self.data.find(MARK)
        return Carried(content=self.data[at:] if at > 0 else self.data)


def ole_object(octets: bytes) -> OleObject:
    """Read an OLE 1.0 object ([MS-OLEDS] 2.2.5); where it is none, all octets are its data."""
    if octets[4:8] != _OLE1_HEAD:
        return OleObject(class_name="", data=octets)
    at = 8
    texts: list[str] = []
    for _ in range(3):  # class, topic, item: each with its length
        size = int.from_bytes(octets[at : at + 4], "little")
        if size > _MAX_NAME or at + 4 > len(octets):
            return OleObject(class_name=texts[0] if texts else "", data=octets)
        texts.append(readable(octets[at + 4 : at + 4 + size].partition(b"\0")[0]))
        at += 4 + size
    size = int.from_bytes(octets[at : at + 4], "little")
    data = octets[at + 4 : at + 4 + size] or octets[at + 4 :]
    return OleObject(class_name=texts[0], data=data)
