"""Any octets give a View, and any View can be looked at: nothing raises, every text is text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qscanner.archives import Budget
from qscanner.checks import attachments, headers
from qscanner.deadline import Deadline
from qscanner.mime import MimeLimits, view
from qscanner.settings import MIB, Limits

LIMITS = Limits(decoded=4 * MIB, depth=8, parts=50, members=50)

# Pieces that mean something to the parser, so that chance makes structures of them.
PIECES = st.sampled_from(
    [
        b"\n", b"\r\n", b"\r", b" ", b"\t", b";", b'"', b"(", b")", b"\0", b"\xff", b"=",
        b"--", b":",
        b"--A\n", b"--A--\n", b"--B\n", b"Content-Type:", b"Content-Type : ", b"message/rfc822",
        b"multipart/mixed; boundary=A", b"multipart/digest; boundary=",
        b"boundary*0=A; boundary*=B",
        b"Content-Transfer-Encoding: ", b"base64\n", b"quoted-printable\n", b"x-uuencode\n",
        b"Content-Disposition: attachment; filename", b"filename*=utf-8''a", b"=?utf-8?Q?=C3?=",
        b"begin 644 a.exe\n", b"end\n", b"UEsDBBQA", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06",
        b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\0", b"From: ", b"From x\n", b"name=a.zip\n",
    ]
)  # fmt: skip
OCTETS = st.one_of(
    st.binary(max_size=300),
    st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=60).map(b"".join),
)


def everything(octets: bytes) -> None:
    found = view(octets, MimeLimits.of(LIMITS))
    looked = attachments.look(
        found, Budget.of(LIMITS), lambda _path, _content, _is_hidden: None, deadline=Deadline(60)
    )
    findings = (*found.findings, *looked.findings, *headers.look(found))
    assert "mime.parser-error" not in [finding.id for finding in findings]
    texts = [text for finding in findings for text in (finding.where, finding.detail)]
    texts += [text for part in looked.parts for text in (part.path, *part.names, part.declared)]
    texts += [text for header in found.headers for text in (header.name, header.plain)]
    texts += [header.decoded for header in found.headers]
    "".join(texts).encode("utf-8")  # no lone surrogates
    assert len(looked.parts) >= 1 or findings


@pytest.mark.property
@settings(max_examples=150, deadline=None)
@given(OCTETS)
def test_any_octets(octets: bytes) -> None:
    """Random octets, and structures made by chance."""
    everything(octets)


GOOD = (
    b"From: a@example.org\nSubject: =?utf-8?B?w6Q=?=\n"
    b"Content-Type: multipart/mixed; boundary=A\n\n"
    b"--A\nContent-Type: text/plain\n\nHello\nbegin 644 x.exe\n#0V%T\n`\nend\n"
    b"--A\nContent-Type: message/rfc822\n\nSubject: inner\n\ntext\n"
    b"--A\nContent-Type: application/zip; name*0=a.; name*1=zip\n"
    b"Content-Transfer-Encoding: base64\n\n"
    b"UEsDBBQAAAAAAAAAIQCD3NxbAQAAAAEAAAABAAAAYXhQSwECFAAUAAAAAAAAACEAg9zcWwEAAAAB\n"
    b"AAAAAQAAAAAAAAAAAAAAAAAAAAAAYVBLBQYAAAAAAQABAC8AAAAgAAAAAAA=\n--A--\n"
)


@pytest.mark.property
@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 9), st.binary(max_size=8)), max_size=8
    )
)
def test_mutated_message(changes: list[tuple[int, int, bytes]]) -> None:
    """A good message with pieces cut out and octets put in."""
    octets = GOOD
    for at, cut, new in changes:
        octets = octets[:at] + new + octets[at + cut :]
    everything(octets)
