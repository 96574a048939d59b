"""The picture: size of the message against milliseconds, ours against theirs, as SVG by hand.

Called by  bench.
Careful    both axes are logarithmic: 2 kB and 5 MB, 2 ms and 2 s would not fit otherwise.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from bench_mails import SIZES
from bench_run import Table
from bench_tell import FLOOR

_WIDTH, _HEIGHT = 860, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 250, 50, 60
_OCTETS = {"2kB": 2e3, "30kB": 3e4, "300kB": 3e5, "5MB": 5e6}
_LINES = (
    ("c-client", "qscanner, C client", "#0a7d33", 3.0),
    ("python-client", "qscanner, Python client", "#58b368", 2.0),
    ("in-process", "qscanner, no daemon", "#a8d5a2", 2.0),
    ("floor", "floor: queue + clamd + parse", "#555555", 1.5),
    ("clamdscan", "clamdscan + queue", "#c0392b", 2.0),
    ("pipeline", "ripmime, clamdscan, queue", "#e67e22", 2.0),
    ("pipeline-spamc", "… and spamc", "#8e44ad", 2.0),
    ("amavisd", "amavisd-new (SMTP)", "#2980b9", 2.0),
    ("clamsmtp", "clamsmtp (SMTP)", "#7fb3d5", 2.0),
)


def draw(table: Table, file: Path, *, note: str) -> None:
    """Write the picture of what was measured one at a time."""
    found = {name: points for name, *_ in _LINES if (points := _points(table, name))}
    values = [ms for points in found.values() for _, ms in points]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values)))
    scale = _Scale(low, high)
    body = [*_frame(scale, note), *_curves(found, scale)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="13">'
    )
    white = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    file.write_text("\n".join([head, white, *body, "</svg>"]) + "\n", "utf-8")


def _points(table: Table, name: str) -> list[tuple[float, float]]:
    points = []
    for size in SIZES:
        pieces = [table.get((one, size, 1)) for one in (FLOOR if name == "floor" else (name,))]
        known = [piece.wall() for piece in pieces if piece]
        if len(known) == len(pieces):
            points.append((_OCTETS[size], sum(known)))
    return points


class _Scale:
    """From octets and milliseconds to places in the picture."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def x(self, octets: float) -> float:
        least, most = math.log10(1.5e3), math.log10(7e6)
        return _LEFT + (math.log10(octets) - least) / (most - least) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, ms: float) -> float:
        least, most = math.log10(self.low), math.log10(self.high)
        share = (math.log10(ms) - least) / (most - least)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{words}</text>'


def _frame(scale: _Scale, note: str) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    title = f"Milliseconds a message, one at a time, clamd without its cache ({note})"
    yield _text(_LEFT, 28, title, 'font-size="15" font-weight="bold"')
    ms = scale.low
    while ms <= scale.high * 1.001:
        y = scale.y(ms)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#dddddd"/>'
        yield _text(_LEFT - 8, y + 4, f"{ms:g}", 'text-anchor="end"')
        ms *= 10
    for size, octets in _OCTETS.items():
        x = scale.x(octets)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#eeeeee"/>'
        yield _text(x, bottom + 20, size, 'text-anchor="middle"')
    yield _text((_LEFT + right) / 2, bottom + 44, "size of the message", 'text-anchor="middle"')
    turned = f'text-anchor="middle" transform="rotate(-90 22 {(_TOP + bottom) / 2:.0f})"'
    yield _text(22, (_TOP + bottom) / 2, "milliseconds", turned)


def _curves(found: dict[str, list[tuple[float, float]]], scale: _Scale) -> Iterator[str]:
    labels: list[float] = []
    drawn = [line for line in _LINES if line[0] in found]
    for name, label, colour, width in sorted(drawn, key=lambda line: -found[line[0]][-1][1]):
        places = [(scale.x(octets), scale.y(ms)) for octets, ms in found[name]]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        dashes = ' stroke-dasharray="5 4"' if name == "floor" else ""
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes}/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
        y = max([places[-1][1], *(label + 17 for label in labels[-1:])])
        labels.append(y)
        yield _text(_WIDTH - _RIGHT + 12, y + 4, label, f'fill="{colour}"')
