"""Messages that once broke something, kept by scripts/fuzz in tests/corpus: now they do not.

Called by  pytest.
"""

from pathlib import Path

import pytest

from tests.fakes import mails, reading

FILES = sorted((Path(__file__).parent / "corpus").glob("*.eml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file(file: Path) -> None:
    """No exception, below 2 s of CPU, with parts, and text that is text."""
    reading.read(file.read_bytes())


def test_what_holds() -> None:
    """The check itself lets ordinary and broken mail through."""
    for octets in (mails.text(), mails.locked(), b"", b"\0" * 100, b"Content-Type: multipart/a\n"):
        reading.read(octets)


def test_what_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it sees what is wrong."""
    monkeypatch.setattr(reading, "MOST_S", 0.0)
    with pytest.raises(reading.Wrong, match="slow"):
        reading.read(mails.text())
