"""Who brings a message: what uid and environment say, and how much of that we believe.

Called by  the queue program's scanning side, and `qscanner scan` with options in their place.
Ends       with a Client; raises nothing.
Careful    the environment of an untrusted caller is its own claim: it may make matters worse for
           the message (it came from a stranger), never better (it may relay).
"""

import functools
import pwd
import time
from collections.abc import Iterable, Mapping

from qscanner.codec.text import readable
from qscanner.model import Client, Direction

# Names under which SMTP AUTH patches export the user. TCPREMOTEINFO is not among them: without
# AUTH it holds the IDENT answer of the remote machine, which anybody can forge.
_AUTH_USER = ("SMTPAUTHUSER", "SMTP_AUTH_USER", "AUTHUSER", "QMAILAUTHENTICATED")
_BOUNCES = "qmails"  # qmail-send runs as this user
# qmail-local sets these before it forwards; a refusal there would become a bounce.
_FORWARD = ("DTLINE", "RPLINE")
_REMEMBERED_S = 60  # a user that is made meanwhile is known a minute later
_now = time.monotonic


def of(uid: int, environment: Mapping[bytes, bytes], trusted_users: Iterable[str]) -> Client:
    """Give the client of a caller with this real uid and this environment.

    `trusted_users` are user names or numeric uids; names that do not exist trust nobody.
    """
    told = {readable(key): readable(value) for key, value in environment.items()}
    ip = told.get("TCPREMOTEIP", "")
    is_host = not ip and (uid == _uid(_BOUNCES) or all(name in told for name in _FORWARD))
    if uid not in {_uid(user) for user in trusted_users}:
        return Client(
            uid=uid,
            is_host=is_host,
            direction=Direction.IN if ip else Direction.LOCAL,
            claimed_ip=ip,
        )
    user = next((told[name] for name in _AUTH_USER if told.get(name)), "")
    return Client(
        uid=uid,
        is_trusted=True,
        is_host=is_host,
        direction=_direction(ip, may_relay="RELAYCLIENT" in told or bool(user)),
        ip=ip,
        host=told.get("TCPREMOTEHOST", ""),
        auth_user=user,
        is_relay="RELAYCLIENT" in told,
        environment=told,
    )


def _direction(ip: str, *, may_relay: bool) -> Direction:
    if not ip:
        return Direction.LOCAL
    return Direction.OUT if may_relay else Direction.IN


def _uid(user: str) -> int:
    """Give the uid of a name or number, -1 for a name that does not exist."""
    if user.isdecimal():
        return int(user)
    return _uid_by_name(user, int(_now()) // _REMEMBERED_S)


@functools.lru_cache(maxsize=64)
def _uid_by_name(user: str, _minute: int) -> int:
    """Look a user up: the name service may be a file of thousands, or a network away."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return -1


def forget_users() -> None:
    """Look every user up again."""
    _uid_by_name.cache_clear()
