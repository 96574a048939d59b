"""The manual says what the code does: log keys, exit codes, commands, JSON keys, examples, links.

Called by  pytest. Pages of other topics have tests of their own: test_docs_*.py.
"""

import json
import re
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import qscanner
from qscanner import config
from qscanner.model import (
    ALLOWED,
    Action,
    CheckResult,
    Client,
    Cut,
    Decision,
    Direction,
    Edits,
    Envelope,
    Facts,
    Listed,
    Outcome,
    Part,
    Score,
    Verdict,
)
from qscanner.outcomes import REPLIES, Ending
from qscanner.policy.read import load
from qscanner.policy.warn import warnings
from qscanner.programs.admin import command
from qscanner.programs.admin_report import failed_as_json
from qscanner.report import Report, as_json, event
from tests.fakes.desk import Desk
from tests.fakes.mails import EICAR

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])


def _page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def _section(page: str, heading: str) -> str:
    """Give what stands below a heading of the second level."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE
    )
    assert found, f"no section {heading}"
    return found[1]


def _table(section: str, first: str) -> list[list[str]]:
    """Give the cells of the table whose header begins with `first`."""
    lines = section.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return rows


def _keys(section: str, first: str) -> list[str]:
    return [row[0].strip("`") for row in _table(section, first)]


def _report(client: Client) -> Report:
    """Give a report in which everything is said that can be said."""
    spam = CheckResult(
        outcome=Outcome.FOUND, score=Score(score=7, threshold=5, rules=("A",)), scanners=("spamd",)
    )
    return Report(
        id="1",
        digest="d",
        facts=Facts(
            envelope=Envelope(
                sender=b"", recipients=(b"a@b", b"c@d", b"e@f"), raw=b"F\0Ta@b\0Tc@d\0Te@f\0\0"
            ),
            client=client,
            octets=1,
            virus=CheckResult(outcome=Outcome.CLEAN),
            spam=spam,
            listed=(Listed(id="e", is_allowed=True), None, None),
        ),
        verdict=Verdict(
            action=Action.ACCEPT,
            decisions=tuple(
                Decision(action=action, rules=(ALLOWED,), redirect_to=(b"r@s",), copy_to=(b"c@s",))
                for action in (Action.ACCEPT, Action.QUARANTINE, Action.DISCARD)
            ),
            edits=Edits(cuts=(Cut(span=(0, 1), part=Part(path="2/a"), rule="x"),)),
            detected=("d",),
            tags=("t",),
            total=1.5,
            logged=("x",),
            why="because",
        ),
        lines=(),
        emergency="until then",
        ms=1.0,
    )


CLIENTS = (
    Client(uid=1, is_trusted=True, direction=Direction.IN, ip="192.0.2.1", auth_user="ann"),
    Client(uid=1, claimed_ip="192.0.2.1"),
)


def test_log_keys() -> None:
    """docs/log.md names the keys of a message's event, in their order, and no others."""
    told = [event(_report(client), pid=1, ending=Ending.REJECTED) for client in CLIENTS]
    documented = _keys(_section(_page("log.md"), "event=message"), "key")
    assert set(documented) == {key for each in told for key in each}
    for each in told:
        assert list(each) == [key for key in documented if key in each]


def test_exit_codes() -> None:
    """docs/exit-codes.md has every row of outcomes.REPLIES, in its order, and no others."""
    rows = _table(_section(_page("exit-codes.md"), "qscanner-queue"), "ending")
    wanted = [
        [ending.value, str(reply.exit_without_text), str(reply.smtp), reply.dsn]
        for ending, reply in REPLIES.items()
    ]
    assert [row[:4] for row in rows] == wanted
    for row, reply in zip(rows, REPLIES.values(), strict=True):
        assert row[4].startswith(f"{reply.letter}:") if reply.letter else row[4] == ""
        assert reply.text in row[4]


def _commands(group: click.Group, names: tuple[str, ...]) -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        each, path = group.get_command(context, name), (*names, name)
        assert each is not None
        if isinstance(each, click.Group):
            found |= _commands(each, path)
        else:
            found[" ".join(path)] = each
    return found


COMMANDS = _commands(command, ("qscanner",))


def test_commands() -> None:
    """docs/commands.md has a section for every command and program, and for nothing else."""
    sections = re.findall(r"^## (.*)$", _page("commands.md"), re.MULTILINE)
    assert set(sections) == {*COMMANDS, "qscanner-queue", "qscannerd", "qscanner-maildir"}


def _filter() -> set[str]:
    """Give the options of a filter, which commands share and the manual names once."""
    filters = _section(_page("commands.md"), "qscanner quarantine list").partition("### Filters")[
        2
    ]
    return {row[0].strip("`").split()[0] for row in _table(filters, "option")}


@pytest.mark.parametrize("name", COMMANDS)
def test_options(name: str) -> None:
    """The section of a command names all of its options, and no others."""
    section = _section(_page("commands.md"), name)
    options = [each for each in COMMANDS[name].params if isinstance(each, click.Option)]
    known = {text for each in options for text in each.opts} - {"--config"}
    rows = _table(section, "option") if "| option |" in section else []
    named = {row[0].strip("`").split()[0] for row in rows}
    assert named <= known
    shared = _filter() if "the options of a [filter](#filters)" in section else set()
    assert known - named <= shared
    assert "--config" in {text for each in options for text in each.opts}


def test_scan_json_keys() -> None:
    """docs/commands.md names the keys of `qscanner scan --json`, also where the scan failed."""
    section = _section(_page("commands.md"), "qscanner scan")
    documented = _keys(section, "key of the JSON")
    told = as_json(_report(CLIENTS[0]), file="x")
    assert documented == list(told)
    assert documented == list(failed_as_json("x", Ending.BUG, "bug"))
    for each in ("virus", "spam"):
        assert all(f"`{key}`" in section for key in told["checks"][each])


def test_other_json_keys(tmp_path: Path) -> None:
    """The same for `check` and `policy check`."""
    page = _page("commands.md")
    done = CliRunner().invoke(command, ["check", "--json", "--config", str(tmp_path / "none")])
    told = json.loads(done.output)
    keys = [*told, *told["items"][0]]
    assert _keys(_section(page, "qscanner check"), "key of the JSON") == keys
    done = CliRunner().invoke(command, ["policy", "check", "--json", str(tmp_path)])
    section = _section(page, "qscanner policy check")
    assert _keys(section, "key of the JSON") == list(json.loads(done.output))
    (tmp_path / "1.toml").write_text(
        'schema = 1\n[[rule]]\nid = "a"\nvirus = "*"\naction = "reject"'
    )
    done = CliRunner().invoke(command, ["policy", "test", "--json", "--dir", str(tmp_path)])
    section = _section(page, "qscanner policy test")
    assert _keys(section, "key of the JSON") == list(json.loads(done.output))


def test_explain_and_replay_json_keys(tmp_path: Path) -> None:
    """And for `policy explain` and `policy replay`."""
    desk = Desk(tmp_path)
    mail = desk.mail(b"Subject: x\n\nx\n")
    desk.policy(
        'schema = 1\n[[rule]]\nid = "a"\nwhy = "x"\nwhen.relay = false\naction = "reject"\n'
    )
    section = _section(_page("commands.md"), "qscanner policy explain")
    told = json.loads(desk.run("policy", "explain", "--json", mail).output)
    named = set(re.findall(r"`([a-z_]+)`", section))
    assert {*told, *told["groups"][0], *told["groups"][0]["rules"][0]} <= named
    section = _section(_page("commands.md"), "qscanner policy replay")
    words = ["--json", "--new", str(desk.policies), "--old", str(ROOT / "policies"), mail]
    lines = desk.run("policy", "replay", *words, str(tmp_path / "none")).stdout.splitlines()
    objects = [json.loads(line) for line in lines]
    assert [each["kind"] for each in objects] == ["change", "error", "summary"]
    named = set(re.findall(r"`([a-z_]+)`", section))
    assert {key for each in objects for key in each} | objects[0]["old"].keys() <= named


def test_links_lead_somewhere() -> None:
    """Every link from page to page has a file at its other end."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_no_eicar() -> None:
    """The test string stands literally in no file that git would carry: scanners know it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split("\n")
    names = [ROOT / name for name in listed if name] or [*ROOT.glob("[a-z]*/**/*.*")]
    for name in names:
        octets = name.read_bytes() if name.is_file() else b""
        assert EICAR not in octets, name
        assert EICAR not in octets.replace(b"\\\\", b"\\"), name  # escaped in a string


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def test_readme_settings_and_policy_load(tmp_path: Path) -> None:
    """The settings and the first rule of README.md are taken as they are, beside those shipped."""
    settings, rule = _blocks((ROOT / "README.md").read_text("utf-8"), "toml")
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "lists").symlink_to(ROOT / "policies" / "lists")
    for file in (ROOT / "policies").glob("*.toml"):
        (policies / file.name).write_bytes(file.read_bytes())
    (tmp_path / "qscanner.toml").write_text(settings)
    (policies / "05-partners.toml").write_text(rule)
    read = config.load(str(tmp_path / "qscanner.toml"))
    assert read.queue.trusted_users == ("qmaild",)
    policy = load(read.policy.dir)
    assert policy.rules[0].id == "builds-of-our-partner"
    assert warnings(policy) == ()


def test_readme_is_short_and_true() -> None:
    """README.md fits on a few screens, and the programs that it names are there."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 150
    for script in ("scripts/demo", "scripts/test"):
        assert script in text
        assert (ROOT / script).stat().st_mode & 0o111


def test_readme_shows_the_demo() -> None:
    """The excerpt of the demo's table in README.md is of messages that the demo has."""
    samples = (ROOT / "scripts" / "demo_mails.py").read_text("utf-8")
    excerpt = (ROOT / "README.md").read_text("utf-8").split("what happened  what the sender", 1)[1]
    rows = [re.split(r" {2,}", line) for line in excerpt.split("```", 1)[0].splitlines()[1:]]
    assert len(rows) >= 5
    for what, end, *_ in rows:
        assert f'what="{what}"' in samples
        assert end in ("delivered", "held", "refused", "put off")


def test_changelog_has_this_version() -> None:
    """The first section of CHANGELOG.md is this version's, or what comes after it."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first = re.search(r"^## \[(.*?)\]", text, re.MULTILINE)
    assert first
    assert first[1] in ("Unreleased", qscanner.__version__)
    assert "### For admins: what you must do" in text
