"""checks.yara: rules compiled or refused, contents looked at."""

import builtins
import mmap
import os
from pathlib import Path
from typing import Any

import pytest

from qscanner.checks import yara
from qscanner.checks.clamav_probe import EICAR
from qscanner.codec.problems import Problems
from qscanner.model import Finding, Outcome
from qscanner.outcomes import Unusable
from qscanner.spool import Message

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN" + b"*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
VIRUS = Finding(id="virus.yara", detail="Eicar_Test_String")
SLOW = """
rule slow {
    condition:
        for any i in (0..100000000000): (uint8(i) == 1 and uint8(i + 1) == 7)
}
"""


@pytest.fixture(scope="module")
def shipped() -> yara.Rules:
    """The rules that are shipped."""
    return yara.Rules.of_files()


def written(folder: Path, **sources: str) -> list[str]:
    """Write rule files and give their paths."""
    for name, source in sources.items():
        (folder / f"{name}.yar").write_text(source)
    return [str(folder / f"{name}.yar") for name in sources]


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (EICAR, (VIRUS,)),
        (b"x" * 1000 + EICAR + b"\n", (VIRUS,)),
        (EICAR[:-1], ()),
        (GTUBE, (Finding(id="spam.gtube", detail="GTUBE"),)),
        (b"", ()),
        (b"hello", ()),
    ],
    ids=["eicar", "eicar inside", "eicar cut", "gtube", "empty", "harmless"],
)
def test_shipped_rules(octets: bytes, found: tuple[Finding, ...], shipped: yara.Rules) -> None:
    """The shipped rules know the test strings and nothing else."""
    assert shipped.look(octets, where="", within_s=5) == found


def test_mapped_message(shipped: yara.Rules) -> None:
    """A mapped message is looked at to its last octet, and can be closed afterwards."""
    message = Message.of_octets(b"x" * 3_000_000 + EICAR)
    assert isinstance(message.octets, mmap.mmap)
    assert shipped.look(message.octets, where="", within_s=5) == (VIRUS,)
    message.close()


def all_of(rules: yara.Rules, *contents: tuple[str, bytes]) -> tuple[Finding, ...]:
    """Give the findings of all contents."""
    return tuple(
        finding
        for where, octets in contents
        for finding in rules.look(octets, where=where, within_s=5)
    )


def test_all_contents_count(shipped: yara.Rules) -> None:
    """One bad part makes the message bad; the findings say where, each once."""
    contents = [("", b"raw"), ("1", b"harmless"), ("2/a.zip/b", EICAR), ("3", EICAR), ("4", GTUBE)]
    result = yara.result(all_of(shipped, *contents, ("3", EICAR)))
    assert result.outcome is Outcome.FOUND
    assert result.names == ("Eicar_Test_String",)
    assert [(finding.id, finding.where) for finding in result.findings] == [
        ("virus.yara", "2/a.zip/b"),
        ("virus.yara", "3"),
        ("spam.gtube", "4"),
    ]
    assert shipped.version.startswith("1.")


def test_clean_is_heard(shipped: yara.Rules) -> None:
    """No rule hit: clean. A rule that is no virus's hit: clean, with its finding."""
    assert yara.result(all_of(shipped, ("", b"hello"))).outcome is Outcome.CLEAN
    tagged = yara.result(all_of(shipped, ("", GTUBE)))
    assert tagged.outcome is Outcome.CLEAN
    assert tagged.findings[0].id == "spam.gtube"


def test_timeout_is_unscannable(tmp_path: Path, shipped: yara.Rules) -> None:
    """A content that takes too long is unscannable, not clean, and hides no virus elsewhere."""
    rules = yara.Rules.of_files(written(tmp_path, slow=SLOW))
    slow = rules.look(b"ab" * 100, where="1", within_s=0.5)
    assert slow == (Finding(id="unscannable.yara-timeout", where="1", detail="longer than 1 s"),)
    result = yara.result(slow)
    assert (result.outcome, result.detail) == (Outcome.UNSCANNABLE, "yara took too long for 1")
    assert yara.result((*slow, VIRUS)).outcome is Outcome.FOUND


def test_own_rules(tmp_path: Path) -> None:
    """Several files, the same rule name in two of them, includes, modules, meta."""
    files = written(
        tmp_path,
        one='import "hash"\ninclude "more.yar"\nrule a { condition: hash.md5(0, 1) == "x" }',
        two='rule a { meta: finding = "shop.offer" strings: $a = "cheap" condition: $a }',
    )
    written(tmp_path, more='rule b { strings: $b = "bad" condition: $b }')
    rules = yara.Rules.of_files(files)
    assert rules.look(b"cheap and bad", where="1", within_s=5) == (
        Finding(id="virus.yara", where="1", detail="b"),
        Finding(id="shop.offer", where="1", detail="a"),
    )


def test_all_mistakes_together(tmp_path: Path) -> None:
    """Everything wrong in every file is said at once, with line and column."""
    files = written(
        tmp_path,
        first='rule a {\n  strings: $a = "x"\n  condition: $b\n}',
        second="rule {",
        third='rule c { meta: finding = "virus.mine" condition: true }',
        fourth='rule d { meta: finding = "Not An Id" condition: true }',
        fine="rule e { condition: true }",
    )
    (tmp_path / "latin.yar").write_bytes(b'rule f { strings: $a = "\xe9" condition: $a }')
    files += [str(tmp_path / "latin.yar"), str(tmp_path / "missing.yar")]
    with pytest.raises(Problems) as raised:
        yara.Rules.of_files(files)
    places = {
        (os.path.basename(each.file), each.line, each.column) for each in raised.value.problems
    }
    assert places == {
        ("first.yar", 3, 14),
        ("second.yar", 1, 6),
        ("third.yar", 0, 0),
        ("fourth.yar", 0, 0),
        ("latin.yar", 0, 0),
        ("missing.yar", 0, 0),
    }
    assert "condition: $b" in str(raised.value)


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without yara-x the admin is told what to install."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "yara_x":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Unusable, match=r"pip install 'qscanner\[yara\]'"):
        yara.Rules.of_files()


def test_shipped_file_is_harmless_to_store() -> None:
    """The EICAR string does not stand in the source: scanners on developers' disks know it."""
    folder = Path(yara.__file__).parent
    for file in (*folder.glob("*.py"), *folder.glob("*.yar"), Path(__file__)):
        assert EICAR not in file.read_bytes()
