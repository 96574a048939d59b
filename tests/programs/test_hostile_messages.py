"""Messages built to hurt: none is lost, changed, slow, or a reason to take memory without end."""

import base64
import binascii
import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import mails
from tests.fakes.caller import Setting, envelope
from tests.fakes.site import Site, below_our_lines

_MB = 1_000_000
_TOP = mails.text().partition(b"\n\n")[0] + b"\n"
_BASE64 = b"Content-Transfer-Encoding: base64\n\n"
_QUOTED = b"Content-Transfer-Encoding: quoted-printable\n\n"


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation with the embedded engine and less memory than usual."""
    made = Site(open_tmp, fake_queue)
    made.settings(limits='memory = "700 MiB"')
    return made


def _parts(count: int, body: bytes = b"x\n", header: bytes = b"") -> bytes:
    kind = b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b1"\n\n'
    return _TOP + kind + (b"--b1\n" + header + b"\n" + body) * count + b"--b1--\n"


def _nested(depth: int) -> bytes:
    kind = b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n'
    ends = b"".join(b"--b%d--\n" % number for number in reversed(range(depth)))
    return _TOP + b"".join(kind % (n, n) for n in range(depth)) + b"\nhello\n" + ends


def _zip_in_zip(depth: int) -> bytes:
    inner = mails.zipped(a__txt=b"hello")
    for _ in range(depth):
        inner = mails.zipped(a__zip=inner)
    return inner


def _in_messages(depth: int) -> bytes:
    inner = mails.text(b"x\n" * _MB)
    for _ in range(depth):
        kind = b"Content-Type: message/rfc822\n" + _BASE64
        inner = _TOP + kind + base64.encodebytes(inner)
    return inner


def _subject(value: bytes) -> bytes:
    return mails.text().replace(b"Subject: hello", b"Subject: " + value)


SHAPES: dict[str, Callable[[], bytes]] = {
    "subject-of-2-MB": lambda: _subject(b"x" * 2 * _MB),
    "subject-of-encoded-words": lambda: _subject(b"=?utf-8?q?=e2=82=ac?= " * 90_000),
    "subject-of-many-lines": lambda: _subject(b"x\n " * 700_000),
    "from-of-brackets": lambda: mails.text().replace(b"From: ", b"From: " + b'<("' * 600_000),
    "received-100000": lambda: mails.RECEIVED * 100_000 + mails.text(),
    "content-type-100000": lambda: (
        _TOP + b"".join(b"Content-Type: a/b; boundary=b%d\n" % n for n in range(100_000))
    ),
    "header-without-end": lambda: mails.RECEIVED + b"X-A: b\n" + b" c\n" * 5 * _MB,
    "nul": lambda: mails.text(b"\0" * 20 * _MB),
    "newlines": lambda: mails.text(b"\n" * 20 * _MB),
    "carriage-returns": lambda: b"\r" * 20 * _MB,
    "near-boundaries": lambda: _parts(1, b"--b1x\n" * 3 * _MB),
    "base64-of-padding": lambda: _TOP + _BASE64 + b"QQ==\n" * 4 * _MB,
    "base64-of-equals": lambda: _TOP + _BASE64 + b"=" * 20 * _MB,
    "soft-breaks": lambda: _TOP + _QUOTED + b"=\n" * 10 * _MB,
    "equals-and-blanks": lambda: _TOP + _QUOTED + b"= " * 10 * _MB,
    "uuencoded": lambda: mails.text(b"begin 644 a\n" + binascii.b2a_uu(b"x" * 45) * 300_000),
    "uuencoded-in-short-lines": lambda: mails.text(b"begin 644 a\n" + b"!  \n" * 8 * _MB),
    "uuencoded-begins": lambda: mails.text(b"begin 644 a\n" * _MB),
    "gzip-of-zeros": lambda: mails.attached("a.gz", gzip.compress(b"\0" * 300 * _MB, 1)),
    "gzip-of-nothing": lambda: mails.attached("a.gz", gzip.compress(b"") * 200_000),
    "bzip2-of-zeros": lambda: mails.attached("a.bz2", bz2.compress(b"\0" * 50 * _MB)),
    "xz-of-zeros": lambda: mails.attached("a.xz", lzma.compress(b"\0" * 20 * _MB, preset=0)),
    "zips-in-zips": lambda: mails.attached("a.zip", _zip_in_zip(200)),
    "parts-50000": lambda: _parts(50_000),
    "nested-1000": lambda: _nested(1000),
    "messages-in-messages": lambda: _in_messages(8),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_none_hurts(site: Site, shape: str) -> None:
    """It is queued or held, octet for octet, within 10 s, by a scanner with 700 MiB."""
    message = SHAPES[shape]()
    result = site.call(message, setting=Setting(within_s=18))
    assert result.code == 0, result
    assert result.seconds < 10
    kept = [below_our_lines(one.message) for one in site.queued()]
    kept += [file.read_bytes() for file in site.quarantine.glob("*.eml")]
    assert kept == [message], "changed, lost, or there twice"


def test_100000_forged_lines(site: Site) -> None:
    """All of them are taken out, however many, and the rest stays."""
    site.policy("")
    forged = b"X-Qscanner: forged\nx-spam-flag : NO\n \tfolded\n" * 50_000
    assert site.call(mails.text(headers=forged)).code == 0
    assert below_our_lines(site.queued()[0].message) == mails.text()


def test_10000_recipients_with_200_rules(site: Site) -> None:
    """Rules for single recipients: each gets what his rule says, none is lost, in good time."""
    actions = ["accept", "quarantine", "discard", "reject"]
    site.policy(
        "".join(
            f'[[rule]]\nid = "r{n}"\nwhy = "a test"\naction = "{actions[n % 4]}"\n'
            f'when = {{ to = ["u{n}@x.example", "@d{n}.example"] }}\n'
            for n in range(200)
        )
    )
    to = [b"u%d@x.example" % (n % 1000) if n % 2 else b"u@d%d.example" % n for n in range(10_000)]
    result = site.call(mails.text(), envelope(b"a@b", *to), setting=Setting(within_s=18))
    assert result.code == 0, result
    assert result.seconds < 10
    known = site.held()[0]["envelope"]["recipients"]
    assert [each["address"].encode() for each in known] == to
    accepted = [each["address"].encode() for each in known if each["action"] == "accept"]
    assert site.queued()[0].envelope == envelope(b"a@b", *accepted)
    assert {each["action"] for each in known} == {"accept", "quarantine", "discard"}
