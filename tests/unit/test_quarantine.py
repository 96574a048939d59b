"""Keeping: durable and whole, once per digest, or an error before anybody was answered."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from qscanner import quarantine
from qscanner.model import (
    Action,
    Client,
    Cut,
    Decision,
    Direction,
    Edits,
    Envelope,
    Facts,
    Finding,
    Header,
    Part,
    Verdict,
)
from qscanner.outcomes import Ending, Later, QScannerError
from qscanner.spool import Message
from tests.fakes import child
from tests.fakes.facts import facts as facts_of
from tests.fakes.facts import infected, scored

DIGEST = "ab" * 32
OCTETS = b"Received: x\nSubject: y\n\n\0\xff"
RECORD = {"id": "1", "why": "\u00fc"}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    made = tmp_path / "quarantine"
    made.mkdir()
    return str(made)


def keep(folder: str, octets: bytes = OCTETS, record: dict[str, Any] | None = None) -> bool:
    message = Message.of_octets(octets)
    try:
        return quarantine.keep(folder, DIGEST, message, record or RECORD)
    finally:
        message.close()


def kept(folder: str) -> tuple[bytes, Any]:
    """Give the one hold, and see that there is nothing else."""
    assert sorted(os.listdir(folder)) == [f"{DIGEST}.eml", f"{DIGEST}.json"]
    return (
        Path(folder, f"{DIGEST}.eml").read_bytes(),
        json.loads(Path(folder, f"{DIGEST}.json").read_text("ascii")),
    )


@pytest.mark.parametrize(
    "octets", [OCTETS, b"", b"x" * 3_000_000], ids=["usual", "empty", "large"]
)
def test_keep(octets: bytes, folder: str) -> None:
    """Message and record stand there octet for octet, closed to all but owner and group."""
    assert keep(folder, octets)
    assert kept(folder) == (octets, RECORD)
    assert all(os.stat(each.path).st_mode & 0o137 == 0 for each in os.scandir(folder))


def test_a_retry_is_the_same_hold(folder: str) -> None:
    """The second time it is no new hold, and the first copy stays as it is."""
    assert keep(folder)
    assert not keep(folder, OCTETS.replace(b": x", b": later"), {"id": "2"})
    assert kept(folder) == (OCTETS, RECORD)


def held_for(*actions: str, action: str = "accept") -> dict[str, Any]:
    to = [{"address": f"{n}@y", "action": each, "rules": []} for n, each in enumerate(actions)]
    return {"id": "-".join(actions), "action": action, "envelope": {"recipients": to}}


@pytest.mark.parametrize(
    ("first", "then", "want"),
    [
        (held_for("quarantine", "accept"), held_for("accept", "quarantine"), ["quarantine"] * 2),
        (held_for("quarantine", "accept"), held_for("quarantine", "quarantine"), None),
        (held_for("reject", action="reject"), held_for("quarantine", action="quarantine"), None),
        (held_for(action="discard"), held_for(action="quarantine"), []),
    ],
    ids=["others", "more", "a-copy-of-a-refusal", "no-recipients"],
)
def test_held_for_more_at_a_later_try(
    first: dict[str, Any], then: dict[str, Any], want: list[str] | None, folder: str
) -> None:
    """Who is answered for is in the record, whatever the first try (which failed) said of them."""
    assert keep(folder, record=first)
    assert keep(folder, record=then)
    octets, known = kept(folder)
    assert octets == OCTETS
    got = [each["action"] for each in known["envelope"]["recipients"]]
    assert got == (want if want is not None else ["quarantine"] * len(got))
    assert known["action"] == then["action"]
    assert not keep(folder, record=first), "they are held already"
    assert kept(folder) == (octets, known)


def _damaged(folder: str, kind: str) -> None:
    message, known = (Path(folder, f"{DIGEST}.{ending}") for ending in ("eml", "json"))
    for file in (message, known):
        file.unlink()
    match kind:
        case "a pipe":
            os.mkfifo(message)
            os.mkfifo(known)
        case "a link":
            message.symlink_to("/dev/null")
            known.symlink_to("/dev/null")
        case _:
            message.write_bytes(OCTETS if kind.startswith("the record") else kind.encode())
            known.write_text(
                {"the record is cut": "{", "the record is odd": "[1]"}.get(kind, "{}")
            )


@pytest.mark.parametrize(
    "kind",
    ["", "other octets", "the record is cut", "the record is odd", "a pipe", "a link"],
)
def test_what_is_no_hold_is_not_answered_for(kind: str, folder: str) -> None:
    """A file that only bears the name, empty or damaged, is no durable copy: it is replaced."""
    keep(folder)
    _damaged(folder, kind)
    assert keep(folder)
    assert kept(folder) == (OCTETS, RECORD)


@pytest.mark.parametrize("left", ["eml", "json"])
def test_half_a_hold_is_none(left: str, folder: str) -> None:
    """After a crash between the two files the next try makes a whole hold."""
    keep(folder)
    Path(folder, f"{DIGEST}.{'json' if left == 'eml' else 'eml'}").unlink()
    Path(folder, f"{DIGEST}.{left}").write_bytes(b"stale")
    assert keep(folder)
    assert kept(folder) == (OCTETS, RECORD)


# Fails at the k-th call of fsync or rename (as a crash would, nothing after it happens), then
# tries again as the sender's next try does.
CRASH = """
import os, sys
from qscanner import quarantine
from qscanner.spool import Message
folder, digest, k, again = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "again"
steps = 0
def counted(name):
    real = getattr(os, name)
    def step(*given):
        global steps
        steps += 1
        if steps == k:
            os.write(1, name.encode()); os._exit(9)
        return real(*given)
    setattr(os, name, step)
if not again:
    for name in ("open", "sendfile", "write", "fsync", "rename", "close"):
        counted(name)
print(quarantine.keep(folder, digest, Message.of_octets(b"octets"), {"id": "1"}))
"""


@pytest.mark.parametrize("k", range(1, 21))
def test_killed_at_every_step(k: int, folder: str) -> None:
    """Killed at the k-th file operation: the next try ends with a whole hold all the same."""
    first = child.run(CRASH, folder, DIGEST, k, "first")
    assert first.returncode in (0, 9), first.stderr
    if f"{DIGEST}.json" in os.listdir(folder):
        assert Path(folder, f"{DIGEST}.eml").read_bytes() == b"octets"
    child.said(child.run(CRASH, folder, DIGEST, 0, "again"))
    assert Path(folder, f"{DIGEST}.eml").read_bytes() == b"octets"
    assert json.loads(Path(folder, f"{DIGEST}.json").read_bytes()) == {"id": "1"}


def test_the_first_copy_is_durable_before_a_retry_is_answered(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry may come before the first try's fsync: both files and the folder are synced."""
    keep(folder)
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    assert not keep(folder)
    assert synced == [f"{folder}/{DIGEST}.eml", f"{folder}/{DIGEST}.json", folder]


@pytest.mark.parametrize("kind", ["missing", "a-file"])
def test_no_folder(kind: str, tmp_path: Path) -> None:
    """Where there is no folder, it is "later", and none is made."""
    (tmp_path / "a-file").touch()
    with pytest.raises(Later, match=kind):
        keep(str(tmp_path / kind))
    assert os.listdir(tmp_path) == ["a-file"]


TRY = """
import resource, sys
from qscanner import quarantine
from qscanner.outcomes import QScannerError
from qscanner.spool import Message
message = Message.of_octets(b"x" * 5000)
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try: print(quarantine.keep(sys.argv[1], sys.argv[2], message, {"id": "1"}))
except QScannerError as error: print(error.ending.name)
"""


@pytest.mark.parametrize(
    ("limit", "mode", "want"),
    [
        pytest.param(1 << 30, 0o777, "True", id="all-well"),
        pytest.param(1000, 0o777, "DISK_FULL", id="no-room-for-the-message"),
        pytest.param(1 << 30, 0o755, "DEFERRED", id="not-writable"),
        pytest.param(1 << 30, 0o700, "DEFERRED", id="not-even-to-be-entered"),
    ],
)
def test_as_another_user(
    limit: int, mode: int, want: str, open_tmp: Path, uids: tuple[int | None, ...]
) -> None:
    """No room is 53, no right is "later"; nothing half is left."""
    folder = open_tmp / "quarantine"
    folder.mkdir()
    folder.chmod(0o500 if uids[0] is None and mode < 0o777 else mode)
    said = child.said(child.run(TRY, folder, DIGEST, limit, uid=uids[0]))
    folder.chmod(0o700)
    assert said.strip() == want
    assert len(os.listdir(folder)) == (2 if want == "True" else 0)


def test_a_hold_that_is_not_ours_to_read(open_tmp: Path, uids: tuple[int | None, ...]) -> None:
    """A hold of another user that we cannot make sure of is "later", not "held"."""
    folder = open_tmp / "quarantine"
    folder.mkdir()
    keep(str(folder))
    folder.chmod(0o755)
    said = child.said(child.run(TRY, folder, DIGEST, 1 << 30, uid=uids[0]))
    assert said.strip() == ("False" if uids[0] is None else Ending.DEFERRED.name)


def test_the_record_says_everything() -> None:
    """What the JSON file holds, and that it can be written whatever strangers sent."""
    envelope = Envelope(
        sender=b"s\xff@x", recipients=(b"a@y", b"b@y"), raw=b"Fs\xff@x\0Ta@y\0Tb@y\0\0"
    )
    facts = Facts(
        envelope=envelope,
        client=Client(
            uid=7,
            is_trusted=True,
            direction=Direction.IN,
            ip="192.0.2.7",
            host="h",
            is_relay=True,
            auth_user="ann",
            environment={"PASSWORD": "secret"},
        ),
        octets=9,
        headers=(Header(name="SUBJECT", plain="=?", decoded="win\u202e"),),
        findings=(Finding(id="mime.junk", where="1.2/\u202e", detail="\x1b"),),
    )
    held, accepted = (
        Decision(action=Action.QUARANTINE, rules=("r",)),
        Decision(action=Action.ACCEPT),
    )
    verdict = Verdict(
        action=Action.ACCEPT, decisions=(held, accepted), rules=("r",), why="because"
    )
    got = quarantine.record(
        id="i", digest=DIGEST, kept_at="2026-11-23T10:00:00Z", facts=facts, verdict=verdict
    )
    assert json.loads(json.dumps(got)) == {
        "schema": quarantine.SCHEMA,
        "id": "i",
        "digest": DIGEST,
        "kept_at": "2026-11-23T10:00:00Z",
        "action": "accept",
        "rules": ["r"],
        "why": "because",
        "release": "admin",
        "class": "policy",
        "score": None,
        "subject": "win\u202e",
        "octets": 9,
        "envelope": {
            "sender": "s\u00ff@x",
            "recipients": [
                {"address": "a@y", "action": "quarantine", "rules": ["r"]},
                {"address": "b@y", "action": "accept", "rules": []},
            ],
            "octets": base64.b64encode(envelope.raw).decode(),
        },
        "client": {
            "uid": 7,
            "is_trusted": True,
            "direction": "in",
            "ip": "192.0.2.7",
            "host": "h",
            "auth_user": "ann",
            "is_relay": True,
        },
        "findings": [{"id": "mime.junk", "where": "1.2/\u202e", "detail": "\x1b"}],
        "stripped": [],
    }


@pytest.mark.parametrize(
    ("said", "rules", "want"),
    [
        ({"spam": scored(9)}, ("default.blocked", "surely-spam"), "policy"),
        ({"found": ("name.bidi",)}, ("default.blocked",), "policy"),
        ({"spam": scored(9)}, ("surely-spam", "default.blocked"), "spam"),
        ({"spam": scored(9)}, ("default.allowed",), "spam"),
        ({"spam": scored(9)}, (), "spam"),
        ({"virus": infected("X")}, ("default.blocked",), "virus"),
        ({"found": ("unscannable.x",)}, ("default.blocked",), "unscannable"),
        ({"found": ("name.bidi",)}, ("hidden-extension",), "banned"),
    ],
)
def test_what_a_recipient_does_not_want_is_policy(
    said: dict[str, Any], rules: tuple[str, ...], want: str
) -> None:
    """Whatever the scorer says; a virus, and what was not scanned, are what they are."""
    verdict = Verdict(action=Action.ACCEPT, decisions=(), rules=rules)
    assert quarantine.class_of(facts_of(**said), verdict) == want


def stripped(action: Action = Action.ACCEPT, *others: Action) -> dict[str, Any]:
    """Give the record of a message of which a part is taken out, to one recipient and others."""
    part = Part(path="2/b.zip", names=("b.zip", "B.ZIP"), octets=9)
    cut = Cut(span=(1, 2), part=part, inside="2/b.zip/a.exe", rule="r")
    actions = (action, *others)
    to = tuple(b"%d@y" % number for number in range(len(actions)))
    return quarantine.record(
        id="i",
        digest=DIGEST,
        kept_at="2026-11-23T10:00:00Z",
        facts=Facts(
            envelope=Envelope(sender=b"s@x", recipients=to, raw=b""),
            client=Client(uid=7),
            octets=9,
        ),
        verdict=Verdict(
            action=action,
            decisions=tuple(Decision(action=each) for each in actions),
            edits=Edits(cuts=(cut,)),
        ),
    )


TAKEN = {
    "path": "2/b.zip",
    "names": ["b.zip"],
    "octets": 9,
    "inside": "2/b.zip/a.exe",
    "rule": "r",
}


def test_what_was_taken_out_is_in_the_record() -> None:
    """Of a message that goes on without it, and of no other."""
    assert stripped()["stripped"] == [TAKEN]
    assert stripped(Action.QUARANTINE)["stripped"] == []


@pytest.mark.parametrize(
    ("first", "then", "is_more", "want"),
    [
        (stripped(), stripped(), False, [TAKEN]),
        (held_for("quarantine"), stripped(), True, [TAKEN]),
        (stripped(Action.ACCEPT, Action.QUARANTINE), held_for("quarantine", "accept"), True,
         [TAKEN]),
        (held_for("accept", "quarantine"), stripped(Action.ACCEPT, Action.ACCEPT), True, [TAKEN]),
        (stripped(), held_for("accept"), False, [TAKEN]),
    ],
    ids=["again", "held before", "held later", "held for another before", "not any more"],
)  # fmt: skip
def test_the_original_of_what_was_stripped(
    first: dict[str, Any], then: dict[str, Any], is_more: bool, want: list[Any], folder: str
) -> None:
    """A later try of the sender, under other rules, never loses that it was stripped."""
    assert keep(folder, record=first)
    assert keep(folder, record=then) is is_more
    octets, known = kept(folder)
    assert (octets, known["stripped"]) == (OCTETS, want)


def test_a_claimed_address_is_shown_as_not_trusted() -> None:
    """What a stranger claims is in the record for people, beside is_trusted = false."""
    facts = Facts(
        envelope=Envelope(sender=b"", recipients=(), raw=b"F\0\0"),
        client=Client(uid=7, claimed_ip="192.0.2.9"),
        octets=0,
    )
    verdict = Verdict(action=Action.QUARANTINE, decisions=())
    got = quarantine.record(id="i", digest=DIGEST, kept_at="", facts=facts, verdict=verdict)
    assert got["client"]["ip"] == "192.0.2.9"
    assert got["client"]["is_trusted"] is False
    assert got["envelope"]["recipients"] == []


def test_its_errors_end_as_later() -> None:
    """Whatever keeping raises is temporary to the sender."""
    assert issubclass(Later, QScannerError)
