"""The only home of libarchive-c: what runs in a child, and sends what is in an archive.

Theory. libarchive reads hostile octets in C: released versions have been made to crash and to
loop. So it runs in a child of its own, which has the octets from the fork and sends what it finds
through a pipe, in frames; a child that crashes, or computes for long without a word, is a finding.
It is told to support few formats, and one filter by name instead of chains that it finds itself (a
chain may decode without end between two octets), no filter that starts a program (lrzip, lzop,
grzip), no format that loops (xar) or is a text about other files (mtree).

Called by  libarchive_members, which is the parent.
Ends       run() never returns; library() raises NotThere.
Careful    the child shares our memory as it was: it ends with _exit, whatever happens. Names go
           by the process' locale, which may be "C": they are asked for in a locale of our own.
"""

import contextlib
import ctypes
import faulthandler
import functools
import gc
import json
import logging
import os
import resource
import signal
import struct
from dataclasses import dataclass
from typing import Any, NoReturn

from qscanner import libraries
from qscanner.codec.text import readable, without_surrogates

# Filters by name of the stream, and the number that libarchive gives them (archive.h).
FILTERS = {"uu": 7, "rpm": 8, "lzip": 9, "lz4": 13, "zstd": 14}
FRAME = struct.Struct("<cL")  # what it is, and how many octets of it follow
NAMES, DATA, FILE_END, TROUBLE, END = b"N", b"D", b"F", b"T", b"E"
_FORMATS = ("7zip", "ar", "cab", "cpio", "iso9660", "lha", "rar", "rar5")
_SYSTEM = ("libarchive.so.13", "libarchive.dylib")
_TAKEN = 64 << 10  # octets that are asked for, and sent, at a time
_FILE_TYPE, _REGULAR = 0o170000, 0o100000
_LC_CTYPE_MASK = 1 << 0
_MAX_SKIPPED = 100_000  # folders, links and devices
_EMPTY = 64  # octets that an archive without members may have
_SHOWN = 200
_SILENT_CPU_S = 2.0  # of computing between two words of the child
_PR_SET_PDEATHSIG = 1


class NotThere(Exception):
    """libarchive, or its Python package, cannot be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What octets are: the `format` of libarchive ("" to find out), `at` which they begin.

    With a `filter` they are one compressed stream. `password` opens zips; `is_hidden` is what
    members say of themselves.
    """

    format: str = ""
    filter: str = ""
    password: bytes = b""
    at: int = 0
    is_hidden: bool = True


def is_about_locks(reason: str) -> bool:
    """Say whether what libarchive complains about is a missing password."""
    # archive_read_has_encrypted_entries(3) crashes where no format was recognised.
    return "encrypt" in reason.lower() or "passphrase" in reason.lower()


def run(content: bytes, options: Options, pipe: int, parent: int) -> NoReturn:
    """Be the child, and send frames to the pipe. `parent` is its pid."""
    try:
        gc.disable()
        _confine(parent, pipe)
        _Reader(library(), content, options, pipe).run()
    finally:
        os._exit(0)


def _confine(parent: int, pipe: int) -> None:
    """Die with the parent, leave no core, say nothing; computing too long kills (setitimer(2)).

    Every descriptor but the pipe is closed: what corrupts this process reaches nobody else.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    faulthandler.disable()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):  # on 2 libc would say that memory is corrupt
        if fd != pipe:
            os.dup2(nothing, fd)
    os.closerange(3, pipe)
    os.closerange(max(pipe + 1, 3), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


class _Reader:
    """One archive in memory, in the child."""

    def __init__(self, ffi: Any, content: bytes, options: Options, pipe: int) -> None:
        self._ffi, self._options, self._pipe = ffi, options, pipe
        self._content = content  # libarchive has only its address
        self._entry = ctypes.c_void_p()
        self._skipped = 0
        self._archive = ffi.read_new()
        self._buffer = ctypes.create_string_buffer(_TAKEN)
        self._view = memoryview(self._buffer).cast("B")

    def run(self) -> None:
        """Send all files of the archive, or what the trouble with it is."""
        _use_our_locale()
        try:
            self._say(b"")
            self._open()
            is_empty = True
            while self._next():
                is_empty = False
                self._send(NAMES, json.dumps(self._names()).encode())
                self._file()
            if is_empty and not self._skipped and len(self._content) > _EMPTY:
                self._send(TROUBLE, b"there is nothing in it")
        except self._ffi.ArchiveError as error:
            self._send(TROUBLE, _reason(error).encode("utf-8", "replace"))
        self._send(END, b"")

    def _send(self, kind: bytes, octets: bytes | memoryview) -> None:
        self._say(FRAME.pack(kind, len(octets)))
        self._say(octets)

    def _say(self, octets: bytes | memoryview) -> None:
        left = memoryview(octets)
        while left:
            left = left[os.write(self._pipe, left) :]
        signal.setitimer(signal.ITIMER_PROF, _SILENT_CPU_S)

    def _open(self) -> None:
        ffi, options = self._ffi, self._options
        if options.filter:
            ffi.append_filter(self._archive, FILTERS[options.filter])
            ffi.support("raw")(self._archive)
        else:
            for name in [options.format] if options.format else _FORMATS:
                ffi.support(name)(self._archive)
        if options.password:
            ffi.add_passphrase(self._archive, options.password)
        address = ctypes.cast(ctypes.c_char_p(self._content), ctypes.c_void_p).value or 0
        size = len(self._content) - options.at
        ffi.open_memory(self._archive, address + options.at, size)

    def _next(self) -> bool:
        """Go to the next file that may have octets; False at the end. Raises ArchiveError."""
        while self._skipped < _MAX_SKIPPED:
            if self._ffi.next_header(self._archive, ctypes.byref(self._entry)) == self._ffi.EOF:
                return False
            if self._ffi.entry_filetype(self._entry) & _FILE_TYPE in {0, _REGULAR}:
                return True
            self._skipped += 1
        raise self._ffi.ArchiveError("too many folders and links")

    def _names(self) -> list[str]:
        """Give every form of the name of the file at hand; of a stream there is none."""
        if self._options.filter:
            return []
        written: list[str] = []
        with contextlib.suppress(ValueError):  # of code points that are none
            wide = self._ffi.entry_pathname_w(self._entry)
            written += [without_surrogates(wide)] if wide else []
        octets = self._ffi.entry_pathname(self._entry)
        return written + ([readable(octets)] if octets else [])

    def _file(self) -> None:
        """Send the octets of the file at hand. Raises ArchiveError where it is no archive."""
        is_locked = bool(self._ffi.is_encrypted(self._entry))
        got, is_whole = 0, True
        try:
            for size in iter(self._read, 0):
                got += size
                self._send(DATA, self._view[:size])
        except self._ffi.ArchiveError as error:
            is_whole = False
            is_locked = is_locked or is_about_locks(_reason(error))
        said = self._ffi.size_of(self._entry) if self._ffi.has_size(self._entry) else got
        is_whole = is_whole and got >= said
        self._send(FILE_END, json.dumps({"locked": is_locked, "whole": is_whole}).encode())

    def _read(self) -> int:
        got: int = self._ffi.read_data(self._archive, self._buffer, _TAKEN)
        if got < 0:  # a warning: a checksum is wrong, or there is no method
            raise self._ffi.ArchiveError("cannot be read to its end", retcode=got)
        return got


def _reason(error: Exception) -> str:
    text = getattr(error, "msg", None) or "cannot be read"
    shown = readable(text) if isinstance(text, bytes) else str(text)
    return without_surrogates(shown)[:_SHOWN]


class _Ffi:
    """The functions of libarchive that are used; most raise ArchiveError."""

    def __init__(self, ffi: Any, error: type[Exception]) -> None:
        library = ffi.libarchive
        self.ArchiveError: Any = error
        self.EOF = ffi.ARCHIVE_EOF
        self.version_number = ffi.version_number
        self.read_new = ffi.read_new
        self.open_memory = ffi.read_open_memory
        self.next_header = ffi.read_next_header
        self.read_data = ffi.read_data
        self.add_passphrase = ffi.read_add_passphrase
        self.support = ffi.get_read_format_function
        self.entry_filetype = ffi.entry_filetype
        self.entry_pathname, self.entry_pathname_w = ffi.entry_pathname, ffi.entry_pathname_w
        self.size_of, self.has_size = ffi.entry_size, ffi.entry_size_is_set
        self.is_encrypted = library["archive_entry_is_encrypted"]
        self.is_encrypted.argtypes, self.is_encrypted.restype = [ctypes.c_void_p], ctypes.c_int
        # Not for compress: it reads before there is anything to read from, and crashes.
        self.append_filter = library["archive_read_append_filter"]
        self.append_filter.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self.append_filter.restype = ctypes.c_int


@functools.cache
def library() -> _Ffi:
    """Load libarchive once, and give its functions. Raises NotThere."""
    found = libraries.first((os.environ.get("LIBARCHIVE", ""), *_SYSTEM))
    if found is None:
        raise NotThere("libarchive is not there: install libarchive13")
    # The package would log names that strangers wrote, octet for octet.
    logging.getLogger("libarchive").disabled = True
    try:
        with libraries.found_as(found):
            from libarchive import ArchiveError, ffi
        return _Ffi(ffi, ArchiveError)
    except MemoryError:
        raise
    except Exception as error:
        raise NotThere(f"libarchive cannot be used: {type(error).__name__}") from error


def _use_our_locale() -> None:
    """Let this process see UTF-8 names, whatever it was started with (uselocale(3))."""
    libc = ctypes.CDLL(None)
    libc.newlocale.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
    libc.newlocale.restype = libc.uselocale.restype = ctypes.c_void_p
    libc.uselocale.argtypes = [ctypes.c_void_p]
    for name in (b"C.UTF-8", b"en_US.UTF-8"):
        made = libc.newlocale(_LC_CTYPE_MASK, name, None)
        if made:
            libc.uselocale(made)
            return
