"""How things end: our exceptions, and the one table from an ending to exit code and SMTP reply.

Called by  everything that can fail, and the programs, which end with REPLIES[ending].
Ends       never by itself; raises nothing.
Careful    only 31, 71, 53, 54, 55 and 81 mean the same to every qmail (qmail-queue(8) and its
           descendants), so no other number is used but those the interface itself fixes.
           An unknown trouble is "later": nothing here defaults to a refusal.
           The first stage of the queue program loads this: no enum, no dataclasses.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class _Frozen:
    """Values whose attributes are set once."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name):
            raise AttributeError(f"{name} cannot be changed")
        object.__setattr__(self, name, value)


class _Closed(type):
    """Lets the members of Ending be listed, counted and looked up by name."""

    def __iter__(cls) -> "Iterator[Ending]":
        return iter(REPLIES)

    def __len__(cls) -> int:
        return len(REPLIES)

    def __getitem__(cls, name: str) -> "Ending":
        """Give the member of this name. Raises KeyError."""
        return {ending.name: ending for ending in REPLIES}[name]


class Ending(_Frozen, metaclass=_Closed):
    """Every way out of the queue program, but the real queue program's own (it is exec'd).

    A closed set, but no enum.Enum: to load enum takes as long as all else that the first stage of
    the queue program does, which is started for every message.
    """

    __slots__ = ("name", "value")

    ACCEPTED: "Ending"
    HELD: "Ending"
    DISCARDED: "Ending"
    REJECTED: "Ending"
    DEFERRED: "Ending"
    ADDRESS_TOO_LONG: "Ending"
    OUT_OF_MEMORY: "Ending"
    DEADLINE: "Ending"
    DISK_FULL: "Ending"
    CUT_SHORT: "Ending"
    UNUSABLE: "Ending"
    BUG: "Ending"
    BAD_ENVELOPE: "Ending"

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value

    def __repr__(self) -> str:
        return f"<Ending.{self.name}>"


Ending.ACCEPTED = Ending("ACCEPTED", "accepted")
Ending.HELD = Ending("HELD", "held")
Ending.DISCARDED = Ending("DISCARDED", "discarded")
Ending.REJECTED = Ending("REJECTED", "rejected")
Ending.DEFERRED = Ending("DEFERRED", "deferred")
Ending.ADDRESS_TOO_LONG = Ending("ADDRESS_TOO_LONG", "address too long")
Ending.OUT_OF_MEMORY = Ending("OUT_OF_MEMORY", "out of memory")
Ending.DEADLINE = Ending("DEADLINE", "deadline")
Ending.DISK_FULL = Ending("DISK_FULL", "disk full")
Ending.CUT_SHORT = Ending("CUT_SHORT", "cut short")
Ending.UNUSABLE = Ending("UNUSABLE", "settings or queue program unusable")
Ending.BUG = Ending("BUG", "bug")
Ending.BAD_ENVELOPE = Ending("BAD_ENVELOPE", "bad envelope")


class Reply(_Frozen):
    """One ending as qmail and the SMTP client hear it.

    `exit_without_text` is the exit code where no reply channel is proven; `letter` opens the text
    on the reply channel (D: 554, Z: 451) and is "" where no text of ours is sent; `smtp` and `dsn`
    are what the client is told; `text` is our words where the rule or reason gives none.
    """

    __slots__ = ("dsn", "exit_without_text", "letter", "smtp", "text")

    def __init__(
        self, *, exit_without_text: int, smtp: int, dsn: str, letter: str = "", text: str = ""
    ) -> None:
        self.exit_without_text = exit_without_text
        self.smtp = smtp
        self.dsn = dsn
        self.letter = letter
        self.text = text


REPLIES: dict[Ending, Reply] = {
    Ending.ACCEPTED: Reply(exit_without_text=0, smtp=250, dsn="2.0.0"),
    Ending.HELD: Reply(exit_without_text=0, smtp=250, dsn="2.0.0"),
    Ending.DISCARDED: Reply(exit_without_text=0, smtp=250, dsn="2.0.0"),
    Ending.REJECTED: Reply(
        exit_without_text=31, smtp=554, dsn="5.7.1", letter="D", text="message refused by policy"
    ),
    Ending.DEFERRED: Reply(
        exit_without_text=71,
        smtp=451,
        dsn="4.7.1",
        letter="Z",
        text="message could not be scanned now, try again later",
    ),
    # qmail.c turns these into its own words; 11 is the only permanent one.
    Ending.ADDRESS_TOO_LONG: Reply(exit_without_text=11, smtp=554, dsn="5.1.3"),
    Ending.OUT_OF_MEMORY: Reply(exit_without_text=51, smtp=451, dsn="4.3.0"),
    Ending.DEADLINE: Reply(exit_without_text=52, smtp=451, dsn="4.3.0"),
    Ending.DISK_FULL: Reply(exit_without_text=53, smtp=451, dsn="4.3.0"),
    Ending.CUT_SHORT: Reply(exit_without_text=54, smtp=451, dsn="4.3.0"),
    Ending.UNUSABLE: Reply(exit_without_text=55, smtp=451, dsn="4.3.0"),
    Ending.BUG: Reply(exit_without_text=81, smtp=451, dsn="4.3.0"),
    Ending.BAD_ENVELOPE: Reply(exit_without_text=91, smtp=451, dsn="4.3.0"),
}


class QScannerError(Exception):
    """The root of our exceptions: the text says what, which and what to do; `ending` how it ends.

    QScannerError
      Unusable          settings, policies or the queue program cannot be used      55
      CutShort          the caller went away before the envelope was whole          54
      BadEnvelope       the envelope breaks the grammar of qmail-queue(8)           91
      AddressTooLong    an address of more than 1002 octets                         11
      DiskFull          a write failed: no room, quota, RLIMIT_FSIZE, read-only     53
      OutOfTime         the time of this message is used up                         52
      Later             anything else that may work at the next try                 71
    """

    ending = Ending.BUG


class Unusable(QScannerError):
    """Settings, policies or the queue program cannot be used: an admin must act."""

    ending = Ending.UNUSABLE


class CutShort(QScannerError):
    """The caller went away before message and envelope were whole: an aborted session."""

    ending = Ending.CUT_SHORT


class BadEnvelope(QScannerError):
    """The envelope breaks the grammar of qmail-queue(8)."""

    ending = Ending.BAD_ENVELOPE


class AddressTooLong(QScannerError):
    """An address has more than 1002 octets (qmail-queue.c, ADDR)."""

    ending = Ending.ADDRESS_TOO_LONG


class DiskFull(QScannerError):
    """A write failed: no room, quota, file size limit, read-only."""

    ending = Ending.DISK_FULL


class OutOfTime(QScannerError):
    """The time of this message is used up."""

    ending = Ending.DEADLINE


class Later(QScannerError):
    """Anything else that may work at the next try."""

    ending = Ending.DEFERRED


class CheckFailed(Exception):
    """A check could not answer now. The reason is for the log; it becomes Outcome.UNAVAILABLE."""
