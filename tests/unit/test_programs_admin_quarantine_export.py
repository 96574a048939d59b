"""programs.admin_quarantine_export: a zip with messages as they came, records and audit."""

import io
import json
import os
import resource
import zipfile
from pathlib import Path

import click
import pytest

from qscanner.outcomes import DiskFull
from qscanner.programs import admin_quarantine_export
from qscanner.programs.admin_quarantine_export import export_all
from qscanner.settings import Quarantine
from qscanner.store.store import Store
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold, several

OCTETS = b"Received: x\r\nSubject: =?x?\r\n\n\0\xff.\nFrom \r\n\r\r\nno end of line"
HOLD = Hold(octets=OCTETS, sender=b"ann-@x-@[]", to=(b"Joe@example.com", b"s\xffe@example.net"))
CAREFUL = "they may be malware: look, do not open\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An installation."""
    return Desk(tmp_path)


@pytest.fixture
def target(desk: Desk) -> Path:
    """The file that is to be written, alone in its folder."""
    (desk.folder / "out").mkdir()
    return desk.folder / "out" / "held.zip"


def kept(desk: Desk, *holds: Hold) -> list[str]:
    """Hold messages and give their ids."""
    for hold in holds:
        hold.keep(Quarantine(dir=str(desk.folder / "quarantine")))
    return [hold.digest[:12] for hold in holds]


def export(desk: Desk, *words: str) -> tuple[int, str]:
    """Run `qscanner quarantine export`; give how it ended, and what it said."""
    done = desk.run("quarantine", "export", *words)
    return done.exit_code, done.output


def test_all_of_a_message(desk: Desk, target: Path) -> None:
    """Octet for octet, with all that is known of it and what was done; for its owner only."""
    old = os.umask(0)
    try:
        (id_,) = kept(desk, HOLD)
        desk.run("quarantine", "delete", id_, "--recipient", "joe@example.com", "--why", "no")
        code, told = export(desk, id_, "--to", str(target))
    finally:
        os.umask(old)
    assert (code, told) == (0, f"1 message exported into {target}; {CAREFUL}")
    assert target.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(target) as made:
        assert made.testzip() is None
        assert made.namelist() == [f"{HOLD.digest}.json", f"{HOLD.digest}.eml", "audit.jsonl"]
        assert made.read(f"{HOLD.digest}.eml") == OCTETS
        record = json.loads(made.read(f"{HOLD.digest}.json"))
        audit = [json.loads(line) for line in made.read("audit.jsonl").splitlines()]
        assert {each.external_attr >> 16 & 0o777 for each in made.infolist()} == {0o600}
    assert record == HOLD.record
    assert audit[-1]["recipient"] == "Joe@example.com"
    assert (audit[-1]["after"], audit[-1]["why"]) == ("deleted", "no")
    assert [each.name for each in target.parent.iterdir()] == ["held.zip"]


def test_nothing_changes(desk: Desk, target: Path) -> None:
    """Neither states nor audit."""
    (id_,) = kept(desk, HOLD)
    before = desk.run("quarantine", "audit").output
    assert export(desk, id_, "--to", str(target))[0] == 0
    assert desk.run("quarantine", "audit").output == before


def test_many(desk: Desk, target: Path) -> None:
    """More than one is asked for; --yes answers; each is in it once."""
    ids = kept(desk, *several(3))
    code, told = export(desk, *ids, "--to", str(target))
    assert code == 1
    assert "export 3 messages?" in told
    assert not target.exists()
    for one in (2, 0):
        desk.run("quarantine", "delete", ids[one], "--recipient", "joe@example.com")
    code, told = export(desk, "--yes", *ids, ids[0], "--to", str(target))
    assert (code, told) == (0, f"3 messages exported into {target}; {CAREFUL}")
    with zipfile.ZipFile(target) as made:
        found = [made.read(name) for name in made.namelist() if name.endswith(".eml")]
        audit = [json.loads(line)["id"] for line in made.read("audit.jsonl").splitlines()]
    assert found == [b"Subject: %d\n\nbody\n" % number for number in range(3)]
    assert audit == [ids[0], ids[2]]


def test_what_a_filter_finds(desk: Desk, target: Path) -> None:
    """All of it; where nothing is found, it is told, and nothing is written."""
    kept(desk, *several(2), Hold(rules=("other",)))
    words = ("--yes", "--to", str(target), "--rule")
    assert export(desk, *words, "none") == (0, "nothing is held that is so\n")
    assert not target.exists()
    assert export(desk, *words, "spam")[1].startswith("2 messages exported")


def test_nothing_is_overwritten(desk: Desk, target: Path) -> None:
    """But with --force; a link is replaced, not followed."""
    (id_,) = kept(desk, HOLD)
    elsewhere = desk.folder / "elsewhere"
    elsewhere.write_text("precious")
    target.symlink_to(elsewhere)
    code, told = export(desk, id_, "--to", str(target))
    assert code == 2
    assert "--force" in told
    assert target.is_symlink()
    assert export(desk, id_, "--to", str(target), "--force")[0] == 0
    assert not target.is_symlink()
    assert zipfile.is_zipfile(target)
    assert elsewhere.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "that is a folder"), ("none/x.zip", "no such folder"), ("x\x1b[2J/y.zip", r"\x1b")],
    ids=["folder", "no folder", "odd"],
)
def test_names_that_will_not_do(name: str, said: str, desk: Desk, target: Path) -> None:
    """It is told before anything is looked up."""
    code, told = export(desk, "0000", "--to", f"{target.parent}/{name}")
    assert code == 2
    assert said in told


def test_somebody_was_faster(desk: Desk, target: Path) -> None:
    """What came while the messages were written stays, and nothing else is left."""
    (id_,) = kept(desk, HOLD)
    target.write_text("precious")
    with (
        Store.open(Quarantine(dir=str(desk.folder / "quarantine"))) as store,
        pytest.raises(click.UsageError, match="there already"),
    ):
        export_all(store, [store.find(id_)], str(target), is_forced=False)
    assert target.read_text() == "precious"
    assert [each.name for each in target.parent.iterdir()] == ["held.zip"]


@pytest.mark.parametrize("ending", ["eml", "json"])
def test_something_is_gone(ending: str, desk: Desk, target: Path) -> None:
    """The rest is in it, and it is told."""
    ids = kept(desk, *several(2))
    assert desk.run("quarantine", "list").exit_code == 0, "now the index knows them"
    (gone,) = (desk.folder / "quarantine").glob(f"{ids[0]}*.{ending}")
    gone.unlink()
    code, told = export(desk, "--yes", *ids, "--to", str(target))
    assert code == 1
    assert told.startswith("not exported: ")
    assert ids[0] in told
    with zipfile.ZipFile(target) as made:
        names = set(made.namelist())
    assert gone.name not in names
    assert len(names) == 4


def test_what_was_deleted(desk: Desk, target: Path) -> None:
    """It is told once, and not counted; what was done with it is in the zip."""
    ids = kept(desk, *several(2))
    desk.run("quarantine", "delete", ids[0])
    code, told = export(desk, "--yes", *ids, "--to", str(target))
    assert code == 1
    assert told == (
        f"not exported: {ids[0]} is deleted: its octets are gone\n"
        f"1 message exported into {target}; {CAREFUL}"
    )
    with zipfile.ZipFile(target) as made:
        assert len(made.namelist()) == 3


def test_to_a_pipe(desk: Desk) -> None:
    """The zip alone is on standard output; what is told is not."""
    (id_,) = kept(desk, HOLD)
    done = desk.run("quarantine", "export", id_, "--to", "-")
    assert done.exit_code == 0
    with zipfile.ZipFile(io.BytesIO(done.stdout_bytes)) as made:
        assert made.read(f"{HOLD.digest}.eml") == OCTETS
    assert done.stderr == f"1 message exported; {CAREFUL}"


def test_never_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip is nothing for people."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with pytest.raises(click.UsageError, match="terminal"):
        admin_quarantine_export.refuse("-", is_forced=True)


def test_a_disk_that_is_full(desk: Desk, target: Path) -> None:
    """Nothing is left of it, and it is told what could not be written."""
    (id_,) = kept(desk, Hold(octets=os.urandom(50_000)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store.open(Quarantine(dir=str(desk.folder / "quarantine"))) as store:
        held = store.find(id_)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            with pytest.raises(DiskFull, match=r"held\.zip"):
                export_all(store, [held], str(target), is_forced=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(target.parent.iterdir()) == []
