"""importers.detect: which program a file is of."""

import pytest

from qscanner.importers.detect import READERS, Format, format_of


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/var/spool/qscan/quarantine-events.txt", Format.QMAIL_SCANNER),
        ("quarantine-attachments.txt.bak", Format.QMAIL_SCANNER),
        ("/var/qmail/bin/qmail-scanner-queue.pl", Format.QMAIL_SCANNER_SETTINGS),
        ("/var/qmail/control/simcontrol", Format.SIMCONTROL),
        ("SSATTACH", Format.SSATTACH),
        ("/etc/MailScanner/archives.filename.rules.conf", Format.FILENAME_RULES),
        ("filetype.rules.conf", Format.FILETYPE_RULES),
        ("/simcontrol/rules.txt", None),
        ("-", None),
    ],
)
def test_names(path: str, form: Format | None) -> None:
    """The name of the file tells, never that of its folder."""
    assert format_of(path) is form


def test_every_format_has_a_reader() -> None:
    """No --format without one."""
    assert set(READERS) == set(Format)
