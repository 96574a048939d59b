"""Delivery into a Maildir: a name that nobody else has, on disk before anybody hears of it.

Called by  programs.maildir (the queue program of those who have no qmail), archive.
Ends       with the file's path in new/; raises Unusable (no such Maildir), DiskFull, OSError.
Careful    what is in tmp/ is nobody's mail yet. What stays there after a crash is swept by the
           mail readers (maildir(5)).
"""

import contextlib
import errno
import os
import socket
import time
from typing import Protocol

from qscanner.codec.text import printable
from qscanner.model import Envelope
from qscanner.outcomes import DiskFull, Unusable

_MAX_SHOWN = 4096  # octets of one address in a line of ours
_NOT_USABLE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP}


class Files(Protocol):
    """The file operations of a delivery: the module `os`, or what fails at the k-th of them."""

    def open(self, path: str, flags: int, mode: int = ..., /) -> int: ...
    def read(self, fd: int, max_octets: int, /) -> bytes: ...
    def write(self, fd: int, octets: bytes, /) -> int: ...
    def lseek(self, fd: int, position: int, whence: int, /) -> int: ...
    def fsync(self, fd: int, /) -> None: ...
    def close(self, fd: int, /) -> None: ...
    def link(self, of: str, to: str, /) -> None: ...
    def unlink(self, path: str, /) -> None: ...


def unique_name() -> str:
    """Give a name by maildir(5): time, microseconds, pid, host; `/` and `:` of the host octal."""
    now = time.time_ns()
    host = socket.gethostname().replace("/", "\\057").replace(":", "\\072") or "localhost"
    return f"{now // 10**9}.M{now // 1000 % 10**6}P{os.getpid()}.{host}"


def create(path: str, files: Files, *, what: str) -> int:
    """Make a new file in tmp/. `what` names the setting that led there."""
    try:
        return files.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _NOT_USABLE:
            raise Unusable(f"{what} cannot be written: {error}") from error
        raise DiskFull(f"a file cannot be made in tmp/: {error.strerror}") from error


def lines(envelope: Envelope) -> bytes:
    """Give Return-Path and a Delivered-To per recipient, printable whatever the addresses hold."""
    shown = [printable(to, max_octets=_MAX_SHOWN) for to in envelope.recipients]
    sender = printable(envelope.sender, max_octets=_MAX_SHOWN)
    lines = [f"Return-Path: <{sender}>", *(f"Delivered-To: {to}" for to in shown)]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def write_all(fd: int, octets: bytes, files: Files) -> None:
    """Write all of it, however small the pieces. Raises OSError."""
    while octets:
        octets = octets[files.write(fd, octets) :]


def publish(path: str, folder: str, files: Files) -> str:
    """Give the file its name in the folder and make the name durable; a link never replaces."""
    target = f"{folder}/{os.path.basename(path)}"
    fd = files.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        files.link(path, target)
        try:
            files.fsync(fd)
        except OSError:
            remove(target, files)  # the sender will come again: it must not be there twice
            raise
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)  # nothing depends on it
    remove(path, files)
    return target


def remove(path: str, files: Files) -> None:
    """Remove what is not needed; what stays in tmp/ is swept by the mail readers (maildir(5))."""
    with contextlib.suppress(OSError):
        files.unlink(path)
