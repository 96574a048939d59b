"""importers.qmail_scanner: each kind of line hits what it hit there, and passes what passed."""

from pathlib import Path
from typing import Any

import pytest

from qscanner.importers.detect import Format
from qscanner.model import Action
from tests.fakes.facts import part
from tests.fakes.imports import Moved

HELD = Action.QUARANTINE


def named(*names: str, **keys: Any) -> dict[str, Any]:
    return {"parts": (part(*names, **keys),)}


def subject(text: str) -> dict[str, Any]:
    return {"headers": (("Subject", text),)}


# line, a message that it hit, one that it did not hit
LINES = {
    "extension-2": (".vbs\tSIZE=-1\tno", named("a.VBS"), named("a.vbs.txt")),
    "extension-1": (".vbs\t0\tno", named("a.vbs"), named("avbs")),
    "extension-of-two": (".tar.gz\t0\tno", named("a.tar.gz"), named("a.gz")),
    "name": ("eicar.com\tSIZE=-1\tno", named("EICAR.com"), named("not-eicar.com")),
    "name-of-a-size": ("a.exe\t69\tno", named("a.exe", octets=69), named("a.exe", octets=70)),
    "name-of-size": ("a.exe\tSIZE=69\tno", named("a.exe", octets=69), named("a.exe", octets=68)),
    "name-of-one-octet": ("a.exe\tSIZE=1\tno", named("a.exe", octets=1), named("a.exe")),
    "odd-name": ("a+(1) .exe\tSIZE=-1\tno", named("a+(1) .exe"), named("aa1 .exe")),
    "regex": (
        "Pickles.*Breakfast\tVirus-Subject:\tFake",
        subject("Pickles for Breakfast"),
        subject("Pickles - where did you go?"),
    ),
    "regex-of-case": ("pickles\tVirus-Subject:\tFake", subject("pickles"), subject("Pickles")),
    "regex-is-anchored": ("b\tPolicy-Subject:\tFake", subject("b"), subject("abc")),
    "any-header": (".+\tVirus-X-Spanska:\t\tno", {"headers": (("x-spanska", "Y"),)}, subject("Y")),
    "overflow": (
        ".{100,}\t\t\tVirus-Date:\t\tMIME Header Buffer Overflow",
        {"headers": (("Date", "x" * 100),)},
        {"headers": (("Date", "x" * 99),)},
    ),
    "overflow-beyond-re2": (
        ".{5000,}\tVirus-Date:\tMIME Header Buffer Overflow",
        {"headers": (("Date", "x" * 5000),)},
        {"headers": (("Date", "x" * 4999),)},
    ),
    "perl-word": (r"a\hb\Z" + "\tPolicy-Subject:\tx", subject("a\tb"), subject("a b c")),
    "sender": (
        r".*@bad\.example" + "\tPolicy-MAILFROM:\tx", {"sender": b"A@Bad.example"},
        {"sender": b"a@notbad.example"},
    ),
    "recipient": (
        r"boss@example\.org" + "\tPolicy-RCPTTO:\tx", {"to": (b"boss@example.org",)},
        {"to": (b"bob@example.org",)},
    ),
    "client": (
        r"10\.1\..*" + "\tVirus-REMOTEIPADDR:\tx", {"ip": "10.1.2.3"}, {"ip": "10.2.2.3"},
    ),
    "client-by-pattern": (
        r"10\.1\.[0-9]{1,2}\.[^7]" + "\tPolicy-REMOTEIPADDR:\tx",
        {"environment": {"TCPREMOTEIP": "10.1.22.3"}},
        {"environment": {"TCPREMOTEIP": "10.1.22.7"}},
    ),
    "password": (".*\tPolicy-ZIPPASSWORDPROTECTED:\tx", {"found": ("archive.encrypted",)}, {}),
    "long-name": ("1\tPolicy-FILELENGTHTOOLONG:\tx", {"found": ("name.long",)}, {}),
    "double": ("1\tpolicy-filedoublebarreled:\tx", {"found": ("name.double-extension",)}, {}),
    "clsid": (
        ".*\tPolicy-FILECLSID:\tx",
        named("a.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}"),
        named("a.{3050F4D8}"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "hit", "missed"), LINES.values(), ids=LINES)
def test_lines(line: str, hit: dict[str, Any], missed: dict[str, Any], tmp_path: Path) -> None:
    """Each kind of rule, with what it hit and what it did not; nothing is left to warn of."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER, f"# comment\n{line}\n")
    assert (moved.warned, moved.doubts) == ([], [])
    assert moved.action(**hit) is HELD
    assert moved.rules(**hit) == ("2",)
    assert moved.action(**missed) is Action.ACCEPT


WARNED = {
    "blanks": ("a.exe   SIZE=-1   no", "TABs"),
    "star": ("*.exe\tSIZE=-1\tno", "never hit anything"),
    "no-prefix": ("a\tSubject:\tno", '"Subject:" is no size'),
    "lookahead": ("a(?!b)\tVirus-Subject:\tno", "lookahead"),
    "back-reference": (r"(a)\1" + "\tVirus-Subject:\tno", "backreferences"),
    "open": ("a(b\tVirus-Subject:\tno", "closing"),
    "half": ("a\\\tVirus-Subject:\tno", "lone"),
    "sensitive": (".*\tPolicy-ISSENSITIVEANDNOCRYPTO:\tno", "not there"),
    "crypto": ("PGP\tPolicy-CRYPTODETAILS:\tno", "encrypted-mail"),
    "which-password": ("secret.*\tPolicy-ZIPPASSWORDPROTECTED:\tno", '".*"'),
    "sender-by-pattern": (r".*[0-9]{5,}@.*" + "\tPolicy-MAILFROM:\tno", "no patterns"),
    "part-of-domain": (r".*bad\.example" + "\tPolicy-MAILFROM:\tno", "no patterns"),
    "large-regex": ("(a{900}b{900}c{900}){9}\tVirus-Subject:\tno", "no rule"),
}


@pytest.mark.parametrize(("line", "why"), WARNED.values(), ids=WARNED)
def test_what_is_no_rule(line: str, why: str, tmp_path: Path) -> None:
    """A line that cannot be carried over is named, with the reason, and nothing is guessed."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER, f"\n\n{line}\n")
    assert moved.imported.rules == []
    [(number, text)] = moved.warned
    assert number == 3
    assert why in text


def test_alternatives_at_the_top(tmp_path: Path) -> None:
    """^a|b$ meets what begins with a or ends with b, as it did in Perl; and we say so."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER, "ILOVEYOU|LETTER\tVirus-Subject:\tLove")
    assert "one side only" in moved.warned[0][1]
    assert moved.action(**subject("ILOVEYOU too")) is HELD
    assert moved.action(**subject("A LETTER")) is HELD
    assert moved.action(**subject("I say ILOVEYOU too")) is Action.ACCEPT


def test_sizes_that_never_counted(tmp_path: Path) -> None:
    """A size beside an extension was ignored, 0 beside a name was a slip: both are said."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER, ".a\tSIZE=5\tx\nb.exe\t0\tx\n.c\t5\tx")
    assert [number for number, _ in moved.warned] == [1, 2]
    for name in ("x.a", "b.exe", "x.c"):
        assert moved.action(**named(name, octets=1000)) is HELD


def test_what_policy_check_says_is_said_at_the_line(tmp_path: Path) -> None:
    """The same line twice changes nothing: the later one is warned of."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER, ".a\t0\tx\n.a\t0\ty\n")
    [(number, text)] = moved.warned
    assert number == 2
    assert "changes nothing" in text
    assert '"imported-old-1"' in text
    assert len(moved.imported.rules) == 2


def test_any_octets(tmp_path: Path) -> None:
    """Latin-1, control characters, quotes and TOML of strangers do no harm."""
    lines = (
        b'\xe9t\xe9.exe\tSIZE=-1\tL\'\xe9t\xe9 "est" \x1b[31m beau\x07\n'
        b"'''\tSIZE=-1\t'''\n\"\"\"\\\tSIZE=-1\t]]\n.x\tSIZE=-1\t\x85action = 1\r\n"
        b"\x01\tVirus-Subject:\t\x01\n" + b"a" * 9000 + b"\tVirus-Subject:\tx\n"
    )
    moved = Moved(tmp_path, Format.QMAIL_SCANNER, lines)
    assert moved.action(**named("ÉTÉ.EXE")) is HELD
    assert moved.action(**named("'''")) is HELD
    assert moved.action(**named('"""\\')) is HELD
    assert moved.action(**named("a.x")) is HELD
    assert moved.action(**subject("\x01")) is HELD
    assert [number for number, _ in moved.warned] == [6]
