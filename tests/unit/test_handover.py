"""From a report to an answer: durable first, then the log line, then the answer."""

import json
import os
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from qscanner.codec.envelope import encode
from qscanner.handover import Settled, settle
from qscanner.intake import IN_MEMORY_OCTETS
from qscanner.log import Log
from qscanner.model import Action, Client, Cut, Decision, Edits, Envelope, Facts, Part, Verdict
from qscanner.outcomes import DiskFull, Ending, Later
from qscanner.report import ENDINGS, Mail, Report
from qscanner.settings import History, Quarantine, Queue, Settings
from qscanner.spool import Message

OCTETS = b"X-Spam-Flag: forged\nSubject: x\n\nbody\n"
LINES = ("X-Qscanner: h id=i",)
RECIPIENTS = (b"a@y", b"b@y", b"c@y")


class Witness(Log):
    """A log that remembers its events, and what was held at the time of each."""

    def __init__(self, folder: Path) -> None:
        super().__init__("stderr")
        self.folder = folder
        self.events: list[Mapping[str, str | bytes | int | float]] = []
        self.held_then: list[list[str]] = []
        self.history_then: list[bool] = []

    def write(self, event: Mapping[str, str | bytes | int | float]) -> None:
        """Remember instead of writing."""
        self.events.append(event)
        self.held_then.append(held_in(self.folder))
        self.history_then.append((self.folder / "history").exists())


def held_in(folder: Path) -> list[str]:
    """Give the files of messages in a quarantine."""
    names = sorted({*os.listdir(folder)} - {"history"}) if folder.is_dir() else []
    assert ("journal" in names) == bool(names), "who holds something tells the index"
    return [name for name in names if name != "journal"]


@dataclass
class Place:
    """A quarantine, a log, and settings that name them."""

    folder: Path
    log: Witness = field(init=False)
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.log = Witness(self.folder)
        self.settings = Settings(
            queue=Queue(program="/bin/q", error_text="6:82", spool="/nonexistent"),
            quarantine=Quarantine(dir=str(self.folder)),
        )

    def settle(self, verdict: Verdict, recipients: tuple[bytes, ...] = RECIPIENTS) -> Settled:
        envelope = Envelope(sender=b"s@x", recipients=recipients, raw=encode(b"s@x", recipients))
        client = Client(uid=7)
        mail = Mail(message=Message.of_octets(OCTETS), envelope=envelope, client=client, pid=42)
        facts = Facts(envelope=envelope, client=client, octets=len(OCTETS))
        report = Report(id="i", digest="d1", facts=facts, verdict=verdict, lines=LINES, ms=1.0)
        try:
            return settle(mail, report, self.settings, self.log, host="mx")
        finally:
            mail.message.close()

    def held(self) -> list[str]:
        return held_in(self.folder)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "quarantine").mkdir()
    return Place(tmp_path / "quarantine")


@pytest.fixture
def full(tmp_path: Path) -> Place:
    """Give a place whose quarantine is not there, so that nothing can be kept."""
    return Place(tmp_path / "missing")


@pytest.fixture
def taken() -> Iterator[list[int]]:
    fds: list[int] = []
    yield fds
    for fd in fds:
        os.close(fd)


def verdict(*actions: Action, keep: bool = False, reply: str | None = None) -> Verdict:
    """Give a verdict as policy makes it: the message's action is the mildest, or a defer."""
    action = min(actions, key=lambda each: each.severity)
    if Action.DEFER in actions:
        action = Action.DEFER
    decisions = tuple(Decision(action=each) for each in actions)
    return Verdict(action=action, decisions=decisions, keep=keep, reply=reply)


def both(settled: Settled, taken: list[int]) -> tuple[bytes, bytes]:
    assert settled.outgoing is not None
    taken += settled.outgoing
    message, envelope = (os.pread(fd, 1 << 24, 0) for fd in settled.outgoing)
    return message, envelope


KEPT = ["d1.eml", "d1.json"]
ALL = {
    "accept": (verdict(*[Action.ACCEPT] * 3), []),
    "accept-keep": (verdict(*[Action.ACCEPT] * 3, keep=True), []),
    "hold": (verdict(*[Action.QUARANTINE] * 3), KEPT),
    "discard": (verdict(*[Action.DISCARD] * 3), []),
    "discard-keep": (verdict(*[Action.DISCARD] * 3, keep=True), KEPT),
    "reject": (verdict(*[Action.REJECT] * 3), []),
    "reject-keep": (verdict(*[Action.REJECT] * 3, keep=True), KEPT),
    "defer": (verdict(*[Action.DEFER] * 3), []),
    "defer-keep": (verdict(*[Action.DEFER] * 3, keep=True), []),
    "defer-for-one": (verdict(Action.DEFER, Action.QUARANTINE, Action.ACCEPT), []),
    "hold-for-one": (verdict(Action.ACCEPT, Action.QUARANTINE, Action.ACCEPT), KEPT),
    "discard-for-one": (verdict(Action.ACCEPT, Action.DISCARD, Action.ACCEPT), []),
    "discard-and-hold": (verdict(Action.DISCARD, Action.QUARANTINE, Action.DISCARD), KEPT),
    "no-recipients-hold": (Verdict(action=Action.QUARANTINE, decisions=()), KEPT),
}


@pytest.mark.parametrize("name", ALL)
def test_what_is_kept_answered_and_logged(name: str, place: Place, taken: list[int]) -> None:
    """Kept exactly where somebody's copy is held or a rule asks; one event; the fitting answer."""
    chosen, kept = ALL[name]
    settled = place.settle(chosen)
    assert place.held() == kept
    assert settled.answer.ending is ENDINGS[chosen.action]
    assert (settled.answer.program, settled.answer.error_text) == ("/bin/q", "6:82")
    assert (settled.outgoing is not None) == (chosen.action is Action.ACCEPT)
    taken += settled.outgoing or ()
    (event,) = place.log.events
    assert (event["event"], event["verdict"], event["pid"]) == ("message", chosen.action.value, 42)
    assert event["ending"] == ENDINGS[chosen.action].name.lower()


def test_durable_before_the_log_line(place: Place) -> None:
    """At the time of the line the whole hold is there already."""
    place.settle(verdict(*[Action.QUARANTINE] * 3))
    assert place.log.held_then == [KEPT]
    assert (place.folder / "d1.eml").read_bytes() == OCTETS
    record = json.loads((place.folder / "d1.json").read_text())
    assert (record["action"], record["id"]) == ("quarantine", "i")
    assert record["kept_at"].endswith("Z")


def test_the_words_of_a_refusal(place: Place) -> None:
    """The rule's reply travels with the answer; what an accepted one says is nobody's business."""
    assert place.settle(verdict(*[Action.REJECT] * 3, reply="no")).answer.text == "Dno (#5.7.1)"
    assert place.settle(verdict(*[Action.REJECT] * 3)).answer.text.endswith(" (#5.7.1)")


@pytest.mark.parametrize(
    "name",
    ["hold", "discard-keep", "hold-for-one", "discard-and-hold", "no-recipients-hold"],
)
def test_what_cannot_be_kept_is_later(name: str, full: Place) -> None:
    """A hold, or a copy of what would be gone, that cannot be kept: the sender keeps it."""
    with pytest.raises(Later):
        full.settle(ALL[name][0])
    (event,) = full.log.events
    assert event["ending"] == "deferred"
    assert "missing" in str(event["why"])


def test_a_refusal_needs_no_copy(full: Place) -> None:
    """The sender has the message: it is refused, and the log says that the copy is missing."""
    settled = full.settle(ALL["reject-keep"][0])
    assert settled.answer.ending is Ending.REJECTED
    first, second = full.log.events
    assert (first["event"], first["id"]) == ("copy-not-kept", "i")
    assert "missing" in str(first["why"])
    assert (second["event"], second["ending"]) == ("message", "rejected")


@pytest.mark.parametrize("name", ["accept", "discard", "reject", "defer", "defer-keep"])
def test_without_anything_to_keep_the_quarantine_does_not_matter(
    name: str, full: Place, taken: list[int]
) -> None:
    """A missing quarantine is no trouble of those who need none."""
    taken += full.settle(ALL[name][0]).outgoing or ()


def test_an_accepted_message(place: Place, taken: list[int]) -> None:
    """Our lines on top, forged ones out, the envelope octet for octet, both sealed."""
    settled = place.settle(ALL["accept"][0])
    message, envelope = both(settled, taken)
    assert message == b"X-Qscanner: h id=i\nSubject: x\n\nbody\n"
    assert envelope == encode(b"s@x", RECIPIENTS)
    for fd in taken:
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"!", 0)


CUT = Cut(span=(32, 36), part=Part(path="1"), rule="r")
STRIPPED = replace(ALL["accept"][0], edits=Edits(cuts=(CUT,), ranges=((*CUT.span, b"gone"),)))


def test_the_original_of_what_is_stripped(place: Place, taken: list[int]) -> None:
    """It is durable before the log line, whole; what goes on is without the part."""
    message, _ = both(place.settle(STRIPPED), taken)
    assert message == b"X-Qscanner: h id=i\nSubject: x\n\ngone\n"
    assert place.log.held_then == [place.held()]
    assert (place.folder / "d1.eml").read_bytes() == OCTETS
    record = json.loads((place.folder / "d1.json").read_text())
    assert (record["action"], record["stripped"][0]["rule"]) == ("accept", "r")
    assert place.log.events[0]["stripped"] == "1"


def test_without_its_original_nothing_is_stripped(full: Place) -> None:
    """Where the original cannot be kept, the sender has to try again."""
    with pytest.raises(Later):
        full.settle(STRIPPED)
    assert full.log.events[-1]["ending"] == "deferred"


def test_nothing_is_kept_of_what_is_not_stripped(place: Place) -> None:
    """Cuts of a message that is refused or deferred are none."""
    for action in (Action.REJECT, Action.DEFER, Action.DISCARD):
        place.settle(replace(verdict(*[action] * 3), edits=STRIPPED.edits))
    assert "d1.eml" not in place.held()


def test_the_edits_of_a_rule(place: Place, taken: list[int]) -> None:
    """A subject prefix is put in where the message is accepted."""
    edited = replace(ALL["accept"][0], edits=Edits(subject_prefix="[S]"))
    assert b"\nSubject: [S] x\n" in both(place.settle(edited), taken)[0]


@pytest.mark.parametrize("other", [Action.QUARANTINE, Action.DISCARD, Action.REJECT])
def test_recipients_who_differ(other: Action, place: Place, taken: list[int]) -> None:
    """Only those who get it are in the envelope that goes on."""
    settled = place.settle(verdict(Action.ACCEPT, other, Action.ACCEPT))
    assert both(settled, taken)[1] == encode(b"s@x", (b"a@y", b"c@y"))


def test_no_recipients(place: Place, taken: list[int]) -> None:
    """A message to nobody goes on to nobody."""
    settled = place.settle(Verdict(action=Action.ACCEPT, decisions=()), recipients=())
    assert both(settled, taken)[1] == encode(b"s@x", ())


@pytest.mark.parametrize("spool", ["spool", "missing"])
def test_an_envelope_larger_than_memory(
    spool: str, place: Place, tmp_path: Path, taken: list[int]
) -> None:
    """More than 1 MiB of recipients: in the spool, or in memory where there is none."""
    (tmp_path / "spool").mkdir()
    queue = replace(place.settings.queue, spool=str(tmp_path / spool))
    place.settings = replace(place.settings, queue=queue)
    recipients = tuple(b"%d@example.org" % number for number in range(100_000))
    assert len(encode(b"s@x", recipients)) > IN_MEMORY_OCTETS
    chosen = Verdict(
        action=Action.ACCEPT, decisions=(Decision(action=Action.ACCEPT),) * len(recipients)
    )
    settled = place.settle(chosen, recipients)
    assert both(settled, taken)[1] == encode(b"s@x", recipients)
    assert os.listdir(tmp_path / "spool") == []


def test_no_room_for_the_envelope(place: Place) -> None:
    """The message is composed already, its envelope finds no room: later, and nothing stays open.

    The largest file that may be written stands for a full disk.
    """
    recipients = tuple(b"%d@example.org" % number for number in range(1000))
    chosen = Verdict(
        action=Action.ACCEPT, decisions=(Decision(action=Action.ACCEPT),) * len(recipients)
    )
    before, limits = os.listdir("/proc/self/fd"), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(DiskFull):
            place.settle(chosen, recipients)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir("/proc/self/fd") == before
    assert place.log.events[0]["ending"] == "disk-full"


def test_redirected_and_copied(place: Place, taken: list[int]) -> None:
    """The queue program gets the envelope that the rules made, and the log tells."""
    decided = verdict(Action.ACCEPT, Action.ACCEPT, Action.ACCEPT)
    redirected = replace(decided.decisions[1], redirect_to=(b"boss@y",))
    copied = replace(decided.decisions[2], copy_to=(b"archive@y",))
    decisions = (decided.decisions[0], redirected, copied)
    settled = place.settle(replace(decided, decisions=decisions))
    _, raw = both(settled, taken)
    assert raw == encode(b"s@x", (b"a@y", b"boss@y", b"c@y", b"archive@y"))
    (event,) = place.log.events
    assert (event["redirect-to"], event["copy-to"]) == (b"boss@y", b"archive@y")


def history(place: Place) -> list[dict[str, Any]]:
    """Give what was written down of the messages."""
    lines = (place.folder / "history").read_text().splitlines()
    return [json.loads(line) for line in lines if line]


@pytest.mark.parametrize("name", ALL)
def test_the_history_has_each_ending(name: str, place: Place, taken: list[int]) -> None:
    """One line of each message that got a verdict, behind its line in the log."""
    taken += place.settle(ALL[name][0]).outgoing or ()
    (told,), (event,) = history(place), place.log.events
    assert (told["id"], told["pid"], told["host"]) == ("i", 42, "mx")
    assert (told["verdict"], told["ending"]) == (event["verdict"], event["ending"])
    assert place.log.history_then == [False]


def test_the_history_of_what_could_not_be_done(place: Place) -> None:
    """The verdict is what it was, the ending is that of the error, and why says so."""
    (place.folder / "journal").symlink_to("/nonexistent/journal")
    with pytest.raises(Later):
        place.settle(ALL["hold"][0])
    (told,) = history(place)
    assert (told["verdict"], told["ending"]) == ("quarantine", "deferred")
    assert "journal" in told["why"]


def test_no_history_is_asked_for(place: Place, taken: list[int]) -> None:
    """Then nothing is written down."""
    place.settings = replace(place.settings, history=History(keep=0.0))
    taken += place.settle(ALL["accept"][0]).outgoing or ()
    assert not (place.folder / "history").exists()
