"""The messages of the bench: four sizes, the same octets in every run, nothing to compress.

Called by  bench, bench_mixed, bench_peak, bench_tell, soak_mails.
Careful    the test string is put together in tests/fakes/mails.py, so that no scanner objects.
"""

import base64
import io
import random
import zipfile
from collections.abc import Callable

_PLAIN = (
    "the of and to in is that for it as with was on be by at this from have or an they which one"
    " you were her all she there would their we him been has when who will more no if out so said"
    " what up its about into than them can only other new some could time these two may then do"
)
_WORDS = _PLAIN.split(" ")
_TOP = (
    "Received: from mail.sender.example (mail.sender.example [192.0.2.7])\n"
    "  by mx.example.com with SMTP; 23 Nov 2026 10:00:00 -0000\n"
    "Received: from desk.sender.example (desk.sender.example [198.51.100.9])\n"
    "  by mail.sender.example (Postfix) with ESMTPS id 4F2A91C0\n"
    "  for <bob@example.com>; Mon, 23 Nov 2026 09:59:58 +0000 (UTC)\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=mail;\n"
    "  h=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\n"
    "  b=dGhpcyBpcyBub3QgcmVhbGx5IGEgc2lnbmF0dXJlLCBidXQgaXQgbG9va3MgbGlrZSBvbmU\n"
    "From: Ann Example <ann@sender.example>\n"
    "To: Bob Example <bob@example.com>\n"
    "Subject: =?utf-8?q?minutes_of_Monday=E2=80=99s_meeting?=\n"
    "Date: Mon, 23 Nov 2026 09:59:57 +0000\n"
    "Message-ID: <20261123095957.4F2A91C0@sender.example>\n"
    "User-Agent: Example 1.0\n"
    "MIME-Version: 1.0\n"
)


def prose(chance: random.Random, octets: int) -> str:
    """Give lines of words, about so many octets."""
    lines, size = [], 0
    while size < octets:
        line = " ".join(chance.choices(_WORDS, k=13)).capitalize() + "."
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines) + "\n"


def mixed(chance: random.Random, name: str, kind: str, content: bytes) -> bytes:
    """Give a message of some text and one base64 attachment."""
    head = (
        f"{_TOP}Content-Type: multipart/mixed; boundary=outer\n\n"
        "--outer\nContent-Type: text/plain; charset=utf-8\n\n"
        f"{prose(chance, 900)}\n"
        f"--outer\nContent-Type: {kind}; name={name}\n"
        f"Content-Disposition: attachment; filename={name}\n"
        "Content-Transfer-Encoding: base64\n\n"
    )
    return head.encode() + base64.encodebytes(content) + b"--outer--\n"


def text() -> bytes:
    """Give 2 kB of plain text."""
    body = prose(random.Random(1), 700)
    return f"{_TOP}Content-Type: text/plain; charset=utf-8\n\n{body}".encode()


def html() -> bytes:
    """Give 30 kB: multipart/alternative of text and HTML, as newsletters are."""
    chance = random.Random(2)
    rows = "".join(
        f'<tr><td style="padding:4px"><a href="https://shop.sender.example/item/{n}">'
        f"item {n}</a></td><td>{prose(chance, 250).replace(chr(10), '<br>')}</td></tr>\n"
        for n in range(50)
    )
    page = f"<html><head><title>News</title></head><body><table>\n{rows}</table></body></html>\n"
    return (
        f"{_TOP}Content-Type: multipart/alternative; boundary=outer\n\n"
        f"--outer\nContent-Type: text/plain; charset=utf-8\n\n{prose(chance, 6000)}\n"
        f"--outer\nContent-Type: text/html; charset=utf-8\n\n{page}--outer--\n"
    ).encode()


def pdf() -> bytes:
    """Give 300 kB: text and a PDF whose one stream is noise."""
    chance = random.Random(3)
    noise = chance.randbytes(220_000)
    content = (
        b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        b"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n"
        + f"3 0 obj\n<< /Length {len(noise)} >>\nstream\n".encode()
        + noise
        + b"\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
    )
    return mixed(chance, "minutes.pdf", "application/pdf", content)


def archive() -> bytes:
    """Give 5 MB: text and a zip of four pictures of noise."""
    chance, file = random.Random(4), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for n in range(4):
            info = zipfile.ZipInfo(f"holiday-{n}.jpg", (2026, 11, 23, 10, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01" + chance.randbytes(920_000))
    return mixed(chance, "holiday.zip", "application/zip", file.getvalue())


SIZES: dict[str, Callable[[], bytes]] = {"2kB": text, "30kB": html, "300kB": pdf, "5MB": archive}
