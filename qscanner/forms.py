"""Forms: the text of a template with its blanks filled in; that of a digest has a part for rows.

`$name` and `${name}` are blanks, `$$` is a dollar. A form with rows has more to it: what stands
between a line `%rows` and a line `%end` is repeated for each row, and a line with a blank that is
known and has nothing to say is left out, so that one text serves those with and without it.

Called by  letters.
Ends       with text, whatever a form or a value holds; mistakes() says what is wrong with one.
Careful    values come escaped: a form knows nothing of terminals or HTML.
"""

import re
import string
from collections.abc import Collection, Iterator, Mapping, Sequence

ROWS, END = "%rows", "%end"
_BLANK_LINES = re.compile(r"\n{3,}")


def fill(text: str, known: Mapping[str, str]) -> str:
    """Give a text with its blanks filled in; a name that is not known stays as it is."""
    return string.Template(text).safe_substitute(known)


def fill_with_rows(text: str, known: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> str:
    """Give a form with rows, filled in; each row has names of its own beside those known."""
    lines = list[str]()
    for is_repeated, part in _parts(text):
        for row in rows if is_repeated else ({},):
            lines += _filled(part, {**known, **row})
    return _BLANK_LINES.sub("\n\n", "\n".join(lines))


def _filled(part: Sequence[string.Template], known: Mapping[str, str]) -> Iterator[str]:
    for line in part:
        if all(known.get(name) != "" for name in line.get_identifiers()):
            yield line.safe_substitute(known)


def _parts(text: str) -> Iterator[tuple[bool, list[string.Template]]]:
    """Give the pieces of a form, and of each whether it is repeated."""
    is_repeated, part = False, list[string.Template]()
    for line in text.split("\n"):
        if line.strip() in (ROWS, END):
            yield is_repeated, part
            is_repeated, part = line.strip() == ROWS, []
        else:
            part.append(string.Template(line))
    yield is_repeated, part


def mistakes(text: str, known: Collection[str]) -> Iterator[str]:
    """Say what is wrong with a text, a sentence each."""
    made = string.Template(text)
    if not made.is_valid():
        yield 'a "$" without a name behind it: write "$$"'
    for name in made.get_identifiers():
        if name not in known:
            yield f'"${name}" is not known here ({", ".join(known)})'


def mistakes_with_rows(
    text: str, known: Collection[str], in_rows: Collection[str]
) -> Iterator[str]:
    """Say what is wrong with a form with rows."""
    marks = [line.strip() for line in text.split("\n") if line.strip() in (ROWS, END)]
    if marks != [ROWS, END]:
        yield f'it needs one line "{ROWS}" and one line "{END}" below it, around what is repeated'
        known = (*known, *in_rows)
    for is_repeated, part in _parts(text):
        names = (*known, *in_rows) if is_repeated else tuple(known)
        yield from mistakes("\n".join(line.template for line in part), names)
