"""Archives for tests: libarchive writes most; RAR, .Z and TNEF are put together by hand."""

import struct
import zlib

from qscanner import libarchive_members
from tests.fakes.mails import EICAR

__all__ = ["EICAR", "compressed", "rar5", "tnef", "written"]


def written(
    format_: str,
    *files: tuple[str, bytes],
    filter_: str | None = None,
    options: str = "",
    password: str | None = None,
) -> bytes:
    """Give an archive in a format of libarchive."""
    assert libarchive_members.version()  # it loads the library without starting programs
    import libarchive

    out: list[bytes] = []

    def keep(piece: bytes) -> int:
        out.append(bytes(piece))
        return len(piece)

    with libarchive.custom_writer(
        keep, format_, filter_, options=options, passphrase=password
    ) as archive:
        for name, content in files:
            archive.add_file_from_memory(name, len(content), content)
    return b"".join(out)


def rar5(*files: tuple[str, bytes], is_encrypted: bool = False, main: int = 0) -> bytes:
    """Give a RAR 5 whose files are stored; or only said to be encrypted."""

    def block(body: bytes) -> bytes:
        sized = bytes((len(body),)) + body
        return struct.pack("<L", zlib.crc32(sized)) + sized

    out = b"Rar!\x1a\x07\x01\x00" + block(bytes((1, 0, main)))
    for name, content in files:
        extra = b"\x02\x01\x00" if is_encrypted else b""
        size = len(content)
        sizes = bytes((size & 0x7F | 0x80, size >> 7))
        said = bytes((len(extra),)) if extra else b""
        body = bytes((2, 3 if extra else 2)) + said + sizes + b"\x04" + sizes + b"\x00"
        body += struct.pack("<L", zlib.crc32(content)) + b"\x00\x01"
        out += block(body + bytes((len(name.encode()),)) + name.encode() + extra) + content
    return out + block(b"\x05\x00\x00")


def tnef(*files: tuple[str, bytes]) -> bytes:
    """Give a winmail.dat with these files."""

    def attribute(level: int, id_: int, data: bytes) -> bytes:
        return (
            struct.pack("<BLL", level, id_, len(data))
            + data
            + struct.pack("<H", sum(data) % 65536)
        )

    out = b"\x78\x9f\x3e\x22\x01\x00"
    for name, content in files:
        out += attribute(2, 0x00069002, bytes(14))
        out += attribute(2, 0x00018010, name.encode() + b"\0")
        out += attribute(2, 0x0006800F, content)
    return out


def compressed(content: bytes) -> bytes:
    """Give a .Z of short octets: each is a code of 9 bits (compress(1)); below 255 octets."""
    number = sum(octet << 9 * place for place, octet in enumerate(content))
    return b"\x1f\x9d\x90" + number.to_bytes(-(-9 * len(content) // 8), "little")
