"""programs.admin_items: levels and exit codes."""

import pytest

from qscanner.programs.admin_items import Item, Level, as_json, worst


def _item(level: Level) -> Item:
    return Item(area="x", level=level, text="t", todo=("do",))


@pytest.mark.parametrize(
    ("levels", "code"),
    [
        ([], 0),
        ([Level.OK], 0),
        ([Level.OK, Level.WARNING], 1),
        ([Level.ERROR, Level.WARNING], 2),
        ([Level.ERROR, Level.DOWN, Level.OK], 3),
    ],
    ids=["nothing", "fine", "warning", "error", "down"],
)
def test_the_worst_counts(levels: list[Level], code: int) -> None:
    """The highest exit code that any item asks for."""
    assert worst([_item(level) for level in levels]) == code


def test_as_json() -> None:
    """One object per item, with the words of docs/commands.md."""
    assert as_json(_item(Level.DOWN)) == {
        "area": "x",
        "level": "down",
        "text": "t",
        "todo": ["do"],
    }
