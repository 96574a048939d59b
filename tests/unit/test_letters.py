"""letters: what we send is harmless, complete and the same each time, whatever fills it."""

import email
import email.policy
import re
from collections.abc import Callable
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qscanner import letters
from qscanner.letters import SHIPPED, compose, problems, safe
from qscanner.outbox import Kind, Letter
from qscanner.settings import Notices
from tests.fakes.post import DIGEST, digest, letter

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


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert isinstance(body, EmailMessage)
    text = body.get_content()
    assert isinstance(text, str)
    return text


def html_of(message: EmailMessage) -> str:
    body = message.get_body(("html",))
    return body.get_content() if body else ""


@pytest.mark.parametrize("make", [letter, digest])
def test_the_same_each_time(make: Callable[[], Letter]) -> None:
    """Sent twice it is the same message."""
    first, second = (compose(make(), NOTICES, to=TO, host="h") for _ in range(2))
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
    text = text_of(message)
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
    return f"{message['Subject']}|{text_of(message)}"


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


class Page(HTMLParser):
    """What a page is made of: tags, attributes, and the text that is seen."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = list[str]()
        self.attributes = set[str]()
        self.shown = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes |= {f"{name}={value}" for name, value in attrs}

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.shown += data


def composed(one: Letter, notices: Notices = NOTICES) -> EmailMessage:
    return parsed(compose(one, notices, to=TO, host="mx.here.example"))


def test_a_digest() -> None:
    """Text first, then HTML; both say the same of every message, in UTF-8, on lines of ASCII."""
    rows = ({"subject": "Größe", "id": "aaaaaaaaaaaa"}, {"id": "bbbbbbbbbbbb", "score": ""})
    one = digest(*rows, values={"more": "7"})
    octets = compose(one, NOTICES, to=TO, host="mx.here.example")
    assert octets.isascii()
    assert b"\r" not in octets
    message = parsed(octets)
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert {part["Content-Transfer-Encoding"] for part in parts} == {"quoted-printable"}
    assert {part.get_content_charset() for part in parts} == {"utf-8"}
    assert message["Subject"] == "Held mail at mx.here.example: 9 new"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Precedence"] == "bulk"
    for text in (text_of(message), Page(html_of(message)).shown):
        for said in (
            *("Größe", "Hello", "ann@sender.example", "because", "spam", "7.5", "10 octets"),
            *("aaaaaaaaaaaa", "bbbbbbbbbbbb", "bob@here.example", "root@here.example", "7 more"),
            *("yesterday", "today", "mx.here.example"),
        ):
            assert said in text
        assert text.lower().count("score") == 1, "the other has none"
        assert "$" not in text
        assert "%" not in text
        assert "quarantine review" not in text


def test_a_digest_for_the_admin() -> None:
    """It says for whom, and which command; not whom to ask."""
    message = composed(
        digest(
            {"to": "joe@x, sue@x"}, values={"address": "", "review": "qscanner quarantine review"}
        )
    )
    for text in (text_of(message), Page(html_of(message)).shown):
        assert "joe@x, sue@x" in text
        assert "qscanner quarantine review" in text
        assert "root@here.example" not in text
        assert "for  " not in text
        assert "more" not in text


HOSTILE = (
    "a\r\nBcc: eve@x\n\x1b[31m\u202eexe \x00\u2028$digest %end </div><script>alert(1)</script>"
    "<img src=//evil.example/x.png> \"'><a href='http://evil.example'>x</a> &lt; www.evil.example"
)


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_hostile_digest(language: str) -> None:
    """Nothing of strangers' is markup, a link, a control, a line or a field, in neither part."""
    notices = Notices(admin="root@here.example", language=language)
    names = ("sender", "subject", "why", "to")
    hostile = digest(dict.fromkeys(names, HOSTILE), values={"address": HOSTILE, "more": HOSTILE})
    plain = digest(dict.fromkeys(names, "x"), values={"address": "x"})
    message, harmless = composed(hostile, notices), composed(plain, notices)
    assert message.keys() == harmless.keys()
    assert message["Subject"] == harmless["Subject"], "numbers are ours, whatever a letter says"
    seen = (text_of(message), html_of(message))
    for text in (seen[0], seen[1].replace("<wbr>", "")):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", text)
        assert not re.search(r"^\W*(Bcc|%end)", text, re.MULTILINE)
        assert "\\x0d\\x0aBcc: eve@" in text
        assert "\\u202eexe \\x00\\u2028$digest" in text
        assert "http://" not in text
        assert "www.evil" not in text
    page, usual = Page(seen[1]), Page(html_of(harmless))
    assert [tag for tag in page.tags if tag != "wbr"] == [t for t in usual.tags if t != "wbr"]
    assert page.attributes == usual.attributes
    assert "</div><script>alert(1)</script>" in page.shown
    empty = digest(dict.fromkeys(letters.IN_ROWS, ""), values={"address": ""})
    left = html_of(composed(empty, notices))
    assert left.count("<div") == left.count("</div>") == 3, "no halves of what is left out"


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_shipped_html(language: str) -> None:
    """It loads nothing, links to nothing, and has no style but inline ones."""
    text = Path(SHIPPED, language, "digest.html").read_text("utf-8")
    page = Page(text)
    assert not {"a", "img", "link", "script", "style", "form", "iframe"} & set(page.tags)
    assert "url(" not in text
    assert not re.search(r"\b(src|href|background|on\w+)=", text)
    assert max(map(len, text.splitlines())) < 400


@pytest.mark.parametrize("said", ["x" * 200, "\u0661", "-1", "1" * 10, "", "0"])
def test_odd_numbers(said: str) -> None:
    """What is no number of more messages is none."""
    message = composed(digest(values={"more": said}))
    assert message["Subject"].endswith(": 1 new")
    assert "more" not in text_of(message)


def test_a_text_of_ones_own_has_its_own_html(own: Notices) -> None:
    """A digest.txt without a digest.html beside it goes without HTML, not with another text."""
    folder = Path(own.templates, "en")
    (folder / "digest.txt").write_text("Subject: S $count\n\n%rows\n$id\n%end\n")
    assert problems(own) == []
    message = composed(digest(), own)
    assert message.get_content_type() == "text/plain"
    assert message["Subject"] == "S 1"
    assert message.get_content() == f"{DIGEST[:12]}\n"
    (folder / "digest.html").write_text("<p>\n%rows\n<b>$subject</b>\n%end\n")
    assert problems(own) == []
    assert html_of(composed(digest({"subject": "<i>"}), own)) == "<p>\n<b>&lt;i&gt;</b>\n"


@pytest.mark.parametrize(
    ("name", "octets", "said"),
    [
        ("digest.txt", b"Subject: x\n\n$count", 'one line "%rows"'),
        ("digest.txt", b"Subject: $sender\n\n%rows\n%end", '"$sender" is not known here'),
        ("digest.txt", b"Subject: x\n\n$subject\n%rows\n%end", '"$subject" is not known here'),
        ("digest.html", b"<p>", "is not used without digest.txt"),
        ("held.html", b"\xff", ""),
    ],
    ids=["no-rows", "stranger", "outside", "alone", "of-another-kind"],
)
def test_wrong_forms_of_digests(own: Notices, name: str, octets: bytes, said: str) -> None:
    """`check` says what is wrong with them."""
    Path(own.templates, "en", name).write_bytes(octets)
    found = problems(own)
    assert (len(found) == 1 and said in found[0]) if said else found == []
    assert composed(digest(), own)


@pytest.mark.parametrize(
    ("octets", "said"), [(b"\xff", "UTF-8"), (b"%rows\n$x\n%end", '"$x" is not known here')]
)
def test_wrong_html(own: Notices, octets: bytes, said: str) -> None:
    """Where it cannot be read the letter is its text alone."""
    folder = Path(own.templates, "en")
    (folder / "digest.txt").write_text("Subject: S\n\n%rows\n%end\n")
    (folder / "digest.html").write_bytes(octets)
    (found,) = problems(own)
    assert f"digest.html: {said}" in found or said in found
    assert composed(digest(), own)
