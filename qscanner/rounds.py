"""Rounds: at which times digests are due, and who gets one, as the settings say.

Called by  store.digests (which writes them), injector (which sends no others), the commands.
Ends       always with an answer; the settings were checked when they were read.
Careful    times of day are local. In the hour that a clock skips a round is when the clock has
           gone on; in the hour that it shows twice it is the first time only.
"""

import datetime
from collections.abc import Iterator

from qscanner.settings import Settings

LAG_S = 60.0  # who is kept at this moment has a time already, and is seen later
_DAY = datetime.timedelta(days=1)


def is_asked(settings: Settings) -> bool:
    """Say whether anybody gets digests."""
    return bool(settings.digest.to) or for_admin(settings)


def for_admin(settings: Settings) -> bool:
    """Say whether the admin gets one of all that is held."""
    return settings.digest.admin and bool(settings.notices.admin)


def is_for(settings: Settings, address: str) -> bool:
    """Say whether an address is one of those who get digests of their own mail, in any case."""
    low = address.lower()
    _, at, domain = low.rpartition("@")
    wanted = {each.lower() for each in settings.digest.to}
    return bool(at) and (low in wanted or f"@{domain}" in wanted)


def latest(settings: Settings, now: float) -> int | None:
    """Give the latest time of a round that is over, in seconds since 1970; None without rounds."""
    over = [each for each in _around(settings, now) if each <= now - LAG_S]
    return max(over, default=None)


def following(settings: Settings, now: float) -> int | None:
    """Give the time of the next round, in seconds since 1970; None without rounds."""
    return min((each for each in _around(settings, now) if each > now - LAG_S), default=None)


def _around(settings: Settings, now: float) -> Iterator[int]:
    """Give the times of rounds of some days before and behind."""
    if not is_asked(settings):
        return
    today = datetime.datetime.fromtimestamp(now, tz=datetime.UTC).astimezone().date()
    for days in (-2, -1, 0, 1, 2):
        for clock in settings.digest.at:
            time = datetime.time.fromisoformat(clock)
            yield int(datetime.datetime.combine(today + days * _DAY, time).timestamp())
