"""docs/quarantine.md says what is on disk, and its way to let a message go is tried here."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qscanner import quarantine
from qscanner.codec.envelope import Decoder
from qscanner.model import Action, Client, Decision, Envelope, Facts, Verdict

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "quarantine.md").read_text("utf-8")


def record(*actions: Action) -> dict[str, object]:
    """Give the record of a message to as many recipients, each with its action."""
    to = tuple(b"joe%d@example.com" % number for number in range(len(actions)))
    raw = b"Fann@example.org\0" + b"".join(b"T%s\0" % each for each in to) + b"\0"
    verdict = Verdict(
        action=actions[0], decisions=tuple(Decision(action=action) for action in actions)
    )
    envelope = Envelope(sender=b"ann@example.org", recipients=to, raw=raw)
    facts = Facts(envelope=envelope, client=Client(uid=1), octets=1)
    return quarantine.record(
        id="1", digest="d", kept_at="2026-11-23T02:00:00Z", facts=facts, verdict=verdict
    )


def test_keys() -> None:
    """Every key of the record is named, in its order, and no other."""
    table = PAGE.split("| key | value |\n|---|---|\n")[1].split("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines()]
    assert re.findall(r"`(\w+)`", " ".join(first)) == list(record(Action.QUARANTINE))


@pytest.mark.parametrize(
    ("actions", "left"),
    [
        ([Action.QUARANTINE], [0]),
        ([Action.ACCEPT, Action.QUARANTINE, Action.DISCARD, Action.QUARANTINE], [1, 3]),
        ([Action.REJECT, Action.REJECT], [0, 1]),
    ],
    ids=["held", "held for some", "a copy of refused mail"],
)
def test_let_one_go(actions: list[Action], left: list[int], tmp_path: Path) -> None:
    """The commands give the real qmail-queue the message, and an envelope of who is without it."""
    commands = next(
        block for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) if "held=DIGEST" in block
    )
    queue = tmp_path / "qmail-queue"
    queue.write_text(f"#!/bin/sh\ncat > {tmp_path}/message\ncat <&1 > {tmp_path}/envelope\n")
    queue.chmod(0o755)
    for theirs, ours in (
        ("/var/spool/qscanner/quarantine", str(tmp_path)),
        ("/opt/qscanner/bin/python", sys.executable),
        ("/var/qmail/bin/qmail-queue", str(queue)),
    ):
        assert theirs in commands
        commands = commands.replace(theirs, ours)
    (tmp_path / "DIGEST.eml").write_bytes(b"Subject: x\n\n\xff\0\n")
    (tmp_path / "DIGEST.json").write_text(json.dumps(record(*actions)))
    shell = shutil.which("bash")
    assert shell
    subprocess.run([shell, "-euc", commands], check=True, capture_output=True)
    assert (tmp_path / "message").read_bytes() == b"Subject: x\n\n\xff\0\n"
    decoder = Decoder()
    decoder.feed((tmp_path / "envelope").read_bytes())
    envelope = decoder.finish()
    assert envelope.sender == b"ann@example.org"
    assert envelope.recipients == tuple(b"joe%d@example.com" % number for number in left)
    assert sorted(each.name for each in tmp_path.iterdir() if "DIGEST" in each.name) == []
