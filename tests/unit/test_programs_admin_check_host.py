"""programs.admin_check_host: what is wrong with a host, and what is said of it."""

import os
import pwd
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import config, libarchive_members, macros
from qscanner.programs import admin_check_host
from qscanner.programs.admin_items import Item, Level
from qscanner.settings import Settings
from tests.fakes.desk import Desk

ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = 65534


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give the settings of a whole installation."""
    return config.load(str(Desk(tmp_path).file))


def worst_of(settings: Settings, area: str) -> Item:
    """Give the worst item of an area."""
    found = [item for item in admin_check_host.look(settings) if item.area == area]
    return max(found, key=lambda item: item.level.value)


def with_queue(settings: Settings, **changed: object) -> Settings:
    """Give the settings with other values in [queue]."""
    return replace(settings, queue=replace(settings.queue, **changed))  # type: ignore[arg-type]


def test_a_whole_installation(settings: Settings) -> None:
    """Nothing to complain about."""
    assert {item.level for item in admin_check_host.look(settings)} == {Level.OK}


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("/nowhere/qmail-queue", "does not exist"),
        ("/etc/passwd", "may not be executed"),
        ("/etc", "does not exist"),
    ],
    ids=["missing", "not executable", "a folder"],
)
def test_queue_program(settings: Settings, program: str, words: str) -> None:
    """A queue program that cannot be run is an error, with what to do."""
    item = worst_of(with_queue(settings, program=program), "queue")
    assert item.level is Level.ERROR
    assert words in item.text


def test_queue_program_is_ourselves(settings: Settings, tmp_path: Path) -> None:
    """qscanner-queue as its own queue program would run in a circle."""
    ours = Path(sys.executable).absolute().parent / "qscanner-queue"
    link = tmp_path / "qmail-queue"
    link.symlink_to(ours)
    code = (
        "import sys; from qscanner.programs import admin;"
        f"sys.argv = [{str(ours.with_name('qscanner'))!r}, 'check', '--config', sys.argv[1]];"
        "admin.main()"
    )
    Path(settings.file).write_text(
        Path(settings.file).read_text().replace('"/bin/true"', f'"{link}"')
    )
    done = subprocess.run(
        [sys.executable, "-c", code, settings.file],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2, done
    assert "is qscanner-queue itself\n" in done.stdout
    assert "-> name the real queue program" in done.stdout


@pytest.mark.parametrize(
    ("error_text", "level"),
    [
        ("auto", Level.OK),
        ("none", Level.OK),
        ("6:82", Level.OK),
        ("2:88", Level.OK),
        ("2:82", Level.WARNING),
        ("7:82", Level.WARNING),
    ],
)
def test_reply_channel(settings: Settings, error_text: str, level: Level) -> None:
    """A channel that no known qmail has is a warning."""
    assert worst_of(with_queue(settings, error_text=error_text), "queue").level is level


@pytest.mark.parametrize(
    ("users", "level"),
    [
        (("root",), Level.OK),
        (("0", "54321"), Level.OK),
        (("root", "no-such-user"), Level.WARNING),
    ],
    ids=["there", "numbers", "missing"],
)
def test_users(settings: Settings, users: tuple[str, ...], level: Level) -> None:
    """A user who does not exist is believed nothing, so naming one is a warning."""
    assert worst_of(with_queue(settings, trusted_users=users), "users").level is level


def _remove(folder: str) -> None:
    os.rmdir(folder)


def _make_a_file(folder: str) -> None:
    os.rmdir(folder)
    Path(folder).write_text("")
    Path(folder).chmod(0o1733)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_remove, "No such file"),
        (_make_a_file, "is no folder"),
        (lambda folder: os.chmod(folder, 0o700), "mode 0700, not 1733"),
        (lambda folder: os.chmod(folder, 0o733), "mode 0733, not 1733"),
    ],
    ids=["missing", "a file", "closed", "not sticky"],
)
def test_spool(settings: Settings, spoil: Callable[[str], None], words: str) -> None:
    """Without a good spool folder mail goes on, in memory: a warning that says what to do."""
    spoil(settings.queue.spool)
    item = worst_of(settings, "spool")
    assert item.level is Level.WARNING
    assert words in item.text
    assert item.todo


def test_open_spool_is_good_enough(settings: Settings) -> None:
    """/tmp's mode has all that is needed."""
    os.chmod(settings.queue.spool, 0o1777)
    assert worst_of(settings, "spool").level is Level.OK


def test_quarantine_missing(settings: Settings) -> None:
    """What should be held would be put off for ever: an error with the command that helps."""
    os.rmdir(settings.quarantine.dir)
    item = worst_of(settings, "quarantine")
    assert item.level is Level.ERROR
    assert item.todo[0].startswith("install -d -m 0700 -o ")  # as README.md has it


@pytest.mark.parametrize(
    ("owner", "mode", "users", "level"),
    [
        (0, 0o700, ("root",), Level.OK),
        (0, 0o700, ("nobody", "root"), Level.ERROR),
        (NOBODY, 0o700, ("nobody", "root"), Level.OK),
        (NOBODY, 0o500, ("nobody",), Level.ERROR),
        (NOBODY, 0o700, ("nobody", "daemon"), Level.WARNING),
        (0, 0o770, ("nobody",), Level.ERROR),
        (0, 0o777, ("nobody",), Level.OK),
    ],
    ids=["root", "shut out", "owner", "no write", "one shut out", "another group", "open"],
)
def test_who_can_hold_mail(owner: int, mode: int, users: tuple[str, ...], level: Level) -> None:
    """The users of SMTP must be able to write, or their mail is put off instead of held."""
    folder = os.stat_result((mode, 0, 0, 1, owner, owner, 0, 0, 0, 0))
    found = [pwd.getpwnam(user) for user in users]
    assert admin_check_host._holding("q", "q", found, folder).level is level


def test_quarantine_of_the_daemon(settings: Settings, tmp_path: Path) -> None:
    """As docs/daemon.md sets it up: the daemon holds, and whoever calls need not."""
    if os.geteuid() != 0:
        return  # folders of others are root's to make
    os.chown(settings.quarantine.dir, NOBODY, NOBODY)
    os.chmod(settings.quarantine.dir, 0o700)
    chosen = with_queue(settings, trusted_users=("daemon",))
    assert worst_of(chosen, "quarantine").level is Level.ERROR
    path = str(tmp_path / "d.sock")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    os.chown(path, NOBODY, NOBODY)
    chosen = replace(chosen, daemon=replace(chosen.daemon, socket=path))
    item = worst_of(chosen, "quarantine")
    assert item.level is Level.OK
    assert "qscannerd holds there" in item.text
    os.chown(path, 0, 0)
    assert worst_of(chosen, "quarantine").level is Level.ERROR, "another's daemon"
    listening.close()


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o704])
def test_quarantine_that_others_can_read(settings: Settings, mode: int) -> None:
    """What is held is private mail."""
    os.chmod(settings.quarantine.dir, mode)
    item = worst_of(settings, "quarantine")
    assert item.level is Level.WARNING
    assert item.todo == (f"chmod o-rx {settings.quarantine.dir}",)


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        (
            resource.RLIMIT_AS,
            (50_000_000, resource.RLIM_INFINITY),
            "RLIMIT_AS of this shell is 50",
        ),
        (resource.RLIMIT_DATA, (300_000_000, 300_000_000), "RLIMIT_DATA of this shell is 300"),
        (resource.RLIMIT_FSIZE, (1_000_000, 1_000_000), "RLIMIT_FSIZE of this shell is 1"),
        (resource.RLIMIT_NOFILE, (20, 20), "RLIMIT_NOFILE of this shell is 20"),
    ],
    ids=["softlimit", "ulimit", "file size", "descriptors"],
)
def test_limits(settings: Settings, limit: int, value: tuple[int, int], words: str) -> None:
    """What softlimit or ulimit would take away is a warning."""

    def limited() -> str:
        look = admin_check_host._limits  # found before memory is short
        resource.setrlimit(limit, value)
        return "\n".join(item.text for item in look(settings))

    assert words in in_a_child(limited)


def in_a_child(say: Callable[[], str]) -> str:
    """Give what the function says in a process of its own: limits and users are for good."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, say().encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with open(read, encoding="utf-8") as told:
        return told.read()


def test_quarantine_of_whoever_runs_the_check(open_tmp: Path) -> None:
    """As the user of SMTP the check says whether that user can hold mail."""
    settings = config.load(str(Desk(open_tmp).file))
    os.chmod(settings.quarantine.dir, 0o500)

    def as_somebody() -> str:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        return worst_of(settings, "quarantine").text

    assert "cannot be written by uid" in in_a_child(as_somebody)


def test_libmagic_says_which(settings: Settings) -> None:
    """The version and the file of the library that is in use."""
    text = worst_of(settings, "libmagic").text
    assert text.startswith("libmagic 5.")
    assert "libmagic.so" in text


def test_libarchive_says_which(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version; without it archives are held unopened, and that is a warning."""
    assert worst_of(settings, "libarchive").text.startswith("libarchive 3.")
    monkeypatch.setattr(libarchive_members, "version", lambda: None)
    missing = worst_of(settings, "libarchive")
    assert missing.level is Level.WARNING
    assert "libarchive13" in missing.todo[0]


@pytest.mark.parametrize(("is_there", "word"), [(True, "is read"), (False, "not read")])
def test_oletools_are_told_of(
    is_there: bool, word: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extra: without it nothing is wrong."""
    monkeypatch.setattr(macros, "load", lambda: is_there)
    item = worst_of(settings, "office")
    assert (item.level, word in item.text) == (Level.OK, True)
