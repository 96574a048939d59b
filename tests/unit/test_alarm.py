"""alarm: one letter when no scanner answers for long, and one when it is over."""

import pytest

from qscanner.alarm import Alarm, Outage
from qscanner.outbox import Kind
from qscanner.settings import Notices, Settings

SETTINGS = Settings(notices=Notices(admin="root@here.example", alarm_after=900.0))


def kinds(packet: bytes, now: float, settings: Settings = SETTINGS) -> list[Kind]:
    alarm = Alarm()
    alarm.hear(packet)
    return [each.kind for each in alarm.letters(settings, now=now)]


@pytest.mark.parametrize(
    ("packet", "now", "wanted"),
    [
        (b"dead 0 0", 5000, []),
        (b"dead 1000 0", 1899, []),
        (b"dead 1000 0", 1900, [Kind.ALARM]),
        (b"dead 1000 1500", 5000, []),
        (b"dead 1000 1950", 5000, [Kind.ALARM, Kind.ALARM_OVER]),
        (b"rubbish", 5000, []),
        (b"dead 1000", 5000, []),
    ],
    ids=["never", "short", "long", "short-and-over", "long-and-over", "rubbish", "half"],
)
def test_when(packet: bytes, now: float, wanted: list[Kind]) -> None:
    """Not before the time that the settings say."""
    assert kinds(packet, now) == wanted


def test_without_an_admin() -> None:
    """There is nobody to tell."""
    assert kinds(b"dead 1000 0", 5000, Settings()) == []


def test_the_same_time_is_the_same_letter() -> None:
    """So the outbox knows whether it was sent; another time is another letter."""
    alarm = Alarm(dead_from=1000)
    (first,), (later,) = (alarm.letters(SETTINGS, now=now) for now in (2000, 3000))
    assert first.name == later.name
    assert first.values["minutes"] == "17"
    assert first.values["then"] == "defer"
    (other,) = Alarm(dead_from=1001).letters(SETTINGS, now=3000)
    assert other.name != first.name


def test_an_outage() -> None:
    """Since when, that it is over, and since when again."""
    outage = Outage()

    def told(dead_s: float) -> list[int]:
        return [int(each) for each in outage.word(dead_s).split()[1:]]

    assert told(0.0) == [0, 0]
    since, until = told(120.0)
    assert since > 1_600_000_000
    assert until == 0
    assert told(121.0) == [since, 0]
    assert told(0.0)[0] == since
    assert told(0.0)[1] > since
    again, until = told(5.0)
    assert again > since
    assert until == 0
