"""learning with a real spamd and a real rspamd: what they are told changes what they know."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.learning import Learned, Learner, NotLearned
from qscanner.settings import Rspamd, Spam, Spamd
from qscanner.spool import Message
from tests.fakes.resident import until
from tests.real import servers
from tests.real.servers import Running

# rspamd may take long to come up, and spamd reads its rules anew for each server.
pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]
WITHIN_S = 15.0
WORDS = " ".join(f"word{number * 7919 % 9973}" for number in range(60)).encode()
OCTETS = (
    b"Received: from x.example ([192.0.2.1])\r\nFrom: a@example.org\r\nTo: b@example.org\r\n"
    b"Subject: lottery \xff\0\r\nMessage-ID: <%s@example.org>\r\n\r\n"
    b"You won %s.\r\n.\r\nTELL SPAMC/1.5\r\n\r\n"
)


def made(name: str) -> Message:
    """Give a message of this name, with a word that no other has."""
    return Message.of_octets(OCTETS % (name.encode(), WORDS + b" " + name.encode()))


@pytest.fixture
def message(request: pytest.FixtureRequest) -> Iterator[Message]:
    """A message that was never learned."""
    message = made(re.sub(r"\W", "", request.node.name))
    yield message
    message.close()


@pytest.fixture(scope="module")
def school() -> Iterator[tuple[Running, str]]:
    """A spamd that learns, and its Bayes files."""
    with servers.learning_spamd() as found:
        yield found


def counts(bayes: str) -> tuple[int, int]:
    """Give how many messages Bayes knows as spam and as ham, as sa-learn tells it."""
    command = ["sa-learn", "--dump", "magic", "--dbpath", bayes]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    found = [
        re.search(rf"(\d+) +\d+  non-token data: {kind}\n", told) for kind in ("nspam", "nham")
    ]
    spam, ham = (int(each[1]) if each else 0 for each in found)
    return spam, ham


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_spamd(transport: str, school: tuple[Running, str], message: Message) -> None:
    """sa-learn sees one more; a second time it is known, and the opposite is learned anew."""
    server, bayes = school
    text = getattr(server, transport).text
    learner = Learner.of(Spam(scorer="spamd", spamd=Spamd(servers=(text,))))

    def learn(*, is_spam: bool) -> Learned:
        return learner.learn(message, is_spam=is_spam, within_s=WITHIN_S)

    spam, ham = counts(bayes) if Path(f"{bayes}_toks").exists() else (0, 0)
    assert learn(is_spam=True) is Learned.LEARNED
    assert counts(bayes) == (spam + 1, ham)
    assert learn(is_spam=True) is Learned.KNOWN
    assert counts(bayes) == (spam + 1, ham)
    assert learn(is_spam=False) is Learned.LEARNED
    assert counts(bayes) == (spam, ham + 1)


def test_spamd_that_takes_no_orders(spamd: Running, message: Message) -> None:
    """Without --allow-tell it says so, also where the message is longer than it reads."""
    large = Message.of_octets(bytes(message.octets) + b"x" * 400_000)
    for each in (message, large):
        for server in (spamd.unix, spamd.tcp):
            learner = Learner.of(Spam(scorer="spamd", spamd=Spamd(servers=(server.text,))))
            with pytest.raises(NotLearned, match="start it with --allow-tell"):
                learner.learn(each, is_spam=True, within_s=WITHIN_S)
    large.close()


def test_spamd_without_bayes(message: Message) -> None:
    """It takes the order, says EX_OK and learns nothing: that is no success."""
    with servers.spamd("--allow-tell", "--cf=use_bayes 0") as server:
        learner = Learner.of(Spam(scorer="spamd", spamd=Spamd(servers=(server.unix.text,))))
        with pytest.raises(NotLearned, match="is Bayes on"):
            learner.learn(message, is_spam=True, within_s=WITHIN_S)


def of_rspamd(server: Running, folder: Path, password: str, transport: str = "tcp") -> Learner:
    """Give the learner with this password, "" for none."""
    secret = folder / "password"
    secret.write_text(f"{password}\n")
    controllers = (getattr(server, transport).text,)
    file = str(secret) if password else ""
    return Learner.of(
        Spam(scorer="rspamd", rspamd=Rspamd(controllers=controllers, password_file=file))
    )


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_rspamd(
    transport: str, learning_rspamd: Running, message: Message, tmp_path: Path
) -> None:
    """It learns, says that it knows, and learns the opposite anew."""
    learner = of_rspamd(learning_rspamd, tmp_path, "sesame", transport)

    def learn(*, is_spam: bool) -> Learned:
        return learner.learn(message, is_spam=is_spam, within_s=WITHIN_S)

    for is_spam in (True, False, True):
        assert learn(is_spam=is_spam) is Learned.LEARNED
        # rspamd says that it has learned, and only then writes down that it knows.
        until(lambda kind=is_spam: learn(is_spam=kind) is Learned.KNOWN, "it knows")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("password", "said"),
    [("", "wants a password"), ("wrong", "does not take"), ("read", "does not take")],
    ids=["none", "wrong", "for reading only"],
)
def test_rspamd_refuses(
    password: str, said: str, learning_rspamd: Running, message: Message, tmp_path: Path
) -> None:
    """Its enable_password is asked for."""
    learner = of_rspamd(learning_rspamd, tmp_path, password)
    with pytest.raises(NotLearned, match=said):
        learner.learn(message, is_spam=True, within_s=WITHIN_S)


@pytest.mark.parametrize("octets", [b"", b"Subject: x\n\nhi\n"], ids=["empty", "too few words"])
def test_rspamd_cannot_learn_from_it(
    octets: bytes, learning_rspamd: Running, tmp_path: Path
) -> None:
    """That is the message's, and others may be learned."""
    learner, message = of_rspamd(learning_rspamd, tmp_path, "sesame"), Message.of_octets(octets)
    with pytest.raises(NotLearned, match="cannot learn from it") as failure:
        learner.learn(message, is_spam=True, within_s=WITHIN_S)
    assert failure.value.is_of_message
    message.close()
