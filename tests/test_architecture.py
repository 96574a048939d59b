"""The rows and homes of the source tree: who may import whom, enforced from the code itself.

A new module goes into ROWS by name: the place is a decision, and this test asks for it.
"""

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "qscanner"

# From the ground up: a module imports only from rows above its own in this list. A package stands
# for all of its modules that are not named by themselves; see _family() for who may import whom
# within a row.
ROWS = (
    {"model", "outcomes", "settings"},
    {"codec"},
    {"ledger"},
    {"intake"},
    {
        "deadline",
        "patterns",
        "log",
        "spool",
        "client",
        "confine",
        "changes",
        "crashes",
        "descriptors",
        "fairness",
        "fingerprint",
        "forms",
        "health",
        "leaving",
        "libraries",
        "maildir",
        "notify",
        "rounds",
    },
    {
        "asking",
        "budget",
        "commands",
        "conversation",
        "libarchive_reader",
        "slots",
        "schema",
        "kind_tables",
        "mime_tree",
        "records",
        "store.words",
        "visit",
        "emergency",
        "outbox",
        "attendant",
    },
    {"libarchive_members", "streams"},
    {"zip_members"},
    {
        "config",
        "magic_kinds",
        "kinds",
        "archives",
        "macros",
        "mime",
        "metrics",
        "letters",
        "alarm",
    },
    {"documents"},
    {"checks"},
    {"checks.virus", "embedded", "policy"},
    {"store.lists"},
    {"bench", "importers", "learning", "outgoing", "reply", "specimen"},
    {"report", "lobby"},
    {"stripping"},
    {"scan", "dispatcher"},
    {"inject", "looking", "quarantine", "qmailqueue", "warm"},
    {"archive", "history", "injector", "notices"},
    {"store"},
    {"clerk", "handover", "rehearsal", "replaying"},
    {"inprocess", "worker"},
    {"programs"},
)

# The only modules that may import a library that is sharp, heavy or foreign.
HOMES = {
    "email": {"mime", "letters"},
    "pyclamd": {"checks.clamav"},
    "magic": {"magic_kinds"},
    "pylibmagic": {"magic_kinds"},
    "libarchive": {"libarchive_reader"},
    "bz2": {"streams"},
    "lzma": {"streams"},
    "re2": {"patterns"},
    "yara_x": {"checks.yara"},
    "oletools": {"macros"},
    "olefile": set[str](),
    "dkim": {"checks.auth_dkim"},
    "dns": {"checks.auth_dns"},
    "spf": {"checks.auth_spf"},
    "tomllib": {"codec.places"},
    "zipfile": {
        "archives",
        "checks.clamav_probe",  # the probe writes one
        "programs.admin_quarantine_export",  # writes one, and reads none
    },
    "tarfile": {"archives"},
    "click": {"programs.admin"},
    "rich": {"programs.admin"},
    "sqlalchemy": {
        "store.checking",
        "store.database",
        "store.digests",
        "store.expiry",
        "store.history",
        "store.home",
        "store.local",
        "store.migrations.first",
        "store.migrations.second",
        "store.rows",
        "store.search",
        "store.shared",
        "store.store",
        "store.tables",
    },
    "alembic": {"store.database", "store.migrations.first", "store.migrations.second"},
    "psycopg": set[str](),  # SQLAlchemy loads it
    "subprocess": {"commands"},
    "pickle": set[str](),
}

MAX_LINES = 400


def _name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py")
MODULES = {_name(file): file for file in FILES}


def _row(module: str) -> int | None:
    for name in (module, module.partition(".")[0]):
        for number, row in enumerate(ROWS):
            if name in row:
                return number
    return None


def _family(module: str) -> str:
    """Give the name of those that may import each other, in one row and not in a circle.

    The modules of a package; but a program stands alone, with what is named after it.
    """
    return module.partition("_")[0] if module.startswith("programs.") else module.partition(".")[0]


def _imports(file: Path) -> set[str]:
    """Give the dotted names of all that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: line {node.lineno}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _ours(file: Path) -> set[str]:
    """Give the modules of ours that a file imports, without `qscanner.`."""
    names = (name.removeprefix("qscanner.") for name in _imports(file) if name != "qscanner")
    found = (name if name in MODULES else name.rpartition(".")[0] for name in names)
    return {name for name in found if name in MODULES}


def test_every_module_has_a_row() -> None:
    """A module that no row names is not placed by accident."""
    assert [name for name in MODULES if _row(name) is None] == []


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    """A module imports from rows above its own, or from its own family in the same row."""
    mine = _row(module)
    wrong = [
        other
        for other in _ours(MODULES[module])
        if (theirs := _row(other)) is None
        or mine is None
        or theirs > mine
        or (theirs == mine and _family(other) != _family(module))
    ]
    assert wrong == []


def test_no_circles() -> None:
    """Nor within a package."""
    try:
        TopologicalSorter({name: _ours(file) for name, file in MODULES.items()}).prepare()
    except CycleError as circle:
        pytest.fail(f"a circle of imports: {circle.args[1]}")


def test_one_sharp_library_one_home() -> None:
    """email, pyclamd, RE2 and their like are each wrapped in one place, traps and all."""
    strays = [
        (name, library)
        for name, file in MODULES.items()
        for library in {dotted.partition(".")[0] for dotted in _imports(file)} & HOMES.keys()
        if not any(name == home or name.startswith(f"{home}_") for home in HOMES[library])
    ]
    assert strays == []


def test_only_what_is_declared_is_imported() -> None:
    """Every library is the standard one's or in pyproject.toml, so a plain install can run."""
    text = (ROOT / "pyproject.toml").read_text("utf-8").lower()
    for name, file in MODULES.items():
        for library in {dotted.partition(".")[0] for dotted in _imports(file)}:
            if library in sys.stdlib_module_names or library == "qscanner":
                continue
            known = library.replace("_", "-") in text or library in {"magic", "re2"}
            assert known, f"{name} imports {library}"


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_small(module: str) -> None:
    """A newcomer can read any file in one sitting."""
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_test(module: str) -> None:
    """tests/unit/test_<path with underscores>.py."""
    assert (ROOT / "tests" / "unit" / f"test_{module.replace('.', '_')}.py").exists()


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    """The docstring opens the file: what it is, then who calls it, how it ends, what to mind."""
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_text("utf-8")))
    assert docstring
    assert "Called by  " in docstring


def test_documented_files_exist() -> None:
    """Every file that docs/architecture.md names is there."""
    page = ROOT / "docs" / "architecture.md"
    if not page.exists():
        return
    named = re.findall(r"`([a-z_./-]+\.(?:py|toml|md|c|h|yar|service))`", page.read_text("utf-8"))
    assert named
    places = (ROOT, PACKAGE, ROOT / "tests", ROOT / "docs")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
