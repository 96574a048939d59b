"""Rules of other programs, imported as `qscanner import` does it, and decided with.

Called by  the tests of importers.*.
"""

import os
from pathlib import Path
from typing import Any

from qscanner.importers import rules_toml
from qscanner.importers.detect import READERS, Format
from qscanner.importers.findings import Imported, Job, stem_of
from qscanner.importers.proof import prove
from qscanner.importers.sources import lines_of
from qscanner.model import Action
from qscanner.policy.decide import decide
from qscanner.policy.read import load
from qscanner.policy.rules import Policy
from qscanner.policy.warn import warnings
from tests.fakes.facts import ON_FAILURE, TODAY, facts


class Moved:
    """What came of a file: the policy, which has no mistakes, and the warnings."""

    def __init__(self, folder: Path, form: Format, text: str | bytes, name: str = "old") -> None:
        octets = text if isinstance(text, bytes) else text.encode()
        self.imported = Imported()
        READERS[form](Job(lines=lines_of(octets, file=name), stem=stem_of(name)), self.imported)
        prove(self.imported)
        self.text = rules_toml.policy(self.imported.rules)
        (folder / "60-imported.toml").write_text(self.text, encoding="utf-8")
        self.policy: Policy = load(os.fspath(folder))

    @property
    def warned(self) -> list[tuple[int, str]]:
        """Line and text of each warning."""
        return [(each.line.number, each.text) for each in self.imported.warned]

    @property
    def doubts(self) -> list[str]:
        """What `policy check` would still say about the rules."""
        return [each.text for each in warnings(self.policy, today=TODAY) if each.line]

    def action(self, **said: Any) -> Action:
        """Decide about a message of which this is said."""
        return decide(self.policy, facts(**said), ON_FAILURE, today=TODAY).action

    def rules(self, **said: Any) -> tuple[str, ...]:
        """Give the ids of the rules that decided about such a message, without "imported-old-"."""
        found = decide(self.policy, facts(**said), ON_FAILURE, today=TODAY).rules
        return tuple(each.removeprefix("imported-old-") for each in found)
