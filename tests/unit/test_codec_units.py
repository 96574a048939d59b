"""codec.units: sizes in octets and times in seconds, and no unit that could be misread."""

import pytest

from qscanner.codec.units import octets, seconds


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0 B", 0),
        ("12 B", 12),
        ("500 kB", 500_000),
        ("25 MB", 25_000_000),
        ("2 GB", 2_000_000_000),
        ("10 KiB", 10_240),
        ("100 MiB", 104_857_600),
        ("100MiB", 104_857_600),
        ("1 GiB", 1_073_741_824),
        ("1.5 MiB", 1_572_864),
        ("0.1 kB", 100),
        ("0.0001 kB", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sizes(text: str, want: int) -> None:
    """kB counts thousands and KiB 1024s; a fraction is rounded down to octets."""
    assert octets(text) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("240 s", 240.0),
        ("500 ms", 0.5),
        ("2 min", 120.0),
        ("1 h", 3600.0),
        ("1 d", 86400.0),
        ("1.5 s", 1.5),
        ("0.5 min", 30.0),
        ("60s", 60.0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_times(text: str, want: float) -> None:
    """All units end as seconds."""
    assert seconds(text) == want


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("100", 'has no unit: a size is like "100 MiB"'),
        ("", 'is not a size like "100 MiB"'),
        ("MiB", "is not a size"),
        ("-1 MiB", "is not a size"),
        ("1e3 MiB", "unknown unit|is not a size"),
        ("1,5 MiB", "is not a size"),
        ("\u0661 MiB", "is not a size"),
        ("100 mb", 'unknown unit "mb" in "100 mb"'),
        ("100 K", 'unknown unit "K"'),
        ("100 MiB ", "is not a size"),
        ("9" * 16 + " B", "is not a size"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_no_size(text: str, why: str) -> None:
    """What is wrong is said with all units that are right."""
    with pytest.raises(ValueError, match=why) as caught:
        octets(text)
    assert "(units: B, kB, MB, GB, KiB, MiB, GiB)" in str(caught.value)


@pytest.mark.parametrize("text", ["30 m", "30", "30 sec", "1 h 30 min", "30 S"])
def test_no_time(text: str) -> None:
    """Also "m" is refused, because it may be read in two ways."""
    with pytest.raises(ValueError, match=r"\(units: ms, s, min, h, d\)"):
        seconds(text)
