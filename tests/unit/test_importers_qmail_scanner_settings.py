"""importers.qmail_scanner_settings: variables of the script and options of ./configure."""

from pathlib import Path

import pytest

from qscanner import config
from qscanner.importers import rules_toml
from qscanner.importers.detect import Format
from qscanner.model import Action
from tests.fakes.facts import scored
from tests.fakes.imports import Moved

SCRIPT = """\
#!/usr/bin/perl
my $qmailqueue='/var/qmail/bin/qmail-queue';
my @scanner_array=("clamdscan_scanner","spamassassin");
my $sa_quarantine='2.1';
my $sa_delete="4.2";  # points
my $spamc_subject="SPAM:";
my $MAXTIME=5*60;
my $max_scan_size='50000000';
my $block_password_protected='1';
  if ($sa_quarantine == 3) { $foo = "bar"; }
my $sa_delete='9';
my $sa_timeout=30;
"""


@pytest.mark.parametrize(
    ("score", "action"),
    [
        (7, Action.ACCEPT),
        (7.2, Action.QUARANTINE),
        (9.1, Action.QUARANTINE),
        (9.3, Action.DISCARD),
    ],
)
def test_thresholds(score: float, action: Action, tmp_path: Path) -> None:
    """They count from required_hits; the first assignment is the one of ./configure."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER_SETTINGS, SCRIPT)
    assert (moved.warned, moved.doubts) == ([], [])
    assert moved.action(spam=scored(score, 5.0)) is action


def test_marks_and_passwords(tmp_path: Path) -> None:
    """The subject of what is spam is marked; a locked archive was kept."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER_SETTINGS, SCRIPT)
    mark = next(each for each in moved.policy.rules if each.edits.subject_prefix)
    assert mark.edits.subject_prefix == "SPAM:"
    assert mark.id in {f"imported-old-{each}" for each in moved.rules(spam=scored(5.0, 5.0))}
    assert moved.rules(spam=scored(4.9, 5.0)) == ()
    assert moved.action(found=("archive.encrypted",)) is Action.QUARANTINE


def test_settings_are_settings(tmp_path: Path) -> None:
    """What is printed for qscanner.toml is taken as it is."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER_SETTINGS, SCRIPT)
    lines = rules_toml.settings(moved.imported.settings)
    (tmp_path / "policies").mkdir()
    (tmp_path / "qscanner.toml").write_text("\n".join(lines))
    read = config.load(str(tmp_path / "qscanner.toml"))
    assert read.queue.program == "/var/qmail/bin/qmail-queue"
    assert (read.virus.engines, read.spam.scorer) == (("clamav",), "spamd")
    assert (read.limits.time, read.limits.message) == (300, 50_000_000)
    assert read.spam.spamd.within == 30


def test_options_of_configure(tmp_path: Path) -> None:
    """A script that calls ./configure says the same in other words."""
    text = (
        './configure --sa-quarantine 1.5 --sa-delete=3 --sa-reject yes \\\n --scanners "clamscan"'
    )
    moved = Moved(tmp_path, Format.QMAIL_SCANNER_SETTINGS, text)
    assert moved.action(spam=scored(6.5, 5.0)) is Action.QUARANTINE
    assert moved.action(spam=scored(8, 5.0)) is Action.REJECT
    assert [each.key for each in moved.imported.settings] == ["engines"]


WARNED = {
    "engine": ('my @scanner_array=("sophie_scanner");', "sophie"),
    "time": ("my $MAXTIME=20*60;", "599 s"),
    "small": ("my $sa_maxsize='100';", "1 KiB"),
    "large": ("my $max_scan_size='999999999999';", "at most"),
    "score": ("my $sa_quarantine='much';", "no number"),
    "prefix": ("my $spamc_subject='é';", "ASCII"),
    "notify": ("my $NOTIFY_ADDRS='psender';", "senders"),
    "archive": ("--archive yes", "copy_to"),
    "tag": ("--scanners fast_spamassassin=SPAM", "subject_prefix"),
    "per-domain": ("--settings-per-domain yes", "rules with to"),
}


@pytest.mark.parametrize(("line", "why"), WARNED.values(), ids=WARNED)
def test_warnings(line: str, why: str, tmp_path: Path) -> None:
    """What is not carried over is said, with what to do."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER_SETTINGS, line)
    [(_, text)] = moved.warned
    assert why in text
    assert moved.imported.rules == []


@pytest.mark.parametrize(
    "line",
    ["my $x = 1;", "--archive no", "my $sa_delete='0';", "my $MAXTIME=x;", "my $MAXTIME=1.2.3;",
     "$qmailqueue=\"$dir/x\";", "my $spamc_subject='';", "\xff$sa_quarantine='"],
)  # fmt: skip
def test_what_says_nothing(line: str, tmp_path: Path) -> None:
    """Other lines of the script, and what is switched off, are passed over."""
    moved = Moved(tmp_path, Format.QMAIL_SCANNER_SETTINGS, line)
    assert (moved.warned, moved.imported.rules, moved.imported.settings) == ([], [], [])
