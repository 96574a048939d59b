"""One budget of time per message, handed down as what remains of it.

Called by  the programs, which make it; scan and every check that waits.
Ends       remaining_s() raises OutOfTime when nothing remains, so nobody waits for ever.
"""

import time
from collections.abc import Callable

from qscanner.outcomes import OutOfTime


class Deadline:
    """`within_s` seconds from now on a clock that never jumps."""

    def __init__(self, within_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at = clock() + within_s

    def remaining_s(self) -> float:
        """Give the seconds that remain, more than 0. Raises OutOfTime when none do."""
        remaining = self._ends_at - self._clock()
        if remaining <= 0:
            raise OutOfTime("the time of this message is used up")
        return remaining

    def within(self, within_s: float) -> float:
        """Give `within_s`, or what remains where that is less. Raises OutOfTime when none does."""
        return min(within_s, self.remaining_s())
