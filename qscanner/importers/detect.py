"""Which program a file is of, and who reads it.

Called by  programs.admin_import.
Ends       with a Format, None where the name does not tell.
Careful    names only: the contents of these files look alike.
"""

import enum
import os
from collections.abc import Callable

from qscanner.importers import mailscanner, qmail_scanner, qmail_scanner_settings, simscan
from qscanner.importers.findings import Imported, Job


class Format(enum.Enum):
    """What --format takes."""

    QMAIL_SCANNER = "qmail-scanner"
    QMAIL_SCANNER_SETTINGS = "qmail-scanner-settings"
    SIMCONTROL = "simcontrol"
    SSATTACH = "ssattach"
    FILENAME_RULES = "filename-rules"
    FILETYPE_RULES = "filetype-rules"


# Pieces of names in lower case; the first that occurs decides.
_PIECES = (
    ("quarantine-events", Format.QMAIL_SCANNER),
    ("quarantine-attachments", Format.QMAIL_SCANNER),
    ("qmail-scanner-queue", Format.QMAIL_SCANNER_SETTINGS),
    ("simcontrol", Format.SIMCONTROL),
    ("ssattach", Format.SSATTACH),
    ("filename.rules", Format.FILENAME_RULES),
    ("filetype.rules", Format.FILETYPE_RULES),
)
READERS: dict[Format, Callable[[Job, Imported], None]] = {
    Format.QMAIL_SCANNER: qmail_scanner.read,
    Format.QMAIL_SCANNER_SETTINGS: qmail_scanner_settings.read,
    Format.SIMCONTROL: simscan.read_simcontrol,
    Format.SSATTACH: simscan.read_ssattach,
    Format.FILENAME_RULES: mailscanner.read_names,
    Format.FILETYPE_RULES: mailscanner.read_types,
}


def format_of(path: str) -> Format | None:
    """Give the format that the name of a file tells."""
    name = os.path.basename(path).lower()
    return next((each for piece, each in _PIECES if piece in name), None)
