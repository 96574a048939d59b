"""Messages that took a worker down: three times, and the message is not scanned any more.

Called by  dispatcher.
Ends       raises nothing; forgets the oldest beyond a bound.
Careful    kept in memory: a daemon that starts anew counts anew, which costs at most three more
           workers. A digest that scans well is forgotten.
"""

from collections import OrderedDict

OFTEN = 3
_KEPT = 1000
_TOLD = 40  # to a worker, in one packet


class Crashes:
    """How often each digest took a worker with it, the latest last."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def count(self, digest: str) -> int:
        """Note one more crash and give how many there were."""
        self._counts[digest] = self._counts.pop(digest, 0) + 1
        while len(self._counts) > _KEPT:
            self._counts.popitem(last=False)
        return self._counts[digest]

    def forget(self, digest: str) -> None:
        """Forget a digest that was scanned without harm."""
        if self._counts.get(digest, 0) < OFTEN:
            self._counts.pop(digest, None)

    def too_often(self) -> tuple[str, ...]:
        """Give the latest digests that did it too often."""
        often = [digest for digest, times in self._counts.items() if times >= OFTEN]
        return tuple(often[-_TOLD:])
