"""Sizes and times as admins write them: "100 MiB", "240 s".

Called by  config for the settings, policy.* for the conditions.
Ends       with octets or seconds, or raises ValueError that says which units there are.
Careful    kB is 1000 octets, KiB 1024. "m" is refused: some read it as minutes, others as months.
"""

import re

_OCTETS_IN = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_MILLISECONDS_IN = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_AMOUNT = re.compile(r"(\d{1,15})(?:\.(\d{1,6}))?[ ]?([A-Za-z]*)", re.ASCII)


def octets(text: str) -> int:
    """Give the octets that a size like "100 MiB" or "1.5 kB" means, rounded down.

    Raises ValueError with the allowed units.
    """
    number, of_million, scale = _amount(text, _OCTETS_IN, "a size", "100 MiB")
    return number * scale + of_million * scale // 10**6


def seconds(text: str) -> float:
    """Give the seconds that a time like "240 s" or "1.5 h" means. Raises as octets() does."""
    number, of_million, scale = _amount(text, _MILLISECONDS_IN, "a time", "60 s")
    return (number * scale + of_million * scale / 10**6) / 1000


def _amount(text: str, units: dict[str, int], what: str, example: str) -> tuple[int, int, int]:
    """Give the whole part, the millionths behind the dot, and how much one of the unit is."""
    allowed = ", ".join(units)
    found = _AMOUNT.fullmatch(text)
    if not found:
        raise ValueError(f'"{text}" is not {what} like "{example}" (units: {allowed})')
    if not found[3]:
        raise ValueError(f'"{text}" has no unit: {what} is like "{example}" (units: {allowed})')
    if found[3] not in units:
        raise ValueError(f'unknown unit "{found[3]}" in "{text}" (units: {allowed})')
    return int(found[1]), int((found[2] or "").ljust(6, "0")), units[found[3]]
