"""rounds: when digests are due, whatever the clocks do, and for whom."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from qscanner import rounds
from qscanner.settings import Digest, Notices, Settings


def asking(*at: str, to: tuple[str, ...] = ("@here.example",), admin: bool = False) -> Settings:
    return Settings(digest=Digest(to=to, at=at or ("07:00",), admin=admin))


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the local time be that of Berlin: clocks go on on 2026-03-29, back on 2026-10-25."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("at", "now", "latest", "following"),
    [
        (("07:00",), "2026-11-28 06:00:59", "2026-11-27 06:00", "2026-11-28 06:00"),
        (("07:00",), "2026-11-28 06:01:00", "2026-11-28 06:00", "2026-11-29 06:00"),
        (("07:00", "16:30"), "2026-11-28 12:00", "2026-11-28 06:00", "2026-11-28 15:30"),
        (("16:30", "07:00"), "2026-11-28 23:30", "2026-11-28 15:30", "2026-11-29 06:00"),
        (("00:00",), "2026-11-27 23:00:30", "2026-11-26 23:00", "2026-11-27 23:00"),
        (("23:59",), "2026-11-27 23:00:00", "2026-11-27 22:59", "2026-11-28 22:59"),
        (("02:30",), "2026-03-29 00:59", "2026-03-28 01:30", "2026-03-29 01:30"),
        (("02:30",), "2026-03-29 02:00", "2026-03-29 01:30", "2026-03-30 00:30"),
        (("07:00",), "2026-03-29 12:00", "2026-03-29 05:00", "2026-03-30 05:00"),
        (("02:30",), "2026-10-25 00:40", "2026-10-25 00:30", "2026-10-26 01:30"),
        (("02:30",), "2026-10-25 01:40", "2026-10-25 00:30", "2026-10-26 01:30"),
        (("07:00",), "2026-10-25 12:00", "2026-10-25 06:00", "2026-10-26 06:00"),
    ],
    ids=[
        "not-yet", "a-minute-later", "between", "in-any-order", "midnight", "before-midnight",
        "before-the-skipped-hour", "the-skipped-hour", "a-day-of-23-hours", "an-hour-twice",
        "not-a-second-time", "a-day-of-25-hours",
    ],
)  # fmt: skip
def test_when(at: tuple[str, ...], now: str, latest: str, following: str) -> None:
    """Each time of day once a day, a minute after it; in UTC here."""
    settings = asking(*at)
    assert rounds.latest(settings, utc(now)) == utc(latest)
    assert rounds.following(settings, utc(now)) == utc(following)


def test_nobody() -> None:
    """Without anybody who gets one, or without times, there are no rounds."""
    for settings in (
        Settings(),
        Settings(digest=Digest(admin=True)),
        Settings(digest=Digest(to=("@x",), at=())),
    ):
        assert rounds.latest(settings, 1e9) is None
        assert rounds.following(settings, 1e9) is None
    admin = Settings(digest=Digest(admin=True), notices=Notices(admin="root@x"))
    assert rounds.is_asked(admin)
    assert rounds.for_admin(admin)
    assert not rounds.for_admin(Settings(digest=Digest(to=("@x",)), notices=Notices(admin="a@x")))


@pytest.mark.parametrize(
    ("address", "is_for"),
    [
        ("joe@here.example", True),
        ("JOE@HERE.example", True),
        ("Sue@other.example", True),
        ("bob@other.example", False),
        ("joe@sub.here.example", False),
        ("joe@nothere.example", False),
        ("@", False),
        ("here.example", False),
        ("joe", False),
        ("", False),
        ("a@b@here.example", True),
        ("joe@here.example@else.example", False),
    ],
)
def test_whom(address: str, is_for: bool) -> None:
    """An address or a domain, in any case; what stands behind the last @ is the domain."""
    settings = asking(to=("@Here.Example", "sue@OTHER.example"))
    assert rounds.is_for(settings, address) is is_for
