"""Messages of our own making for the tests: a clean one, and one for each thing we look for.

Called by  the tests of programs.
Careful    the test strings are put together here, so that no scanner objects to this very file.
"""

import base64
import io
import zipfile

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
RECEIVED = (
    b"Received: from unknown (HELO mail.example.org) (192.0.2.7)\n"
    b"  by mx.example.com with SMTP; 23 Nov 2026 10:00:00 -0000\n"
)
_TOP = (
    b"From: Ann <ann@example.org>\nTo: bob@example.com\nSubject: hello\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.org>\n"
)
_LOCKED_ZIP = base64.b64decode(
    b"UEsDBAoACQAAADwTd11nTbuTIQAAABUAAAAKAAAAc2VjcmV0LnR4dLCbDr4eH3r8J7EMRtKMMQwX470hzbEA+OZl"
    b"u9+jGmZGNlBLBwhnTbuTIQAAABUAAABQSwECHgMKAAkAAAA8E3ddZ027kyEAAAAVAAAACgAAAAAAAAABAAAApIEA"
    b"AAAAc2VjcmV0LnR4dFBLBQYAAAAAAQABADgAAABZAAAAAAA="
)  # secret.txt, really encrypted: one that only says so is seen through


def text(body: bytes = b"Just a few words.\n", *, headers: bytes = b"") -> bytes:
    """Give a plain text message with these further header lines and this body."""
    return RECEIVED + headers + _TOP + b"\n" + body


def attached(name: str, content: bytes, *, declared: str = "application/octet-stream") -> bytes:
    """Give a message with one base64 attachment."""
    return (
        RECEIVED
        + _TOP
        + b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b1"\n\n'
        + b"--b1\nContent-Type: text/plain\n\nSee the attachment.\n"
        + f'--b1\nContent-Type: {declared}; name="{name}"\n'.encode()
        + f'Content-Disposition: attachment; filename="{name}"\n'.encode()
        + b"Content-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(content)
        + b"--b1--\n"
    )


def zipped(**members: bytes) -> bytes:
    """Give a zip with these members; `__` in a name stands for a dot."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def infected() -> bytes:
    """Give a message that every engine refuses."""
    return attached("eicar.com.txt", EICAR)


def locked() -> bytes:
    """Give a message with an encrypted zip, which the shipped policies hold."""
    return attached("secret.zip", _LOCKED_ZIP, declared="application/zip")
