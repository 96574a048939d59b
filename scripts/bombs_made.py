"""Messages that are made to be dear, by name: headers, trees, archives.

Called by  bombs.
Careful    each is made when it is asked for; the largest is some MB, whatever is behind it.
"""

import base64
import bz2
import io
import lzma
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

_MB = 1_000_000
_ZEROS = b"\0" * _MB


def attached(name: str, content: bytes) -> bytes:
    """Give a message with one attachment, base64."""
    head = f'Subject: x\nContent-Type: application/octet-stream; name="{name}"\n'
    return head.encode() + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(content)


def _header(name: str, unit: bytes, *, before: bytes = b"", size: int = 2 * _MB) -> bytes:
    """Give a message with one header of that many octets of a unit."""
    value = before + unit * (size // len(unit))
    return b"Subject: x\n" + name.encode() + b": " + value + b"\n\nbody\n"


def _folded(name: str, unit: bytes) -> bytes:
    return _header(name, unit + b"\n ")


def _numbered(form: str, *, size: int = 2 * _MB) -> bytes:
    pieces, length, number = [], 0, 0
    while length < size:
        pieces.append(form.format(number))
        length += len(pieces[-1])
        number += 1
    value = "Content-Disposition: attachment" + "".join(pieces)
    return value.encode() + b"\n\nbody\n"


def _many_fields(name: str) -> bytes:
    return f"{name}: x\n".encode() * (2 * _MB // (len(name) + 4)) + b"\nbody\n"


def _parts(count: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * count + b"--b--\n"


def _boundaries(count: int) -> bytes:
    """Give a message with many nested multiparts and as many lines that are nearly boundaries."""
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(count)
    )
    return head + b"\n" + b"--nothing\n" * 200_000


def _nested(count: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(count)
    )
    closed = b"".join(b"\n--b%d--\n" % n for n in reversed(range(count)))
    return opened + b"\nx" + closed


def _messages(count: int) -> bytes:
    return b"Content-Type: message/rfc822\n\n" * count + b"Subject: x\n\nx\n"


def _encoded_messages(count: int) -> bytes:
    inner = b"Subject: x\n\nx\n"
    for _ in range(count):
        head = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        inner = head + base64.encodebytes(inner)
    return inner


def _stray_messages(count: int) -> bytes:
    """Give encoded messages in each other, each with 100 parts that stand in no multipart."""
    stray = b"Content-Type: text/plain; name=a.txt\nContent-Transfer-Encoding: base64\n\nQUFB\n\n"
    inner = b"Subject: x\n\n" + stray * 500
    for _ in range(count):
        head = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        inner = head + base64.encodebytes(inner) + stray * 100
    return inner


def _body(unit: bytes, *, head: bytes = b"Subject: x\n\n") -> bytes:
    return head + unit * (5 * _MB // len(unit))


def _gzip(megabytes: int) -> bytes:
    made = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [made.compress(_ZEROS) for _ in range(megabytes)]
    return b"".join((*pieces, made.flush()))


def _many_gzips() -> bytes:
    return _gzip(1) * 2000


def _bzip2(megabytes: int) -> bytes:
    made = bz2.BZ2Compressor(9)
    return b"".join((*(made.compress(_ZEROS) for _ in range(megabytes)), made.flush()))


def _xz(megabytes: int) -> bytes:
    made = lzma.LZMACompressor(preset=0)
    return b"".join((*(made.compress(_ZEROS) for _ in range(megabytes)), made.flush()))


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _zip_of_zeros(megabytes: int) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("zeros", "w", force_zip64=True) as member,
    ):
        for _ in range(megabytes):
            member.write(_ZEROS)
    return file.getvalue()


def _zip_42(levels: int, width: int) -> bytes:
    inner = _zip_of_zeros(100)
    for _ in range(levels):
        inner = _zip({f"{n}.zip": inner for n in range(width)})
    return inner


def _zip_deep(levels: int) -> bytes:
    inner = b"x"
    for _ in range(levels):
        inner = _zip({"a.zip": inner})
    return inner


def _zip_many(count: int) -> bytes:
    return _zip({f"{n}": b"" for n in range(count)})


def _overlap(entries: int) -> bytes:
    """Give a zip whose directory names one member of 10 MB many times (CVE-2024-0450)."""
    whole = _zip({"a": b"\0" * (10 * _MB)})
    start = whole.index(b"PK\x01\x02")
    end = whole.rindex(b"PK\x05\x06")
    record = whole[start:end]
    directory = record * entries
    tail = bytearray(whole[end:])
    count = min(entries, 0xFFFF).to_bytes(2, "little")
    tail[8:12] = count + count
    tail[12:16] = len(directory).to_bytes(4, "little")
    return whole[:start] + directory + bytes(tail)


def _tar_many(count: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(count):
            archive.addfile(tarfile.TarInfo(str(number)))
    return _gzipped(file.getvalue())


def _gzipped(content: bytes) -> bytes:
    made = zlib.compressobj(9, zlib.DEFLATED, 31)
    return made.compress(content) + made.flush()


def _gzip_deep(levels: int) -> bytes:
    inner = b"x"
    for _ in range(levels):
        inner = _gzipped(inner)
    return inner


def _by_program(command: tuple[str, ...], megabytes: int) -> bytes:
    """Give what a program makes of zeros; raises FileNotFoundError where it is not installed."""
    with tempfile.TemporaryDirectory(prefix="qscanner-bombs-") as name:
        folder = Path(name)
        with (folder / "zeros").open("wb") as file:
            file.truncate(megabytes * _MB)
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return (folder / "out").read_bytes()


def _file(name: str, make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: attached(name, make())


_TYPE, _DISPOSITION = "Content-Type", "Content-Disposition"
_SIZE = 50_000
_HEADERS: dict[str, Callable[[], bytes]] = {
    "50 kB of ; in name=": partial(_header, _TYPE, b";", before=b'text/plain; name="', size=_SIZE),
    "2 MB Content-Type ;": partial(_header, _TYPE, b";", before=b"text/plain"),
    "2 MB Content-Type (": partial(_header, _TYPE, b"(", before=b"text/plain; "),
    'Content-Type a=";"': partial(_header, _TYPE, b'a=";";', before=b"text/plain;"),
    "2 MB Content-Type parameters": partial(_header, _TYPE, b"a=b;", before=b"text/plain;"),
    "2 MB Content-Type quotes": partial(
        _header, _TYPE, b'"', before=b"multipart/mixed; boundary="
    ),
    "2 MB Content-Type backslashes": partial(_header, _TYPE, b"\\", before=b'text/plain; name="'),
    "2 MB Content-Type, folded": partial(_folded, _TYPE, b"a=b;"),
    "2 MB name*0, name*1, ...": partial(_numbered, "; filename*{}=x"),
    "2 MB name*0*, percent": partial(_numbered, "; filename*{}*=utf-8''%41"),
    "2 MB boundary=1; boundary=2": partial(_numbered, "; boundary={}"),
    "2 MB Content-Transfer-Encoding": partial(_header, "Content-Transfer-Encoding", b"(x) "),
    "2 MB To of quotes": partial(_header, "To", b'"'),
    "2 MB To of commas": partial(_header, "To", b"a@b,"),
    "2 MB To of (": partial(_header, "To", b"("),
    "2 MB From of <": partial(_header, "From", b"<a@b>"),
    "2 MB Subject of words": partial(_header, "Subject", b"a "),
    "2 MB Subject of encoded words": partial(_header, "Subject", b"=?utf-8?B?YWFh?= "),
    "2 MB Subject of =?": partial(_header, "Subject", b"=?"),
    "2 MB Subject of 8-bit": partial(_header, "Subject", b"\xe4\xff"),
    "2 MB Subject of NUL": partial(_header, "Subject", b"\0"),
    "2 MB Subject, folded": partial(_folded, "Subject", b"a"),
    "2 MB of blank continuations": partial(_header, "X", b"\n "),
    "2 MB of short fields": partial(_many_fields, "X"),
    "2 MB of Content-Type fields": partial(_many_fields, _TYPE),
    "2 MB of From fields": partial(_many_fields, "From"),
    "2 MB of junk lines": lambda: b"junk\n" * (2 * _MB // 5) + b"\nx",
}
_TREES: dict[str, Callable[[], bytes]] = {
    "100,000 parts": partial(_parts, 100_000),
    "1,000 nested multiparts": partial(_nested, 1000),
    "1,000 nested messages": partial(_messages, 1000),
    "15 nested messages in base64": partial(_encoded_messages, 15),
    "6 nested messages with strays": partial(_stray_messages, 6),
    "400 multiparts, 200,000 --lines": partial(_boundaries, 400),
    "5 MB of -- lines": partial(
        _body, b"--\n", head=b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n"
    ),
    "5 MB of newlines": partial(_body, b"\n"),
    "5 MB of A": partial(_body, b"A"),
    "5 MB of base64 lines": partial(_body, b"QUFB" * 18 + b"\n"),
    "5 MB of padded base64": partial(_body, b"QQ=="),
    "5 MB of =": partial(_body, b"="),
    "5 MB of =3D": partial(_body, b"=3D", head=b"Content-Transfer-Encoding: quoted-printable\n\n"),
    "5 MB of begin 644": partial(_body, b"begin 644 a\n"),
    "5 MB of Content-Type lines": partial(_body, b"Content-Type: text/plain\n\n"),
    "5 MB of <": partial(_body, b"<", head=b"Content-Type: text/html\n\n"),
    "5 MB of data: URIs": partial(
        _body, b'<a href="data:x;base64,QQ==">', head=b"Content-Type: text/html\n\n"
    ),
    "5 MB of script tags": partial(_body, b"<script ", head=b"Content-Type: text/html\n\n"),
    "5 MB of From lines": partial(_body, b">From a\n"),
    "5 MB of CR": partial(_body, b"\r"),
    "5 MB of PK records": partial(
        _body, b"PK\x03\x04" + b"\0" * 26, head=b"Content-Type: application/zip\n\n"
    ),
    "5 MB of PK directory": partial(
        _body, b"PK\x01\x02" + b"\0" * 42, head=b"Content-Type: application/zip\n\n"
    ),
    "5 MB of %PDF- obj": partial(
        _body, b"%PDF-1.7\n1 0 obj<<>>stream\n", head=b"Content-Type: application/pdf\n\n"
    ),
    "5 MB of {\\rtf": partial(
        _body, b"{\\rtf1\\object\\objdata 00", head=b"Content-Type: application/rtf\n\n"
    ),
}
_ARCHIVES: dict[str, Callable[[], bytes]] = {
    "gzip, 10 GB of zeros": _file("a.gz", partial(_gzip, 10_000)),
    "gzip, 2,000 in a row": _file("a.gz", _many_gzips),
    "gzip, 200 in each other": _file("a.gz", partial(_gzip_deep, 200)),
    "bzip2, 1 GB": _file("a.bz2", partial(_bzip2, 1000)),
    "xz, 1 GB": _file("a.xz", partial(_xz, 1000)),
    "zip, 1 GB": _file("a.zip", partial(_zip_of_zeros, 1000)),
    "zip, 42-like, 16^3 x 100 MB": _file("42.zip", partial(_zip_42, 3, 16)),
    "zip, 200 in each other": _file("a.zip", partial(_zip_deep, 200)),
    "zip, 100,000 empty members": _file("a.zip", partial(_zip_many, 100_000)),
    "zip, 60,000 entries overlap": _file("a.zip", partial(_overlap, 60_000)),
    "tar.gz, 50,000 members": _file("a.tgz", partial(_tar_many, 50_000)),
    "zstd, 1 GB": _file("a.zst", partial(_by_program, ("zstd", "-q", "zeros", "-o", "out"), 1000)),
    "lz4, 1 GB": _file("a.lz4", partial(_by_program, ("lz4", "-q", "zeros", "out"), 1000)),
    "7z, 1 GB": _file(
        "a.7z", partial(_by_program, ("7z", "a", "-t7z", "-mx=1", "./out", "zeros"), 1000)
    ),
}
ALL = {**_HEADERS, **_TREES, **_ARCHIVES}
