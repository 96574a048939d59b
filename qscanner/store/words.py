"""The words of the store: held message, recipient, state, who, event, filter; and what it raises.

Called by  everything of the store, and the commands.
Ends       never by itself; states_after() raises nothing.
Careful    one recipient, one state: what becomes of a message for one says nothing of the others.
           Text of strangers in here is readable(), not printable().
"""

import enum
import getpass
import os
import socket
import time
from dataclasses import dataclass, field

_MINUTE = "%Y-%m-%d %H:%M"
_YEAR_9999 = 253370764800.0
SHORT = 12  # hex digits of a digest that are shown; more where two begin alike
WHOLE = -1  # the place of "the message as a whole": it has no recipients


class State(enum.Enum):
    """What became of a held message for one recipient."""

    HELD = "held"
    RELEASING = "releasing"  # claimed by one who is giving it to the queue program
    RELEASED = "released"
    DELETED = "deleted"
    EXPIRED = "expired"

    @property
    def bit(self) -> int:
        """Give its bit in the sum of a message's states."""
        return 1 << _ORDER[self]


_ORDER = {state: place for place, state in enumerate(State)}
OPEN = (State.HELD, State.RELEASING)  # these need the octets
# From where a state may be reached. A message that comes again is held again: see rows.arrive.
FROM = {
    State.HELD: (State.RELEASING,),
    State.RELEASING: (State.HELD,),
    State.RELEASED: (State.RELEASING,),
    State.DELETED: (State.HELD,),
    State.EXPIRED: (State.HELD,),
}


class Class(enum.Enum):
    """Why a message is held, in one word: what a review asks first."""

    VIRUS = "virus"
    BANNED = "banned"
    SPAM = "spam"
    UNSCANNABLE = "unscannable"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who does something to held mail: a name, and from where (host and process, an address)."""

    name: str
    via: str

    @classmethod
    def here(cls, program: str) -> "Who":
        """Give this process: the user (behind sudo, the one who called), host and pid."""
        pid = os.getpid()
        name = os.environ.get("SUDO_USER") or _user()
        return cls(name=name, via=f"{program}@{socket.gethostname()}:{pid}:{_started(pid)}")

    @property
    def is_at_work(self) -> bool:
        """Say whether this is a process of this host that still runs."""
        _, _, place = self.via.rpartition("@")
        host, _, rest = place.partition(":")
        pid, _, started = rest.partition(":")
        return (
            host == socket.gethostname()
            and pid.isdecimal()
            and bool(started)
            and _started(int(pid)) == started
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return f"uid {os.getuid()}"


def _started(pid: int) -> str:
    """Give when a process started, in ticks: a pid comes again, with another start (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            told = file.read().rpartition(b") ")[2].split()
    except OSError:
        return ""
    return "" if told[0] == b"Z" else told[19].decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient of a held message; `place` is that in the envelope, WHOLE where it has none.

    `claim` says who is releasing it, `at` (seconds since 1970) when its state began.
    """

    place: int
    address: str
    state: State
    at: float
    claim: Who | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One held message, as the index knows it. `since` is seconds since 1970.

    `state` is that of the recipient for whom most is still to be done. `is_gone`: the octets were
    removed. `release` says who may let it out.
    """

    id: str
    digest: str
    state: State
    class_: Class
    sender: str
    recipients: tuple[Recipient, ...]
    rules: tuple[str, ...]
    since: float
    subject: str = ""
    score: float | None = None
    octets: int = 0
    why: str = ""
    action: str = "quarantine"
    release: str = "admin"
    findings: tuple[str, ...] = ()
    ip: str = ""
    log_id: str = ""
    is_gone: bool = False
    row: int = field(default=0, repr=False, compare=False)

    def of(self, *states: State) -> tuple[Recipient, ...]:
        """Give the recipients that are in one of these states."""
        return tuple(each for each in self.recipients if each.state in states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which messages are asked for; what is left out does not matter. Times: seconds since 1970.

    `sender`, `recipient` are an address, or "@domain"; `domain` is that of either. `state`
    and `recipient` must hold for the same recipient. `score` is at least so much. `text` stands
    anywhere in subject, sender, recipients or reason, in any case. `digests` are whole ones.
    """

    since: float | None = None
    until: float | None = None
    sender: str | None = None
    recipient: str | None = None
    domain: str | None = None
    rule: str | None = None
    class_: Class | None = None
    state: State | None = None
    score: float | None = None
    text: str | None = None
    digests: tuple[str, ...] | None = None
    limit: int | None = None
    is_oldest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One line of what was done: to whom, from which state to which, by whom and why.

    Or, where `did` says so, something else than a change of state: `after` is None then. Where it
    is about no message but about lists, `digest` is "".
    """

    at: float
    digest: str
    place: int
    address: str
    before: State | None
    after: State | None
    by: str
    via: str
    why: str
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A sender who is allowed or blocked for a recipient, until a time, for a reason.

    `sender` is an address or "@domain", `recipient` that or "" for all. `is_allowed` or blocked.
    """

    id: str
    is_allowed: bool
    sender: str
    recipient: str
    until: float | None
    why: str
    by: str
    at: float

    @property
    def told(self) -> str:
        """Give what it says, in words."""
        doing = "allowed" if self.is_allowed else "blocked"
        until = (
            ""
            if self.until is None
            else f" until {time.strftime(_MINUTE, time.localtime(_within(self.until)))}"
        )
        return f"{doing} {self.sender} for {self.recipient or 'all'}{until}"


def _within(at: float) -> float:
    """Give a time that has a date, whatever was written down: localtime() raises for others."""
    return max(0.0, min(_YEAR_9999, at))


# What happens, in the order in which it happened: the journal's lines, and what rows.py applies.


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message was kept. `is_fresh`: nothing of it was there before."""

    at: float
    digest: str
    is_fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Recipients went from one state to another; `places` and `before` side by side."""

    at: float
    digest: str
    places: tuple[int, ...]
    addresses: tuple[str, ...]
    before: tuple[State, ...]
    after: State
    by: str
    via: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The octets of these messages were removed."""

    at: float
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A sender was allowed or blocked."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """An entry was taken back."""

    at: float
    id: str
    by: str
    via: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something was done with a message that changes no state: what, in words of ours."""

    at: float
    digest: str
    did: str
    by: str
    via: str
    why: str


Event = Arrived | Moved | Gone | Listed | Unlisted | Noted


class StoreError(Exception):
    """The root of what the store says to those who review; the text is for people."""


class Unknown(StoreError):
    """No message has this id."""


class Ambiguous(StoreError):
    """Several messages have ids that begin like this: `candidates` are some of them."""

    def __init__(self, text: str, candidates: tuple[Held, ...]) -> None:
        super().__init__(text)
        self.candidates = candidates


class NotSo(StoreError):
    """A recipient is not in the state that this needs: somebody else was first, perhaps.

    `found` is the message as it is now; nothing was changed.
    """

    def __init__(self, text: str, found: Held) -> None:
        super().__init__(text)
        self.found = found


class OctetsGone(StoreError):
    """The octets of the message were removed, or are damaged."""

    @classmethod
    def of(cls, held: Held, why: str) -> "OctetsGone":
        """Give what to say of this message: once nobody needs its octets, nothing is wrong."""
        is_needed = bool(held.of(*OPEN))
        return cls(why if is_needed else f"{held.id} is {held.state.value}: its octets are gone")
