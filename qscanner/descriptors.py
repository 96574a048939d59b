"""Packets with descriptors beside them, over SOCK_SEQPACKET sockets (unix(7), SCM_RIGHTS).

Called by  inprocess, worker, dispatcher.
Ends       hear() gives the packet and its descriptors; raises OutOfTime, and Later where the
           packet or its descriptors did not arrive whole.
Careful    what was received is ours to close, also what nobody asked for. Received descriptors are
           close-on-exec, or the real queue program would inherit them.
"""

import array
import fcntl
import os
import select
import socket
import stat
from collections.abc import Sequence

from qscanner.outcomes import Later, OutOfTime

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def hear(
    peer: socket.socket, *, max_octets: int, max_fds: int, within_s: float, is_left: bool = False
) -> tuple[bytes, tuple[int, ...]]:
    """Wait for one packet; b"" is the end of the conversation.

    `is_left`: the packet stays where it is, for another to hear; its descriptors come twice then.
    Raises OutOfTime, and Later for a packet that is longer, or has more descriptors, than that.
    """
    poll = select.poll()
    poll.register(peer, select.POLLIN)
    if not poll.poll(max(0.0, within_s) * 1000):
        raise OutOfTime("nothing was said in time")
    room = socket.CMSG_SPACE(max_fds * array.array("i").itemsize)
    try:
        how = socket.MSG_CMSG_CLOEXEC | (socket.MSG_PEEK if is_left else 0)
        packet, ancillary, flags, _ = peer.recvmsg(max_octets, room, how)
    except OSError as error:
        raise Later(f"the conversation broke off: {error.strerror}") from error
    fds = _received(ancillary)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(fds) > max_fds:
        close(fds)
        raise Later("a packet did not arrive whole")
    return packet, fds


def _received(ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, ...]:
    fds = array.array("i")
    for level, kind, octets in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(octets[: len(octets) - len(octets) % fds.itemsize])
    return tuple(fds)


def say(peer: socket.socket, packet: bytes, fds: Sequence[int] = ()) -> None:
    """Send one packet, with descriptors beside it. Raises OSError."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    peer.sendmsg([packet], rights, socket.MSG_NOSIGNAL)


def close(fds: Sequence[int]) -> None:
    """Give descriptors back."""
    for fd in fds:
        os.close(fd)


def is_file(fd: int) -> bool:
    """Say whether it is a memory file or a regular one that we may read: nothing that blocks."""
    access = fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_PATH)
    return stat.S_ISREG(os.fstat(fd).st_mode) and access in (os.O_RDONLY, os.O_RDWR)


def is_sealed(fd: int) -> bool:
    """Say whether nobody can change it or cut it short any more (memfd_create(2))."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS == _SEALS
    except OSError:  # EINVAL: not a memory file
        return False
