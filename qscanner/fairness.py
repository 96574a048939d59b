"""A queue that is fair between users, and within a user between addresses.

Called by  dispatcher, for clients that wait for a worker.
Ends       take() gives None when nobody waits who may go; nothing here raises.
Careful    the address is the client's claim. A lying client can only move within its own user's
           share, which is why the uid (of the kernel, unix(7) SO_PEERCRED) comes first.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")
_Lines = OrderedDict[bytes, deque[_T]]


class Waiting(Generic[_T]):
    """Those who wait, each under a uid and an address; whose turn it is goes round."""

    def __init__(self) -> None:
        self._users: OrderedDict[int, _Lines[_T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, one: _T, *, uid: int, address: bytes) -> None:
        """Let one wait, behind those of the same user and address."""
        self._users.setdefault(uid, OrderedDict()).setdefault(address, deque()).append(one)
        self._count += 1

    def take(self, may: Callable[[int], bool] = lambda _uid: True) -> _T | None:
        """Give whose turn it is: the next address's first of the next user who may have a turn."""
        uid = next(filter(may, self._users), None)
        if uid is None:
            return None
        lines = self._users[uid]
        address, line = next(iter(lines.items()))
        one = line.popleft()
        _turn(lines, address, is_empty=not line)
        _turn(self._users, uid, is_empty=not lines)
        self._count -= 1
        return one

    def older_than(self, moment: float, *, since: Callable[[_T], float]) -> list[_T]:
        """Give those who have waited since before that moment, by what `since` says of each."""
        lines = (line for user in self._users.values() for line in user.values())
        return [one for line in lines for one in line if since(one) < moment]

    def drop(self, one: _T, *, uid: int, address: bytes) -> None:
        """Forget one who waits no longer; one who does not wait is no mistake."""
        lines = self._users.get(uid, OrderedDict())
        line = lines.get(address, deque())
        if one not in line:
            return
        line.remove(one)
        self._count -= 1
        if not line:
            del lines[address]
        if not lines:
            del self._users[uid]


_K = TypeVar("_K")
_V = TypeVar("_V")


def _turn(lines: OrderedDict[_K, _V], key: _K, *, is_empty: bool) -> None:
    """Send a line to the end of the turn, or away if nobody is left in it."""
    if is_empty:
        del lines[key]
    else:
        lines.move_to_end(key)
