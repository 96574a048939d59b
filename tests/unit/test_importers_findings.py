"""importers.findings: ids, warnings, sizes."""

import pytest

from qscanner.importers.findings import Imported, Job, size_of, stem_of
from qscanner.importers.sources import Line
from qscanner.policy.sentence import MAX_ID_CHARS


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("quarantine-events.txt", "quarantine-events"),
        ("filename.rules.conf", "filename.rules"),
        ("my rules (old).txt", "my-rules-old"),
        ("\udcff.", "rules"),
        ("x" * 500, "x" * 32),
    ],
)
def test_stem(name: str, stem: str) -> None:
    """What ids call a file holds nothing but what ids may."""
    assert stem_of(name) == stem


def test_ids() -> None:
    """They say file and line, and are never too long."""
    line = Line(file="f", number=20_000, text="")
    job = Job(lines=(line,), stem=stem_of("x" * 500))
    assert Job(lines=(), stem="a").id_of(line) == "imported-a-20000"
    assert len(job.id_of(line, "spam")) <= MAX_ID_CHARS


def test_warning_points_at_its_line() -> None:
    """File, line, the line, and a caret below what is meant."""
    imported = Imported()
    imported.warn(Line(file="f", number=3, text="ab cd"), "why", "cd")
    assert imported.warned[0].problem().render() == "f:3: why\n    ab cd\n       ^~"


@pytest.mark.parametrize(
    ("octets", "text"), [(0, "0 B"), (69, "69 B"), (250_000, "250 kB"), (10**8, "100 MB")]
)
def test_sizes(octets: int, text: str) -> None:
    """As an admin would write them."""
    assert size_of(octets) == text
