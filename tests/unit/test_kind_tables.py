"""kind_tables: the tables speak of nothing but the kinds of the vocabulary."""

from qscanner.kind_tables import ARCHIVES, BY_EXTENSION, BY_TYPE, SIGNATURES
from qscanner.kinds import KINDS


def test_only_known_kinds() -> None:
    """A misspelt kind would never be matched by a rule."""
    used = set(ARCHIVES)
    for found in (*BY_EXTENSION.values(), *BY_TYPE.values(), *(row[2] for row in SIGNATURES)):
        used |= found
    assert used <= KINDS


def test_keys_are_lower_case() -> None:
    """They are looked up in lower case."""
    for key in (*BY_EXTENSION, *BY_TYPE):
        assert key == key.lower()
    assert all("/" in key for key in BY_TYPE)
