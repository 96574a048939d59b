"""What a mail server noted of its own checks: Authentication-Results and Received-SPF, read.

RFC 8601 2.2 and RFC 7208 9.1, as far as DKIM, SPF and ARC go.

Called by  checks.auth_told, with fields that the own mail server wrote.
Ends       always, in linear time; what cannot be read gives no results.
Careful    whose field it is, nobody can see from it: the caller has to know.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_OCTETS = 16 << 10  # of a field that is read at all
_PAIR = re.compile(r'([A-Za-z0-9._/-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*+"|[^\s";]+)')
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*+"|[();]|\\.|[^"();\\]+|.', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One method and what it gave, in lower case; `properties` are like ("header.d", "a.b")."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()

    def values(self, *names: str) -> tuple[str, ...]:
        """Give the values of the properties of these names."""
        return tuple(value for name, value in self.properties if name in names)


def authentication_results(value: bytes) -> tuple[str, tuple[Result, ...]]:
    """Give the server's id and the results of an Authentication-Results field; ("", ()): none."""
    first, *others = _statements(value) or [""]
    id_ = first.split()[0].strip('"').lower() if first.split() else ""
    results = [list(_pairs(each)) for each in others]
    return id_, tuple(_result(pairs) for pairs in results if pairs)


def received_spf(value: bytes) -> Result | None:
    """Give the result of a Received-SPF field, with its keys as properties."""
    statements = _statements(value)
    words = statements[0].split() if statements else []
    if not words or "=" in words[0]:
        return None
    pairs = tuple(pair for each in statements for pair in _pairs(each))
    return Result(method="spf", result=words[0].lower(), properties=pairs)


def _result(pairs: list[tuple[str, str]]) -> Result:
    (method, result), *properties = pairs
    return Result(
        method=method.partition("/")[0], result=result.lower(), properties=tuple(properties)
    )


def _pairs(statement: str) -> Iterator[tuple[str, str]]:
    for found in _PAIR.finditer(statement):
        name, value = found[1].lower(), found[2]
        yield name, _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def _statements(value: bytes) -> list[str]:
    """Give what stands between semicolons, without comments; nothing of what is too long."""
    if len(value) > MAX_OCTETS:
        return []
    found, depth = [""], 0
    for piece in _PIECE.findall(value.decode("latin-1")):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
            found[-1] += " "
        elif depth:
            continue
        elif piece == ";":
            found.append("")
        else:
            found[-1] += piece
    return found
