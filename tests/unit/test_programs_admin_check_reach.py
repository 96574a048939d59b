"""programs.admin_check_reach: what the users of SMTP cannot read is told to root."""

import os
import pwd
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import config
from qscanner.programs import admin_check_reach
from qscanner.programs.admin_items import Item, Level
from qscanner.settings import Settings
from tests.fakes.desk import Desk

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def desk(open_tmp: Path) -> Desk:
    """Give an installation in a folder that everybody may enter."""
    return Desk(open_tmp)


def looked(desk: Desk, *users: str) -> list[Item]:
    """Look at the installation, with these trusted users."""
    settings = config.load(str(desk.file))
    queue = replace(settings.queue, trusted_users=users or ("nobody", "root"))
    return admin_check_reach.look(replace(settings, queue=queue))


def stops(desk: Desk, path: Path) -> list[str] | None:
    """Give where nobody is stopped on the way to this path, asked as nobody."""
    return admin_check_reach._shut(NOBODY, [str(path)])


IS_ROOT = os.geteuid() == 0  # whoever else runs the check hears nothing of other users


def test_an_open_installation_has_no_stops(desk: Desk) -> None:
    """Folders and files that all may read stop nobody."""
    for path in (desk.file, desk.policies, desk.policies / "lists"):
        assert stops(desk, path) == ([] if IS_ROOT else None)


@pytest.mark.parametrize(
    ("closed", "mode", "todo"),
    [
        ("qscanner.toml", 0o600, "chmod a+r "),
        ("policies", 0o700, "chmod a+rx "),
        ("policies/10-virus.toml", 0o640, "chmod a+r "),
        ("policies/lists", 0o750, "chmod a+rx "),
        ("policies/lists/dangerous-extensions.txt", 0o600, "chmod a+r "),
    ],
    ids=["settings", "folder of rules", "rules", "folder of lists", "list"],
)
def test_what_only_root_may_read(desk: Desk, closed: str, mode: int, todo: str) -> None:
    """Root reads all of it; qmaild could not, and all its mail would be put off: an error."""
    path = desk.folder / closed
    path.chmod(mode)
    found = [item for item in looked(desk) if str(desk.folder) in item.text]
    assert [item.level for item in found] == [Level.ERROR] * IS_ROOT  # one cause, told once
    if not IS_ROOT:
        return
    assert found[0].area == "users"
    assert found[0].text.startswith(f"{path} cannot be read by nobody")
    assert found[0].todo == (f"{todo}{path}",)


def test_the_folder_above_is_named(desk: Desk) -> None:
    """Not each file below it, but the folder that stops them all."""
    desk.folder.chmod(0o700)
    found = [item for item in looked(desk) if str(desk.folder) in item.text]
    assert [item.todo for item in found] == [(f"chmod a+rx {desk.folder}",)] * IS_ROOT


def test_the_kernel_decides_not_the_owner(desk: Desk) -> None:
    """A file of the user's own group is fine; supplementary groups do not count."""
    if IS_ROOT:
        os.chown(desk.file, 0, NOBODY.pw_gid)
    desk.file.chmod(0o640)
    assert stops(desk, desk.file) == ([] if IS_ROOT else None)


def test_users_who_are_root_or_missing(desk: Desk) -> None:
    """Root reads everything, and a user who does not exist is told about elsewhere."""
    desk.file.chmod(0o600)
    assert looked(desk, "root", "0", "no-such-user", "54321") == []


def test_a_python_that_is_roots_own() -> None:
    """An interpreter below a closed folder is not opened to all, but replaced."""
    item = admin_check_reach._item("qmaild", os.sep.join(_python().split(os.sep)[:2]))
    assert "/usr/bin/python3 -m venv" in item.todo[0]
    assert "(451)" in item.text


def _python() -> str:
    return os.path.realpath(sys.executable)


def test_everything_is_looked_at(desk: Desk) -> None:
    """Interpreter, package, settings, rules, lists and YARA files."""
    rules = desk.folder / "x.yar"
    rules.write_text("rule a { condition: false }")
    settings: Settings = config.load(str(desk.file))
    yara = replace(settings.virus.yara, rules=(str(rules),))
    wanted = set(
        admin_check_reach._wanted(replace(settings, virus=replace(settings.virus, yara=yara)))
    )
    names = ("10-virus.toml", "lists/dangerous-extensions.txt")
    assert {_python(), str(desk.file), str(desk.policies), str(rules)} <= wanted
    assert {str(desk.policies / name) for name in names} <= wanted
