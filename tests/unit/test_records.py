"""records: what is stored of a held message, and what is left of damaged records."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from qscanner import quarantine, records
from qscanner.codec.envelope import encode
from qscanner.model import (
    Action,
    Client,
    Decision,
    Direction,
    Envelope,
    Facts,
    Finding,
    Outcome,
    Verdict,
)
from qscanner.spool import Message

DIGEST = "0123456789abcdef" * 4
ID = "19e8d0a1b2c-a1b2c3"
ENVELOPE = Envelope(
    sender=b"a\xff@b.example",
    recipients=(b"c@d.example",),
    raw=encode(b"a\xff@b.example", (b"c@d.example",)),
)
CLIENT = Client(
    uid=7, is_trusted=True, direction=Direction.OUT, ip="192.0.2.1", host="x.example",
    auth_user="jane", is_relay=True,
    environment={
        "TCPREMOTEIP": "192.0.2.1", "TCPREMOTEHOST": "x.example", "SMTPAUTHUSER": "jane",
        "RELAYCLIENT": "",
    },
)  # fmt: skip
FOUND = (
    Finding(id="virus.clamav", detail="Win.X"),
    Finding(id="mime.partial", where="1"),
    Finding(id="clamav.heuristic"),
)


def record(client: Client = CLIENT, found: tuple[Finding, ...] = FOUND) -> dict[str, Any]:
    """Give a record as it is written."""
    held = Decision(action=Action.QUARANTINE, rules=("r",))
    return quarantine.record(
        id=ID,
        digest=DIGEST,
        kept_at="2026-06-01T00:00:00Z",
        facts=Facts(envelope=ENVELOPE, client=client, octets=1, findings=found),
        verdict=Verdict(action=Action.QUARANTINE, decisions=(held,), rules=("r",), why="because"),
    )


def written(folder: Path, told: Any) -> str:
    """Write a message and what is told of it; give the path of the message."""
    (folder / f"{DIGEST}.eml").write_text("\n")
    (folder / f"{DIGEST}.json").write_text(json.dumps(told))
    return str(folder / f"{DIGEST}.eml")


def test_what_is_kept_can_be_read(tmp_path: Path) -> None:
    """Envelope and client are those it came with; of findings, those of scanners."""
    quarantine.keep(str(tmp_path), DIGEST, Message.of_octets(b"\nx"), record())
    past = records.beside(str(tmp_path / f"{DIGEST}.eml"))
    assert past
    assert (past.envelope, past.client) == (ENVELOPE, CLIENT)
    assert past.findings == (FOUND[0], FOUND[2])
    assert past.virus
    assert (past.virus.outcome, past.virus.names) == (Outcome.FOUND, ("Win.X",))
    assert past.spam is None
    assert (past.action, past.rules, past.why) == ("quarantine", ("r",), "because")
    assert past.kept_at == "2026-06-01T00:00:00Z"


def test_an_untrusted_client(tmp_path: Path) -> None:
    """Its address stays a claim."""
    told = Client(uid=7, direction=Direction.IN, claimed_ip="192.0.2.1")
    past = records.beside(written(tmp_path, record(told, ())))
    assert past
    assert past.client == told
    assert past.virus is None


def test_a_score(tmp_path: Path) -> None:
    """It is believed; what the scorer itself calls spam is not stored."""
    for score, outcome in ((7.5, Outcome.FOUND), (1, Outcome.CLEAN)):
        past = records.beside(written(tmp_path, {**record(), "score": score}))
        assert past
        assert past.spam
        assert past.spam.score
        assert (past.spam.score.score, past.spam.outcome) == (score, outcome)


DAMAGED: dict[str, Any] = {
    "a list": [],
    "text": "x",
    "nothing": {},
    "no client": {"envelope": record()["envelope"]},
    "an envelope of rubbish": {**record(), "envelope": {"octets": "eA=="}},
    "an envelope that is no base64": {**record(), "envelope": {"octets": "!"}},
    "an envelope cut short": {**record(), "envelope": {"octets": "RmE="}},
    "another direction": {**record(), "client": {**record()["client"], "direction": "up"}},
    "a finding without an id": {**record(), "findings": [{}]},
    "a finding that is none": {**record(), "findings": [3]},
    "a number where text is": {**record(), "why": 3},
    "a score that is none": {**record(), "score": []},
}


@pytest.mark.parametrize("told", DAMAGED.values(), ids=DAMAGED)
def test_damaged(tmp_path: Path, told: Any) -> None:
    """What nobody can read is as if it were not there."""
    assert records.beside(written(tmp_path, told)) is None


def test_no_record(tmp_path: Path) -> None:
    """Neither beside other files, nor where it is no JSON."""
    path = written(tmp_path, record())
    assert records.beside(str(tmp_path / "other.eml")) is None
    assert records.beside(str(tmp_path / DIGEST)) is None
    (tmp_path / f"{DIGEST}.json").write_text("[" * 100_000)
    assert records.beside(path) is None


def test_packed(tmp_path: Path) -> None:
    """A message that has lain for a while is packed; its record is not."""
    path = written(tmp_path, record())
    os.unlink(path)
    (tmp_path / f"{DIGEST}.eml.gz").write_bytes(gzip.compress(b"\nx"))
    assert records.find(str(tmp_path), DIGEST[:9]) == f"{path}.gz"
    assert records.find(str(tmp_path), ID) == f"{path}.gz"
    assert records.beside(f"{path}.gz")
    assert records.unpacked(f"{path}.gz") == b"\nx"
    (tmp_path / f"{DIGEST}.eml.gz").write_bytes(gzip.compress(b"\nx")[:-5])
    with pytest.raises(OSError, match="damaged"):
        records.unpacked(f"{path}.gz")


def test_find(tmp_path: Path) -> None:
    """By digest, its beginning if that is one message's, or the id of its scan."""
    path = written(tmp_path, record())
    for word in (DIGEST, DIGEST[:8], ID):
        assert records.find(str(tmp_path), word) == path
    other = DIGEST[:8] + "f" * 56
    (tmp_path / f"{other}.eml").write_text("")
    assert records.find(str(tmp_path), DIGEST[:8]) is None
    assert records.find(str(tmp_path), other) == str(tmp_path / f"{other}.eml")
    for word in ("ffffffff", "19e8d0a1b2c-a1b2c4", "0123456", "../etc", "x"):
        assert records.find(str(tmp_path), word) is None
    assert records.find(os.path.join(tmp_path, "none"), DIGEST) is None
