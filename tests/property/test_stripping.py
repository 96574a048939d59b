"""stripping, with many generated messages: exact around the hole; nothing meant ever goes on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qscanner.mime import MimeLimits, view
from qscanner.model import Action
from tests.unit.test_stripping import NOTE, Desk

pytestmark = pytest.mark.property

FEW = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MARK = "@@hole@@"
TYPES = st.sampled_from(["text/plain", "text/html", "image/png", "application/x-y; name=b.pdf"])
BODIES = st.text("aA =\n-.", max_size=60).map(lambda text: text.replace("\n--", "\n"))
LEAVES = st.builds("Content-Type: {}\n\n{}".format, TYPES, BODIES)
HOLES = st.builds(
    "Content-Type: application/octet-stream; name=a.exe\n{}\n{}".format,
    st.sampled_from(["", "Content-Transfer-Encoding: base64\n", "X-Y: z\n folded\n"]),
    st.sampled_from(["", "TVqQAAMAAAAEAAAA//8=", "MZ\n\nmore\n"]),
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> str:
    """Give a part with the mark of one part somewhere in it."""
    if depth == 0 or not draw(st.booleans()):
        return MARK
    parts = draw(st.lists(LEAVES, max_size=3))
    parts.insert(draw(st.integers(0, len(parts))), draw(trees(depth - 1)))
    boundary = f"b{depth}"
    kind = draw(st.sampled_from(["mixed", "alternative", "related", "signed"]))
    inner = "".join(f"--{boundary}\n{part}\n" for part in parts)
    preamble, epilogue = (
        draw(st.sampled_from(["", "Preamble\n"])),
        draw(st.sampled_from(["", "E"])),
    )
    whole = f"{preamble}{inner}--{boundary}--\n{epilogue}"
    text = f"Content-Type: multipart/{kind}; boundary={boundary}\n\n{whole}"
    if draw(st.booleans()):
        return text
    return f"Content-Type: message/rfc822\n\nSubject: inner\nMIME-Version: 1.0\n{text}"


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with tempfile.TemporaryDirectory() as folder:
        yield Desk(Path(folder))


@FEW
@given(tree=trees(), hole=HOLES, eol=st.sampled_from(["\n", "\r\n"]))
def test_exact_around_the_hole(desk: Desk, tree: str, hole: str, eol: str) -> None:
    """Wherever the part stands, the octets in front of it and behind it are what they were."""
    top = "From: ann@example.org\nMIME-Version: 1.0\n"
    before, after = (top + tree).replace("\n", eol).encode().split(MARK.encode())
    octets = before + hole.replace("\n", eol).encode() + after
    _, got = desk.stripped(octets)
    assert NOTE in got
    assert got.startswith(before)
    if tree != MARK:
        assert got.endswith(after)
    was = [leaf.names for leaf in view(octets, MimeLimits()).leaves if leaf.span]
    left = [leaf.names for leaf in view(got, MimeLimits()).leaves if leaf.span]
    assert left == [() if each == ("a.exe",) else each for each in was]


PIECES = st.sampled_from(
    [
        "--b1", "--b2", "--b1--", "--b2--", "\n", "\n", "\n\n", "\r\n", "\r", " ",
        "Content-Type: multipart/mixed; boundary=b1", "Content-Type: multipart/mixed; boundary=b2",
        "Content-Type: message/rfc822", "Content-Type: x/y; name=a.exe",
        "Content-Disposition: attachment; filename=\"a.exe\"", "name=a.exe",
        "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: x-uu",
        "TVqQAAMAAAAEAAAA", "begin 644 a.exe\n#35H \n`\nend\n", "Subject: x", "MZ", "boundary=b2",
    ]
)  # fmt: skip
START = "Content-Type: multipart/mixed; boundary=b1\n\n--b1\n"


@FEW
@given(pieces=st.lists(PIECES, max_size=30), begins=st.booleans())
def test_nothing_that_is_meant_goes_on(desk: Desk, pieces: list[str], begins: bool) -> None:
    """Whatever the message: what goes on has no such part, in any reading; or it is held."""
    octets = ((START if begins else "") + "".join(pieces)).encode()
    report, got = desk.scanned(octets)
    if got is None:
        assert report.verdict.action is Action.QUARANTINE
        return
    left = view(got, MimeLimits()).leaves
    assert not any("a.exe" in leaf.names for leaf in left)
    if not report.verdict.edits.cuts:
        assert got == octets
