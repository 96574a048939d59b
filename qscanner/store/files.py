"""The files of held messages: DIGEST.eml (DIGEST.eml.gz after a while) and DIGEST.json.

Called by  local, checking. quarantine writes them.
Ends       raises OctetsGone where a message is not there or damaged, DiskFull and Later where
           nothing can be written.
Careful    the JSON file says that a message is whole: it goes first. Who removes or packs holds
           the message's lock in the journal, or a sender who tries again would find half of it.
"""

import contextlib
import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from qscanner.intake import as_ours, write_all
from qscanner.quarantine import given_to_owner
from qscanner.spool import Message, sync_folder, write_durably
from qscanner.store.words import OctetsGone

_DIGITS = frozenset("0123456789abcdef")
_DIGEST = 64
_LEVEL = 6
_WORTH_OCTETS = 8192  # of less, no block of the disk is saved
_TEMPORARY_S = 3600  # a write that takes longer is none any more


def digests(folder: str) -> Iterator[str]:
    """Give the digests of all messages that are whole, in no order. Raises Later."""
    for name in _names(folder):
        if name.endswith(".json") and _is_digest(name[:-5]):
            yield name[:-5]


def halves(folder: str, now: float) -> Iterator[str]:
    """Give the names of files that belong to no whole message, and are older than an hour."""
    whole = set(digests(folder))
    for name in _names(folder):
        digest, _, ending = name.partition(".")
        is_half = ending in ("eml", "eml.gz") and _is_digest(digest) and digest not in whole
        if is_half or name.startswith("."):
            with contextlib.suppress(OSError):
                if os.stat(os.path.join(folder, name)).st_mtime < now - _TEMPORARY_S:
                    yield name


def plain(folder: str, before: float) -> list[str]:
    """Give the digests of messages that are worth packing, and were written before a time."""
    found = []
    with os.scandir(folder) as entries:
        for each in entries:
            if each.name.endswith(".eml") and _is_digest(each.name[:-4]):
                with contextlib.suppress(OSError):
                    about = each.stat(follow_symlinks=False)
                    if about.st_mtime < before and about.st_size >= _WORTH_OCTETS:
                        found.append(each.name[:-4])
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise as_ours(error, f"cannot look into the quarantine {folder}") from error


def _is_digest(name: str) -> bool:
    return len(name) == _DIGEST and _DIGITS.issuperset(name)


def record(folder: str, digest: str) -> dict[str, Any] | None:
    """Give what is known of a message, None where nothing can be read."""
    try:
        fd = os.open(_path(folder, digest, "json"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        told = json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        os.close(fd)
    return told if isinstance(told, dict) else None


def message(folder: str, digest: str) -> Message:
    """Give the octets of a message, to be closed by the caller. Raises OctetsGone."""
    try:
        fd = os.open(_path(folder, digest, "eml"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return Message.of_octets(_unpacked(folder, digest))
    return Message.of(fd)


def _unpacked(folder: str, digest: str) -> bytes:
    try:
        with open(_path(folder, digest, "eml.gz"), "rb") as file:
            packed = file.read()
        if not packed:  # for gzip that is nothing, well packed
            raise OctetsGone(f"the octets of {digest[:12]} are damaged: an empty file")
        return gzip.decompress(packed)
    except OSError as error:
        why = error.strerror or "it is damaged"
        raise OctetsGone(f"the octets of {digest[:12]} cannot be read: {why}") from error
    except (EOFError, zlib.error) as error:
        raise OctetsGone(f"the octets of {digest[:12]} are damaged: {error}") from error


def pack(folder: str, digest: str) -> None:
    """Put the packed form of a message in the place of the plain one. Raises DiskFull, Later."""
    try:
        with open(_path(folder, digest, "eml"), "rb") as file:
            packed = gzip.compress(file.read(), _LEVEL, mtime=0)
    except FileNotFoundError:
        return

    def write(fd: int) -> None:
        given_to_owner(fd, folder)
        write_all(fd, packed)

    write_durably(folder, f"{digest}.eml.gz", write)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(folder, digest, "eml"))


def remove(folder: str, these: Iterable[str]) -> None:
    """Remove messages for good. Raises Later where the folder may not be written."""
    try:
        for digest in these:
            for ending in ("json", "eml", "eml.gz"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(_path(folder, digest, ending))
        sync_folder(folder)
    except OSError as error:
        raise as_ours(error, f"cannot remove from the quarantine {folder}") from error


def _path(folder: str, digest: str, ending: str) -> str:
    return os.path.join(folder, f"{digest}.{ending}")
