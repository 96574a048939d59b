"""THE path with the real stages: every check is asked, and no answer is never a clean one."""

import base64
import hashlib
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import emergency
from qscanner.bench import Bench
from qscanner.codec.envelope import encode
from qscanner.deadline import Deadline
from qscanner.model import Action, Client, Direction, Envelope, Outcome
from qscanner.outcomes import OutOfTime
from qscanner.report import Mail, Report
from qscanner.scan import SWITCH, TOO_LARGE, new_id, scan
from qscanner.settings import (
    Clamav,
    Daemon,
    Limits,
    Policy,
    Queue,
    Settings,
    Spam,
    Spamd,
    Virus,
    VirusCommand,
)
from qscanner.spool import Message
from tests.fakes import clamd, mails, spamd
from tests.fakes.server import serving

RAW = encode(b"s@x", (b"a@y",))
SETTINGS = Settings(
    queue=Queue(host="mx.example"),
    policy=Policy(dir=str(Path(__file__).resolve().parents[2] / "policies")),
    virus=Virus(engines=("yara",)),
)
NOBODY = "unix:/nonexistent/socket"


def mail(octets: bytes, raw: bytes = RAW) -> Mail:
    return Mail(
        message=Message.of_octets(octets),
        envelope=Envelope(sender=b"s@x", recipients=(b"a@y",), raw=raw),
        client=Client(uid=7),
    )


def scanned(octets: bytes, settings: Settings = SETTINGS, *, within_s: float = 15.0) -> Report:
    one = mail(octets)
    try:
        return scan(one, Bench.of(settings), Deadline(within_s))
    finally:
        one.message.close()  # nothing of the scan holds on to the mapping


def with_clamd(*servers: str, engines: tuple[str, ...] = ("clamav",)) -> Settings:
    return replace(
        SETTINGS, virus=Virus(engines=engines, clamav=Clamav(servers=servers, within=5))
    )


def with_spamd(*servers: str) -> Settings:
    return replace(SETTINGS, spam=Spam(scorer="spamd", spamd=Spamd(servers=servers, within=5)))


def test_a_clean_message() -> None:
    """Everything that was found out is in the report, and the line says so."""
    report = scanned(mails.text())
    assert report.verdict.action is Action.ACCEPT
    assert report.facts.virus is not None
    assert report.facts.virus.outcome is Outcome.CLEAN
    assert report.facts.spam is None
    assert report.facts.octets == len(mails.text())
    assert [header.name for header in report.facts.headers][:2] == ["Received", "From"]
    assert [part.path for part in report.facts.parts] == ["1"]
    (line,) = report.lines
    assert line.startswith(f"X-Qscanner: mx.example id={report.id} verdict=accept")
    assert report.ms > 0


def test_an_infected_message() -> None:
    """What the engine sees decoded decides, although the raw octets hide it."""
    report = scanned(mails.infected())
    assert report.verdict.action is Action.REJECT
    assert report.facts.virus is not None
    assert report.facts.virus.outcome is Outcome.FOUND
    assert any(found.id == "virus.yara" for found in report.facts.findings)


def test_no_engine_at_all() -> None:
    """Not configured is not "clean": there is no result."""
    report = scanned(mails.text(), replace(SETTINGS, virus=Virus(engines=())))
    assert report.facts.virus is None


@pytest.mark.parametrize(
    ("answer", "outcome", "action"),
    [
        pytest.param(b"stream: OK\0", Outcome.CLEAN, Action.ACCEPT, id="clean"),
        pytest.param(b"stream: Eicar FOUND\0", Outcome.FOUND, Action.REJECT, id="found"),
        pytest.param(b"stream: rubbish\0", Outcome.UNAVAILABLE, Action.DEFER, id="rubbish"),
    ],
)
def test_clamd_is_asked(answer: bytes, outcome: Outcome, action: Action) -> None:
    """Its word is the virus result; what is no word of it is unavailable."""
    with serving(clamd.judging(clamd.always(answer))) as server:
        report = scanned(mails.text(), with_clamd(server.text))
    assert report.facts.virus is not None
    assert (report.facts.virus.outcome, report.verdict.action) == (outcome, action)


def test_clamd_is_asked_about_what_the_raw_message_hides() -> None:
    """Windows runs a text in UTF-16; whoever looks at the octets does not know them."""
    body = base64.encodebytes(b"\xff\xfe" + mails.EICAR.decode().encode("utf-16-le"))
    octets = (
        b"From: a@x.example\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n"
        b"Content-Transfer-Encoding: base64\n\n" + body
    )

    def judge(seen: bytes) -> bytes:
        return b"stream: Eicar FOUND\0" if mails.EICAR in seen else b"stream: OK\0"

    with serving(clamd.judging(judge)) as server:
        report = scanned(octets, with_clamd(server.text))
    assert report.facts.virus is not None
    assert report.facts.virus.outcome is Outcome.FOUND
    (found,) = [each for each in report.facts.findings if each.id == "virus.clamav"]
    assert found.where.startswith("1")


@pytest.mark.parametrize("octets", [mails.text(), mails.infected()], ids=["clean", "infected"])
def test_both_engines_have_a_word(octets: bytes) -> None:
    """One engine away: what the other finds counts, what it does not find is no "clean"."""
    report = scanned(octets, with_clamd(NOBODY, engines=("clamav", "yara")))
    assert report.facts.virus is not None
    is_infected = octets == mails.infected()
    want = Outcome.FOUND if is_infected else Outcome.UNAVAILABLE
    assert report.facts.virus.outcome is want
    assert report.verdict.action is (Action.REJECT if is_infected else Action.DEFER)


def test_spamd_is_asked() -> None:
    """Its score is in the report and in the header lines."""
    answer = spamd.answer(b"True ; 7.5 / 5.0", b"RULE_A,RULE_B")
    with serving(spamd.saying(answer)) as server:
        report = scanned(mails.text(), with_spamd(server.text))
    assert report.facts.spam is not None
    assert report.facts.spam.outcome is Outcome.FOUND
    assert report.verdict.rules == ("spam",)
    assert report.lines[0] == "X-Spam-Flag: YES"


def test_spamd_away_is_seen() -> None:
    """Accepted as the settings say, with the failure in header and findings."""
    report = scanned(mails.text(), with_spamd(NOBODY))
    assert report.facts.spam is not None
    assert report.facts.spam.outcome is Outcome.UNAVAILABLE
    assert report.verdict.action is Action.ACCEPT
    assert "spam=unavailable" in report.lines[-1]


def test_the_servers_answer_side_by_side() -> None:
    """A mute clamd and a mute spamd cost the longer of their times, not the sum."""
    with serving(clamd.silent) as mute, serving(spamd.silent) as other:
        settings = replace(
            SETTINGS,
            virus=Virus(engines=("clamav",), clamav=Clamav(servers=(mute.text,), within=1.5)),
            spam=Spam(scorer="spamd", spamd=Spamd(servers=(other.text,), within=1.5)),
        )
        begun = time.monotonic()
        report = scanned(mails.text(), settings)
        took_s = time.monotonic() - begun
    assert report.facts.virus is not None
    assert report.facts.spam is not None
    assert report.facts.virus.outcome is report.facts.spam.outcome is Outcome.UNAVAILABLE
    assert took_s < 2.9


def test_the_message_s_time_bounds_the_servers() -> None:
    """Where less remains than a server may take, it gets what remains."""
    with serving(clamd.silent) as mute:
        begun = time.monotonic()
        report = scanned(mails.text(), with_clamd(mute.text), within_s=1.0)
        assert time.monotonic() - begun < 4
    assert report.facts.virus is not None
    assert report.facts.virus.outcome is Outcome.UNAVAILABLE


def test_no_time_is_left() -> None:
    """A message whose time is over is not scanned with half an eye: it raises."""
    with pytest.raises(OutOfTime):
        scanned(mails.text(), within_s=-1.0)


@pytest.mark.parametrize("over", [0, 1], ids=["just-fits", "one-octet-more"])
def test_a_message_over_the_limit(over: int) -> None:
    """Larger is a finding, which the shipped policies hold; the headers are looked at still."""
    octets = mails.text(b"x" * 10_000)
    settings = replace(SETTINGS, limits=Limits(message=len(octets) - over))
    report = scanned(octets, settings)
    ids = [found.id for found in report.facts.findings]
    assert (TOO_LARGE in ids) == bool(over)
    assert report.verdict.action is (Action.QUARANTINE if over else Action.ACCEPT)
    assert report.facts.virus is not None
    assert report.facts.virus.outcome is (Outcome.UNSCANNABLE if over else Outcome.CLEAN)
    assert any(header.name == "Subject" for header in report.facts.headers)
    assert report.digest == mail(octets).digest


def test_over_the_limit_nobody_is_asked() -> None:
    """Neither clamd nor spamd gets it: not even their absence is noticed."""
    settings = replace(
        with_clamd(NOBODY),
        limits=Limits(message=10),
        spam=Spam(scorer="spamd", spamd=Spamd(servers=(NOBODY,))),
    )
    report = scanned(mails.text(), settings)
    assert report.facts.virus is not None
    assert report.facts.spam is not None
    assert report.facts.virus.outcome is report.facts.spam.outcome is Outcome.UNSCANNABLE
    bare = scanned(mails.text(), replace(settings, virus=Virus(engines=()), spam=Spam()))
    assert (bare.facts.virus, bare.facts.spam) == (None, None)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n", id="blank-line"),
        pytest.param(b"\0\xff\r\r\n" * 50, id="rubbish"),
        pytest.param(b"Subject: x", id="no-newline"),
        pytest.param(b"Received: only", id="only-a-received"),
    ],
)
def test_odd_messages_have_a_verdict(octets: bytes) -> None:
    """Whatever comes has a report."""
    report = scanned(octets)
    assert report.facts.octets == len(octets)
    assert isinstance(report.verdict.action, Action)


# --- the emergency switch ---


@pytest.fixture
def dead(tmp_path: Path) -> Settings:
    """Give settings with a dead clamd beside YARA, and a folder for the daemon's socket."""
    tmp_path.chmod(0o755)
    settings = with_clamd(NOBODY, engines=("clamav", "yara"))
    return replace(settings, daemon=Daemon(socket=str(tmp_path / "s")))


def switch_on(settings: Settings, *, now: float) -> None:
    emergency.declare(settings.daemon.socket, for_s=60, who="ann", why="broken", now=now)


def test_in_an_emergency_unscanned_mail_passes(dead: Settings) -> None:
    """Under a rule id of its own, with who and why in the report, and only while it lasts."""
    assert scanned(mails.text(), dead).verdict.action is Action.DEFER
    switch_on(dead, now=time.time())
    report = scanned(mails.text(), dead)
    assert report.verdict.action is Action.ACCEPT
    assert report.verdict.rules == ("default.emergency-accept-unscanned",)
    assert report.emergency.endswith("by ann: broken")
    assert "rules=default.emergency-accept-unscanned virus=unavailable" in report.lines[-1]
    switch_on(dead, now=time.time() - 61)
    assert scanned(mails.text(), dead).verdict.action is Action.DEFER


@pytest.mark.parametrize(
    ("octets", "action"),
    [
        pytest.param(mails.infected(), Action.REJECT, id="found"),
        pytest.param(mails.locked(), Action.QUARANTINE, id="encrypted"),
    ],
)
def test_an_emergency_lets_nothing_else_pass(
    dead: Settings, octets: bytes, action: Action
) -> None:
    """What was found and what can never be scanned are no matter of an engine that is away."""
    switch_on(dead, now=time.time())
    report = scanned(octets, dead)
    assert report.verdict.action is action
    assert (report.emergency == "") is (action is Action.REJECT), "told where nobody answered"


def test_an_emergency_is_not_asked_for_where_engines_answer(dead: Settings) -> None:
    """Mail that was scanned says nothing of it."""
    switch_on(dead, now=time.time())
    report = scanned(mails.text(), replace(dead, virus=SETTINGS.virus))
    assert (report.verdict.rules, report.emergency) == ((), "")


def test_a_broken_switch_is_not_in_force(dead: Settings) -> None:
    """Later, as without it, and the report says why."""
    Path(emergency.file(dead.daemon.socket)).write_text("{")
    report = scanned(mails.text(), dead)
    assert report.verdict.action is Action.DEFER
    assert report.emergency.startswith("not in force: ")


# --- digest and id ---


def digest_of(octets: bytes, raw: bytes = RAW) -> str:
    one = mail(octets, raw)
    try:
        return one.digest
    finally:
        one.message.close()


def test_the_digest_is_what_the_design_says() -> None:
    """SHA-256 of the octets below the top Received field and of the envelope."""
    below = b"From: a\n\nbody\n"
    want = hashlib.sha256(below + RAW).hexdigest()
    assert digest_of(b"Received: one\n by two\n" + below) == want
    assert digest_of(b"Received: another try\n" + below) == want
    assert digest_of(below) == want


@pytest.mark.parametrize(
    ("octets", "raw"),
    [
        pytest.param(b"Received: one\nFrom: a\n\nbody!\n", RAW, id="body"),
        pytest.param(b"Received: one\nFrom: b\n\nbody\n", RAW, id="header"),
        pytest.param(b"From: a\nReceived: one\n\nbody\n", RAW, id="received-elsewhere"),
        pytest.param(b"From: a\n\nbody\n", encode(b"s@x", (b"b@y",)), id="recipient"),
        pytest.param(b"From: a\n\nbody\n", encode(b"t@x", (b"a@y",)), id="sender"),
    ],
)
def test_another_message_has_another_digest(octets: bytes, raw: bytes) -> None:
    """Anything else that differs is another message."""
    assert digest_of(octets, raw) != digest_of(b"From: a\n\nbody\n")


def test_ids_differ_and_sort_by_time() -> None:
    """Short, unique, and in the order of making."""
    first = new_id()
    begun = time.time_ns()
    while time.time_ns() - begun < 2_000_000:  # another millisecond
        pass
    several = [new_id() for _ in range(200)]
    assert len(set(several)) == 200
    assert first < min(several)
    assert all(len(each) < 24 and set(each) <= set("0123456789abcdef-") for each in several)


OUT = Client(uid=7, is_trusted=True, direction=Direction.OUT, is_relay=True)


@pytest.mark.parametrize(
    ("client", "always", "is_scored"),
    [
        pytest.param(Client(uid=7), False, True, id="local"),
        pytest.param(OUT, False, False, id="relay"),
        pytest.param(OUT, True, True, id="relay-when-set"),
        pytest.param(
            replace(OUT, environment={SWITCH: "on"}), False, True, id="relay-switched-on"
        ),
        pytest.param(replace(OUT, environment={SWITCH: "off"}), True, False, id="switched-off"),
    ],
)
def test_who_is_scored(client: Client, always: bool, is_scored: bool) -> None:
    """Our own users are not, unless settings or tcp.smtp say so."""
    with serving(spamd.saying(spamd.answer())) as server:
        chosen = with_spamd(server.text)
        settings = replace(chosen, spam=replace(chosen.spam, relay_clients=always))
        one = replace(mail(mails.text()), client=client)
        report = scan(one, Bench.of(settings), Deadline(15))
        one.message.close()
    assert (report.facts.spam is not None) is is_scored


def test_the_scorer_hears_what_was_found() -> None:
    """Findings and names of attachments stand before what it scores, and nowhere else."""
    seen: list[bytes] = []

    def judge(octets: bytes) -> bytes:
        seen.append(octets)
        return spamd.answer()

    with serving(spamd.judging(judge)) as server:
        report = scanned(mails.attached("a.pdf.exe", b"MZ hello"), with_spamd(server.text))
    ((head, _, rest),) = [octets.partition(b"From:") for octets in seen]
    assert b"X-Qscanner-Findings: " in head
    assert b"name.double-extension" in head
    assert b"X-Qscanner-Attachments: a.pdf.exe\n" in head
    assert rest
    assert not any(b"Attachments" in line.encode() for line in report.lines)


def test_a_command_is_an_engine(tmp_path: Path) -> None:
    """Its word counts like that of any other engine, and no word is no "clean"."""
    for code, outcome in ((1, Outcome.FOUND), (0, Outcome.CLEAN), (7, Outcome.UNAVAILABLE)):
        words = ("/bin/sh", "-c", f"exit {code}")
        virus = Virus(engines=("command",), command=VirusCommand(program=words))
        report = scanned(mails.text(), replace(SETTINGS, virus=virus))
        assert report.facts.virus is not None
        assert report.facts.virus.outcome is outcome


BODY_RULE = """schema = 1
[[rule]]
id = "prize"
why = "Nobody wins"
body = { text = "you have won", link_domain = "evil.example" }
action = "reject"
reply = "No prizes"
"""
PAGE = (
    b"From: a@x.example\nMIME-Version: 1.0\nContent-Type: text/html\n"
    b"Content-Transfer-Encoding: quoted-printable\n\n<p>you <b>have</b> won=2E"
    b'<a href=3D"http://%s/x">here</a>\n'
)


@pytest.mark.parametrize(
    ("domain", "action"),
    [(b"evil.example", Action.REJECT), (b"good.example", Action.ACCEPT)],
    ids=["evil", "good"],
)
def test_a_rule_reads_what_a_reader_sees(domain: bytes, action: Action, tmp_path: Path) -> None:
    """Transfer encoding and tags off, links followed to their domains."""
    (tmp_path / "a.toml").write_text(BODY_RULE)
    report = scanned(PAGE % domain, replace(SETTINGS, policy=Policy(dir=str(tmp_path))))
    assert report.verdict.action is action


def test_texts_are_read_only_where_a_rule_asks() -> None:
    """The shipped rules do not: nothing is paid for."""
    assert scanned(PAGE % b"x.example").facts.texts == ()


def test_texts_are_bounded(tmp_path: Path) -> None:
    """What is beyond is a finding, and an attached text is no body."""
    (tmp_path / "a.toml").write_text(BODY_RULE)
    settings = replace(SETTINGS, policy=Policy(dir=str(tmp_path)))
    long = b"From: a@x.example\n\n" + b"lorem ipsum dolor\n" * 70_000
    report = scanned(long, settings)
    assert [found.where for found in report.facts.findings if found.id == "limit.texts"] == ["1"]
    attached = scanned(mails.attached("a.log", b"you have won\n" * 100_000), settings)
    assert "limit.texts" not in {found.id for found in attached.facts.findings}
