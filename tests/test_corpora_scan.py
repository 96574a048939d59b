"""Every third-party and hostile message through the whole path: scan, policy, handover."""

import re
import time
from collections import Counter
from pathlib import Path

import pytest

from qscanner import client, config, handover
from qscanner.bench import Bench
from qscanner.codec import envelope
from qscanner.deadline import Deadline
from qscanner.log import Log
from qscanner.outcomes import Ending
from qscanner.report import Mail
from qscanner.scan import scan
from qscanner.spool import Message
from tests.fakes.site import Site

FOLDERS = [
    "clamav-mail",
    "comm-central",
    "cpython",
    "ddeboer-imap",
    "enmime",
    "evasion",
    "files-clamav",
    "files-libarchive",
    "files-mimekit-tnef",
    "files-oletools",
    "files-own-archives",
    "files-strelka",
    "files-tika",
    "files-tnefparse",
    "flanker",
    "gmime",
    "govcert-eml-parser",
    "horde-mime",
    "mailcore2",
    "mime4j",
    "mimedefang",
    "mimekit",
    "mu",
    "nodemailer-mailparser",
    "notmuch",
    "noxxi-mime-is-broken",
    "nylas",
    "perl-email-mime",
    "php-mime-mail-parser",
    "pigeonhole",
    "postal-mime",
    "pymisp",
    "redmine",
    "request-tracker",
    "roundcube",
    "rspamd",
    "ruby-mail",
    "rust-mailparse",
    "sisimai",
    "spamassassin",
    "spamscope-mail-parser",
    "stalwart-mail-parser",
    "strelka-eml",
    "tika-mail",
    "webklex-imap",
    "zbateson-mime-parser",
]
SLOW_S = 10.0
_FORGED = re.compile(
    rb"^(?:X-Qscanner|X-Spam-(?:Flag|Status|Level))[ \t]*:[^\n]*\n?(?:[ \t][^\n]*\n?)*",
    re.MULTILINE | re.IGNORECASE,
)


def without_forged(message: bytes) -> bytes:
    """Give the message as it may leave: the header block without copies of our lines."""
    if re.match(rb"\r?\n", message):
        return message
    blank = re.search(rb"\n\r?\n", message)
    end = blank.start() + 1 if blank else len(message)
    return _FORGED.sub(b"", message[:end]) + message[end:]


def test_the_list_of_folders_is_whole(corpora: Path) -> None:
    """No folder of the corpora is forgotten here."""
    there = {each.name for each in corpora.iterdir() if each.is_dir()} - {"LICENSES"}
    assert there <= set(FOLDERS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file(folder: str, corpora: Path, open_tmp: Path, fake_queue: Path) -> None:
    """No exception, no ending 81, nothing slower than 10 s; what is accepted leaves as it came."""
    site = Site(open_tmp, fake_queue)
    settings = config.load(str(site.file))
    bench, log = Bench.of(settings), Log("stderr")
    raw = envelope.encode(b"a@example.org", (b"b@example.com",))
    caller = client.of(0, {b"TCPREMOTEIP": b"192.0.2.7"}, ["root"])
    table: Counter[str] = Counter()
    for file in sorted(each for each in (corpora / folder).rglob("*") if each.is_file()):
        octets = file.read_bytes()
        message = Message.of_octets(octets)
        decoder = envelope.Decoder()
        decoder.feed(raw)
        mail = Mail(message=message, envelope=decoder.finish(), client=caller)
        begun = time.monotonic()
        report = scan(mail, bench, Deadline(60))
        settled = handover.settle(mail, report, settings, log, host="mx")
        seconds = time.monotonic() - begun
        assert seconds < SLOW_S, f"{file}: {seconds:.1f} s"
        assert settled.answer.ending is not Ending.BUG
        table[settled.answer.ending.value] += 1
        if settled.outgoing:
            outgoing = Message.of(settled.outgoing[0])
            below = bytes(outgoing.octets[:]).partition(b"X-Qscanner: ")[2].partition(b"\n")[2]
            assert below == without_forged(octets), file
            outgoing.close()
        message.close()
    print(f"{folder}: {dict(table)}")
