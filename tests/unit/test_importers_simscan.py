"""importers.simscan: what its lines refused is refused, for those they name and nobody else."""

from pathlib import Path
from typing import Any

import pytest

from qscanner.importers.detect import Format
from qscanner.model import Action, Where
from tests.fakes.facts import infected, part, scored
from tests.fakes.imports import Moved

CONTROL = """\
jane@example.com:clam=yes,spam=no,attach=.txt
example.com:clam=yes,spam=yes,spam_hits=8.5,attach=.exe:.vbs
news.example.com:spam=yes,spam_passthru=yes,attach=
:clam=yes,spam=yes,spam_hits=12,attach=.mp3
"""
JANE, BOB, NEWS, ANY = (
    b"jane@example.com",
    b"bob@example.com",
    b"a@news.example.com",
    b"a@b.example",
)


def named(name: str, *to: bytes, **keys: Any) -> dict[str, Any]:
    return {"parts": (part(name, **keys),), "to": to}


@pytest.mark.parametrize(
    ("name", "to", "action"),
    [
        ("a.txt", JANE, Action.REJECT),
        ("a.exe", JANE, Action.ACCEPT),  # an address before its domain
        ("a.mp3", JANE, Action.ACCEPT),
        ("a.EXE", BOB, Action.REJECT),
        ("a.mp3", BOB, Action.ACCEPT),  # a domain before the default
        ("a.mp3", NEWS, Action.ACCEPT),  # attach= is none at all
        ("a.mp3", ANY, Action.REJECT),
        ("a.exe", ANY, Action.ACCEPT),
        ("mp3", ANY, Action.ACCEPT),
    ],
)
def test_attachments(name: str, to: bytes, action: Action, tmp_path: Path) -> None:
    """The list of the recipient, of the domain, or of everybody: the first of these."""
    assert Moved(tmp_path, Format.SIMCONTROL, CONTROL).action(**named(name, to)) is action


@pytest.mark.parametrize(
    ("score", "to", "action"),
    [
        (100, JANE, Action.ACCEPT),
        (8.5, BOB, Action.REJECT),
        (8.4, BOB, Action.ACCEPT),
        (100, NEWS, Action.ACCEPT),
        (12, ANY, Action.REJECT),
        (11.9, ANY, Action.ACCEPT),
    ],
)
def test_spam(score: float, to: bytes, action: Action, tmp_path: Path) -> None:
    """The threshold in the same order; spam=no and spam_passthru refuse nothing."""
    moved = Moved(tmp_path, Format.SIMCONTROL, CONTROL)
    assert moved.action(spam=scored(score), to=(to,)) is action


def test_one_recipient_switches_nothing_off_for_another(tmp_path: Path) -> None:
    """simscan's fault: with Jane last, Bob got the program too. Here it is held for him."""
    moved = Moved(tmp_path, Format.SIMCONTROL, CONTROL)
    message = named("a.exe", BOB, JANE)
    for sender in (b"x@y.example", JANE):
        assert moved.rules(**message, sender=sender) == ("2-attach",)
    one = Moved(tmp_path, Format.SIMCONTROL, "jane@example.com:clam=no\n:clam=yes")
    assert one.action(virus=infected("Eicar"), to=(JANE,)) is not Action.ACCEPT
    assert one.warned == [(1, "clam=no is not carried over: viruses are looked for in all mail")]


def test_inside_archives_it_did_not_look(tmp_path: Path) -> None:
    """Attachments, texts and nested messages only."""
    moved = Moved(tmp_path, Format.SIMCONTROL, CONTROL)
    assert moved.action(**named("a.exe", BOB, where=Where.NESTED)) is Action.REJECT
    assert moved.action(**named("a.exe", BOB, where=Where.ARCHIVE)) is Action.ACCEPT


def test_settings(tmp_path: Path) -> None:
    """What is no rule but a setting here."""
    found = Moved(tmp_path, Format.SIMCONTROL, ":clam=yes,spam=yes,size_limit=500000").imported
    assert [(each.table, each.key, each.value) for each in found.settings] == [
        ("virus", "engines", ["clamav"]), ("spam", "scorer", "spamd"),
        ("spam.spamd", "max", "500 kB"),
    ]  # fmt: skip
    assert found.rules[0].body["spam"] == {"at_least": 10.0}  # what simscan is built with


WARNED = {
    "at-before-domain": ("@a.example:clam=yes", "write a.example"),
    "no-colon": ("a.example", "no colon"),
    "no-domain": ("a b@:clam=yes", "no usable domain"),
    "regex": ("a.example:regex=x", "raw lines"),
    "spamuser": ("a.example:spamuser=x", "one scoring"),
    "queue": ("a.example:qmailqueue=/x", "[queue] program"),
    "size": ("a.example:size_limit=500000", "holds for all"),
    "size-of-all": (":size_limit=" + "9" * 5000, "1 GiB"),
    "trophie": (":trophie=yes", "trophie"),
    "unknown": (":foo=yes", 'no option "foo"'),
    "no-value": (":clam", "no value"),
    "score": ("a.example:spam=yes,spam_hits=much", "no score"),
    "score-without-spam": (":spam=no,spam_hits=5", "no effect"),
    "spam-off": ("a.example:spam=no", 'unless = { to = "@a.example" }'),
    "passthru": (":spam=yes,spam_passthru=yes", "surely-spam"),
}


@pytest.mark.parametrize(("line", "why"), WARNED.values(), ids=WARNED)
def test_warnings(line: str, why: str, tmp_path: Path) -> None:
    """What is not carried over is said, with what to do."""
    moved = Moved(tmp_path, Format.SIMCONTROL, line)
    [(number, text)] = moved.warned
    assert number == 1
    assert why in text


def test_the_same_key_twice(tmp_path: Path) -> None:
    """The first one counted in the cdb."""
    moved = Moved(tmp_path, Format.SIMCONTROL, ":attach=.a\n:attach=.b")
    assert [number for number, _ in moved.warned] == [2]
    assert moved.action(**named("x.b", ANY)) is Action.ACCEPT


def test_ssattach(tmp_path: Path) -> None:
    """Endings of names, in any case, with any of its separators."""
    moved = Moved(tmp_path, Format.SSATTACH, ".exe:.com .BAT\t.hta\r\n# .x\nsetup.bin\n:\n")
    assert (moved.warned, moved.doubts) == ([], [])
    for name in ("a.EXE", "a.com", "a.bat", "a.hta", "xsetup.bin"):
        assert moved.action(**named(name, ANY)) is Action.REJECT
    for name in ("exe", "a.exe.txt", "a.x", "setup_bin"):
        assert moved.action(**named(name, ANY)) is Action.ACCEPT
    assert [each.id for each in moved.imported.rules] == [
        "imported-old-1-attach", "imported-old-3-attach",
    ]  # fmt: skip


def test_very_many_endings(tmp_path: Path) -> None:
    """More than one pattern may hold: all of them are there."""
    many = [f".a{number}(+" for number in range(1000)]
    moved = Moved(tmp_path, Format.SSATTACH, ":".join(many))
    assert moved.warned == []
    assert moved.action(**named("x.a999(+", ANY)) is Action.REJECT
    assert moved.action(**named("x.a1000(+", ANY)) is Action.ACCEPT


def test_any_octets(tmp_path: Path) -> None:
    """Rubbish is warned of or escaped."""
    moved = Moved(
        tmp_path, Format.SIMCONTROL, b"\xff:\xff=\xff\n'''@a:attach='\x01'\n:attach=\\:\"\n"
    )
    assert moved.action(**named("a\\", ANY)) is Action.REJECT
    assert moved.action(**named('a"', ANY)) is Action.REJECT
