"""The words: what every other module means by message, part, finding, check, verdict.

Called by  everything. Imports nothing of ours.
Ends       never: these are values, frozen, without behaviour that could fail.
Careful    one word per idea, in code, policy files, log lines, headers and the manual alike:

    message     the octets on fd 0           envelope   sender and recipients from fd 1
    client      what we know of the caller   part       a leaf of the MIME tree or of an archive
    finding     (id, where, detail) of one   check      one thing that looks
    rule        a sentence in policies/      action     what a rule asks for
    listed      a sender, by an entry that   override   what an allowance does to
                allows or blocks                        rules that hold or say "spam"
    verdict     what becomes of it           ending     how a program ends
    held        kept in quarantine           digest     the key that recognises a retry

Text (str) that came from strangers is always encodable as UTF-8: codec.text.readable() made it.
Addresses stay bytes.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Action(enum.Enum):
    """What a rule asks for, and what becomes of a message for one recipient."""

    ACCEPT = "accept"
    DEFER = "defer"
    QUARANTINE = "quarantine"
    DISCARD = "discard"
    REJECT = "reject"

    @property
    def severity(self) -> int:
        """Place in the order accept < defer < quarantine < discard < reject.

        A defer comes from a check that could not answer now: it beats accept and yields to a
        definite hit.
        """
        return _SEVERITY[self]


_SEVERITY = {action: place for place, action in enumerate(Action)}


class Outcome(enum.Enum):
    """How a check ended. CLEAN is only what was positively heard."""

    CLEAN = "clean"
    FOUND = "found"
    UNAVAILABLE = "unavailable"  # could not answer now: settings say what follows
    UNSCANNABLE = "unscannable"  # will never be scannable: a finding, for policy


class Direction(enum.Enum):
    """Where a message is going: in from a stranger, out from a relay client, or injected here."""

    IN = "in"
    OUT = "out"
    LOCAL = "local"


class Release(enum.Enum):
    """Who may let out what is held, from nobody to the most people."""

    NOBODY = "nobody"
    ADMIN = "admin"
    OPERATOR = "operator"
    RECIPIENT = "recipient"


class Notify(enum.Enum):
    """Whom a rule has told of what became of a message. Never its sender: anybody can be that."""

    RECIPIENTS = "recipients"
    ADMIN = "admin"


class Where(enum.Enum):
    """How a part is placed in its message."""

    INLINE = "inline"
    ATTACHMENT = "attachment"
    ARCHIVE = "archive"  # a member of an archive
    NESTED = "nested"  # inside a message/rfc822


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Sender and recipients, and the octets they were read from (qmail-queue(8))."""

    sender: bytes
    recipients: tuple[bytes, ...]
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What we know of the connection.

    Everything but `uid` and `is_host` is the caller's claim and believed only of a trusted uid:
    of any other caller `ip`, `auth_user`, `is_relay`, `host`, `environment` are empty here, and
    `claimed_ip` says what it claimed, for the log.
    """

    uid: int
    is_trusted: bool = False
    is_host: bool = False  # qmail-send's bounce or qmail-local's forward: never refused
    direction: Direction = Direction.LOCAL
    ip: str = ""
    host: str = ""
    auth_user: str = ""
    is_relay: bool = False
    claimed_ip: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a check saw: id `kind.what`, the path of the part ("" = the message), a detail."""

    id: str
    where: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One header field of the message: its name as written, and its value in two readings.

    `plain` is the value unfolded, octets read as UTF-8 or Latin-1; `decoded` has RFC 2047 words
    decoded as well. Rules match either.
    """

    name: str
    plain: str
    decoded: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A leaf of the MIME tree or a member of an archive, as far as rules may ask about it.

    `path` is like `1.2/invoice.zip/a.exe`; `names` holds every view of every name, most literal
    first; `kinds` is the union of declared type, extension, libmagic and our own signatures.
    `span` is where the part of the message stands that it is, or is in: offsets from its header
    block to before the next delimiter; None where that is not certain.
    """

    path: str
    names: tuple[str, ...] = ()
    declared: str = ""  # "application/pdf", lower case; "" for an archive's member
    kinds: frozenset[str] = frozenset()
    octets: int = 0
    where: Where = Where.INLINE
    is_encrypted: bool = False
    is_unreadable: bool = False
    span: tuple[int, int] | None = None


class Markup(enum.Enum):
    """What a text is written in."""

    PLAIN = "plain"
    HTML = "html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text part, decoded: what a reader would be shown, HTML still with its tags."""

    path: str
    markup: Markup
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What the spam scorer said."""

    score: float
    threshold: float
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Who is proven to stand behind a message: only what a rule in force asks for.

    Domains are in lower case. `dkim_domains` are those of signatures that are good, `spf_domain`
    is the sender's where SPF passes, "" where not; `is_arc`: the chain of ARC seals is valid.
    """

    dkim_domains: frozenset[str] = frozenset()
    spf_domain: str = ""
    is_arc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one check ended.

    `detail` is for people: the virus name, or why there is no answer. `names` are virus names.
    `scanners` are like "clamav/1.4.6/27402", for the X-Qscanner line. `ms` is milliseconds.
    """

    outcome: Outcome
    detail: str = ""
    names: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    scanners: tuple[str, ...] = ()
    score: Score | None = None
    proven: Proven | None = None
    ms: float = 0.0


ALLOWED, BLOCKED = "default.allowed", "default.blocked"  # the rules that say what is listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What somebody said of this sender for a recipient: allowed, or blocked.

    `id` is the entry's, `told` says in words who is listed for whom, by whom and why.
    """

    id: str
    is_allowed: bool
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that policy may ask about one message."""

    envelope: Envelope
    client: Client
    octets: int  # of the message
    headers: tuple[Header, ...] = ()
    parts: tuple[Part, ...] = ()
    texts: tuple[Text, ...] = ()  # only where a rule asks about texts
    findings: tuple[Finding, ...] = ()
    virus: CheckResult | None = None  # None: no engine is configured
    spam: CheckResult | None = None
    proven: Proven = Proven()
    listed: tuple[Listed | None, ...] = ()  # for each recipient; () where nobody is


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of the message for one recipient; rules that decided, most severe first."""

    action: Action
    rules: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()  # rules that do not count, since the sender is allowed
    redirect_to: tuple[bytes, ...] = ()  # who gets it instead, where it is accepted
    copy_to: tuple[bytes, ...] = ()  # who gets it as well, where it is accepted
    maildirs: tuple[str, ...] = ()  # absolute paths that get it as well, where it is accepted
    notify: tuple[Notify, ...] = ()  # who is told of it, where it is not deferred


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A part that a rule takes out of the message: the outermost one of what the rule means.

    `span` is as in Part; `inside` is the path of what the rule means, where that is in the part.
    """

    span: tuple[int, int]
    part: Part
    inside: str = ""
    rule: str
    why: str = ""
    is_signed: bool = False  # the part is in something signed or encrypted


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What rules explicitly ask to change in an accepted message.

    `ranges` (from, to, octets instead) is what `cuts` come to: an edit of octets, proven safe.
    """

    add_headers: tuple[tuple[str, str], ...] = ()
    subject_prefix: str = ""
    cuts: tuple[Cut, ...] = ()
    ranges: tuple[tuple[int, int, bytes], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of one message.

    `action` is the message's: the mildest that any recipient gets, but DEFER when any is deferred.
    `decisions` has one entry per recipient of the envelope, in its order; the entry for a message
    without recipients is `action` and `rules` alone. `rules` decided, most severe first;
    `logged` hit in mode log-only. `reply` is the text for a refusal, without D/Z.
    `why` explains the verdict in one sentence for the log and the review.
    `detected` are the detecting rules that hit, `tags` and `total` what they left: all tags and
    the highest total where recipients differ. `release` says who may let out what is held.
    """

    action: Action
    decisions: tuple[Decision, ...]
    rules: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()
    reply: str | None = None
    why: str = ""
    keep: bool = False
    edits: Edits = Edits()
    detected: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    total: float = 0.0
    release: Release = Release.ADMIN
