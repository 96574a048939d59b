"""A folder of policy files, all of it or nothing: TOML in, a Policy or every mistake out.

Called by  the programs when they start or reload, `qscanner check` and `policy check`.
Ends       with a Policy, or raises Problems with every mistake of every file.
Careful    files are read in the order of their names; that and `order` is the reading order.
"""

import os

from qscanner.codec.places import MAX_OCTETS, Document, parse
from qscanner.codec.problems import Problem, Problems
from qscanner.policy.rules import Policy, Rule
from qscanner.policy.sentence import rule
from qscanner.policy.shelf import Shelf
from qscanner.policy.tables import Table

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
    rules: list[Rule] = []
    for name in _names(folder):
        path = os.path.join(folder, name)
        document = _document(path, problems)
        if document is not None:
            documents[path] = document
            rules += _rules(document, shelf, problems)
    _check_ids(rules, documents, problems)
    if problems:
        raise Problems(problems)
    rules.sort(key=lambda each: each.order)  # keeps the order of files and lines among equals
    return Policy(folder=folder, rules=tuple(rules), documents=documents, dated=shelf.dated)


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


def _rules(document: Document, shelf: Shelf, problems: list[Problem]) -> list[Rule]:
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


def _check_ids(rules: list[Rule], documents: dict[str, Document], problems: list[Problem]) -> None:
    first: dict[str, Rule] = {}
    for each in rules:
        if each.id not in first:
            first[each.id] = each
            continue
        other = first[each.id]
        line = documents[other.file].key(("rule", other.number)).line
        text = f'rule "{each.id}": this id is taken by the rule at {other.file}:{line}'
        path = ("rule", each.number, "id")
        problems.append(documents[each.file].problem(path, text))
