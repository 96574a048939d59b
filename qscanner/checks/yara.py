"""YARA: the embedded engine, rules of an admin's own, or the shipped ones for the test strings.

Called by  embedded, with the raw message and every decoded part.
Ends       with findings, and a CheckResult of them all; raises Unusable where rules or the
           package cannot be used, and CheckFailed where a scan says nothing about the content.
Careful    yara_x holds Python's global lock while it scans: other threads of the process stand
           still, so a slow rule delays a clamd's answer too. Its timeout knows whole seconds only.
           It takes nothing but bytes: a mapped message is copied (3 ms and 1 MiB of memory a MiB).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qscanner.codec.problems import Problem, Problems
from qscanner.model import CheckResult, Finding, Outcome
from qscanner.outcomes import CheckFailed, Unusable
from qscanner.spool import Octets

if TYPE_CHECKING:
    import yara_x

SHIPPED = "test-strings.yar"
_VIRUS = "virus.yara"
_TIMEOUT = "unscannable.yara-timeout"
_FINDING = re.compile(r"(?!virus\.|unscannable\.)[a-z][a-z0-9-]*\.[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Rules:
    """Compiled rules. One object may look at any number of contents, one after another."""

    compiled: "yara_x.Rules"
    version: str

    @classmethod
    def of_files(cls, files: Sequence[str] = ()) -> "Rules":
        """Compile the files; none means the shipped test strings.

        A file may include others that stand beside it. Raises Problems (Unusable) with all that
        is wrong in all files, and Unusable where the package yara-x is missing.
        """
        if not files:
            with resources.as_file(resources.files(__package__) / SHIPPED) as shipped:
                return cls.of_files([str(shipped)])
        try:
            import yara_x
        except ImportError as error:
            raise Unusable(
                "the engine yara needs the package yara-x: pip install 'qscanner[yara]'"
            ) from error
        compiler = yara_x.Compiler()
        problems: list[Problem] = []
        for place, file in enumerate(files):
            problems += _added(compiler, file, namespace=str(place))
        compiled = compiler.build()
        problems += _wrong_findings(compiled, files)
        if problems:
            raise Problems(problems)
        return cls(compiled, _version())

    def look(self, octets: Octets, *, where: str, within_s: float) -> tuple[Finding, ...]:
        """Give a finding for every rule that matches, in about `within_s` seconds, 1 at least.

        It is `virus.yara` with the rule's name, or what the rule's meta `finding` says. A scan
        that takes longer gives `unscannable.yara-timeout`. Raises CheckFailed.
        """
        import yara_x

        scanner = yara_x.Scanner(self.compiled)
        limit_s = max(1, int(within_s))
        scanner.set_timeout(limit_s)
        try:
            results = scanner.scan(bytes(octets[:]))
        except yara_x.TimeoutError:
            return (Finding(id=_TIMEOUT, where=where, detail=f"longer than {limit_s} s"),)
        except yara_x.ScanError as error:
            raise CheckFailed(f"yara: {error}") from error
        return tuple(
            Finding(id=_finding(rule), where=where, detail=rule.identifier)
            for rule in results.matching_rules
        )


def result(findings: Sequence[Finding]) -> CheckResult:
    """Give what the findings of all contents mean together."""
    unique = tuple(dict.fromkeys(findings))
    names = tuple(dict.fromkeys(each.detail for each in unique if each.id == _VIRUS))
    if names:
        return CheckResult(
            outcome=Outcome.FOUND, detail=", ".join(names), names=names, findings=unique
        )
    missed = [each.where or "the message" for each in unique if each.id == _TIMEOUT]
    if missed:
        detail = f"yara took too long for {', '.join(missed[:3])}"
        return CheckResult(outcome=Outcome.UNSCANNABLE, detail=detail, findings=unique)
    return CheckResult(outcome=Outcome.CLEAN, findings=unique)


def _finding(rule: "yara_x.Rule") -> str:
    return str(dict(rule.metadata).get("finding", _VIRUS))


def _added(compiler: "yara_x.Compiler", file: str, *, namespace: str) -> list[Problem]:
    """Add one file to the compiler and give what is wrong with it."""
    import yara_x

    path = Path(file)
    try:
        source = path.read_text("utf-8")
    except OSError as error:
        return [Problem(file=file, line=0, text=f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError:
        return [Problem(file=file, line=0, text="is not UTF-8")]
    before = len(compiler.errors())
    compiler.new_namespace(namespace)
    compiler.add_include_dir(str(path.parent))
    try:
        compiler.add_source(source, origin=file)
    except yara_x.CompileError:
        return [_problem(file, source, error) for error in compiler.errors()[before:]]
    return []


def _problem(file: str, source: str, error: dict[str, Any]) -> Problem:
    """Give what the compiler says: where its first label points, or its title alone."""
    labels = [label for label in error["labels"] if label["code_origin"] == file]
    if not labels:
        return Problem(file=file, line=0, text=error["text"])
    label = labels[0]
    length = max(1, label["span"]["end"] - label["span"]["start"])
    return Problem(
        file=file,
        line=label["line"],
        column=label["column"],
        length=length,
        text=f"{error['title']}: {label['text']}",
        source=source.splitlines()[label["line"] - 1],
    )


def _wrong_findings(compiled: "yara_x.Rules", files: Sequence[str]) -> list[Problem]:
    """Give the rules whose meta `finding` is no id, or one that only a check may give."""
    return [
        Problem(
            file=files[int(rule.namespace)],
            line=0,
            text=f'rule {rule.identifier}: finding = "{_finding(rule)}" is no id like '
            '"kind.what" (lower case; not virus.*, not unscannable.*)',
        )
        for rule in compiled
        if _finding(rule) != _VIRUS and not _FINDING.fullmatch(_finding(rule))
    ]


def _version() -> str:
    # Imported here: importlib.metadata brings half of the standard library with it.
    from importlib import metadata

    try:
        return metadata.version("yara-x")
    except metadata.PackageNotFoundError:
        return "unknown"
