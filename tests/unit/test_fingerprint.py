"""The mark of settings and rules: another one for whatever would be loaded differently."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner.fingerprint import of
from qscanner.settings import Policy, Settings, Virus, Yara


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings with a rule, a list and a YARA file."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "10-a.toml").write_text("schema = 1\n")
    (tmp_path / "lists" / "b.txt").write_text(".exe\n")
    (tmp_path / "r.yar").write_text("rule r { condition: false }\n")
    return Settings(
        file="/etc/a", policy=Policy(dir=str(tmp_path)), virus=_virus(tmp_path / "r.yar")
    )


def _virus(file: Path) -> Virus:
    return Virus(yara=Yara(rules=(str(file),)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda at: (at / "10-a.toml").write_text("schema = 1 \n"), id="rule"),
        pytest.param(lambda at: (at / "20-b.toml").write_text(""), id="new-rule-file"),
        pytest.param(lambda at: (at / "10-a.toml").rename(at / "11-a.toml"), id="other-name"),
        pytest.param(lambda at: (at / "10-a.toml").unlink(), id="rule-file-away"),
        pytest.param(lambda at: (at / "lists" / "b.txt").write_text(".com\n"), id="list"),
        pytest.param(lambda at: (at / "r.yar").write_text(""), id="yara-rule"),
        pytest.param(lambda at: (at / "r.yar").unlink(), id="yara-rule-away"),
    ],
)
def test_what_changes_it(
    settings: Settings, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    """Every file that is read counts, its name and its octets."""
    before = of(settings)
    change(tmp_path)
    assert of(settings) != before


def test_what_does_not(settings: Settings, tmp_path: Path) -> None:
    """Neither where the settings stand, nor files that are not read."""
    before = of(settings)
    (tmp_path / "README").write_text("x")
    (tmp_path / ".10-a.toml.swp").write_text("x")
    (tmp_path / "lists" / ".b.txt").write_text("x")
    assert of(replace(settings, file="/elsewhere")) == before
    assert len(before) == 12


def test_settings_count(settings: Settings) -> None:
    """A setting that is another makes another mark."""
    assert of(replace(settings, virus=Virus())) != of(settings)


def test_nothing_there() -> None:
    """A folder that is away has a mark, too."""
    assert of(Settings(policy=Policy(dir="/nonexistent/folder")))
