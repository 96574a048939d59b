"""docs/notices.md says what the code does: rules, settings, names in templates, files."""

import os
import re
import shutil
from pathlib import Path

import pytest

from qscanner import forms, injector, letters, schema
from qscanner.config import load
from qscanner.model import Notify
from qscanner.outbox import MAX_ROWS, Kind
from qscanner.policy.read import load as load_policy
from qscanner.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "notices.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_rules_load(tmp_path: Path) -> None:
    """Those of the page, as an admin would copy them."""
    (tmp_path / "10.toml").write_text("schema = 1\n" + "".join(blocks("toml")), encoding="utf-8")
    one, two = load_policy(os.fspath(tmp_path)).rules
    assert one.notify == tuple(Notify)
    assert two.maildirs == ("/var/mail/sales",)


def test_the_settings_load(tmp_path: Path) -> None:
    """Those of the page, below each other."""
    (tmp_path / "policies").mkdir()
    file = tmp_path / "qscanner.toml"
    file.write_text("".join(blocks("text")), encoding="utf-8")
    settings = load(os.fspath(file))
    assert settings.notices.templates == f"{tmp_path}/notices"
    assert settings.archive.maildir == "/var/mail/archive"


def test_the_copied_templates_are_right(tmp_path: Path) -> None:
    """After the cp of the page, here from a clone, nothing is wrong."""
    shutil.copytree(ROOT / "qscanner" / "templates" / "en", tmp_path / "en")
    notices = Settings().notices
    own = type(notices)(templates=os.fspath(tmp_path))
    assert letters.problems(own) == []


def test_every_name_of_the_templates() -> None:
    """The table has each name that is known, and no other."""
    rows = re.findall(r"^\| (`\$.*?) \|", PAGE, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`\$(\w+)`", row)}
    known = {name for names in letters.VALUES.values() for name in names}
    assert documented == known | set(letters.EVERYWHERE) | set(letters.IN_ROWS)


@pytest.mark.parametrize(
    "word",
    [f"{kind.value}.txt" for kind in Kind]
    + ["digest.html", forms.ROWS, forms.END, str(MAX_ROWS)]
    + [f'"{each.value}"' for each in Notify]
    + [key for key in schema.RANGES if key.startswith("notices.")]
    + [injector.NAME],
)
def test_every_word_is_named(word: str) -> None:
    """Files, whom a rule can name, settings, the process."""
    assert word.removeprefix("notices.") in PAGE


def test_the_shipped_templates_are_packed() -> None:
    """pyproject.toml has each language, for the program and for admins to copy."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for ending in ("txt", "html"):
        assert f'"templates/*/*.{ending}"' in text
        for language in os.listdir(letters.SHIPPED):
            (line,) = re.findall(rf'^"share/qscanner/notices/{language}" = (.*)$', text, re.M)
            assert f'"qscanner/templates/{language}/*.{ending}"' in line
