"""The alarm: the admin is told that no virus scanner answers for long, and that it is over.

Called by  programs.daemon (Outage), which tells the injector (Alarm) by way of attendant.
Ends       with letters; raises nothing.
Careful    it remembers nothing of what was sent: letters about the same time are the same ones,
           and the outbox knows them.
"""

import time
from dataclasses import dataclass

from qscanner import outbox
from qscanner.outbox import Kind, Letter
from qscanner.settings import Settings

_SECONDS_A_MINUTE = 60


class Outage:
    """The dispatcher's side: since when no scanner answers, and until when, as it goes."""

    def __init__(self) -> None:
        self._from = 0.0  # seconds since 1970: the latest time of a dead scanner
        self._until = 0.0  # 0: still

    def word(self, dead_s: float) -> bytes:
        """Give what the injector has to know; `dead_s`: for how long no scanner answers now."""
        is_known = self._from and not self._until
        if dead_s and not is_known:
            self._from, self._until = time.time() - dead_s, 0.0
        elif not dead_s and is_known:
            self._until = time.time()
        return b"dead %d %d" % (int(self._from), int(self._until))


@dataclass(kw_only=True)
class Alarm:
    """What was heard of the dead scanner: since when, until when (0: still), since 1970."""

    dead_from: int = 0
    dead_until: int = 0

    def hear(self, packet: bytes) -> None:
        """Take the dispatcher's word."""
        word, *numbers = packet.split()
        if word == b"dead" and len(numbers) == 2:  # noqa: PLR2004 - from and until
            self.dead_from, self.dead_until = map(int, numbers)

    def letters(self, settings: Settings, *, now: float) -> list[Letter]:
        """Give the letters that there should be by now: they are put but once."""
        chosen, end = settings.notices, self.dead_until or now
        if not (self.dead_from and chosen.admin and end - self.dead_from >= chosen.alarm_after):
            return []
        kinds = [Kind.ALARM, Kind.ALARM_OVER] if self.dead_until else [Kind.ALARM]
        return [self._letter(kind, settings, end) for kind in kinds]

    def _letter(self, kind: Kind, settings: Settings, end: float) -> Letter:
        return Letter(
            about=f"scanner-{self.dead_from}",
            kind=kind,
            to=(settings.notices.admin.encode("ascii"),),
            at=end,
            values={
                "time": outbox.clock(self.dead_from),
                "minutes": str(round((end - self.dead_from) / _SECONDS_A_MINUTE)),
                "then": settings.virus.on_failure,
            },
        )
