"""Stripping through the whole scan: exact around the hole, proven, or else held."""

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import outgoing
from qscanner.bench import Bench
from qscanner.codec.envelope import encode
from qscanner.deadline import Deadline
from qscanner.mime import MimeLimits, view
from qscanner.model import Action, Client, Envelope, Verdict
from qscanner.report import Mail, Report
from qscanner.scan import scan
from qscanner.settings import Limits, Policy, Queue, Settings, Virus
from qscanner.spool import Message
from tests.fakes import mails, packed

EXE = """
[[rule]]
id = "programs"
why = "Programs are taken out"
part = { name = '(?i)\\.exe$' }
action = "accept"
strip = true
"""
PROGRAM = base64.encodebytes(b"MZ" + bytes(100)).decode()
LEAF = (
    "Content-Type: application/octet-stream; name=a.exe\n"
    f"Content-Transfer-Encoding: base64\n\n{PROGRAM}"
)
QUOTED = 'Content-Disposition: attachment; filename="a.EXE"\n\nMZ 8bit \xff\0'
PRINTED = "Content-Type: x/y; name=a.exe\nContent-Transfer-Encoding: quoted-printable\n\nMZ=00=\nx"
FORWARDED = f"Content-Type: message/rfc822\n\nFrom: ann@example.org\nSubject: one\n{LEAF}"
TEXT, HTML = "Content-Type: text/plain\n\nHello\n\n", "Content-Type: text/html\n\n<p>Hello\n"
NOTE = b"An attachment was taken out of this message"


def multipart(*parts: str, boundary: str = "b", closed: bool = True, kind: str = "mixed") -> str:
    pieces = "".join(f"--{boundary}\n{part}\n" for part in parts)
    top = f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\nPreamble\n'
    return top + (f"{pieces}--{boundary}--\nEpilogue" if closed else pieces)


def mail(body: str, eol: str = "\n") -> bytes:
    text = f"From: ann@example.org\nSubject: s\nMIME-Version: 1.0\n{body}"
    return text.replace("\n", eol).encode("latin-1")


class Desk:
    """Rules, and what becomes of messages under them."""

    def __init__(self, folder: Path) -> None:
        self._policies = folder / "policies"
        self._policies.mkdir()
        self.settings = Settings(
            queue=Queue(host="mx.example", spool=str(folder)),
            policy=Policy(dir=str(self._policies)),
            virus=Virus(engines=()),
        )
        self.rules(EXE)

    def rules(self, text: str) -> None:
        (self._policies / "10.toml").write_text("schema = 1\n" + text)

    def scanned(self, octets: bytes, *to: bytes) -> tuple[Report, bytes | None]:
        """Give the report, and the message as it goes on."""
        to = to or (b"a@y",)
        envelope = Envelope(sender=b"s@x", recipients=to, raw=encode(b"s@x", to))
        message = Message.of_octets(octets)
        try:
            one = Mail(message=message, envelope=envelope, client=Client(uid=1))
            report = scan(one, Bench.of(self.settings), Deadline(15))
            if report.verdict.action is not Action.ACCEPT:
                return report, None
            fd = outgoing.compose(
                message, (), report.verdict.edits, folder=self.settings.queue.spool
            )
            try:
                return report, os.pread(fd, os.fstat(fd).st_size, 0)
            finally:
                os.close(fd)
        finally:
            message.close()

    def stripped(self, octets: bytes) -> tuple[Verdict, bytes]:
        report, got = self.scanned(octets)
        assert got is not None, report.verdict.why
        return report.verdict, got


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


SHAPES: dict[str, Callable[[str], str]] = {
    "only": lambda part: multipart(part),
    "first": lambda part: multipart(part, TEXT, HTML),
    "middle": lambda part: multipart(TEXT, part, HTML),
    "last": lambda part: multipart(TEXT, HTML, part),
    "not closed": lambda part: multipart(TEXT, part, closed=False),
    "in a multipart": lambda part: multipart(
        multipart(TEXT, multipart(HTML, part, boundary="c"), boundary="bb"), TEXT
    ),
    "of an inner one that is not closed": lambda part: multipart(
        multipart(TEXT, part, boundary="c", closed=False)[:-1], TEXT
    ),
    "in a forwarded message": lambda part: multipart(
        TEXT, f"Content-Type: message/rfc822\n\nSubject: x\n{multipart(TEXT, part, boundary='c')}"
    ),
    "in a digest": lambda part: multipart(
        f"\nSubject: x\n{multipart(part, boundary='c')}", kind="digest"
    ),
}


@pytest.mark.parametrize("eol", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("part", [LEAF, QUOTED, PRINTED], ids=["base64", "8bit", "quoted"])
@pytest.mark.parametrize("shape", SHAPES)
def test_exact_around_the_hole(shape: str, part: str, eol: str, desk: Desk) -> None:
    """The message up to the part, the text, and the message from behind the part."""
    octets, hole = mail(SHAPES[shape](part), eol), part.replace("\n", eol).encode("latin-1")
    before, _, after = octets.partition(hole)
    verdict, got = desk.stripped(octets)
    assert got.startswith(before)
    assert got.endswith(after)
    instead = got[len(before) : len(got) - len(after)]
    assert instead.startswith(b"Content-Type: text/plain; charset=us-ascii" + eol.encode())
    assert NOTE in instead
    assert b"a.exe" in instead.lower()
    assert instead.count(b"\n") == instead.count(eol.encode())
    assert verdict.rules == ("programs",)


@pytest.mark.parametrize("eol", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("part", [LEAF, QUOTED, PRINTED], ids=["base64", "8bit", "quoted"])
def test_a_message_that_is_nothing_else(part: str, eol: str, desk: Desk) -> None:
    """Its other header fields stay, in their order."""
    _, got = desk.stripped(mail(part, eol))
    lines = got.partition(eol.encode() * 2)[0].split(eol.encode())
    assert lines[:4] == [
        b"From: ann@example.org",
        b"Subject: s",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=us-ascii",
    ]
    assert NOTE in got
    assert b"MZ" not in got
    assert b"TV" not in got


def test_a_forwarded_message_that_is_nothing_else(desk: Desk) -> None:
    """The same of one inside."""
    octets = mail(multipart(TEXT, FORWARDED))
    _, got = desk.stripped(octets)
    assert b"From: ann@example.org\nSubject: one\nMIME-Version: 1.0\nContent-Type: text" in got
    assert got.endswith(b"\n--b--\nEpilogue")


def test_what_is_in_an_archive_goes_with_it(desk: Desk) -> None:
    """The text says what was meant, inside of what."""
    octets = mails.attached("b.zip", mails.zipped(a__exe=b"MZ"))
    verdict, got = desk.stripped(octets)
    assert b"    Name:       b.zip\n" in got
    assert b"    Because of: 2/b.zip/a.exe\n" in got
    (cut,) = verdict.edits.cuts
    assert octets[: cut.span[0]].endswith(b"--b1\n")
    assert octets[cut.span[1] :] == b"\n--b1--\n"


ENCODED = base64.encodebytes(mail(multipart(TEXT, LEAF))).decode()


@pytest.mark.parametrize(
    "top",
    ["message/rfc822", "application/octet-stream; name=x.eml"],
    ids=["as a message", "as a file"],
)
def test_what_is_in_an_encoded_message_goes_with_it(top: str, desk: Desk) -> None:
    """Its own octets stand nowhere in the message: the whole attachment goes, or nothing does."""
    part = f"Content-Type: {top}\nContent-Transfer-Encoding: base64\n\n{ENCODED}"
    octets = mail(multipart(TEXT, part, HTML))
    before, _, after = octets.partition(part.encode())
    report, got = desk.scanned(octets)
    if top.startswith("message"):  # RFC 2046 5.2.1 forbids that: not all programs decode it
        assert report.verdict.action is Action.QUARANTINE
        return
    assert got is not None
    assert got.startswith(before)
    assert got.endswith(after)
    assert b"    Name:       x.eml\n" in got


def test_several(desk: Desk) -> None:
    """Each is replaced; what is between them stays."""
    octets = mail(multipart(LEAF, TEXT, LEAF, HTML, FORWARDED))
    _, got = desk.stripped(octets)
    assert got.count(NOTE) == 3
    assert TEXT.encode() + b"\n--b\n" in got
    assert HTML.encode() + b"\n--b\n" in got


def test_a_forwarded_message_goes_as_a_whole(desk: Desk) -> None:
    """Where it is the forwarded message that the rule means."""
    desk.rules(EXE.replace("exe$", "eml$"))
    forward = FORWARDED.replace("rfc822", "rfc822; name=x.eml", 1)
    octets = mail(multipart(TEXT, forward, HTML))
    before, _, after = octets.partition(forward.encode())
    _, got = desk.stripped(octets)
    assert got.startswith(before)
    assert got.endswith(after)
    assert got.count(NOTE) == 1


def test_our_other_edits(desk: Desk) -> None:
    """Forged lines go and prefixes come, in the header of a message that is nothing but a part."""
    desk.rules(EXE + 'subject_prefix = "[cut]"\n')
    octets = mail(LEAF).replace(b"Subject", b"X-Qscanner: forged\nSubject")
    _, got = desk.stripped(octets)
    assert b"Subject: [cut] s\n" in got
    assert b"forged" not in got
    assert NOTE in got


SIGNED = multipart(LEAF, "Content-Type: application/pgp-signature\n\nx", kind="signed")


@pytest.mark.parametrize(
    ("body", "want"), [(SIGNED, True), (multipart(LEAF, TEXT), False)], ids=["signed", "not"]
)
def test_signed(body: str, want: bool, desk: Desk) -> None:
    """The text says that the signature does not fit any more."""
    assert (b"its signature" in desk.stripped(mail(body))[1]) is want


DOUBTFUL = {
    "two boundaries": mail(multipart(LEAF)).replace(
        b'boundary="b"', b'boundary="b"; boundary="c"'
    ),
    "a stray part": mail(multipart(TEXT)) + b"\n\n" + LEAF.encode(),
    "uuencoded in a text": mail(multipart("\nSee\nbegin 644 a.exe\n#35H \n`\nend\n", HTML)),
    "old Mac": mail(multipart(TEXT, LEAF)).replace(b"\n", b"\r"),
    "behind the end": mail(multipart(TEXT)) + b"\n--b\n" + LEAF.encode() + b"\n--b--\n",
    "a CR before a delimiter": mail(multipart(LEAF, TEXT)).replace(
        b"\n--b\nContent", b"\r--b\nContent"
    ),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_doubtful_ones_are_held(name: str, desk: Desk) -> None:
    """What cannot be taken out without a doubt does not go on."""
    report, _ = desk.scanned(DOUBTFUL[name])
    assert report.verdict.action is Action.QUARANTINE, report.verdict
    assert "could not be stripped safely" in report.verdict.why
    assert report.verdict.edits.cuts == ()
    assert [each.action for each in report.verdict.decisions] == [Action.QUARANTINE]


def test_what_the_text_itself_would_be_held_for(desk: Desk) -> None:
    """Our own text is no part that the rule means, whatever it asks for."""
    desk.rules(EXE.replace("name = '(?i)\\.exe$'", "type = ['text/*', 'application/*']"))
    _, got = desk.stripped(mail(multipart(TEXT, LEAF)))
    assert got.count(NOTE) == 2


def test_more_than_is_looked_at(desk: Desk) -> None:
    """Where not all that remains could be looked at, nothing is proven."""
    limits = replace(Limits(), members=3)
    desk.settings = replace(desk.settings, limits=limits)
    full = base64.encodebytes(mails.zipped(a=b"1", b=b"2", c=b"3", d=b"4")).decode()
    archive = f"Content-Type: x/y; name=a.zip\nContent-Transfer-Encoding: base64\n\n{full}"
    report, _ = desk.scanned(mail(multipart(TEXT, LEAF, archive)))
    assert report.verdict.action is Action.QUARANTINE
    assert "could not be stripped safely: limit.archive-members" in report.verdict.why


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("name = 'pw'", "other parts would change"),
        ("any = [{ name = 'pw' }, { name = 'inside', size_under = '1 B' }]", "still be there"),
    ],
    ids=["another part", "a part that is meant"],
)
def test_what_the_rest_was_understood_with(asked: str, why: str, desk: Desk) -> None:
    """Without the text that has the password, the locked archive beside it is another thing."""
    desk.rules(EXE.replace("name = '(?i)\\.exe$'", asked))
    locked = packed.written(
        "zip", ("inside.txt", b"words"), options="zip:encryption=aes256", password="Opensesame7"
    )
    archive = base64.encodebytes(locked).decode()
    named = f"Content-Type: x/y; name=a.zip\nContent-Transfer-Encoding: base64\n\n{archive}"
    words = "Content-Type: text/plain; name=pw.txt\n\nThe password is Opensesame7\n"
    report, _ = desk.scanned(mail(multipart(words, named)))
    assert report.verdict.action is Action.QUARANTINE
    assert why in report.verdict.why


def test_no_recipients(desk: Desk) -> None:
    """A message to nobody has rules of its own."""
    desk.settings = replace(desk.settings)
    envelope = Envelope(sender=b"s@x", recipients=(), raw=encode(b"s@x", ()))
    message = Message.of_octets(DOUBTFUL["old Mac"])
    one = Mail(message=message, envelope=envelope, client=Client(uid=1))
    report = scan(one, Bench.of(desk.settings), Deadline(15))
    assert report.verdict.action is Action.QUARANTINE
    message.close()
    message = Message.of_octets(mail(multipart(TEXT, LEAF)))
    report = scan(replace(one, message=message), Bench.of(desk.settings), Deadline(15))
    assert report.verdict.action is Action.ACCEPT
    assert len(report.verdict.edits.ranges) == 1
    message.close()


def test_some_want_it_whole(desk: Desk) -> None:
    """There is one message: who would get it stripped is held, who wants it whole gets it."""
    desk.rules(EXE + 'when.to = "a@y"\n')
    octets = mail(multipart(TEXT, LEAF))
    report, got = desk.scanned(octets, b"a@y", b"b@y")
    assert got == octets
    actions = [each.action for each in report.verdict.decisions]
    assert actions == [Action.QUARANTINE, Action.ACCEPT]


def test_held_for_some_where_it_cannot_be_proven(desk: Desk) -> None:
    """Those for whom other rules decided keep their decision."""
    discard = '[[rule]]\nid = "d"\naction = "discard"\nwhen = { to = "b@y", size_over = "1 B" }\n'
    desk.rules(EXE + 'redirect_to = "c@y"\ncopy_to = "d@y"\n' + discard)
    report, _ = desk.scanned(DOUBTFUL["old Mac"], b"a@y", b"b@y")
    actions = [each.action for each in report.verdict.decisions]
    assert actions == [Action.QUARANTINE, Action.DISCARD]
    assert not any(each.redirect_to or each.copy_to for each in report.verdict.decisions)
    assert report.verdict.action is Action.QUARANTINE


MEASURED = """
import os, resource, sys
sys.path.insert(0, sys.argv[2])
from qscanner import outgoing
from qscanner.model import Cut, Edits, Part
from qscanner.spool import Message
size = 30 << 20
head, tail = b"A: b\\n\\n--b\\n", b"\\n--b--\\n" + b"y" * size
message = Message.of_octets(head + b"x" * size + tail)
cut = Cut(span=(len(head), len(head) + size), part=Part(path="1"), rule="r")
edits = Edits(cuts=(cut,), ranges=((*cut.span, b"instead"),))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fd = outgoing.compose(message, (), edits, folder=sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, os.fstat(fd).st_size - size)
print(os.pread(fd, 30, 0))
"""


def test_a_large_part_is_not_copied_in_memory(tmp_path: Path) -> None:
    """Of 60 MB nothing is held: the kernel copies what stays."""
    said = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), str(Path(outgoing.__file__).parents[1])],
        check=True,
        capture_output=True,
        text=True,
        timeout=15,
    ).stdout.splitlines()
    grown_kb, rest = map(int, said[0].split())
    assert grown_kb < 1024
    assert rest == len(b"A: b\n\n--b\ninstead\n--b--\n")
    assert said[1] == str(b"A: b\n\n--b\ninstead\n--b--\nyyyyyy")


def test_a_large_message_through_the_scan(desk: Desk) -> None:
    """30 MB go, and the text beside them stays."""
    content = base64.encodebytes(os.urandom(30_000_000)).decode()
    part = LEAF.replace(PROGRAM, content)
    octets = mail(multipart(TEXT, part, HTML))
    _, got = desk.stripped(octets)
    assert len(got) < 2000
    leaves = view(got, MimeLimits()).leaves
    assert [leaf.declared for leaf in leaves] == ["text/plain", "text/plain", "text/html"]
