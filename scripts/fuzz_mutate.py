"""Seeds for the fuzzer, and what can be done to them: octets, lines, MIME words, archive numbers.

Called by  fuzz.
Careful    every seed is a message: a file that is none is attached to one, not encoded, so that
           changing an octet changes the file.
"""

import base64
import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import hostile

from tests.fakes import mails

_MOST_SEED = 200_000
_MOST = 300_000
_WORDS = [
    *(b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b";", b'"', b"=", b"(", b")", b"\\", b"'", b"%00"),
    *(b"--", b"--\n", b"\n--b1\n", b"\n--b1--\n", b"boundary=b1", b'; boundary="b1"', b"*0*="),
    *(b"Content-Type: ", b"Content-Transfer-Encoding: base64\n", b"content-disposition : "),
    *(b"Content-Type: multipart/mixed; boundary=b1\n\n", b"message/rfc822", b"message/partial"),
    *(b"multipart/", b"text/html", b"application/ms-tnef", b"quoted-printable", b"x-uuencode"),
    *(b"name=", b"filename*0*=utf-8''", b"filename*1=", b"=?utf-8?B?", b"=?utf-16?Q?=00=00?="),
    *(
        b"=?x?b?/w==?=",
        b"charset=utf-7",
        b"charset=idna",
        b"begin 644 a.exe\n",
        b"\nend\n",
        b"====\n",
    ),
    *(
        b">From ",
        b"From ",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xc0\x80",
        b"\xe2\x80\xae",
        b"\xed\xa0\x80",
    ),
    *(b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"\x1f\x8b\x08"),
    *(b"BZh9", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x00", b"MSCF", b"ustar"),
    *(b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF-"),
    *(b"/EmbeddedFile", b"/JavaScript", b"{\\rtf1\\objdata ", b"MZ", b"\x78\x9f\x3e\x22"),
    *(
        b"data:text/html;base64,",
        b"<script>",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\0\0\0\0",
    ),
]
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
Mutator = Callable[[random.Random, bytearray, list[bytes]], bytearray]


def seeds(corpora: Path | None) -> list[bytes]:
    """Give messages to begin with: our own, and those of the corpora where there are any."""
    found = _own()
    for file in hostile.files(corpora, ".") if corpora else ():
        if file.stat().st_size <= _MOST_SEED:
            octets = file.read_bytes()
            is_file = file.parent.name.startswith("files-")
            found.append(_attached(file.name, octets) if is_file else octets)
    return found


def _attached(name: str, octets: bytes) -> bytes:
    head = f"Content-Type: application/octet-stream; name={name}\n"
    return head.encode("utf-8", "replace") + b"Content-Transfer-Encoding: binary\n\n" + octets


def _own() -> list[bytes]:
    zipped = mails.zipped(a__txt=b"hello" * 100, b__exe=b"MZ" * 50)
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        entry = tarfile.TarInfo("a.exe")
        entry.size = 300
        archive.addfile(entry, io.BytesIO(b"MZ" * 150))
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_LZMA) as lzma_zip:
        lzma_zip.writestr("c.zip", zipped)
    contents = {
        "a.zip": zipped,
        "b.zip": stored.getvalue(),
        "a.tar": tarred.getvalue(),
        "a.tar.gz": gzip.compress(tarred.getvalue()),
        "a.bz2": bz2.compress(zipped),
        "a.xz": lzma.compress(zipped),
        "a.eml": mails.infected(),
    }
    uu = mails.text(b"begin 644 a.exe\n#34U8\n`\nend\n")
    plain = [mails.text(), mails.infected(), mails.locked(), uu]
    plain += [mails.attached(name, content) for name, content in contents.items()]
    return plain + [_attached(name, content) for name, content in contents.items()]


def mutated(rng: random.Random, octets: bytes, others: list[bytes]) -> bytes:
    """Give a seed with some changes, of at most 300,000 octets."""
    made = bytearray(octets)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        made = rng.choice(_MUTATORS)(rng, made, others)
    return bytes(made[:_MOST])


def _at(rng: random.Random, made: bytearray) -> int:
    """Give a place; headers are more telling than bodies."""
    end = min(len(made), 2000) if rng.random() < 0.5 else len(made)
    return rng.randint(0, end)


def _octet(rng: random.Random, made: bytearray, _: list[bytes]) -> bytearray:
    for _step in range(rng.choice((1, 4, 16))):
        if made:
            made[min(_at(rng, made), len(made) - 1)] = rng.randrange(256)
    return made


def _word(rng: random.Random, made: bytearray, _: list[bytes]) -> bytearray:
    at = _at(rng, made)
    made[at : at + rng.choice((0, 0, 1, 8))] = rng.choice(_WORDS)
    return made


def _number(rng: random.Random, made: bytearray, _: list[bytes]) -> bytearray:
    at, form = rng.randint(0, len(made)), rng.choice(("<H", "<I", "<Q", ">I"))
    octets = struct.pack(form, rng.choice(_NUMBERS) & (0xFFFF if form == "<H" else 0xFFFFFFFF))
    made[at : at + len(octets)] = octets
    return made


def _cut(rng: random.Random, made: bytearray, _: list[bytes]) -> bytearray:
    start = _at(rng, made)
    del made[start : start + rng.choice((1, 4, 100, 10_000))]
    return made


def _repeat(rng: random.Random, made: bytearray, _: list[bytes]) -> bytearray:
    start = _at(rng, made)
    piece = bytes(made[start : start + rng.choice((1, 4, 60, 1000))])
    times = rng.choice((2, 20, 500, 5000))
    made[start:start] = (piece * times)[:100_000]
    return made


def _flood(rng: random.Random, made: bytearray, _: list[bytes]) -> bytearray:
    at = _at(rng, made)
    made[at:at] = (rng.choice(_WORDS) * rng.choice((10, 1000, 30_000)))[:100_000]
    return made


def _lines(rng: random.Random, made: bytearray, others: list[bytes]) -> bytearray:
    lines = bytes(made).splitlines(keepends=True)
    if not lines:
        return made
    one, two = (rng.randrange(min(len(lines), 100)) for _ in range(2))
    match rng.randrange(4):
        case 0:
            lines[one], lines[two] = lines[two], lines[one]
        case 1:
            lines.insert(two, lines[one])
        case 2:
            del lines[one]
        case _:
            other = rng.choice(others)[:20_000].splitlines(keepends=True) or [b""]
            lines.insert(one, rng.choice(other[:100]))
    return bytearray(b"".join(lines))


def _splice(rng: random.Random, made: bytearray, others: list[bytes]) -> bytearray:
    other = rng.choice(others)
    at, start = _at(rng, made), rng.randint(0, len(other))
    made[at : at + rng.choice((0, len(made)))] = other[
        start : start + rng.choice((50, 5000, _MOST))
    ]
    return made


def _nest(rng: random.Random, made: bytearray, _: list[bytes]) -> bytearray:
    octets = bytes(made[:100_000])
    match rng.randrange(5):
        case 0:
            return bytearray(b"Content-Type: message/rfc822\n\n" + octets)
        case 1:
            return bytearray(mails.attached("a.eml", octets, declared="message/rfc822"))
        case 2:
            return bytearray(_attached("a.gz", gzip.compress(octets, 1)))
        case 3:
            return bytearray(_attached("a.zip", mails.zipped(a__eml=octets)))
        case _:
            text = base64.encodebytes(octets)
            return bytearray(b"Content-Transfer-Encoding: base64\n\n" + text)


_MUTATORS: list[Mutator] = [
    *(_octet, _octet, _word, _word, _word, _number, _number, _cut),
    *(_repeat, _flood, _lines, _lines, _splice, _nest),
]
