"""Imported rules, tried as a policy: nothing is printed that `policy check` would refuse.

Called by  programs.admin_import, before it prints.
Ends       with the rules that are fine, and with a warning at the old line for every other.
Careful    what the check would warn of is said here too, at the line it comes from.
"""

import bisect
import os
import re
import tempfile
from dataclasses import replace

from qscanner.codec.problems import Problem, Problems
from qscanner.importers import rules_toml
from qscanner.importers.findings import Imported, NewRule
from qscanner.policy.read import MAX_RULES, load
from qscanner.policy.warn import warnings

MAX_DOUBTED = 2000  # rules that are compared with each other here; of more, the check tells
_NAME = "imported.toml"
_START = re.compile(r"^\[\[rule\]\]$", re.MULTILINE)


def prove(imported: Imported) -> None:
    """Take out what is no rule of ours after all, and say why; note what is hardly meant."""
    for new in imported.rules[MAX_RULES:]:
        imported.warn(new.line, f"no rule: a file has at most {MAX_RULES}")
    del imported.rules[MAX_RULES:]
    while wrong := _tried(imported.rules):
        places = _places(imported.rules, wrong)
        for place, problem in zip(places, wrong, strict=True):
            imported.warn(imported.rules[place].line, f"no rule: {problem.text}")
        imported.rules[:] = [each for n, each in enumerate(imported.rules) if n not in places]
    if len(imported.rules) > MAX_DOUBTED:
        return
    doubtful = _tried(imported.rules, is_doubtful=True)
    for place, problem in zip(_places(imported.rules, doubtful), doubtful, strict=True):
        imported.warn(imported.rules[place].line, problem.text)


def _tried(rules: list[NewRule], *, is_doubtful: bool = False) -> tuple[Problem, ...]:
    """Give the mistakes of a policy with these rules alone, or its warnings."""
    with tempfile.TemporaryDirectory(prefix="qscanner-import-") as folder:
        path = os.path.join(folder, _NAME)
        with open(path, "w", encoding="utf-8") as file:
            file.write(rules_toml.policy(rules))
        try:
            policy = load(folder)
        except Problems as found:
            return found.problems
    if not is_doubtful:
        return ()
    # What has no line is about the folder: that rules are missing, which are elsewhere.
    doubtful = (each for each in warnings(policy) if each.line)
    return tuple(replace(each, text=each.text.replace(f" ({path})", "")) for each in doubtful)


def _places(rules: list[NewRule], problems: tuple[Problem, ...]) -> list[int]:
    """Give which rules the problems are about, by their lines in the text.

    What is about the whole of it (it is too large) is put down to the last rule.
    """
    text = rules_toml.policy(rules)
    starts: list[int] = []
    line, seen = 1, 0
    for found in _START.finditer(text):
        line, seen = line + text.count("\n", seen, found.start()), found.start()
        starts.append(line)
    last = len(starts) - 1
    return [
        max(0, bisect.bisect_right(starts, each.line) - 1) if each.line else last
        for each in problems
    ]
