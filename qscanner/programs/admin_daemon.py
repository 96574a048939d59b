"""What the commands hear from the daemon, and what `qscanner check` says of it.

Called by  programs.admin_check, programs.admin_load.
Ends       ask() gives a State, or raises Away with what to tell people.
Careful    it is whoever listens on the socket who answers: what it says is shown, and a pid in it
           is a claim until is_of() has found that the process belongs to the one who listens.
"""

import os
import socket
import struct
from dataclasses import dataclass

from qscanner import __version__, descriptors, emergency, fingerprint, visit
from qscanner.codec import status
from qscanner.codec.status import State
from qscanner.outcomes import QScannerError
from qscanner.programs import admin_privileges
from qscanner.programs.admin_items import Item, Level
from qscanner.programs.admin_options import counted
from qscanner.settings import Settings

WITHIN_S = 5.0
_RELOAD = "not loaded yet: send SIGHUP to qscannerd, or qscanner policy load"
_UCRED = struct.Struct("3i")


class Away(Exception):
    """The daemon did not answer. `is_set_up` is False where nothing of one was ever there."""

    def __init__(self, why: str, *, is_set_up: bool = True) -> None:
        super().__init__(why)
        self.is_set_up = is_set_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the daemon said, and the uid that the kernel says it listens as."""

    state: State
    uid: int


def ask(path: str, *, within_s: float) -> Heard:
    """Ask the daemon behind the socket how it is. Raises Away."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(within_s)
        try:
            peer.connect(path)
            peer.send(status.ASK)
            uid = _uid(peer)
            packet, fds = descriptors.hear(
                peer, max_octets=status.MAX_OCTETS, max_fds=1, within_s=within_s
            )
        except FileNotFoundError as error:
            is_there = os.path.isdir(os.path.dirname(path))
            raise Away("qscannerd is not running", is_set_up=is_there) from error
        except ConnectionRefusedError as error:
            raise Away("qscannerd is not running, and left its socket behind") from error
        except QScannerError as error:
            raise Away(f"qscannerd is there, but: {error}") from error
        except OSError as error:
            why = error.strerror or f"no answer within {within_s:g} s"
            raise Away(f"qscannerd cannot be asked: {why}") from error
    descriptors.close(fds)
    try:
        return Heard(state=status.decode(packet), uid=uid)
    except status.StatusError as error:
        raise Away(f"qscannerd cannot be understood: {error}") from error


def _uid(peer: socket.socket) -> int:
    """Give who listens (unix(7), SO_PEERCRED); root where systemd made the socket."""
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])


def is_of(heard: Heard) -> bool:
    """Say whether the process that is named belongs to whoever listens, or root listens."""
    try:
        return heard.uid in (0, os.stat(f"/proc/{heard.state.pid}").st_uid)
    except OSError:
        return False


def look(settings: Settings) -> list[Item]:
    """Give what can be said of the daemon and of the emergency switch."""
    items = _emergency(settings.daemon.socket)
    try:
        heard = ask(settings.daemon.socket, within_s=WITHIN_S)
    except Away as away:
        return [_away(away, settings), *items]
    state = heard.state
    items += _socket(settings.daemon.socket)
    if is_of(heard) and admin_privileges.are_withheld(settings.queue.program, state.pid):
        text = f"qscannerd runs under NO_NEW_PRIVS: {settings.queue.program} is set-uid, and would"
        text = f"{text} queue none of its letters"
        todo = "take NoNewPrivileges=, and what implies it, out of its unit (qscanner help daemon)"
        items.insert(0, Item(area="daemon", level=Level.WARNING, text=text, todo=(todo,)))
    text = (
        f"qscannerd {state.version}, pid {state.pid}, up since {emergency.clock(state.since)}: "
        f"{counted(state.busy, 'worker')} busy, {state.idle} idle, {state.waiting} waiting"
    )
    return [_running(state, text), _loaded(state, settings), *items]


def _socket(path: str) -> list[Item]:
    """Give a warning where qscanner-queue, which reads no settings, would look elsewhere."""
    if os.fsencode(path) == (os.environb.get(b"QSCANNER_SOCKET") or visit.SOCKET):
        return []
    text = f"[daemon] socket is {path}: qscanner-queue looks for qscannerd where"
    text = f"{text} $QSCANNER_SOCKET says, else at {os.fsdecode(visit.SOCKET)}"
    todo = f'write QSCANNER_SOCKET="{path}" beside QMAILQUEUE, and export it in this shell'
    return [Item(area="daemon", level=Level.WARNING, text=text, todo=(todo,))]


def _running(state: State, text: str) -> Item:
    if state.version != __version__:
        todo = f"restart it: {__version__} is installed"
        return Item(area="daemon", level=Level.WARNING, text=text, todo=(todo,))
    if not state.busy + state.idle:
        todo = "its log says why no worker lives"
        return Item(area="daemon", level=Level.DOWN, text=text, todo=(todo,))
    return Item(area="daemon", level=Level.OK, text=text)


def _loaded(state: State, settings: Settings) -> Item:
    load = state.load
    text = f"policy in force: {counted(load.rules, 'rule')}, mark {load.mark}"
    text += f", loaded {emergency.clock(load.at)}"
    if load.mark == fingerprint.of(settings):
        return Item(area="daemon", level=Level.OK, text=f"{text}, as on disk")
    todo = f"policy changed on disk; {_RELOAD}"
    if not load.is_latest:
        todo = "the last reload failed, the old rules stay in force: correct them, then " + (
            "qscanner policy load"
        )
    return Item(area="daemon", level=Level.WARNING, text=text, todo=(todo,))


def _away(away: Away, settings: Settings) -> Item:
    """Give what it means that nobody answers: mail is put off, or scanned more slowly."""
    path = settings.daemon.socket
    todo = f"start it, or look at its log; its socket is {path}; qscanner help daemon"
    if settings.queue.daemon_away == "defer":
        text = f"{away}: all mail is put off, as [queue] daemon_away says"
        return Item(area="daemon", level=Level.DOWN, text=text, todo=(todo,))
    text = f"{away}: each message is scanned by itself, which takes longer"
    if away.is_set_up:
        return Item(area="daemon", level=Level.WARNING, text=text, todo=(todo,))
    return Item(area="daemon", level=Level.OK, text=f"{text} (no folder of {path})")


def _emergency(path: str) -> list[Item]:
    try:
        found = emergency.in_force(path, now=emergency.now())
    except emergency.Broken as broken:
        todo = "qscanner emergency off removes it"
        text = f"the emergency switch is not in force: {broken}"
        return [Item(area="emergency", level=Level.WARNING, text=text, todo=(todo,))]
    if found is None:
        return []
    text = f"unscanned mail is accepted while no virus engine answers, {found.told}"
    todo = "qscanner emergency off, as soon as they answer again"
    return [Item(area="emergency", level=Level.WARNING, text=text, todo=(todo,))]
