"""Every attachment of the corpora is taken out once: all other leaves stay what they were."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.codec import placeholder
from qscanner.codec.payload import Leaf
from qscanner.codec.placeholder import Told, Unsafe
from qscanner.mime import MimeLimits, view

LIMITS = MimeLimits()
TOLD = Told(
    name="a.exe", kinds="pe", octets=1, inside="", why="because", is_signed=True,
    held_as="ab" * 32, host="mx.example",
)  # fmt: skip
TEXT = placeholder.text(TOLD, "\n").strip().encode()
ORDINARY = (
    "notmuch", "comm-central", "mu", "redmine", "request-tracker", "sisimai", "rspamd",
    "spamassassin",
)  # fmt: skip
# Measured: 914 of 1,332, and 266 of the 276 of ordinary mail. What is odd is not to be stripped.
AT_LEAST = 900
AT_LEAST_OF_ORDINARY = 0.96

Seen = tuple[tuple[str, ...], str, str]


def messages(corpora: Path, *folders: str) -> Iterator[Path]:
    for file in sorted(corpora.glob("*/*")):
        folder = file.parent.name
        is_message = file.is_file() and file.suffix != ".tsv" and not folder.startswith("files-")
        if is_message and folder != "LICENSES" and (not folders or folder in folders):
            yield file


def edited(octets: bytes, ranges: list[placeholder.Range]) -> bytes:
    out, at = b"", 0
    for start, end, instead in sorted(ranges):
        assert start >= at
        out += octets[at:start] + instead
        at = end
    return out + octets[at:]


def seen(leaf: Leaf) -> Seen:
    return leaf.names, leaf.declared, hashlib.sha256(leaf.decode()).hexdigest()


def is_ours(leaf: Leaf) -> bool:
    return not leaf.names and leaf.decode().replace(b"\r\n", b"\n").strip() == TEXT


def goes(leaf: Leaf, taken: Leaf) -> bool:
    """Say whether a leaf is in what was taken, or is another reading of it."""
    if leaf.span is not None and taken.span is not None:
        return taken.span[0] <= leaf.span[0] and leaf.span[1] <= taken.span[1]
    return leaf.path.startswith((f"{taken.path}~", f"{taken.path}.uu"))


def strip_each(octets: bytes) -> tuple[int, int]:
    """Take out each leaf with a name, alone. Give how many have one, and how many went."""
    leaves = view(octets, LIMITS).leaves
    named = [leaf for leaf in leaves if leaf.names]
    went = 0
    for leaf in named:
        if leaf.span is None:
            continue
        try:
            ranges = placeholder.ranges(octets, leaf.span, TOLD)
        except Unsafe:
            continue
        went += 1
        left = view(edited(octets, ranges), LIMITS).leaves
        assert sum(map(is_ours, left)) == 1, leaf.path
        others = Counter(seen(each) for each in leaves if not goes(each, leaf))
        others.subtract(seen(each) for each in left if not is_ours(each))
        # What was found in a body by looking at it closely goes with that body.
        found = Counter(seen(each) for each in leaves if each.span is None)
        assert all(0 <= count <= found[each] for each, count in others.items()), leaf.path
    return len(named), went


@pytest.mark.timeout(300)
def test_each_alone(corpora: Path) -> None:
    """Names, types and decoded octets of all that was not taken, and one text in its place."""
    total = 0
    for file in messages(corpora):
        try:
            total += strip_each(file.read_bytes())[1]
        except AssertionError as wrong:
            wrong.add_note(str(file))
            raise
    assert total >= AT_LEAST


@pytest.mark.timeout(120)
def test_ordinary_mail_can_be_stripped(corpora: Path) -> None:
    """Holding instead is for odd messages, not for most."""
    counts = [strip_each(file.read_bytes()) for file in messages(corpora, *ORDINARY)]
    named, went = (sum(each) for each in zip(*counts, strict=True))
    assert went >= AT_LEAST_OF_ORDINARY * named, (went, named)
