"""A folder of policy files, all of it or nothing: TOML in, a Policy or every mistake out.

Called by  the programs when they start or reload, `qscanner check` and `policy check`.
Ends       with a Policy, or raises Problems with every mistake of every file.
Careful    files are read in the order of their names; that and `order` is the reading order.
"""

import os
from collections.abc import Iterator
from typing import Any

from qscanner.codec.places import MAX_OCTETS, Document, Path, parse
from qscanner.codec.problems import Problem, Problems, expected
from qscanner.policy.alignment import methods_asked
from qscanner.policy.bodies import Body
from qscanner.policy.index import MIN_RULES, Index
from qscanner.policy.rules import Detector, Policy, Rule, Sentence
from qscanner.policy.sentence import rule
from qscanner.policy.shelf import Shelf
from qscanner.policy.tables import Table
from qscanner.policy.trial_tables import check_rules

SCHEMA = 1
MAX_RULES = 10_000
FILE_KEYS = frozenset({"schema", "rule"})


def load(folder: str) -> Policy:
    """Give the rules of *.toml in a folder, with the lists of lists/*.txt that they name.

    Raises Problems. A folder without files is a policy without rules: what stands then is said in
    decide.decide().
    """
    problems: list[Problem] = []
    shelf = Shelf(folder, problems)
    documents: dict[str, Document] = {}
    rules: list[Sentence] = []
    for name in _names(folder):
        path = os.path.join(folder, name)
        document = _document(path, problems)
        if document is not None:
            documents[path] = document
            rules += _rules(document, shelf, problems)
    _check_ids(rules, documents, problems)
    _check_marks(rules, documents, problems)
    check_rules(((r.id, r.file, r.number, r.tests) for r in rules), documents, problems)
    if problems:
        raise Problems(problems)
    rules.sort(key=lambda each: each.order)  # keeps the order of files and lines among equals
    deciding = tuple(each for each in rules if isinstance(each, Rule))
    detecting = tuple(each for each in rules if isinstance(each, Detector))
    return Policy(
        folder=folder,
        rules=deciding,
        detectors=detecting,
        needs_texts=any(isinstance(asked, Body) for each in rules for asked in each.conditions),
        needs_auth=methods_asked(rules),
        rule_index=Index(deciding) if len(deciding) >= MIN_RULES else None,
        detector_index=Index(detecting) if len(detecting) >= MIN_RULES else None,
        documents=documents,
        dated=shelf.dated,
    )


def _names(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError as error:
        text = f"the policy folder cannot be read: {error.strerror}"
        raise Problems([Problem(file=folder, line=0, text=text)]) from None
    # What begins with a dot is an editor's.
    return sorted(each for each in names if each.endswith(".toml") and not each.startswith("."))


def _document(path: str, problems: list[Problem]) -> Document | None:
    try:
        with open(path, "rb") as opened:
            return parse(opened.read(MAX_OCTETS + 1), file=path)  # which refuses what is larger
    except OSError as error:
        problems.append(Problem(file=path, line=0, text=f"cannot be read: {error.strerror}"))
    except Problems as found:
        problems += found.problems
    return None


def _rules(document: Document, shelf: Shelf, problems: list[Problem]) -> list[Sentence]:
    top = Table(document, (), problems)
    top.only(FILE_KEYS)
    _check_schema(top)
    given = document.data.get("rule", [])
    if not isinstance(given, list):
        top.wrong("rules are written [[rule]], with two brackets", "rule", at="key")
        return []
    if len(given) > MAX_RULES:
        top.wrong(f"the file has more than {MAX_RULES} rules", "rule", at="key")
        return []
    return [each for each in (rule(table, shelf) for table in top.tables("rule")) if each]


def _check_schema(top: Table) -> None:
    if "schema" not in top:
        top.wrong(
            f'the file does not say which language it is in: begin it with "schema = {SCHEMA}"'
        )
        return
    schema = top.whole("schema")
    if schema is not None and schema != SCHEMA:
        than = "newer than" if schema > SCHEMA else "not one of those"
        top.wrong(f"schema {schema} is {than} this program knows ({SCHEMA})", "schema")


def _check_ids(
    rules: list[Sentence], documents: dict[str, Document], problems: list[Problem]
) -> None:
    first: dict[str, Sentence] = {}
    for each in rules:
        if each.id not in first:
            first[each.id] = each
            continue
        other = first[each.id]
        line = documents[other.file].key(("rule", other.number)).line
        text = f'rule "{each.id}": this id is taken by the rule at {other.file}:{line}'
        path = ("rule", each.number, "id")
        problems.append(documents[each.file].problem(path, text))


def _check_marks(
    rules: list[Sentence], documents: dict[str, Document], problems: list[Problem]
) -> None:
    """Note tags that nobody gives, and totals where nothing is counted."""
    detectors = [each for each in rules if isinstance(each, Detector)]
    tags = sorted({each.tag for each in detectors if each.tag})
    for each in rules:
        document = documents[each.file]
        data = document.data["rule"][each.number]
        for place, name in _asked_tags({key: data.get(key) for key in ("when", "unless")}, ()):
            if name not in tags:
                text = f'rule "{each.id}": no rule gives the tag {expected(name, tags)}'
                problems.append(document.problem(("rule", each.number, *place), text))
        if isinstance(each, Rule) and each.marks and not any(d.score for d in detectors):
            text = f'rule "{each.id}": no rule gives a "score", so the total is always 0'
            problems.append(document.problem(("rule", each.number, "total"), text, at="key"))


def _asked_tags(data: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Give the tags that `when` and `unless` name, and where they stand."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _asked_tags(value, (*path, key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _asked_tags(value, (*path, number))
    elif isinstance(data, str) and [p for p in path if isinstance(p, str)][1:] == ["tag"]:
        yield path, data
