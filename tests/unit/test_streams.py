"""streams: gzip, bzip2 and xz files; what follows a stream is told apart. See test_archives."""

import bz2
import gzip
import lzma

import pytest

from qscanner import streams
from qscanner.budget import Budget, Member
from qscanner.settings import Limits

TEXT = b"some text " * 100


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
        pytest.param("bzip2", bz2.compress(TEXT), id="bzip2"),
        pytest.param("xz", lzma.compress(TEXT), id="xz"),
    ],
)
def test_is_hidden(kind: str, content: bytes) -> None:
    """One stream is what everybody sees; more of them, or rubbish behind, are not."""
    for octets, want, hidden in (
        (content, TEXT, False),
        (content * 2, TEXT * 2, True),
        (content + b"rubbish", TEXT, True),
    ):
        (member,) = streams.members(octets, kind, Budget.of(Limits()))
        assert isinstance(member, Member)
        assert (member.content, member.is_hidden) == (want, hidden)
