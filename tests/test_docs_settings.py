"""docs/settings.md and docs/qscanner.toml say what the code does: keys, defaults, bounds."""

import os
import re
import shutil
import tomllib
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest

from qscanner import schema
from qscanner.codec.problems import Problems
from qscanner.config import keys, load
from qscanner.settings import Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
ROW = re.compile(r"\| `(\w+)` \| `(.*?)` \| (.*?) ?\| (.*) \|")


def documented() -> dict[str, tuple[str, str]]:
    """Give for each key of the manual its default, as TOML, and what is allowed."""
    found: dict[str, tuple[str, str]] = {}
    table = ""
    for line in (DOCS / "settings.md").read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"## \[([\w.]+)\]", line):
            table = header[1]
        elif row := ROW.fullmatch(line):
            key = f"{table}.{row[1]}"
            assert key not in found, f"{key} stands twice"
            assert row[4].endswith("."), f"{key}: the meaning is a sentence"
            found[key] = row[2], row[3]
        else:
            assert not line.startswith("| `"), f"a row the test cannot read: {line}"
    return found


def read(dotted: str, written: str) -> Any:
    """Give the value that a default of the manual would have in the settings, paths as written."""
    value = tomllib.loads(f"value = {written}")["value"]
    if isinstance(value, list):
        return tuple(value)
    kind = keys()[dotted].type
    return value if kind is str else schema.single(dotted, value, kind, folder="/")


def test_the_manual_names_every_key_and_no_other() -> None:
    """A key that is added, renamed or taken away is so in the manual too."""
    assert set(documented()) == set(keys())


@pytest.mark.parametrize("dotted", sorted(keys()))
def test_the_default(dotted: str) -> None:
    """What the manual gives as default, read as a settings file is read, is the code's default."""
    field = keys()[dotted]
    assert field.default is not MISSING
    assert read(dotted, documented()[dotted][0]) == field.default


@pytest.mark.parametrize("dotted", sorted(schema.RANGES))
def test_the_range(dotted: str) -> None:
    """Lowest and highest stand in the manual as the code has them."""
    assert documented()[dotted][1] == " to ".join(schema.RANGES[dotted])


@pytest.mark.parametrize("dotted", sorted(schema.CHOICES))
def test_the_choices(dotted: str) -> None:
    """Every choice that the code takes is in the manual, and no other."""
    assert documented()[dotted][1] == ", ".join(f"`{each}`" for each in schema.CHOICES[dotted])


def test_the_problems_shown_are_what_is_said(tmp_path: Path) -> None:
    """The example of a wrong file is word for word what an admin would read."""
    manual = (DOCS / "settings.md").read_text(encoding="utf-8")
    shown = manual.split("```\n")[1]
    (tmp_path / "policies").mkdir()
    file = tmp_path / "qscanner.toml"
    program = 'progam = "/var/qmail/bin/qmail-queue"'
    file.write_text(f'\n\n[queue]\n{program}\n\n\n\n[limits]\ntime = "4 m"\n', encoding="utf-8")
    with pytest.raises(Problems) as caught:
        load(os.fspath(file))
    assert f"{caught.value}\n".replace(os.fspath(tmp_path), "/etc/qscanner") == shown


def sample(folder: Path, text: str) -> Settings:
    (folder / "policies").mkdir()
    file = folder / "qscanner.toml"
    file.write_text(text, encoding="utf-8")
    return load(os.fspath(file))


def test_the_sample_loads(tmp_path: Path) -> None:
    """The sample file, put where an admin would put it, is right as it is and sets nothing."""
    text = (DOCS / "qscanner.toml").read_text(encoding="utf-8")
    settings = sample(tmp_path, text)
    shutil.rmtree(tmp_path / "policies")
    assert settings == sample(tmp_path, "")


def test_the_sample_shows_every_default(tmp_path: Path) -> None:
    """With all its lines taken in, the sample still says the defaults, and all of them."""
    text = (DOCS / "qscanner.toml").read_text(encoding="utf-8")
    taken_in = re.sub(r"^# (\w+ += )", r"\1", text, flags=re.MULTILINE)
    settings = sample(tmp_path, taken_in)
    shutil.rmtree(tmp_path / "policies")
    assert settings == sample(tmp_path, "")
    data = tomllib.loads(taken_in)
    for dotted in keys():
        value: Any = data
        for name in dotted.split("."):
            assert name in value, f"{dotted} is missing in docs/qscanner.toml"
            value = value[name]
