"""outbox: durable letters by name, who was told, and nothing that is no letter."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qscanner import outbox
from qscanner.outbox import Damaged, Kind
from qscanner.outcomes import Later
from tests.fakes.post import digest, letter

NOW = 2_000_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Give where the outbox will be."""
    return outbox.folder(str(tmp_path))


def test_there_and_back(folder: str) -> None:
    """A letter is read as it was put, whatever octets an address has."""
    to = (b"caf\xc3\xa9@x", b"\xff\n@y")
    mine = letter(to=to, values={"subject": "\u202eH\xe4llo\n\0"})
    assert outbox.put(folder, mine)
    assert outbox.waiting(folder) == [mine.name]
    assert outbox.read(folder, mine.name) == mine
    assert Path(folder).stat().st_mode & 0o777 == 0o700


def test_rows(folder: str) -> None:
    """Those of a digest are read as they were put; what is too long is cut, on both sides."""
    mine = digest({"subject": "\u202e<b>\n"}, {"why": "x" * 201})
    outbox.put(folder, mine)
    read = outbox.read(folder, mine.name)
    assert read.rows[0] == mine.rows[0]
    assert read.rows[1] == {**mine.rows[1], "why": "x" * 200}
    path = Path(folder, mine.name)
    path.write_text(path.read_text().replace("because", "y" * 300))
    assert outbox.read(folder, mine.name).rows[0]["why"] == "y" * 200


def test_as_many_rows_as_there_may_be(folder: str) -> None:
    """The worst that strangers can write still is a letter, and no more rows than allowed."""
    worst = dict.fromkeys(("sender", "subject", "why", "to"), "\U0001f600" * 500)
    mine = digest(*([worst] * 300))
    outbox.put(folder, mine)
    assert len(outbox.read(folder, mine.name).rows) == outbox.MAX_ROWS


def test_letters_of_the_first_version(folder: str) -> None:
    """They have no rows, and are read."""
    mine = letter()
    outbox.put(folder, mine)
    path = Path(folder, mine.name)
    told = json.loads(path.read_text())
    del told["rows"]
    path.write_text(json.dumps(told))
    assert outbox.read(folder, mine.name) == mine


def test_the_same_letter_is_one_file(folder: str) -> None:
    """A retry puts nothing new; another kind, message or recipient does."""
    for each in (letter(), letter(at=2.0), letter(kind=Kind.ADMIN), letter(about="x")):
        outbox.put(folder, each)
    outbox.put(folder, letter(to=(b"other@x",)))
    assert len(outbox.waiting(folder)) == 4


def test_who_was_told_is_not_told_again(folder: str) -> None:
    """Nothing is written for whom was told; who was not still is."""
    outbox.put(folder, letter())
    outbox.remember(folder, letter(), letter().to)
    outbox.remove(folder, letter().name)
    assert not outbox.put(folder, letter())
    assert outbox.waiting(folder) == []
    assert outbox.put(folder, letter(to=(*letter().to, b"new@x")))
    assert outbox.told(folder, letter()) == {b"bob@here.example"}
    outbox.remember(folder, letter(), [b"new@x"])
    assert outbox.told(folder, letter()) == {b"bob@here.example", b"new@x"}
    assert [each for _, each in outbox.recently(folder, since=0)] == [
        b"bob@here.example",
        b"new@x",
    ]
    assert outbox.recently(folder, since=NOW) == []
    assert len(outbox.recently(folder, since=0, kinds=[Kind.HELD])) == 2
    assert outbox.recently(folder, since=0, kinds=[Kind.DIGEST]) == []


def test_full(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outbox that nobody empties does not grow for ever."""
    monkeypatch.setattr(outbox, "MAX_WAITING", 1)
    outbox.put(folder, letter())
    with pytest.raises(Later, match="1 letters wait"):
        outbox.put(folder, letter(about="x"))


def test_no_folder(tmp_path: Path) -> None:
    """Where it cannot be made, that is said."""
    with pytest.raises(Later, match="cannot make the folder"):
        outbox.put(outbox.folder(str(tmp_path / "none")), letter())


def _with(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda told: {**told, **changed}


@pytest.mark.parametrize(
    "spoil",
    [
        _with(schema=2),
        _with(about="../etc"),
        _with(about=7),
        _with(kind="spam"),
        _with(to=[]),
        _with(to=["a"] * 501),
        _with(to=["\u1234"]),
        _with(to=["a\0b"]),
        _with(to=["x" * 1003]),
        _with(to=7),
        _with(at="soon"),
        _with(values=["x"]),
        _with(rows={"a": "b"}),
        _with(rows=[{}] * 201),
        _with(rows=["x"]),
        _with(rows=[{"a": 7}]),
        _with(rows=[{"a": None}]),
        _with(rows=[{f"n{number}": "" for number in range(21)}]),
        _with(about="another"),
        lambda told: [told],
        lambda told: None,
        lambda told: {},
    ],
    ids=lambda each: "spoilt",
)
def test_what_is_no_letter(folder: str, spoil: Callable[[dict[str, Any]], Any]) -> None:
    """What a worker that went mad may write is refused, not sent."""
    mine = letter()
    outbox.put(folder, mine)
    path = Path(folder, mine.name)
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(Damaged):
        outbox.read(folder, mine.name)


def test_what_is_no_file(folder: str) -> None:
    """Neither links, pipes, folders, nor what is no JSON."""
    outbox.make(folder)
    os.mkfifo(f"{folder}/a.json")
    Path(folder, "b.json").write_bytes(b"[" * 100_000)
    Path(folder, "c.json").mkdir()
    for name in ("a.json", "b.json", "c.json"):
        with pytest.raises(Damaged):
            outbox.read(folder, name)
    Path(folder, "d.json").symlink_to("b.json")
    with pytest.raises(OSError, match="symbolic links"):
        outbox.read(folder, "d.json")


def test_put_aside_and_counted(folder: str) -> None:
    """Failed letters are kept and counted; the age of the oldest that waits is told."""
    assert outbox.state(folder, now=NOW) == outbox.State()
    for each in (letter(), letter(about="x")):
        outbox.put(folder, each)
    os.utime(f"{folder}/{letter().name}", (NOW - 60, NOW - 60))
    os.utime(f"{folder}/{letter(about='x').name}", (NOW - 10, NOW - 10))
    assert outbox.waiting(folder) == [letter().name, letter(about="x").name]
    assert outbox.state(folder, now=NOW) == outbox.State(waiting=2, oldest_s=60.0)
    outbox.fail(folder, letter().name)
    outbox.fail(folder, letter().name)  # gone already
    assert outbox.state(folder, now=NOW) == outbox.State(waiting=1, oldest_s=10.0, failed=1)


def test_sweep(folder: str) -> None:
    """After 30 days it is forgotten who was told; what a killed writer left goes after an hour."""
    outbox.put(folder, letter())
    outbox.remember(folder, letter(), letter().to)
    outbox.put(folder, letter(about="x"))
    outbox.fail(folder, letter(about="x").name)
    torn = Path(folder, ".torn")
    torn.touch()
    now = torn.stat().st_mtime
    outbox.sweep(folder, now=now + 60)
    assert torn.exists()
    outbox.sweep(folder, now=now + 29 * 86400)
    assert not torn.exists()
    assert outbox.told(folder, letter())
    outbox.sweep(folder, now=now + 31 * 86400)
    assert not outbox.told(folder, letter())
    state = outbox.state(folder, now=now)
    assert (state.waiting, state.failed) == (1, 0)  # what waits is never swept


def test_clock() -> None:
    """A time with its zone."""
    assert len(outbox.clock(NOW)) == len("2033-05-18 03:33:20 +0000")
