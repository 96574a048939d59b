"""programs.admin_import: `qscanner import`, as an admin runs it."""

import tomllib
from pathlib import Path

import pytest

from tests.fakes.desk import Desk

EVENTS = ".vbs\tSIZE=-1\tVBS files\n.{100,}\tVirus-Date:\tMIME Header Buffer Overflow\n"


def test_rules_pass_the_check(tmp_path: Path) -> None:
    """What is printed, saved beside the shipped rules, passes `policy check` and acts."""
    desk = Desk(tmp_path)
    old = tmp_path / "quarantine-events.txt"
    old.write_text(EVENTS)
    done = desk.run("import", str(old))
    assert done.exit_code == 0
    assert done.stderr == "2 rules from 1 file, 0 warnings\n"
    assert f"# {old}:1: .vbs\tSIZE=-1\tVBS files\n[[rule]]\n" in done.stdout
    desk.policy(done.stdout, "60-imported.toml")
    checked = desk.run("policy", "check")
    assert (checked.exit_code, checked.output.endswith("fine\n")) == (0, True)
    mail = desk.mail(b"Date: " + b"x" * 100 + b"\nFrom: a@b.example\n\nhello\n")
    scanned = desk.run("scan", mail)
    assert "quarantine" in scanned.output
    assert "imported-quarantine-events-2" in scanned.output
    again = desk.run("import", str(old))
    assert again.stdout == done.stdout


def test_warnings_go_elsewhere(tmp_path: Path) -> None:
    """Warnings stand on standard error, in the order of files and lines; it ends with 1."""
    control, attach = tmp_path / "simcontrol", tmp_path / "ssattach"
    control.write_text("a.example:clam=no\n@b.example:clam=yes\n:foo=1\n")
    attach.write_text(".exe\n")
    done = Desk(tmp_path).run("import", str(control), str(attach))
    assert done.exit_code == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert [line.split(":")[2] for line in told] == ["1", "2", "3"]
    assert done.stderr.endswith("1 rule from 2 files, 3 warnings\n")
    assert [each["id"] for each in tomllib.loads(done.stdout)["rule"]] == [
        "imported-ssattach-1-attach"
    ]


def test_settings_are_comments(tmp_path: Path) -> None:
    """Lines for qscanner.toml stand on top, as comments that become TOML without their #."""
    done = Desk(tmp_path).run(
        "import", "--format", "simcontrol", "-", given=b":clam=yes,spam=yes\n"
    )
    assert done.exit_code == 0
    block = done.stdout.partition("# For qscanner.toml:\n")[2].partition("schema = 1")[0]
    settings = tomllib.loads("".join(line[2:] + "\n" for line in block.splitlines()))
    assert settings == {"virus": {"engines": ["clamav"]}, "spam": {"scorer": "spamd"}}
    assert "imported-simcontrol-1-spam" in done.stdout


def test_ids_of_files_of_the_same_name(tmp_path: Path) -> None:
    """They differ, so that all can stand in one folder."""
    names = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ssattach").write_text(f".{folder}\n")
        names.append(str(tmp_path / folder / "ssattach"))
    done = Desk(tmp_path).run("import", *names)
    assert done.exit_code == 0
    ids = [each["id"] for each in tomllib.loads(done.stdout)["rule"]]
    assert ids == ["imported-ssattach-1-attach", "imported-ssattach.2-1-attach"]


@pytest.mark.parametrize("action", ["reject", "discard", "quarantine"])
def test_another_action(action: str, tmp_path: Path) -> None:
    """--action says what "blocked" becomes."""
    done = Desk(tmp_path).run(
        "import", "--action", action, "--format", "ssattach", "-", given=b".exe\n"
    )
    assert tomllib.loads(done.stdout)["rule"][0]["action"] == action


def test_a_file_twice(tmp_path: Path) -> None:
    """Is told as what it is: rules that change nothing."""
    old = tmp_path / "ssattach"
    old.write_text(".exe\n")
    done = Desk(tmp_path).run("import", str(old), str(old))
    assert done.exit_code == 1
    assert "changes nothing" in done.stderr


@pytest.mark.parametrize(
    ("name", "octets", "why"),
    [
        ("rules.txt", b".exe\n", "what is it?"),
        ("simcontrol", b"\0\0", "no text"),
        ("ssattach", None, "cannot be read: No such file"),
    ],
    ids=["unknown", "compiled", "missing"],
)
def test_unusable(name: str, octets: bytes | None, why: str, tmp_path: Path) -> None:
    """It ends with 2, says why, and prints nothing that might be saved."""
    file, good = tmp_path / name, tmp_path / "filetype.rules.conf"
    good.write_text("deny\tELF\tx\ty\n")
    if octets is not None:
        file.write_bytes(octets)
    done = Desk(tmp_path).run("import", str(good), str(file))
    assert done.exit_code == 2
    assert why in done.stderr
    assert done.stdout == ""


def test_any_octets(tmp_path: Path) -> None:
    """Files of any octets, as any format: rules or warnings, nothing for the terminal."""
    octets = (
        bytes(range(1, 256)) + b"\n'''\t\"\"\"\t\\\n]]:\x1b[31m=,\xff:'\n" + b"((((\t[[[[\t{{{\n"
    )
    for form in ("qmail-scanner", "qmail-scanner-settings", "simcontrol", "ssattach",
                 "filename-rules", "filetype-rules"):  # fmt: skip
        folder = tmp_path / form
        folder.mkdir()
        for given in (octets, b"deny\t" + octets, b":attach=" + octets, b"a\t0\t" + octets):
            done = Desk.run(_DESK(folder), "import", "--format", form, "-", given=given)
            assert done.exit_code in (0, 1), done.output
            assert not set("\x1b\x07\x7f") & set(done.output)
            tomllib.loads(done.stdout)


class _DESK(Desk):
    """One without an installation: `import` needs none."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "none.toml"
