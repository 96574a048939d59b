"""What `check` says of notices: nothing where nobody asks for any, and all that is wrong."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import outbox
from qscanner.policy.rules import Policy
from qscanner.programs import admin_check_letters
from qscanner.programs.admin_items import Level
from qscanner.settings import Digest, Notices, Quarantine, Settings
from tests.fakes.post import letter

NOTHING = Policy(folder="", rules=())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with an admin who is told."""
    quarantine = Quarantine(dir=str(tmp_path))
    return Settings(quarantine=quarantine, notices=Notices(admin="root@here.example"))


def test_nobody_asks(tmp_path: Path) -> None:
    """No admin, no rule, no outbox: no line."""
    bare = Settings(quarantine=Quarantine(dir=str(tmp_path)))
    assert admin_check_letters.look(bare, NOTHING) == []


def test_all_is_well(settings: Settings) -> None:
    """A letter that waits for a moment is no trouble."""
    outbox.put(outbox.folder(settings.quarantine.dir), letter(at=time.time()))
    (item,) = admin_check_letters.look(settings, NOTHING)
    assert (item.level, item.text) == (Level.OK, "letters are sent")


@pytest.mark.parametrize(
    ("digest", "said"),
    [
        (Digest(to=("@x",)), "letters are sent"),
        (Digest(admin=True), "[digest] admin is true, but [notices] admin is empty"),
        (Digest(to=("@x",), at=()), "[digest] says for whom, but at is empty"),
    ],
    ids=["fine", "no-admin", "never"],
)
def test_digests(tmp_path: Path, digest: Digest, said: str) -> None:
    """They are letters, too; what keeps all of them from being written is told."""
    asked = Settings(quarantine=Quarantine(dir=str(tmp_path)), digest=digest)
    (item,) = admin_check_letters.look(asked, NOTHING)
    assert said in item.text
    assert (item.level is Level.OK) == (said == "letters are sent")


def test_letters_that_wait(settings: Settings) -> None:
    """An hour is too long, and the log of the daemon knows why."""
    folder = outbox.folder(settings.quarantine.dir)
    mine, then = letter(at=time.time() - 7300), time.time() - 7300
    outbox.put(folder, mine)
    os.utime(os.path.join(folder, mine.name), (then, then))
    (item,) = admin_check_letters.look(settings, NOTHING)
    assert item.level is Level.WARNING
    assert "1 letter in" in item.text
    assert "2.0 h" in item.text


def test_letters_that_were_refused(settings: Settings) -> None:
    """They are told until somebody deletes them."""
    folder = outbox.folder(settings.quarantine.dir)
    mine = letter(at=time.time())
    outbox.put(folder, mine)
    outbox.fail(folder, mine.name)
    (item,) = admin_check_letters.look(settings, NOTHING)
    assert item.level is Level.WARNING
    assert "failed" in item.text


def test_templates_that_are_missing(settings: Settings, tmp_path: Path) -> None:
    """What the notices themselves know to be wrong is told."""
    wrong = replace(settings, notices=replace(settings.notices, language="xx"))
    items = admin_check_letters.look(wrong, NOTHING)
    assert items
    assert all(item.level is Level.WARNING for item in items)
