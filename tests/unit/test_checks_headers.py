"""checks.headers: anomalies of the header block, nothing about ordinary ones."""

import pytest

from qscanner.checks import headers
from qscanner.mime import MimeLimits, view

GOOD = b"From: a@b\nDate: today\nSubject: x\n"


@pytest.mark.parametrize(
    ("octets", "want"),
    [
        pytest.param(GOOD + b"\nbody\0\r \xff" + b"x" * 2000, [], id="ordinary"),
        pytest.param(GOOD.replace(b"\n", b"\r\n") + b"\r\nbody", [], id="crlf"),
        pytest.param(GOOD + b"X: \0\n\n", ["header.nul"], id="nul"),
        pytest.param(GOOD + b"X: a\rb\n\n", ["header.bare-cr"], id="bare cr"),
        pytest.param(GOOD + b"X: \xe4\n\n", ["header.8bit"], id="8-bit"),
        pytest.param(GOOD + b"X: " + b"x" * 995 + b"\r\n\n", [], id="998 octets"),
        pytest.param(GOOD + b"X: " + b"x" * 1000 + b"\n\n", ["header.long-line"], id="long"),
        pytest.param(GOOD + b"from: c@d\n\n", ["header.duplicate-from"], id="two froms"),
        pytest.param(GOOD + b"Subject: y\n\n", ["header.duplicate-subject"], id="two subjects"),
        pytest.param(GOOD + b"Received: a\nReceived: b\n\n", [], id="may be repeated"),
        pytest.param(b"Date: x\n\n", ["header.no-from"], id="no from"),
        pytest.param(b"From: x\n\n", ["header.no-date"], id="no date"),
        pytest.param(b"\nbody", ["header.none"], id="no header"),
        pytest.param(b"", ["header.none"], id="empty"),
    ],
)
def test_look(octets: bytes, want: list[str]) -> None:
    """RFC 5322 sections 2.1.1 and 3.6."""
    found = headers.look(view(octets, MimeLimits()))
    assert [finding.id for finding in found] == want
    assert all(finding.where == "" for finding in found)
