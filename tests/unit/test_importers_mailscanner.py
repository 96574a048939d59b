"""importers.mailscanner: the first match decided about an attachment; so it does here."""

from pathlib import Path
from typing import Any

import pytest

from qscanner.importers.detect import Format
from qscanner.model import Action, Where
from tests.fakes.facts import part
from tests.fakes.imports import Moved

HELD = Action.QUARANTINE
NAMES = r"""
deny	.{150,}				Very long filename		Long names are signs of attacks
rename	\.fdf$			Acrobat		Acrobat
deny	pretty\s+park\.exe$	"Pretty Park" virus	"Pretty Park" virus
allow	\.jpg$			-	-
allow	\.t?gz$			-	-
deny	\.vb[es]$			Script	Scripts are dangerous
deny+delete	\.exe$		Program		Programs are dangerous
deny	\s{10,}				White space		A long gap
deny	*secret				-	-
deny	\.[a-z][a-z0-9]{2,3}\s*\.[a-z0-9]{3}$	Double extension	Attempt to hide
"""


def named(*names: str, **keys: Any) -> dict[str, Any]:
    parts = tuple(part(name, where=keys.get("where", Where.ATTACHMENT)) for name in names)
    return {"parts": parts}


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("x" * 150, HELD),
        ("x" * 149, Action.ACCEPT),
        ("Pretty  Park.EXE", Action.REJECT),  # two lines meet: ours asks all, the severest wins
        ("a.vbe", HELD),
        ("a.vbx", Action.ACCEPT),
        ("a.exe", Action.REJECT),
        ("a" + " " * 10 + "b", HELD),
        ("a" + " " * 10 + "b.JPG", Action.ACCEPT),  # allowed above
        ("a" + " " * 10 + "b.png", HELD),
        ("photo.conf.jpg", Action.ACCEPT),
        ("photo.conf.tgz", Action.ACCEPT),
        ("photo.conf.zip", HELD),
        ("=?utf-8?q?photo.conf.jpg?=", Action.ACCEPT),
        ("top SECRET", HELD),
        ("form.conf.fdf", Action.ACCEPT),  # it was renamed, and no later line was asked
        ("a.txt", Action.ACCEPT),
    ],
)
def test_names(name: str, action: Action, tmp_path: Path) -> None:
    """Denials hit, in any case; but not what an earlier line lets pass."""
    moved = Moved(tmp_path, Format.FILENAME_RULES, NAMES)
    assert moved.action(**named(name)) is action


def test_nothing_is_left_to_warn_of(tmp_path: Path) -> None:
    """But for the line that renames."""
    moved = Moved(tmp_path, Format.FILENAME_RULES, NAMES)
    assert [number for number, _ in moved.warned] == [3]
    assert moved.doubts == []


def test_an_allowed_attachment_lets_no_other_through(tmp_path: Path) -> None:
    """Nor the message: "allow" was about one attachment."""
    moved = Moved(tmp_path, Format.FILENAME_RULES, NAMES)
    assert moved.action(**named("a.jpg", "b.vbs")) is HELD
    assert moved.action(**named("a.jpg", "photo.conf.zip")) is HELD
    assert moved.action(**named("a.jpg", "b.gz")) is Action.ACCEPT


def test_where(tmp_path: Path) -> None:
    """filename.rules.conf was for attachments, archives.filename.rules.conf for what is inside."""
    outside = Moved(tmp_path, Format.FILENAME_RULES, NAMES)
    inside = Moved(tmp_path, Format.FILENAME_RULES, NAMES, "archives.filename.rules.conf")
    assert outside.action(**named("a.vbs", where=Where.ARCHIVE)) is Action.ACCEPT
    assert inside.action(**named("a.vbs", where=Where.ARCHIVE)) is HELD
    assert inside.action(**named("a.vbs", where=Where.INLINE)) is Action.ACCEPT


UNCLEAR = {
    "open": (r"\.x\d+\.rel$", r"\s{10,}"),
    "at-the-start": (r"^good", r"\.exe$"),
    "back-reference": (r"(\.[a-z]{3})\1$", r"\.exe$"),
    "any-three-letters": (r"\.mon\.[a-z]{3}$", r"\.exe$"),
}


@pytest.mark.parametrize(("allowed", "denied"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_cannot_be_left_out_is_said(allowed: str, denied: str, tmp_path: Path) -> None:
    """Where a denial hits more than it did, it says so, and names the line above."""
    text = f"allow\t{allowed}\t-\t-\ndeny\t{denied}\tx\ty\n"
    moved = Moved(tmp_path, Format.FILENAME_RULES, text)
    assert moved.warned[-1] == (
        2, "hits what line 1 let pass, as well: a rule cannot leave it out",
    )  # fmt: skip


@pytest.mark.parametrize(("allowed", "denied"), [(r"\.x\d+\.rel$", r"\.exe$"), (r"\.a$", r"\.b$")])
def test_what_cannot_meet_is_not_mentioned(allowed: str, denied: str, tmp_path: Path) -> None:
    """No name ends in both: nothing to leave out, nothing to warn of."""
    text = f"allow\t{allowed}\t-\t-\ndeny\t{denied}\tx\ty\n"
    moved = Moved(tmp_path, Format.FILENAME_RULES, text)
    assert moved.warned == []
    assert "any" not in moved.text


WARNED = {
    "blanks": ("deny .exe$ x y", "TABs"),
    "word": ("forbid\ta\tx\ty", '"forbid"'),
    "rename-to": ("rename to .ppt\t\\.pps$\tx\ty", "nothing is renamed"),
    "no-address": ("a@\t\\.reg$\tx\ty", "a@"),
    "lookahead": ("deny\ta(?!b)\tx\ty", "lookahead"),
}


@pytest.mark.parametrize(("line", "why"), WARNED.values(), ids=WARNED)
def test_warnings(line: str, why: str, tmp_path: Path) -> None:
    """What is no rule is said."""
    moved = Moved(tmp_path, Format.FILENAME_RULES, line)
    assert moved.imported.rules == []
    assert why in moved.warned[0][1]


def test_redirections(tmp_path: Path) -> None:
    """Addresses in the first column got the message; no later line was asked about the part."""
    text = "a@b.example, c@d.example\t\\.reg$\tx\ty\ndeny\tsecret\tx\ty\n"
    moved = Moved(tmp_path, Format.FILENAME_RULES, text)
    assert moved.warned == []
    assert moved.imported.rules[0].extras == {"redirect_to": ["a@b.example", "c@d.example"]}
    assert moved.rules(**named("x.reg")) == ("1",)
    assert moved.action(**named("secret.reg")) is Action.ACCEPT
    assert moved.action(**named("secret.txt")) is HELD


def test_very_many_endings(tmp_path: Path) -> None:
    """More than a pattern can leave out: that is said, and the denial stays."""
    many = "".join(f"allow\t\\.{number}x$\t-\t-\n" for number in range(2000))
    moved = Moved(tmp_path, Format.FILENAME_RULES, many + "deny\tbad\tx\ty\n")
    assert "too many" in moved.warned[0][1]
    assert moved.action(**named("bad.1x")) is HELD


def test_texts(tmp_path: Path) -> None:
    """The log's is why, the user's the reply where it is ASCII."""
    moved = Moved(
        tmp_path, Format.FILENAME_RULES, "deny+delete\ta\tLög\tNo\ndeny+delete\tb\t-\tNö\ndeny\tc"
    )
    assert [(each.why, each.reply) for each in moved.policy.rules] == [
        ("Lög", "No"),
        ("Nö", "Your message was refused because of an attachment"),
        ("Imported from MailScanner, where it had no text", None),
    ]


TYPES = """
allow	text		-	-
allow	\\bscript	-	-
deny	executable	No executables	No programs
deny	-	video/.*	No films	No films
deny	audio|image	-	Nothing of that kind
deny	ASCII text	-	-
rename	Registry	x	y
"""


@pytest.mark.parametrize(
    ("kinds", "action"),
    [
        (("pe",), HELD), (("elf",), HELD), (("video",), HELD), (("image",), HELD),
        (("shell-script", "text"), Action.ACCEPT), (("zip", "archive"), Action.ACCEPT),
        (("reg",), Action.ACCEPT),
    ],
)  # fmt: skip
def test_types(kinds: tuple[str, ...], action: Action, tmp_path: Path) -> None:
    """Words of file(1) are our kinds."""
    moved = Moved(tmp_path, Format.FILETYPE_RULES, TYPES)
    message = {"parts": (part("a", kinds=kinds, where=Where.ATTACHMENT),)}
    assert moved.action(**message) is action
    assert [number for number, _ in moved.warned] == [7, 8]


def test_allowed_types_are_left_out(tmp_path: Path) -> None:
    """What a line above allows is no part of a denial."""
    text = "allow\tELF\t-\t-\ndeny\texecutable\tx\ty\ndeny\tELF\tx\ty\nallow\tfoo\t-\t-\n"
    moved = Moved(tmp_path, Format.FILETYPE_RULES, text)
    assert moved.imported.rules[0].body["part"]["kind"] == ["pe", "macho", "dos-com"]
    assert [number for number, _ in moved.warned] == [3, 4]
    assert "allows all of it" in moved.warned[0][1]
