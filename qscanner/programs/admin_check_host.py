"""What `qscanner check` says of this host: queue program, folders, users, reply channel, limits.

Called by  programs.admin_check, with settings that could be read.
Ends       with items; a thing that cannot be looked at is an item, too.
Careful    permissions are those of whoever runs the check, and of the trusted users by the mode
           bits: from SMTP the queue program runs as qmaild, not as root.
"""

import ctypes
import grp
import os
import pwd
import re
import resource
import stat
import sys

from qscanner import libarchive_members, macros, qmailqueue
from qscanner.magic_kinds import MagicError, type_of
from qscanner.outcomes import Unusable
from qscanner.programs import admin_privileges
from qscanner.programs.admin_items import Item, Level
from qscanner.settings import Queue, Settings

_SPOOL_MODE = 0o1733
_KNOWN_CHANNELS = ("auto", "none", "6:82", "4:82", "4:88", "2:88")
_MIB = 1 << 20
# Of address space, measured, with room to spare (README.md): soft limits are lifted for the scan.
SOFT_NEEDED_OCTETS = 64_000_000
HARD_NEEDED_OCTETS = 512 * _MIB
_DESCRIPTORS_NEEDED = 64


def look(settings: Settings) -> list[Item]:
    """Give all that can be said of the host."""
    return [
        _queue_program(settings.queue),
        _reply_channel(settings.queue),
        *_users(settings.queue),
        _spool(settings.queue.spool),
        *_quarantine(settings),
        _libmagic(),
        _libarchive(),
        _oletools(),
        *_limits(settings),
    ]


def _queue_program(queue: Queue) -> Item:
    ourselves = os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "qscanner-queue")
    try:
        qmailqueue.prove_usable(queue.program, ourselves)
    except Unusable as error:
        todo = "name the real queue program in [queue] program, like /var/qmail/bin/qmail-queue"
        text = str(error).partition(": ")[0]  # behind it stands what a log line needs
        return Item(area="queue", level=Level.ERROR, text=text, todo=(todo,))
    if admin_privileges.are_withheld(queue.program):
        text = f"{queue.program} is set-uid, which has no effect from here: NO_NEW_PRIVS is set"
        todo = "qmail and releases must be started without it (systemd: qscanner help daemon)"
        return Item(area="queue", level=Level.ERROR, text=text, todo=(todo,))
    return Item(area="queue", level=Level.OK, text=f"accepted mail goes to {queue.program}")


def _reply_channel(queue: Queue) -> Item:
    said = {
        "auto": "replies: $ERROR_FD, descriptor 6 or 4, whichever qmail offers",
        "none": "replies: none, senders see qmail's own words for 31 and 71",
    }
    text = said.get(queue.error_text, f"replies: descriptor and exit code {queue.error_text}")
    if queue.error_text not in _KNOWN_CHANNELS:
        todo = "no known qmail uses that: 6:82 is notqmail's, 4:82 netqmail's, 2:88 indimail's"
        return Item(area="queue", level=Level.WARNING, text=text, todo=(todo,))
    if queue.error_text.startswith("2:"):
        text += "; log lines go to syslog"
    return Item(area="queue", level=Level.OK, text=text)


def _users(queue: Queue) -> list[Item]:
    missing = [user for user in queue.trusted_users if not user.isdigit() and _user(user) is None]
    there = [user for user in queue.trusted_users if user not in missing]
    is_default = queue.trusted_users == Queue().trusted_users
    if not missing or (is_default and set(there) - {"root"}):
        text = f"believed about the connection: {', '.join(there) or 'nobody'}"
        return [Item(area="users", level=Level.OK, text=text)]
    text = f"trusted_users that do not exist here: {', '.join(missing)}"
    todo = "name the user that qmail-smtpd runs as in [queue] trusted_users"
    return [Item(area="users", level=Level.WARNING, text=text, todo=(todo,))]


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return None


def _spool(folder: str) -> Item:
    remedy = f"install -d -m 1733 {folder}"
    try:
        mode = os.stat(folder).st_mode
    except OSError as error:
        text = f"spool {folder}: {error.strerror}; memory is used instead, up to 32 MiB a message"
        return Item(area="spool", level=Level.WARNING, text=text, todo=(remedy,))
    text = f"spool {folder}, mode {stat.S_IMODE(mode):04o}"
    if not stat.S_ISDIR(mode):
        return Item(
            area="spool", level=Level.WARNING, text=f"{text}, is no folder", todo=(remedy,)
        )
    if mode & _SPOOL_MODE != _SPOOL_MODE:
        todo = f"chmod 1733 {folder}"
        return Item(area="spool", level=Level.WARNING, text=f"{text}, not 1733", todo=(todo,))
    if not os.access(folder, os.W_OK | os.X_OK):
        text += ", cannot be written by us"
        return Item(area="spool", level=Level.WARNING, text=text, todo=("is it read-only?",))
    return Item(area="spool", level=Level.OK, text=text)


def _quarantine(settings: Settings) -> list[Item]:
    folder = settings.quarantine.dir
    try:
        found = os.stat(folder)
    except OSError as error:
        text = f"quarantine {folder}: {error.strerror}; what should be held is put off instead"
        user = next(
            (u for u in settings.queue.trusted_users if u != "root" and _user(u)), "qmaild"
        )
        todo = f"install -d -m 0700 -o {user} {folder}"
        return [Item(area="quarantine", level=Level.ERROR, text=text, todo=(todo,))]
    owner, group = _owner(found)
    text = f"quarantine {folder}, {owner}:{group}, mode {stat.S_IMODE(found.st_mode):04o}"
    users = [user for user in map(_user, settings.queue.trusted_users) if user is not None]
    items = [_holding(folder, text, users, found)]
    if items[0].level is not Level.OK and _is_the_daemons(found, settings.daemon.socket):
        text = f"{text}: qscannerd holds there; while it is away, what should be held is put off"
        items = [Item(area="quarantine", level=Level.OK, text=text)]
    if items[0].level is not Level.ERROR and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        text = f"quarantine {folder} cannot be written by uid {os.geteuid()}, who runs this check"
        todo = "if mail comes by this user, let it write there; else run the check as root"
        items.append(Item(area="quarantine", level=Level.ERROR, text=text, todo=(todo,)))
    if found.st_mode & 0o005:
        todo = f"chmod o-rx {folder}"
        text = f"quarantine {folder} can be read by every user of this host"
        items.append(Item(area="quarantine", level=Level.WARNING, text=text, todo=(todo,)))
    return items


def _is_the_daemons(found: os.stat_result, socket: str) -> bool:
    """Say whether the folder is of the user who listens on a socket that is there."""
    try:
        return os.stat(socket).st_uid == found.st_uid
    except OSError:
        return False


def _holding(
    folder: str, text: str, users: list[pwd.struct_passwd], found: os.stat_result
) -> Item:
    """Say who of the trusted users can hold mail; root always can."""
    others = [user for user in users if user.pw_uid != 0]
    shut_out = [user.pw_name for user in others if not _may_write(user, found)]
    if not shut_out:
        return Item(area="quarantine", level=Level.OK, text=text)
    text = f"{text}: {', '.join(shut_out)} may not write there; what should be held is put off"
    if len(shut_out) == len(others):
        todo = f"chown {shut_out[0]} {folder}, if that is the user of qmail-smtpd"
        return Item(area="quarantine", level=Level.ERROR, text=text, todo=(todo,))
    todo = "if no mail comes by them, take them out of [queue] trusted_users"
    return Item(area="quarantine", level=Level.WARNING, text=text, todo=(todo,))


def _owner(found: os.stat_result) -> tuple[str, str]:
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = str(found.st_uid)
    try:
        return owner, grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        return owner, str(found.st_gid)


def _may_write(user: pwd.struct_passwd, folder: os.stat_result) -> bool:
    """Say whether the mode bits let the user read, write and enter the folder."""
    if user.pw_uid == folder.st_uid:
        shift = 6
    elif folder.st_gid in os.getgrouplist(user.pw_name, user.pw_gid):
        shift = 3
    else:
        shift = 0
    return folder.st_mode >> shift & 0o7 == 0o7  # noqa: PLR2004 - rwx


def _libmagic() -> Item:
    try:
        kind = type_of(b"%PDF-1.4\n1 0 obj\n")
    except (MagicError, RuntimeError, ImportError) as error:
        todo = "apt-get install libmagic1, or pip install pylibmagic"
        return Item(area="libmagic", level=Level.ERROR, text=str(error), todo=(todo,))
    text = f"libmagic {_libmagic_version()}"
    if kind != "application/pdf":
        return Item(
            area="libmagic",
            level=Level.WARNING,
            text=f"{text} calls a PDF {kind or 'unknown'}",
            todo=("reinstall libmagic1 and libmagic-mgc",),
        )
    return Item(area="libmagic", level=Level.OK, text=text)


def _libarchive() -> Item:
    found = libarchive_members.version()
    if found is None:
        text = "libarchive is not there: 7z, rar, cab, iso and others are held unopened"
        todo = "apt-get install libarchive13"
        return Item(area="libarchive", level=Level.WARNING, text=text, todo=(todo,))
    return Item(area="libarchive", level=Level.OK, text=f"libarchive {found}")


def _oletools() -> Item:
    if macros.load():
        text = "oletools: the source of Office macros is read"
    else:
        text = "no oletools: macros are seen, not read (pip install 'qscanner[office]')"
    return Item(area="office", level=Level.OK, text=text)


def _libmagic_version() -> str:
    """Give version and file of the library that is loaded in this process."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        found = re.search(r"(/\S*libmagic\S*\.so\S*)", maps.read())
    if not found:
        return "(built in)"
    number = int(ctypes.CDLL(found[1]).magic_version())
    return f"{number // 100}.{number % 100:02d} ({found[1]})"


def _limits(settings: Settings) -> list[Item]:
    """Give what softlimit or ulimit of this shell would do to the queue program."""
    items = []
    for name in ("RLIMIT_AS", "RLIMIT_DATA"):
        soft, hard = resource.getrlimit(getattr(resource, name))
        items += _too_low(name, "soft", soft, SOFT_NEEDED_OCTETS)
        items += _too_low(name, "hard", hard, HARD_NEEDED_OCTETS)
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    items += _too_low("RLIMIT_FSIZE", "soft", soft, settings.limits.message)
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors < _DESCRIPTORS_NEEDED:
        text = f"RLIMIT_NOFILE of this shell is {descriptors}: {_DESCRIPTORS_NEEDED} are needed"
        items.append(Item(area="limits", level=Level.WARNING, text=text, todo=("raise it",)))
    return items or [Item(area="limits", level=Level.OK, text="limits of this shell leave room")]


def _too_low(name: str, kind: str, octets: int, needed: int) -> list[Item]:
    if octets == resource.RLIM_INFINITY or octets >= needed:
        return []
    text = f"{name} of this shell is {octets // 10**6} MB ({kind}): {needed // 10**6} are needed"
    todo = f"raise softlimit or ulimit where qmail-smtpd is started, to {needed} octets or more"
    return [Item(area="limits", level=Level.WARNING, text=text, todo=(todo,))]
