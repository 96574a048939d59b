"""Scan a made-up message once, so that whoever is forked afterwards has everything loaded.

Called by  programs.daemon before it forks, and each worker before its first message.
Ends       always: what goes wrong here goes wrong again in a scan, where it is answered for.
Careful    a YARA scan with a timeout starts a thread that watches the clock, once per process. It
           does not survive a fork, and nobody would start it again: the workers would have no
           timeout. Without a timeout, a slow rule would stop the daemon. So YARA looks at nothing
           before the fork, and no server is asked at all (that is a thread, too).
"""

import base64
import os
from dataclasses import replace

from qscanner import client, libarchive_members, macros, reply
from qscanner.bench import Bench
from qscanner.codec import envelope, frames
from qscanner.deadline import Deadline
from qscanner.log import Log, line
from qscanner.model import Edits
from qscanner.outcomes import Ending, QScannerError
from qscanner.outgoing import compose
from qscanner.report import Mail, event
from qscanner.scan import scan
from qscanner.spool import Message

_WITHIN_S = 1.5
_ZIP = base64.b64decode(
    "UEsDBBQAAAAAAAAAIQCGphA2BQAAAAUAAAAKAAAAaGVsbG8uaHRtbGhlbGxvUEsBAhQDFAAAAAAAAAAhAIamEDYF"
    "AAAABQAAAAoAAAAAAAAAAAAAAIABAAAAAGhlbGxvLmh0bWxQSwUGAAAAAAEAAQA4AAAALQAAAAAA"
)
_MESSAGE = (
    b"Received: from localhost (127.0.0.1)\n  by localhost; 23 Nov 2026 10:00:00 -0000\n"
    b"From: =?utf-8?q?J=C3=BCrgen?= <a@example.org>\nTo: b@example.com\nSubject: warm\n"
    b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n'
    b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
    b"J=C3=BCrgen\n--b\nContent-Type: text/html\n\n<html><a href='http://a.example'>a</a>\n"
    b'--b\nContent-Type: application/zip; name="a.zip"\nContent-Transfer-Encoding: base64\n\n'
    + base64.encodebytes(_ZIP)
    + b"--b--\n"
)


def warm(bench: Bench, log: Log, *, is_worker: bool) -> None:
    """Take the way of a message up to where servers are asked or files are written.

    `is_worker`: nothing is forked from this process any more.
    """
    macros.load()
    libarchive_members.version()  # a child for each archive: it has what is loaded here
    try:
        _scan(
            replace(
                bench,
                clamd=(),
                virus_command=None,
                scorer=None,
                auth=None,
                yara=bench.yara if is_worker else None,
            )
        )
    except (QScannerError, MemoryError) as error:
        log.trouble(f"a made-up message cannot be scanned: {error}")
    except Exception as bug:  # noqa: BLE001 - the daemon starts all the same
        log.bug(bug)


def _scan(bench: Bench) -> None:
    decoder = envelope.Decoder()
    decoder.feed(b"Fa@example.org\0Tb@example.com\0\0")
    asked = frames.question(frames.ask(1, {b"TCPREMOTEIP": b"127.0.0.1"}))
    mail = Mail(
        message=Message.of_octets(_MESSAGE),
        envelope=decoder.finish(),
        client=client.of(os.getuid(), asked.environment, bench.settings.queue.trusted_users),
        pid=asked.pid,
    )
    report = scan(mail, bench, Deadline(_WITHIN_S))
    line(event(report, pid=mail.pid, ending=Ending.ACCEPTED))
    frames.encode(frames.Answer(ending=Ending.REJECTED, text=reply.line(Ending.REJECTED, None)))
    os.close(compose(mail.message, report.lines, Edits(), folder=bench.settings.queue.spool))
    mail.message.close()
