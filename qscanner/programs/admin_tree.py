"""`qscanner scan -v`: one message as a tree of parts, with what was found beside what it is about.

Called by  programs.admin_scan.
Ends       with lines; raises nothing.
Careful    names, paths and details are strangers' words: they pass for_terminal(), or printable()
           where the terminal is not known to show UTF-8, and are cut to the width of the screen.
           Of many parts those stay that a rule or a finding speaks of, and what they are in.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import click
from rich.cells import cell_len

from qscanner.model import Action, Facts, Finding, Part, Where
from qscanner.policy.decide import matches
from qscanner.policy.rules import Mode, Policy
from qscanner.programs.admin_report import COLOURS, check_lines, verdict_lines
from qscanner.programs.admin_rows import octets_said
from qscanner.programs.admin_screen import Screen
from qscanner.report import Report

_MAX_PARTS = 60  # of more, only the telling ones are drawn
_MAX_NOTES = 20  # beside one part
_MAX_NAMES = 4
_MAX_KINDS_CELLS = 30
_MIN_NAME_CELLS = 12
_INDENTED = 10  # levels that are drawn; deeper ones are told by a number
_COLUMN = 12  # where admin_report begins its texts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """One line beside a part: what was found, or a rule that acts on it."""

    text: str
    action: Action | None = None


@dataclass(slots=True, kw_only=True)
class _Node:
    """A part with what is in it; without a `part` a container that has no line of its own."""

    label: str = ""
    name: str = ""
    part: Part | None = None
    notes: list[_Note] = field(default_factory=list)
    children: "list[_Node]" = field(default_factory=list)
    is_drawn: bool = True


def tree_lines(report: Report, policy: Policy, *, file: str, screen: Screen) -> list[str]:
    """Give the whole telling: what holds for all of it, the parts, and at last the verdict."""
    tree = _Tree(report.facts, policy)
    root = tree.root
    head = f"{screen.safe(file)}  {octets_said(report.facts.octets)}  {report.ms:.0f} ms"
    lines = [click.style(head, bold=True), *_noted(root, "", screen)]
    _select(root)
    lines += _drawn(root, screen)
    said = [*check_lines(report), *verdict_lines(report, policy)]
    return [*lines, "", *(piece for line in said for piece in _wrapped(line, screen))]


def _wrapped(line: str, screen: Screen) -> list[str]:
    """Give a line of the verdict as the screen can show it: `label     text` in column 12."""
    if not screen.is_unicode:
        line = line.encode("ascii", "backslashreplace").decode()
    if cell_len(click.unstyle(line)) <= screen.width or not line.startswith("  "):
        return [line]
    label, text = line[:_COLUMN], line[_COLUMN:]
    pieces = textwrap.wrap(text, screen.width - _COLUMN, break_on_hyphens=False)
    return [f"{label if at == 0 else '':{_COLUMN}}{piece}" for at, piece in enumerate(pieces)]


class _Tree:
    """Places every part in the one that it is in, and every finding beside its part."""

    def __init__(self, facts: Facts, policy: Policy) -> None:
        self._bare = replace(facts, parts=(), findings=(), virus=None, spam=None)
        to = facts.envelope.recipients
        self._to = to[0] if to else None
        # A rule that meets a message without any part or finding says nothing about one of them.
        self._rules = [
            rule
            for rule in policy.rules
            if rule.mode is Mode.ON and not matches(rule, self._bare, self._to)
        ]
        self.root = _Node()
        self._nodes: dict[str, _Node] = {}
        for part in facts.parts:
            self._add(part)
        for finding in facts.findings:
            self._note(finding)

    def _add(self, part: Part) -> None:
        scope, outer = self._outer(part.path)
        rest = part.path[len(scope) + 1 :] if scope else part.path
        if part.where is Where.ARCHIVE and scope:
            node = _Node(name=rest, part=part)
        else:
            label, _, name = rest.partition("/")
            node = _Node(label=label, name=name, part=part)
            leaf = f"{scope}/{label}" if scope else label
            outer = self._container(leaf, outer, len(leaf) - len(label))
            self._nodes[leaf] = node
        self._nodes[part.path] = node
        outer.children.append(node)
        alone = replace(self._bare, parts=(part,))
        for action, rules in self._acting(alone).items():
            node.notes.append(_Note(text=f"{action.value}: {', '.join(rules)}", action=action))

    def _outer(self, path: str) -> tuple[str, _Node]:
        """Give path and node of the content that a part came out of, "" for the message."""
        at = path.rfind("/")
        while at > 0:
            if path[:at] in self._nodes:
                return path[:at], self._nodes[path[:at]]
            at = path.rfind("/", 0, at)
        return "", self.root

    def _container(self, leaf: str, outer: _Node, start: int) -> _Node:
        """Give the node that a leaf hangs at: `2` for `2~base64`, and for `2.1` too."""
        base, view, _ = leaf.rpartition("~")
        if view and len(base) > start:
            return self._nodes.get(base, outer)
        for at in [at for at in range(start, len(leaf)) if leaf[at] == "."]:
            path = leaf[:at]
            if path not in self._nodes:
                self._nodes[path] = _Node(label=path[start:])
                outer.children.append(self._nodes[path])
            outer = self._nodes[path]
        return outer

    def _note(self, finding: Finding) -> None:
        where = finding.where
        node = self._nodes.get(where) if where else self.root
        told = ""
        if node is None:
            _, node = self._outer(f"{where}/")
            told = "" if node.part else f"  in {where}"
        text = f"{finding.id}  {finding.detail}{told}".rstrip()
        acting = self._acting(replace(self._bare, findings=(finding,)))
        action = max(acting, key=lambda each: each.severity, default=None)
        if action:
            text += f"  ({action.value}: {', '.join(acting[action])})"
        node.notes.append(_Note(text=text, action=action))

    def _acting(self, facts: Facts) -> dict[Action, list[str]]:
        """Give the rules that would decide on this alone, by what they ask for."""
        found: dict[Action, list[str]] = {}
        for rule in self._rules:
            if rule.action is not Action.ACCEPT and matches(rule, facts, self._to):
                found.setdefault(rule.action, []).append(rule.id)
        return found


def _select(root: _Node) -> None:
    """Of more than 60 parts keep those with notes, what they are in, and then the first."""
    nodes = list(_all(root))
    if len(nodes) <= _MAX_PARTS:
        return
    left = _MAX_PARTS
    for node in nodes:
        node.is_drawn = False
    above = {id(child): node for node in nodes for child in node.children}
    telling = sorted(nodes, key=lambda node: (not _is_acted_on(node), not node.notes))
    for chosen in telling:  # those that are alike stay in their order
        if left <= 0:
            return
        this: _Node | None = chosen
        while this and not this.is_drawn:
            this.is_drawn = True
            left -= 1
            this = above.get(id(this))


def _is_acted_on(node: _Node) -> bool:
    return any(note.action for note in node.notes)


def _all(root: _Node) -> Iterator[_Node]:
    """Give all below the root in the order of the message, without recursion."""
    waiting = root.children[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children[::-1]


def _drawn(root: _Node, screen: Screen) -> Iterator[str]:
    """Draw what is below the root, depth first."""
    waiting = [(child, stems) for child, stems in _below(root, ())][::-1]
    while waiting:
        node, stems = waiting.pop()
        if isinstance(node, int):
            more = f"and {node} more, --json has all"
            yield _branch(stems, screen) + more
            continue
        is_open = any(child.is_drawn for child in node.children)
        yield _line(node, _branch(stems, screen), screen)
        stem = _stem(stems, screen) + (_glyph("│  ", "|  ", screen) if is_open else "")
        yield from _noted(node, stem, screen)
        waiting += _below(node, stems)[::-1]


def _below(node: _Node, stems: tuple[bool, ...]) -> list[tuple[_Node | int, tuple[bool, ...]]]:
    """Give the children that are drawn, and the number of those that are not, as a last one.

    The stems say for each level whether it goes on below.
    """
    drawn: list[_Node | int] = [child for child in node.children if child.is_drawn]
    missing = sum(1 + sum(1 for _ in _all(child)) for child in node.children if not child.is_drawn)
    if missing:
        drawn.append(missing)
    return [(child, (*stems, at < len(drawn) - 1)) for at, child in enumerate(drawn)]


def _glyph(fine: str, plain: str, screen: Screen) -> str:
    return fine if screen.is_unicode else plain


def _stem(stems: tuple[bool, ...], screen: Screen) -> str:
    deeper = len(stems) - _INDENTED
    shown = "".join(
        _glyph("│  ", "|  ", screen) if goes_on else "   " for goes_on in stems[-_INDENTED:]
    )
    return f"{'':4}{shown}" if deeper > 0 else shown


def _branch(stems: tuple[bool, ...], screen: Screen) -> str:
    end = _glyph("├─ ", "|- ", screen) if stems[-1] else _glyph("└─ ", "`- ", screen)
    stem = _stem(stems, screen)[:-3]
    return f"{len(stems):<3} {stem[4:]}{end}" if len(stems) > _INDENTED else stem + end


def _line(node: _Node, branch: str, screen: Screen) -> str:
    """Give `├─ 2  invoice.zip      archive, zip  1.2 kB`, never wider than the screen."""
    room = screen.width - cell_len(branch)
    about = screen.fitted(_kinds(node), min(_MAX_KINDS_CELLS, room // 3))
    size = octets_said(node.part.octets) if node.part else ""
    right = "  ".join(filter(None, (about, size, *_flags(node.part))))
    name = screen.safe(node.name)
    left = "  ".join(filter(None, (node.label, name)))
    left = screen.fitted(left, max(room - cell_len(right) - 2, _MIN_NAME_CELLS))
    padding = " " * max(2, screen.width - cell_len(branch + left) - cell_len(right))
    action = max((n.action for n in node.notes if n.action), key=_severity, default=None)
    shown = click.style(left, fg=COLOURS[action], bold=True) if action else left
    return f"{branch}{shown}{padding}{click.style(right, dim=True)}"


def _severity(action: Action) -> int:
    return action.severity


def _kinds(node: _Node) -> str:
    """Give the kinds, the telling ones only: "archive" says nothing beside "zip"."""
    if node.part is None:
        return "multipart" if node.children else ""
    kinds = sorted(node.part.kinds)
    few = [kind for kind in kinds if kind not in {"archive", "unknown"}] or kinds
    return ", ".join(few) or "kind unknown"


def _flags(part: Part | None) -> Iterator[str]:
    if part is not None and part.is_encrypted:
        yield "encrypted"
    if part is not None and part.is_unreadable:
        yield "unreadable"


def _noted(node: _Node, stem: str, screen: Screen) -> Iterator[str]:
    """Give the lines beside a part: further names, rules that act on it, findings."""
    for other in _other_names(node):
        yield from _folded(screen.safe(f"also called {other}"), f"{stem}  ", screen, None)
    for note in node.notes[:_MAX_NOTES]:
        mark = _glyph("✗", "x", screen) if note.action else "!"
        yield from _folded(f"{mark} {screen.safe(note.text)}", stem, screen, note.action)
    if len(node.notes) > _MAX_NOTES:
        yield f"{stem}! and {len(node.notes) - _MAX_NOTES} more, --json has all"


def _other_names(node: _Node) -> list[str]:
    """Give the further names of a part that differ in more than blanks and case."""
    if node.part is None:
        return []
    seen, others = {_plain(node.name)}, []
    for name in node.part.names:
        if _plain(name) not in seen and _plain(name):
            seen.add(_plain(name))
            others.append(name)
    return others[:_MAX_NAMES]


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _folded(text: str, stem: str, screen: Screen, action: Action | None) -> Iterator[str]:
    """Give a note in as many lines as it takes, each with the stem of the tree before it."""
    width = max(screen.width - cell_len(stem), 20)
    lines = textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
    for line in lines:
        yield stem + click.style(line, fg=COLOURS[action] if action else "yellow")
