"""letters: what we send is harmless, complete and the same each time, whatever fills it."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from qscanner import letters
from qscanner.letters import SHIPPED, compose, problems, safe
from qscanner.outbox import Kind
from qscanner.settings import Notices
from tests.fakes.post import DIGEST, letter

NOTICES = Notices(admin="root@here.example")
TO = (b"bob@here.example",)


def parsed(octets: bytes) -> EmailMessage:
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def made(**said: object) -> EmailMessage:
    return parsed(compose(letter(**said), NOTICES, to=TO, host="mx.here.example"))


def test_a_letter() -> None:
    """Every field that keeps it from being answered is there, and the text is filled in."""
    message = made(values={"sender": "ann@x", "subject": "Größe", "digest": DIGEST})
    assert message["From"] == "postmaster@mx.here.example"
    assert message["To"] == "bob@here.example"
    assert message["Subject"] == "A message for you is held at mx.here.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Precedence"] == "bulk"
    assert message["Date"]
    assert message["Message-ID"].endswith("@mx.here.example>")
    assert message.get_content_type() == "text/plain"
    assert message.get_content_charset() == "utf-8"
    text = message.get_content()
    assert "Subject: Größe\n" in text
    assert DIGEST in text
    assert "root@here.example" in text
    assert "$" not in text


def test_the_same_each_time() -> None:
    """Sent twice it is the same message."""
    first, second = (compose(letter(), NOTICES, to=TO, host="h") for _ in range(2))
    assert first == second
    other = compose(letter(about="x"), NOTICES, to=TO, host="h")
    assert parsed(other)["Message-ID"] != parsed(first)["Message-ID"]


def test_lines_are_as_qmail_wants_them() -> None:
    """LF alone, ASCII, and none too long."""
    octets = compose(letter(values={"why": "ä" * 5000}), NOTICES, to=TO, host="h")
    assert b"\r" not in octets
    assert octets.isascii()
    assert max(map(len, octets.splitlines())) < 998


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_shipped_templates(kind: Kind, language: str) -> None:
    """Every kind is there in every language, with known names only, and all are filled in."""
    assert Path(SHIPPED, language, f"{kind.value}.txt").exists()
    notices = Notices(admin="root@here.example", language=language)
    assert problems(notices) == []
    values = {name: f"value of {name}" for name in letters.VALUES[kind]}
    octets = compose(letter(kind=kind, values=values), notices, to=TO, host="mx", dropped=7)
    message = parsed(octets)
    text = message.get_content()
    assert "mx" in message["Subject"]
    assert "$" not in text
    assert all(len(line) <= 99 for line in text.splitlines())
    if "dropped" in letters.VALUES[kind]:
        assert "7" in text


def test_hostile_values() -> None:
    """Neither lines, controls, bidi characters nor links of a stranger get through."""
    hostile = (
        "a\r\nBcc: eve@x\n\x1b[31m\u202eexe \x00 $digest http://evil.example www.evil.example"
    )
    message = made(values={"subject": hostile, "sender": hostile, "why": hostile})
    text = message.get_content()
    assert "\\x0d\\x0aBcc: eve@x\\x0a\\x1b[31m\\u202eexe \\x00 $digest" in text
    assert "http:/[/]evil.example" in text
    assert "www[.]evil.example" in text
    assert not any(line.startswith("Bcc") for line in text.splitlines())
    assert message.keys() == made().keys()
    assert "evil" not in message["Subject"]


def test_long_values_are_cut() -> None:
    """500 characters are enough to know a message by."""
    assert safe("x" * 501) == "x" * 500 + "..."
    assert safe("é" * 500) == "é" * 500


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        ((b"bob@here.example",), "bob@here.example"),
        ((b"bob@here.example", b"eve@here.example"), "undisclosed-recipients:;"),
        ((b"a b@here.example",), "undisclosed-recipients:;"),
        ((b"a\nBcc: x@y",), "undisclosed-recipients:;"),
        ((b"caf\xc3\xa9@x",), "undisclosed-recipients:;"),
    ],
    ids=["one", "two", "blank", "line", "utf-8"],
)
def test_to(to: tuple[bytes, ...], shown: str) -> None:
    """Nobody is shown to others, and odd addresses to nobody."""
    message = parsed(compose(letter(to=to), NOTICES, to=to, host="h"))
    assert message["To"] == shown


def test_odd_names_of_ours() -> None:
    """A host that has no name to write does not spoil the letter; From can be set."""
    assert parsed(compose(letter(), NOTICES, to=TO, host="bad host\n"))["From"] == (
        "postmaster@localhost"
    )
    chosen = Notices(from_address="mail@here.example")
    message = parsed(compose(letter(), chosen, to=TO, host="h"))
    assert message["From"] == "mail@here.example"
    assert "mail@here.example" in message.get_content()  # whom to ask, where there is no admin


@pytest.fixture
def own(tmp_path: Path) -> Notices:
    """Give settings with a folder of templates of our own."""
    (tmp_path / "en").mkdir()
    return Notices(templates=str(tmp_path))


def write(own: Notices, octets: bytes, kind: Kind = Kind.HELD) -> str:
    Path(own.templates, "en", f"{kind.value}.txt").write_bytes(octets)
    return compose_text(own, kind)


def compose_text(notices: Notices, kind: Kind = Kind.HELD) -> str:
    message = parsed(compose(letter(kind=kind), notices, to=TO, host="h"))
    return f"{message['Subject']}|{message.get_content()}"


def test_own_templates_come_first(own: Notices) -> None:
    """What is there counts; what is not is the shipped one."""
    assert write(own, "Subject: Für $host\r\n\r\nVon $sender\r\n".encode()) == (
        "Für h|Von ann@sender.example\n"
    )
    assert problems(own) == []
    assert "thrown away" in compose_text(own, Kind.DISCARDED)


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"no subject\n", "must begin with"),
        (b"Subject: x\n\n$sendr", '"$sendr" is not known here'),
        (b"Subject: $sender\n\nx", '"$sender" is not known here'),
        (b"Subject: x\n\ncosts 5 $ or so", 'write "$$"'),
        (b"Subject: x\n\n$recipients", '"$recipients" is not known here'),
        (b"Subject: x", ""),
        (b"", "must begin with"),
    ],
    ids=["octets", "subject", "misspelt", "stranger", "dollar", "others", "empty", "nothing"],
)
def test_wrong_templates(own: Notices, octets: bytes, said: str) -> None:
    """Each gives a letter all the same, and check says what is wrong."""
    assert write(own, octets)
    found = problems(own)
    assert (len(found) == 1 and said in found[0]) if said else found == []


def test_languages(own: Notices) -> None:
    """One that is not there is said, and English is used."""
    klingon = Notices(language="tlh")
    assert "no templates in the language tlh" in problems(klingon)[0]
    assert "is held" in compose_text(klingon)
    german = Notices(templates=own.templates, language="de")
    assert "no folder" in problems(german)[0]
    assert "zurückgehalten" in compose_text(german)


def test_nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even without any template a letter is sent."""
    monkeypatch.setattr(letters, "SHIPPED", "/nonexistent")
    assert "Notice of h" in compose_text(Notices())
