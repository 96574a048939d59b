"""What an admin can set, with every default: the values that config.py reads from qscanner.toml.

Called by  config (which fills it), the programs, and whoever is handed a piece of it.
Careful    sizes are octets, times are seconds, whatever unit the file uses. Relative paths of the
           file are absolute here. A key that is not here does not exist: config refuses it.
"""

from dataclasses import dataclass, field

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """[queue]: how qscanner-queue talks to qmail."""

    program: str = "/var/qmail/bin/qmail-queue"
    error_text: str = "auto"  # auto | 6:82 | 4:82 | 2:88 | none
    daemon_away: str = "scan"  # scan | defer
    trusted_users: tuple[str, ...] = ("qmaild", "vpopmail", "root")  # names or numeric uids
    spool: str = "/var/spool/qscanner/tmp"
    host: str = ""  # in our header lines; "": control/me of qmail, else the host's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """[daemon]: the resident scanner."""

    socket: str = "/run/qscanner/qscannerd.sock"
    workers: int = 0  # 0: from the number of CPUs
    wait: float = 30.0  # for a free worker; then "later"
    metrics: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """[limits]: bounds of one message. Every bound that is hit is a finding, never silence.

    Only `spooled` is of all messages together.
    """

    message: int = 100 * MIB  # larger: unscannable.too-large
    time: float = 240.0  # from the end of the envelope
    decoded: int = 200 * MIB  # octets out of all decoders together
    ratio: int = 250  # decoded octets of one archive over its own size, above 1 MiB
    parts: int = 1000  # of the MIME tree
    depth: int = 32  # of the MIME tree, and of archives in archives
    members: int = 10000  # of all archives together
    memory: int = 2048 * MIB  # address space of what scans
    spooled: int = 2048 * MIB  # of all messages above 1 MiB that are being taken or scanned


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamav:
    """[virus.clamav]"""

    servers: tuple[str, ...] = ("unix:/run/clamav/clamd.ctl",)
    within: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Yara:
    """[virus.yara]: the embedded engine."""

    rules: tuple[str, ...] = ()  # files; (): the shipped rules for the test strings
    within: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VirusCommand:
    """[virus.command]: any scanner that takes a message on stdin; no shell."""

    program: tuple[str, ...] = ()  # and its arguments
    clean: tuple[int, ...] = (0,)  # exit codes
    infected: tuple[int, ...] = (1,)
    unscannable: tuple[int, ...] = ()
    name: str = ""  # a pattern for the name in what it prints
    within: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Virus:
    """[virus]"""

    engines: tuple[str, ...] = ("clamav",)  # clamav, yara, command
    on_failure: str = "defer"  # defer | accept | quarantine
    clamav: Clamav = field(default_factory=Clamav)
    yara: Yara = field(default_factory=Yara)
    command: VirusCommand = field(default_factory=VirusCommand)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spamd:
    """[spam.spamd]"""

    servers: tuple[str, ...] = ("tcp:127.0.0.1:783",)
    within: float = 120.0
    max: int = 500_000  # larger is not scored
    user: str = ""  # whose preferences count; "recipient": those of a message's only one


@dataclass(frozen=True, slots=True, kw_only=True)
class Rspamd:
    """[spam.rspamd]"""

    servers: tuple[str, ...] = ("tcp:127.0.0.1:11333",)
    within: float = 60.0
    max: int = 50 * MIB  # larger is not scored
    threshold: int = 0  # called spam from this score on; 0: as rspamd says
    controllers: tuple[str, ...] = ("tcp:127.0.0.1:11334",)  # who is told what is spam
    password_file: str = ""  # of the controllers


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamCommand:
    """[spam.command]: any scorer that takes a message on stdin and prints SCORE/THRESHOLD."""

    program: tuple[str, ...] = ()  # and its arguments
    within: float = 120.0
    max: int = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """[spam.learn]: who learns from a review. (): the scorer itself, where it can."""

    spam: tuple[str, ...] = ()  # a program that takes a message on stdin, and its arguments
    ham: tuple[str, ...] = ()
    within: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spam:
    """[spam]"""

    scorer: str = "none"  # none | spamd | rspamd | command
    on_failure: str = "accept"  # defer | accept | quarantine
    relay_clients: bool = False  # score mail of clients that may relay, too
    spamd: Spamd = field(default_factory=Spamd)
    rspamd: Rspamd = field(default_factory=Rspamd)
    command: SpamCommand = field(default_factory=SpamCommand)
    learn: Learn = field(default_factory=Learn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """[auth]: what rules that ask for DKIM, SPF or ARC rest on."""

    authserv_id: str = ""  # of the own mail server's Authentication-Results; "": none are believed
    servers: tuple[str, ...] = ()  # name servers; (): those of resolv.conf
    within: float = 10.0  # for all of one message
    max: int = 20 * MIB  # the signatures of larger messages are not verified


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """[policy]"""

    dir: str = "policies"
    test_before_reload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """[quarantine.keep]: how long held mail is kept, by class; 0: for ever."""

    virus: float = 2_592_000.0
    banned: float = 2_592_000.0
    spam: float = 2_592_000.0
    unscannable: float = 2_592_000.0
    policy: float = 2_592_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """[quarantine]"""

    dir: str = "/var/spool/qscanner/quarantine"
    database: str = ""  # "": files in dir, and an index in SQLite; or postgresql://
    password_file: str = ""
    room: int = 0  # octets of all held messages; 0: as many as come
    history: float = 7_776_000.0  # how long is remembered what is not kept any more; 0: for ever
    expire_every: float = 3600.0  # by the daemon; 0: never by itself
    keep: Keep = field(default_factory=Keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """[notices]: what is told by mail, to recipients and the admin. Rules say when."""

    admin: str = ""  # address; "": the admin is told nothing
    from_address: str = ""  # "": postmaster at our name
    templates: str = ""  # folder; what is not there is taken from those shipped
    language: str = "en"  # folder of the texts in it
    per_hour: int = 200  # addresses told in all
    per_address: int = 10  # letters to one address in an hour
    alarm_after: float = 900.0  # mail put off for a dead scanner for so long


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """[digest]: regular letters about what is held, and was not told before."""

    to: tuple[str, ...] = ()  # addresses and @domains: those of them for whom mail is held
    admin: bool = False  # one of all that is held, to [notices] admin
    at: tuple[str, ...] = ("07:00",)  # local times of day
    classes: tuple[str, ...] = ("banned", "spam", "unscannable", "policy")  # told to recipients


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """[history]: facts of every message, for `qscanner log` and `stats`. No texts of messages."""

    keep: float = 2_592_000.0  # of each message; 0: nothing is written down
    counts: float = 63_072_000.0  # numbers by the hour, which name nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """[archive]: where copies of all mail go."""

    maildir: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """[log]"""

    to: str = "stderr"  # stderr | syslog


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file. `file` is where it was read, "" for the built-in defaults."""

    file: str = ""
    queue: Queue = field(default_factory=Queue)
    daemon: Daemon = field(default_factory=Daemon)
    limits: Limits = field(default_factory=Limits)
    virus: Virus = field(default_factory=Virus)
    spam: Spam = field(default_factory=Spam)
    auth: Auth = field(default_factory=Auth)
    policy: Policy = field(default_factory=Policy)
    quarantine: Quarantine = field(default_factory=Quarantine)
    notices: Notices = field(default_factory=Notices)
    digest: Digest = field(default_factory=Digest)
    history: History = field(default_factory=History)
    archive: Archive = field(default_factory=Archive)
    log: Log = field(default_factory=Log)
