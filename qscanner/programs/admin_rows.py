"""Lines that fit the screen: a label with its text, a message in a table, sizes, curves of blocks.

Called by  the commands that tell of messages: quarantine list and show, log, stats.
Ends       with lines; raises nothing.
Careful    strangers' words are made safe here (Screen.safe) where a function does not say that it
           wants them so already. Colours are ours; click takes them out in a pipe.
"""

import textwrap
from collections.abc import Iterator, Sequence

import click
from rich.cells import cell_len, chop_cells

from qscanner.programs.admin_screen import Screen

GAP = 2
_MIN_CELLS = 20
_INDENT = 12
_MIN_ROOM = 54  # columns for from, to and a text; with less they go on a line of their own
_KILO = 1000
_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", ".:-=+*#@"


def row(label: str, text: str, screen: Screen) -> Iterator[str]:
    """Give a label and what stands beside it, in as many lines as that takes; nothing for none."""
    if not text:
        return
    head = f"  {screen.safe(label):9} "
    indent = min(cell_len(head), _INDENT)
    pieces = folded(screen.safe(text), screen.width - cell_len(head))
    yield head + pieces[0]
    if len(pieces) > 1:
        rest = " ".join(pieces[1:])
        for piece in folded(rest, screen.width - indent):
            yield f"{'':{indent}}{piece}"


def folded(safe: str, width: int) -> list[str]:
    """Give a safe text as lines of so many columns."""
    cells = max(_MIN_CELLS, width)
    lines = textwrap.wrap(safe, cells) or [""]
    return [piece for line in lines for piece in (chop_cells(line, cells) or [""])]


def beside(  # noqa: PLR0913 - what stands in the columns
    head: str, sender: str, to: Sequence[str], text: str, *, count: int, screen: Screen
) -> Iterator[str]:
    """Give a message in a table: one line where the screen is wide enough, else two.

    `head` is safe, and may have colours; `to` has the first of `count` recipients.
    """
    room = screen.width - cell_len(click.unstyle(head)) - GAP
    if room >= _MIN_ROOM:
        yield f"{head}  {_named(sender, to, text, count, screen, room)}".rstrip()
    else:
        yield head.rstrip()
        yield f"{'':{GAP}}{_named(sender, to, text, count, screen, screen.width - GAP)}".rstrip()


def _named(  # noqa: PLR0913 - three texts and their room
    sender: str, to: Sequence[str], text: str, count: int, screen: Screen, room: int
) -> str:
    """Give sender, recipients and a text in so many columns."""
    side = room * 3 // 10
    cells = (side, side, room - 2 * side - 2 * GAP)
    first = to[0] if to else "nobody"
    more = f" +{count - 1}" if count > 1 else ""
    texts = (
        screen.fitted(screen.safe(sender or "<>"), cells[0]),
        screen.fitted(screen.safe(first), cells[1] - len(more)) + more,
        screen.fitted(screen.safe(text), cells[2]),
    )
    return (" " * GAP).join(padded(each, size) for each, size in zip(texts, cells, strict=True))


def padded(text: str, cells: int) -> str:
    """Give a text with blanks behind it up to so many columns; colours do not count."""
    return text + " " * (cells - cell_len(click.unstyle(text)))


def curve(numbers: Sequence[int], screen: Screen, *, cells: int) -> str:
    """Give numbers as a line of blocks, each against the largest; a blank stands for 0.

    Where there are more numbers than columns, neighbours are added up.
    """
    each = max(1, -(-len(numbers) // max(1, cells)))
    sums = [sum(numbers[at : at + each]) for at in range(0, len(numbers), each)]
    most = max(sums, default=0)
    signs = _BLOCKS if screen.is_unicode else _ASCII
    return "".join(signs[(one * len(signs) - 1) // most] if one else " " for one in sums)


def octets_said(octets: int) -> str:
    """Give a size as people write it: "3.4 MB"."""
    if octets < _KILO:
        return f"{octets} B"
    size, unit = octets / _KILO, "kB"
    for larger in ("MB", "GB"):
        if size >= _KILO:
            size, unit = size / _KILO, larger
    return f"{size:.1f} {unit}"
