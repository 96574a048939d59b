"""The demo: pushes sample messages through the real qscanner-queue, as qmail would, and tells.

Called by  scripts/demo, with the Python of an environment in which qscanner is installed, and the
           folder to work in.
Ends       0 when everything was as it should be, 1 when anything was not.
Careful    the demo judges itself: what was delivered is compared octet for octet.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # nothing of ours may stay in the clone

from demo_mails import SAMPLES, End, Sample  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from rich.text import Text  # noqa: E402

from tests.fakes import caller  # noqa: E402

BIN = Path(sys.executable).parent
HOST = "mx.example.com"
NARROW = 110  # columns: below that, five columns would break every word
COLOURS = {
    End.DELIVERED: "green",
    End.HELD: "yellow",
    End.REFUSED: "red",
    End.PUT_OFF: "cyan",
}
_PAIR = re.compile(r'([a-z-]+)=("(?:[^"\\]|\\.)*"|\S*)')
_SETTINGS = """\
[queue]
program       = "{maildir_program}"
spool         = "spool"
host          = "{host}"
trusted_users = ["{uid}"]

[virus]
engines = {engines}

[virus.clamav]
servers = ["unix:{folder}/nobody-listens-here.sock"]

[policy]
dir = "policies"

[quarantine]
dir = "quarantine"
"""


class Stage:
    """The folder of one run: Maildir, quarantine, log, settings, policies."""

    def __init__(self, folder: Path) -> None:
        self.folder = _emptied(folder)
        self.new = self.folder / "Maildir" / "new"
        self.quarantine = self.folder / "quarantine"
        self.log = self.folder / "log"
        for name in ("Maildir/new", "Maildir/cur", "Maildir/tmp", "quarantine", "spool"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "spool").chmod(0o1733)
        self.quarantine.chmod(0o700)
        shutil.copytree(ROOT / "policies", self.folder / "policies")
        self._write_settings("qscanner.toml", '["yara"]')
        self._write_settings("scanner-dead.toml", '["clamav"]')
        self.log.touch()

    def _write_settings(self, name: str, engines: str) -> None:
        text = _SETTINGS.format(
            maildir_program=BIN / "qscanner-maildir",
            host=HOST,
            uid=os.getuid(),
            engines=engines,
            folder=self.folder,
        )
        (self.folder / name).write_text(text)

    def send(self, sample: Sample) -> caller.Result:
        """Do what qmail-smtpd does: start $QMAILQUEUE, feed fd 0 and 1, read fd 6, wait."""
        env = caller.TCPSERVER | {
            "QSCANNER_CONFIG": str(self.folder / sample.settings),
            "QSCANNER_MAILDIR": str(self.folder / "Maildir"),
        }
        setting = caller.Setting(env=env)
        result = caller.call(
            BIN / "qscanner-queue", sample.message, sample.envelope, setting=setting
        )
        with self.log.open("ab") as log:
            log.write(result.stderr)
        return result

    def delivered(self) -> set[Path]:
        """Give the files of delivered messages."""
        return set(self.new.iterdir())

    def held(self) -> set[Path]:
        """Give the files of held messages, each with its record beside it."""
        return {
            file for file in self.quarantine.glob("*.eml") if file.with_suffix(".json").exists()
        }


def _emptied(folder: Path) -> Path:
    """Give the folder, empty; another one where it is not ours to empty."""
    try:
        shutil.rmtree(folder, ignore_errors=False)
    except FileNotFoundError:
        pass
    except OSError:
        return Path(tempfile.mkdtemp(prefix="qscanner-demo-"))
    folder.mkdir(parents=True)
    return folder


def told(stderr: bytes) -> dict[str, str]:
    """Give the keys and values of the log line of a message; {} where there is none."""
    for line in stderr.decode("ascii", "replace").splitlines():
        if " event=message " in f" {line} ":
            return {key: value.strip('"') for key, value in _PAIR.findall(line)}
    return {}


def mistakes(
    sample: Sample, result: caller.Result, new: set[Path], held: set[Path], said: dict[str, str]
) -> list[str]:
    """Give what is not as it should be with one message."""
    found = []
    if not result.reply.startswith(sample.reply):
        found.append(f"the reply should begin with {sample.reply!r}")
    if sample.rule and sample.rule not in said.get("rules", "").split(","):
        found.append(f"the rule {sample.rule!r} should have decided")
    if len(new) != (sample.end is End.DELIVERED):
        found.append(f"{len(new)} copies were delivered")
    if sample.end is not End.HELD and held:
        found.append("it was held")
    for file in new:
        head, mark, below = file.read_bytes().partition(f"X-Qscanner: {HOST} ".encode())
        if not mark or b"\nX-Q" in head or b"\nX-Spam" in head:
            found.append("our own header line does not stand on top")
        if below.partition(b"\n")[2] != sample.message.replace(sample.gone, b""):
            found.append("the message was changed")
    return found


def new_table(width: int) -> Table:
    """Give the empty table; in a narrow terminal why and reply stand below the message."""
    table = Table(show_lines=True, title="What became of the messages", title_style="bold")
    if width < NARROW:
        table.add_column("message; why (rule: reason); what the sender sees", ratio=1)
        table.add_column("what happened")
    else:
        for name in ("message", "what happened", "why (rule: reason)", "what the sender sees"):
            table.add_column(name, overflow="fold", ratio=None if name == "what happened" else 3)
    table.add_column("ms", justify="right")
    return table


def add_row(table: Table, *cells: Text) -> None:
    """Add what became of one message: the message, the end, why, the reply, milliseconds."""
    message, end, why, reply, ms = cells
    if len(table.columns) < len(cells):
        message.stylize("bold")
        cells = (Text("\n").join([message, why, reply]), end, ms)
    table.add_row(*cells)


def play(stage: Stage, table: Table) -> list[str]:
    """Send everything, fill the table, give all mistakes."""
    wrong = []
    for sample in SAMPLES:
        before, kept = stage.delivered(), stage.held()
        result = stage.send(sample)
        said = told(result.stderr)
        found = mistakes(sample, result, stage.delivered() - before, stage.held() - kept, said)
        wrong += [f"{sample.what}: {mistake}" for mistake in found]
        why = sample.why or said.get("why", "") or "nothing was found"
        rules = said.get("rules", "-").replace(",", ", ")
        end = Text(sample.end.value, style=COLOURS[sample.end])
        add_row(
            table,
            Text(sample.what),
            Text("WRONG", style="bold reverse") if found else end,
            Text(why if rules in ("-", "") else f"{rules}: {why}"),
            Text(result.reply if result.code is not None else f"killed ({result.signal})"),
            Text(f"{result.seconds * 1000:.0f}"),
        )
    wanted = sum(sample.end is End.HELD for sample in SAMPLES)
    if len(stage.held()) != wanted - 1:
        wrong.append(f"{len(stage.held())} messages are held: a try of the same is the same hold")
    return wrong


def main() -> int:
    """Play, show the table, say where everything is."""
    stage = Stage(Path(sys.argv[1]).resolve())
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else 150, highlight=False)
    table = new_table(console.width)
    wrong = play(stage, table)
    console.print(table)
    console.print(Text(_where(stage)), soft_wrap=True)
    for mistake in wrong:
        console.print(Text(f"WRONG: {mistake}", style="red"), soft_wrap=True)
    return 1 if wrong else 0


def _where(stage: Stage) -> str:
    config = f"--config {stage.folder / 'qscanner.toml'}"
    held = next(iter(sorted(stage.held())), stage.quarantine)
    return (
        f"\n{len(SAMPLES)} messages went through qscanner-queue, called as by qmail-smtpd,"
        " one process\neach; most of the milliseconds are Python starting.\n\n"
        f"delivered  {stage.new}  ({len(stage.delivered())} messages)\n"
        f"held       {stage.quarantine}  ({len(stage.held())})\n"
        f"log        {stage.log}\n\n"
        "Try next:\n"
        f"  {BIN / 'qscanner'} scan {config} {held}\n"
        f"  {BIN / 'qscanner'} check {config}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
