"""learning against scorers that learn, know, refuse, lie, dawdle or are away."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.codec.servers import Server
from qscanner.learning import Learned, Learner, NotLearned
from qscanner.outcomes import Unusable
from qscanner.settings import Learn, Rspamd, Spam, SpamCommand, Spamd
from qscanner.spool import Message
from tests.fakes import rspamd, spamd
from tests.fakes.rspamd import Controller, controlling, failing, saying_of
from tests.fakes.server import TRANSPORTS, Script, nobody, serving
from tests.fakes.spamd import School

WITHIN_S = 0.8
SLACK_S = 1.5
OCTETS = b"Received: x\r\nSubject: \xff\0\r\r\n\n" + b"line\n" * 60_000
KNOWS = (Learned.LEARNED, Learned.KNOWN)


@pytest.fixture
def message() -> Iterator[Message]:
    """A message of several chunks."""
    made = Message.of_octets(OCTETS)
    yield made
    made.close()


def of_spamd(*servers: Server, **more: object) -> Spam:
    """Give settings with these servers."""
    texts = tuple(server.text for server in servers)
    return Spam(scorer="spamd", spamd=Spamd(servers=texts, **more))  # type: ignore[arg-type]


def of_rspamd(*servers: Server, **more: object) -> Spam:
    """Give settings with these controllers."""
    texts = tuple(server.text for server in servers)
    return Spam(scorer="rspamd", rspamd=Rspamd(controllers=texts, **more))  # type: ignore[arg-type]


def learn(
    message: Message,
    settings: Spam,
    *,
    is_spam: bool = True,
    within_s: float = WITHIN_S,
    recipients: tuple[bytes, ...] = (),
) -> Learned:
    """Learn, and prove that the deadline holds."""
    began = time.monotonic()
    try:
        return Learner.of(settings).learn(
            message, is_spam=is_spam, within_s=within_s, recipients=recipients
        )
    finally:
        assert time.monotonic() - began < within_s + SLACK_S


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_spamd(transport: str, message: Message) -> None:
    """It learns once, and as the opposite when somebody thinks better of it; all octets arrive."""
    school = School()
    with serving(school, transport) as server:
        settings = of_spamd(server)
        assert learn(message, settings, within_s=5) is Learned.LEARNED
        assert school.known == {(b"", OCTETS): b"spam"}
        assert learn(message, settings, within_s=5) is Learned.KNOWN
        assert school.known == {(b"", OCTETS): b"spam"}, "as before"
        assert learn(message, settings, is_spam=False, within_s=5) is Learned.LEARNED
    assert school.known == {(b"", OCTETS): b"ham"}


def test_spamd_that_learns_nothing(message: Message) -> None:
    """It says what it says of what it knows; that it cannot forget it gives it away."""
    with serving(School(is_learning=False)) as server:
        with pytest.raises(NotLearned, match="is Bayes on") as failure:
            learn(message, of_spamd(server))
        assert not failure.value.is_of_message


def test_spamd_that_forgets(message: Message) -> None:
    """Where it knew, and did not learn again what it had to forget for the proof, it is told."""
    answers = iter([spamd.DID_NOTHING, spamd.DID_REMOVE, spamd.DID_NOTHING])
    with (
        serving(spamd.judging(lambda _: next(answers))) as server,
        pytest.raises(NotLearned, match="try again"),
    ):
        learn(message, of_spamd(server))


@pytest.mark.parametrize(
    ("wanted", "recipients", "user"),
    [
        ("", (b"joe@example.com",), b""),
        ("filter", (b"joe@example.com",), b"filter"),
        ("recipient", (b"Joe@example.com",), b"joe@example.com"),
        ("recipient", (b"joe@example.com", b"sue@example.com"), b""),
        ("recipient", (b"joe\r\nUser: root@x",), b"joe__user__root@x"),
        ("recipient", (), b""),
    ],
    ids=["nobody's", "one for all", "the recipient's", "of several", "odd", "of none"],
)
def test_whose_database(
    wanted: str, recipients: tuple[bytes, ...], user: bytes, message: Message
) -> None:
    """That of the user whose preferences score; of several recipients nobody's."""
    school = School()
    with serving(school) as server:
        learn(message, of_spamd(server, user=wanted), recipients=recipients, within_s=5)
    assert school.orders == [(user, b"spam", OCTETS)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_rspamd(transport: str, message: Message, tmp_path: Path) -> None:
    """It learns, knows, learns anew as the opposite; the password is the file's first line."""
    controller, secret = Controller(b"s\xc3\xa9same \\"), tmp_path / "password"
    secret.write_text("s\u00e9same \\\nand a remark\n")
    with serving(controller, transport) as server:
        settings = of_rspamd(server, password_file=str(secret))
        for is_spam, want in ((True, KNOWS[0]), (True, KNOWS[1]), (False, KNOWS[0])):
            assert learn(message, settings, is_spam=is_spam, within_s=5) is want
    assert controller.known == {OCTETS: b"ham"}
    assert {order[0] for order in controller.orders} == {b"s\xc3\xa9same \\"}


def test_rspamd_without_a_password(message: Message) -> None:
    """None is sent where none is set."""
    controller = Controller()
    with serving(controller) as server:
        assert learn(message, of_rspamd(server), within_s=5) is Learned.LEARNED
    assert controller.orders == [(b"", b"spam", OCTETS)]


def test_passwords_are_not_told(message: Message, tmp_path: Path) -> None:
    """What to do is said: a password where there is none, another one where it is wrong."""
    secret = tmp_path / "password"
    secret.write_text("opensesame\n")
    with serving(Controller(b"other")) as server:
        with pytest.raises(NotLearned, match="wants a password"):
            learn(message, of_rspamd(server), within_s=5)
        with pytest.raises(NotLearned, match="does not take the password") as failure:
            learn(message, of_rspamd(server, password_file=str(secret)), within_s=5)
    said = str(failure.value) + repr(Learner.of(of_rspamd(password_file=str(secret))))
    with (
        serving(controlling(failing(500, b"not opensesame"))) as server,
        pytest.raises(NotLearned, match=r"500 not \.\.\.") as failure,
    ):
        learn(message, of_rspamd(server, password_file=str(secret)), within_s=5)
    assert "opensesame" not in said + str(failure.value)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [(None, "cannot be read"), (b"", "no password"), (b"\xff\n", "UTF-8"), (b"a\x00", "no pass")],
    ids=["missing", "empty", "no-text", "control-characters"],
)
def test_password_files(
    octets: bytes | None, reason: str, message: Message, tmp_path: Path
) -> None:
    """One that cannot be used is a mistake in the settings, and nobody is asked."""
    secret = tmp_path / "password"
    if octets is not None:
        secret.write_bytes(octets)
    with pytest.raises(Unusable, match=reason) as failure:
        learn(message, of_rspamd(nobody(), password_file=str(secret)))
    assert "spam.rspamd.password_file" in str(failure.value)


SPAMD_FAILURES: dict[str, tuple[Script, str]] = {
    "no --allow-tell": (spamd.saying(spamd.NOT_ALLOWED), "start it with --allow-tell"),
    "no --allow-tell, at once": (spamd.early(spamd.NOT_ALLOWED), "start it with --allow-tell"),
    "a failure": (spamd.saying(b"SPAMD/1.0 79 Timeout: x\r\n"), "says 79 Timeout"),
    "garbage": (spamd.saying(b"\x00\xff garbage\r\n\r\n"), "not spamd's"),
    "half a line": (spamd.saying(b"SPAMD/1.1 0"), "half an answer"),
    "half a head": (spamd.saying(spamd.DID_SET[:-5]), "half an answer"),
    "two answers": (spamd.saying(spamd.DID_SET + spamd.DID_SET), "something follows"),
    "endless": (spamd.saying(spamd.DID_SET + b"A" * 2_000_000), "more than"),
    "early": (spamd.early(spamd.DID_SET), "before it had the whole message"),
    "silence": (spamd.silent, "no whole answer within"),
    "reads nothing": (spamd.not_reading, "no whole answer within"),
    "stays": (spamd.staying(spamd.DID_SET), "no whole answer within"),
    "slow drip": (spamd.dripping(spamd.DID_SET), "no whole answer within"),
    "close at once": (spamd.closing, "answer"),
    "close after message": (spamd.closing_after_message, "without an answer"),
    "reset": (spamd.resetting, "answer"),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", SPAMD_FAILURES)
def test_spamd_failures(name: str, transport: str, message: Message) -> None:
    """Whatever is not a whole, sensible answer is none, and names the server."""
    script, reason = SPAMD_FAILURES[name]
    with serving(script, transport) as server:
        with pytest.raises(NotLearned, match=reason) as failure:
            learn(message, of_spamd(server))
        assert server.text in str(failure.value)
    assert not failure.value.is_of_message


LEARNED = saying_of(b"200 OK", rspamd.SUCCESS)
RSPAMD_FAILURES: dict[str, tuple[Script, str]] = {
    "no classifier": (controlling(failing(404, b"no classifiers defined")), "404 no classifiers"),
    "trouble": (controlling(saying_of(b"500 Oh dear")), "does not learn: HTTP 500 Oh dear"),
    "not http": (controlling(b"SPAMD/1.1 0 EX_OK\r\n\r\n"), "not HTTP"),
    "half a head": (controlling(LEARNED[:20]), "answer|success|HTTP"),
    "half a body": (controlling(LEARNED[:-5]), "whole|shorter"),
    "no success": (controlling(saying_of(b"200 OK", b"{}")), "without success"),
    "endless": (controlling(LEARNED + b"A" * 2_000_000), "more than"),
    "early": (rspamd.early(LEARNED), "before it had the whole|reset|answer"),
    "silence": (spamd.not_reading, "no whole answer within"),
    "close at once": (spamd.closing, "answer"),
    "reset": (spamd.resetting, "answer"),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", RSPAMD_FAILURES)
def test_rspamd_failures(name: str, transport: str, message: Message) -> None:
    """Whatever is not a whole, sensible answer is none, and names the server."""
    script, reason = RSPAMD_FAILURES[name]
    with serving(script, transport) as server:
        with pytest.raises(NotLearned, match=reason) as failure:
            learn(message, of_rspamd(server))
        assert server.text in str(failure.value)
    assert not failure.value.is_of_message


def test_rspamd_that_cannot_learn_this_one(message: Message) -> None:
    """That is the message's, not rspamd's: nobody else is asked."""
    few = failing(204, b"<x> contains less tokens than required: 3 < 11")
    with (
        serving(controlling(few)) as server,
        serving(Controller()) as other,
        pytest.raises(NotLearned, match="less tokens") as failure,
    ):
        learn(message, of_rspamd(server, other), within_s=5)
    assert failure.value.is_of_message


@pytest.mark.parametrize(
    "first",
    [spamd.closing, spamd.silent, spamd.not_reading, spamd.saying(spamd.NOT_ALLOWED)],
    ids=["closes", "silent", "reads nothing", "no --allow-tell"],
)
def test_next_server(first: Script, message: Message) -> None:
    """Whatever the first does instead, the second has its share of time; only one learns."""
    school, last = School(), School()
    with serving(first, "tcp") as bad, serving(school) as good, serving(last) as spare:
        settings = of_spamd(nobody(), nobody("unix"), bad, good, spare)
        assert learn(message, settings, within_s=3) is Learned.LEARNED
    assert len(school.orders) == 1
    assert last.orders == []


def test_all_are_away(message: Message) -> None:
    """Each is named with what was wrong with it."""
    gone, other = nobody(), nobody("unix")
    with pytest.raises(NotLearned) as failure:
        learn(message, of_spamd(gone, other))
    assert gone.text in str(failure.value)
    assert other.text in str(failure.value)
    with pytest.raises(NotLearned, match="no server is set"):
        learn(message, of_rspamd())
    with pytest.raises(NotLearned, match="used up"):
        learn(message, of_spamd(gone), within_s=0)


@pytest.mark.parametrize("scorer", ["none", "command"])
def test_nobody_is_set(scorer: str, message: Message) -> None:
    """It is said what to set."""
    with pytest.raises(Unusable, match=r"no scorer is set that could learn: .*\[spam.learn\]"):
        learn(message, Spam(scorer=scorer))


def program(folder: Path, name: str, text: str) -> str:
    """Write a program of the shell."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_programs(message: Message, tmp_path: Path) -> None:
    """One for spam and one for ham get the octets as they came, and their own arguments."""
    taking = program(tmp_path, "take", f'cat > {tmp_path}/"$1"')
    settings = Spam(
        scorer="spamd",
        spamd=Spamd(servers=(nobody().text,)),
        learn=Learn(spam=(taking, "as spam; $(no shell)"), ham=(taking, "as ham")),
    )
    assert learn(message, settings, within_s=5) is Learned.LEARNED
    assert learn(message, settings, is_spam=False, within_s=5) is Learned.LEARNED
    for name in ("as spam; $(no shell)", "as ham"):
        assert (tmp_path / name).read_bytes() == OCTETS


def test_a_program_for_one_kind(message: Message, tmp_path: Path) -> None:
    """The other one is the scorer's."""
    school = School()
    with serving(school) as server:
        settings = of_spamd(server)
        spam = (program(tmp_path, "true", "exit 0"),)
        settings = Spam(scorer="spamd", spamd=settings.spamd, learn=Learn(spam=spam))
        assert learn(message, settings, within_s=5) is Learned.LEARNED
        assert school.orders == []
        assert learn(message, settings, is_spam=False, within_s=5) is Learned.LEARNED
    assert [kind for _, kind, _ in school.orders] == [b"ham"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "echo working; echo 'cannot lock\x1b[2J the database' >&2; exit 2",
            r"2: cannot lock\\x1b",
        ),
        ("exit 1", "exit code 1: it printed nothing"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("exec sleep 30", "did not end in time"),
    ],
    ids=["words", "no-words", "killed", "dawdles"],
)
def test_programs_that_fail(text: str, reason: str, message: Message, tmp_path: Path) -> None:
    """Only 0 is success; its last words are told."""
    words = (program(tmp_path, "fail", text),)
    with pytest.raises(NotLearned, match=reason) as failure:
        learn(message, Spam(learn=Learn(ham=words)), is_spam=False)
    assert not failure.value.is_of_message


def test_a_program_that_is_not_there(message: Message) -> None:
    """It is named."""
    with pytest.raises(NotLearned, match="/nonexistent/learn: no such file"):
        learn(message, Spam(learn=Learn(spam=("/nonexistent/learn",))))


@pytest.mark.parametrize(
    "settings",
    [
        of_spamd(nobody(), max=10),
        of_rspamd(nobody(), max=10),
        Spam(
            scorer="command",
            command=SpamCommand(max=10),
            learn=Learn(spam=("/nonexistent/learn",)),
        ),
    ],
    ids=["spamd", "rspamd", "command"],
)
def test_too_large(settings: Spam) -> None:
    """What is never scored is not learned either: it says so, and nobody is asked."""
    message = Message.of_octets(b"x" * 11)
    with pytest.raises(NotLearned, match="larger than the 10 octets") as failure:
        learn(message, settings)
    assert failure.value.is_of_message
    message.close()


def test_any_size(tmp_path: Path) -> None:
    """Every octet arrives, of an empty message, too; a program alone has no bound."""
    keep = program(tmp_path, "keep", f"cat > {tmp_path}/kept")
    for size in (0, 1, 65_536, 65_537, 1_000_000):
        octets = os.urandom(size)
        message, school = Message.of_octets(octets), School()
        with serving(school) as server:
            assert learn(message, of_spamd(server, max=1 << 20), within_s=5) is Learned.LEARNED
        assert [each[2] for each in school.orders] == [octets]
        assert learn(message, Spam(learn=Learn(spam=(keep,))), within_s=5) is Learned.LEARNED
        assert (tmp_path / "kept").read_bytes() == octets
        message.close()
