"""checks.attachments: every part and member, its names and kinds, within the bounds."""

import base64
import gzip
import io
import tarfile
import zipfile
from dataclasses import replace

import pytest

from qscanner import magic_kinds
from qscanner.archives import Budget
from qscanner.checks import attachments
from qscanner.checks.attachments import Looked
from qscanner.deadline import Deadline
from qscanner.mime import MimeLimits, view
from qscanner.model import Part, Where
from qscanner.settings import MIB, Limits
from tests.fakes.packed import written

EXE = bytes.fromhex("4d5a90000300") + b"program"


def attached(name: str, content: bytes, *, type_: str = "application/octet-stream") -> bytes:
    return (
        f"From: a@b\nContent-Type: multipart/mixed; boundary=A\n\n--A\n\nHello\n--A\n"
        f'Content-Type: {type_}\nContent-Disposition: attachment; filename="{name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(content).decode()}--A--\n"
    ).encode()


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def look(
    octets: bytes, *, limits: Limits | None = None, within_s: float = 60
) -> tuple[Looked, dict[str, bytes]]:
    """Give what was seen, and each content by its path."""
    limits = limits or Limits()
    contents: dict[str, bytes] = {}
    looked = attachments.look(
        view(octets, MimeLimits.of(limits)),
        Budget.of(limits),
        lambda path, content, _is_hidden: contents.__setitem__(path, content),
        deadline=Deadline(within_s),
    )
    return looked, contents


def part(looked: Looked, path: str) -> Part:
    return next(each for each in looked.parts if each.path == path)


def ids(looked: Looked) -> list[str]:
    return [finding.id for finding in looked.findings]


def test_parts() -> None:
    """Text and attachment: path, name, kinds, size, place; each content is handed on once."""
    looked, contents = look(attached("invoice.pdf", EXE))
    assert [each.path for each in looked.parts] == ["1", "2/invoice.pdf"]
    found = part(looked, "2/invoice.pdf")
    assert {"pe", "pdf"} <= found.kinds
    assert (found.octets, found.where, found.names) == (
        len(EXE),
        Where.ATTACHMENT,
        ("invoice.pdf",),
    )
    assert contents == {"1": b"Hello", "2/invoice.pdf": EXE}
    assert looked.findings == ()


def test_archive_in_archive_in_message() -> None:
    """A program in a zip in a tar.gz in an attached message."""
    tar = io.BytesIO()
    inner = zipped("a.exe", EXE)
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        info = tarfile.TarInfo("b.zip")
        info.size = len(inner)
        archive.addfile(info, io.BytesIO(inner))
    message = attached("c.tgz", tar.getvalue())
    looked, contents = look(attached("mail.eml", message, type_="message/rfc822"))
    path = "2/mail.eml/2/c.tgz/c.tar/b.zip/a.exe"
    assert contents[path] == EXE
    assert part(looked, path).where is Where.ARCHIVE
    assert "pe" in part(looked, path).kinds
    assert part(looked, "2/mail.eml/2/c.tgz").where is Where.NESTED
    assert looked.findings == ()


def test_a_stream_is_called_like_its_file() -> None:
    """a.js.gz without a name inside holds a.js."""
    looked, _ = look(attached("a.js.gz", gzip.compress(b"alert()")))
    assert "script" in part(looked, "2/a.js.gz/a.js").kinds


@pytest.mark.parametrize(
    "type_",
    ["message/delivery-status", "message/x-foo", "message/http", "text/plain", "image/png"],
)
def test_a_message_that_is_not_called_one(type_: str) -> None:
    """Encoded, of whatever type: what is in it is seen, if its header says that it has parts."""
    looked, _contents = look(attached("note", attached("c.exe", EXE), type_=type_))
    assert "2/note/2/c.exe" in [each.path for each in looked.parts]


@pytest.mark.parametrize("text", [b"Note: x\n\nHello\n", b"a: b\n\nContent-Type: text/html\n"])
def test_a_text_that_begins_like_a_header(text: bytes) -> None:
    """Is no message: what stands behind the header does not count."""
    looked, _contents = look(attached("note", text, type_="text/plain"))
    assert [each.path for each in looked.parts] == ["1", "2/note"]


def test_a_container_has_its_name() -> None:
    """A message attached as it is: a part without octets, and those inside."""
    octets = (
        b"Content-Type: multipart/mixed; boundary=A\n\n--A\n"
        b"Content-Type: message/rfc822; name=x.eml\n\n" + b"Subject: y\n\ntext\n--A--\n"
    )
    looked, contents = look(octets)
    assert part(looked, "1/x.eml").kinds == {"message"}
    assert contents == {"1.1": b"text"}


def test_unsafe_names_stay_names() -> None:
    """A member's name is text in a path that is shown, nothing else."""
    looked, _ = look(attached("a.zip", zipped("../../etc/\u202egpj.exe", EXE)))
    assert part(looked, "2/a.zip/../../etc/\u202egpj.exe").names[0] == "../../etc/\u202egpj.exe"
    assert ids(looked) == ["name.bidi"]


@pytest.mark.parametrize(
    ("head", "is_told"),
    [
        pytest.param("", False, id="tidy message"),
        pytest.param(
            "Content-Type: text/plain; boundary=b; boundary=c\n--b\n", True, id="odd one"
        ),
    ],
)
def test_a_piece_of_an_archive_in_a_text(head: str, *, is_told: bool) -> None:
    """Its form counts only in a message that is odd itself; what is in it counts always."""
    whole = zipped("run.exe", EXE * 300)
    pasted = base64.encodebytes(whole[:-40])
    octets = f"From: a@b\n{head}\nSee:\n\n".encode() + pasted + b"\nYours\n"
    looked, _ = look(octets)
    assert [name for each in looked.parts for name in each.names if name == "run.exe"]
    assert bool({"archive.unreadable", "archive.odd"} & set(ids(looked))) is is_told


def test_messages_in_each_other_spend_one_effort() -> None:
    """However many there are, all of their stray parts together are bounded."""
    stray = b"Content-Type: text/plain; name=a.txt\nContent-Transfer-Encoding: base64\n\nQUFB\n\n"
    octets = b"Subject: x\n\n" + stray * 100
    for _ in range(6):
        head = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        octets = head + base64.encodebytes(octets) + stray * 100
    looked, _ = look(octets)
    assert "limit.sweep" in ids(looked)
    assert len(looked.parts) < 400


def test_encrypted_and_unreadable() -> None:
    """Members that could not be read say so, and kinds go by their names."""
    octets = bytearray(zipped("a.exe", EXE * 20))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        octets[octets.index(mark) + at] |= 1
    looked, _ = look(attached("a.zip", bytes(octets)))
    found = part(looked, "2/a.zip/a.exe")
    assert not found.is_encrypted  # it only says so: the octets are plain
    octets[octets.index(b"a.exe") + 5] ^= 255
    looked, contents = look(attached("a.zip", bytes(octets)))
    found = part(looked, "2/a.zip/a.exe")
    assert (found.is_encrypted, found.kinds) == (True, frozenset({"pe"}))
    assert "archive.encrypted" in ids(looked)
    assert found.path not in contents


def test_an_encrypted_office_file() -> None:
    """Office puts the encrypted document into an OLE stream of a known name."""
    content = bytes.fromhex("d0cf11e0a1b11ae1") + "EncryptedPackage".encode("utf-16-le")
    looked, _ = look(attached("a.docx", content))
    assert part(looked, "2/a.docx").is_encrypted
    assert "archive.encrypted" in ids(looked)


def test_wide_text_is_handed_on_as_octets_too() -> None:
    """Engines look for octets; Windows runs a batch file in UTF-16."""
    seen: list[bytes] = []
    attachments.look(
        view(attached("a.bat", "\ufeffecho secret".encode("utf-16-le")), MimeLimits()),
        Budget.of(Limits()),
        lambda _path, content, _is_hidden: seen.append(content),
        deadline=Deadline(60),
    )
    assert any(b"echo secret" in content for content in seen)


def droste(depth: int) -> bytes:
    content = b"bottom"
    for _ in range(depth):
        content = zipped("a.zip", content)
    return content


@pytest.mark.parametrize(
    ("content", "name", "limits", "id_"),
    [
        pytest.param(droste(50), "a.zip", Limits(), "limit.archive-depth", id="depth"),
        pytest.param(
            gzip.compress(bytes(50 * MIB)), "a.gz", Limits(), "limit.archive-ratio", id="ratio"
        ),
        pytest.param(
            gzip.compress(bytes(3 * MIB)),
            "a.gz",
            replace(Limits(), decoded=MIB),
            "limit.archive-octets",
            id="octets",
        ),
        pytest.param(
            b"From: a\n\n" + bytes(2000),
            "a.eml",
            replace(Limits(), decoded=100),
            "limit.archive-octets",
            id="nested message",
        ),
        pytest.param(
            b"From: a\nContent-Type: multipart/x; boundary=B\n\n" + b"--B\n\nx\n" * 50,
            "a.eml",
            replace(Limits(), members=10),
            "limit.archive-members",
            id="parts of a nested message",
        ),
    ],
)
def test_bounds(content: bytes, name: str, limits: Limits, id_: str) -> None:
    """Every bound that is hit is a finding."""
    looked, _ = look(attached(name, content), limits=limits)
    assert id_ in ids(looked)


def test_out_of_time() -> None:
    """No exception: what was seen is given, and that it was not all."""
    ticks = iter(range(1000))
    deadline = Deadline(3, clock=lambda: float(next(ticks)))
    found = view(attached("a.zip", zipped("a.exe", EXE)), MimeLimits())
    looked = attachments.look(
        found, Budget.of(Limits()), lambda _path, _content, _is_hidden: None, deadline=deadline
    )
    assert ids(looked) == ["limit.time"]
    assert 0 < len(looked.parts) < 3


def test_magic_that_fails_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libmagic our own signatures still work."""

    def fails(content: bytes) -> str:
        raise magic_kinds.MagicError("gone")

    monkeypatch.setattr(magic_kinds, "type_of", fails)
    looked, _ = look(attached("a.zip", zipped("b.bin", EXE)))
    assert ids(looked) == ["magic.error"]
    assert "pe" in part(looked, "2/a.zip/b.bin").kinds


def test_plain_texts_do_not_ask_magic(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is dearer than the parsing; but a text that is none is looked at."""
    asked: list[bytes] = []
    monkeypatch.setattr(magic_kinds, "type_of", lambda content: asked.append(content))
    look(b"Subject: x\n\nHello\n")
    assert asked == []
    look(b"Subject: x\nContent-Type: text/plain\n\n" + EXE)
    assert asked == [EXE]


def test_what_was_left_is_no_longer_held() -> None:
    """Only archives in each other keep memory: ten in a row do not."""
    content = gzip.compress(b"x" * 10, 0)
    part_of = (
        attached("a.gz", content).decode().partition("--A\n\nHello\n")[2].partition("--A--")[0]
    )
    octets = b"From: a@b\nContent-Type: multipart/mixed; boundary=A\n\n" + part_of.encode() * 10
    looked, _ = look(octets, limits=replace(Limits(), decoded=10 * len(content) - 1))
    assert len(looked.parts) == 20
    assert looked.findings == ()


def test_a_password_in_the_message() -> None:
    """A word of the text opens the archive; what is in it is looked at, and it stays encrypted."""
    locked = written("zip", ("a.exe", EXE), options="zip:encryption=aes256", password="Hello")
    looked, contents = look(attached("a.zip", locked))
    assert contents["2/a.zip/a.exe"] == EXE
    inside = part(looked, "2/a.zip/a.exe")
    assert inside.is_encrypted
    assert "pe" in inside.kinds
    assert ids(looked) == ["archive.encrypted", "archive.opened-with-word"]
    assert "Hello" not in str(looked.findings)


def test_a_password_around_a_message() -> None:
    """The word may stand in the message that another one with the archive is attached to."""
    locked = written("zip", ("a.exe", EXE), options="zip:encryption=zipcrypt", password="s3same")
    inner = attached("a.zip", locked)
    outer = attached("m.eml", inner).replace(b"Hello", b"Subject: the code is s3same")
    _, contents = look(outer)
    assert EXE in contents.values()


@pytest.mark.parametrize("name", ["a.lz", "a", "a.bin"])
def test_what_begins_like_an_archive(name: str) -> None:
    """Whatever it is called."""
    content = written("raw", ("x", EXE), filter_="lzip")
    _, contents = look(attached(name, content))
    assert EXE in contents.values()


def test_what_is_hidden() -> None:
    """Deep in archives, a virus scanner has given up without a word."""
    content = EXE
    hidden: dict[int, bool] = {}
    for number in range(12):
        content = zipped(f"{number}.zip" if number else "a.exe", content)
    limits = Limits()
    attachments.look(
        view(attached("x.zip", content), MimeLimits.of(limits)),
        Budget.of(limits),
        lambda path, octets, is_hidden: hidden.__setitem__(path.count("/"), is_hidden),
        deadline=Deadline(60),
    )
    assert [hidden[depth] for depth in sorted(hidden)] == [False] * 9 + [True] * 5


def test_libmagic_is_asked_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of members would cost seconds; the bound is a finding, signatures still tell."""
    asked: list[bytes] = []
    monkeypatch.setattr(attachments, "_TEXTS_ASKED", 3)
    monkeypatch.setattr(attachments, "_CONTENTS_ASKED", 6)
    monkeypatch.setattr(magic_kinds, "type_of", lambda content: asked.append(content))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.txt", f"text {number}")
            archive.writestr(f"{number}.dat", b"\0\1\2binary %d" % number)
        archive.writestr("last.dat", EXE)
    looked, _ = look(attached("a.zip", out.getvalue()))
    assert len(asked) <= 6
    assert "limit.kinds" in {found.id for found in looked.findings}
    assert [found.id for found in looked.findings].count("limit.kinds") == 1
    assert "pe" in part(looked, "2/a.zip/last.dat").kinds
