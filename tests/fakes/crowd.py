"""Many real clients at once, all of one user: a process each, with what the queue program does.

Called by  tests/programs/test_daemon.py, as `python crowd.py ROOT SOCKET COUNT UID DESCRIPTORS`.
Ends       with one line for each client: its number, its ending, milliseconds, and whether message
           and envelope came back as they went.
Careful    few imports and plain forks: 500 interpreters would measure the machine, not the daemon.
"""

import os
import resource
import sys
import time

sys.path.insert(0, sys.argv[1])
from qscanner import visit
from qscanner.intake import memory_file, seal, write_all
from qscanner.outcomes import QScannerError

ENVELOPE = b"Fa@example.org\0Tb@example.com\0\0"


def _file(octets: bytes) -> int:
    fd = memory_file()
    write_all(fd, octets)
    seal(fd)
    return fd


def _one(number: int, environment: dict[bytes, bytes]) -> str:
    message = b"From: a@example.org\nSubject: %d\n\nhello\n" % number
    begun = time.monotonic()
    try:
        answer = visit.ask(_file(message), _file(ENVELOPE), environment)
    except QScannerError as error:
        return f"{number} {type(error).__name__} 0 {error}"
    ms = (time.monotonic() - begun) * 1000
    if answer is None:
        return f"{number} away {ms:.0f} -"
    back = [os.pread(fd, 1 << 20, 0) for fd in answer.files]
    is_same = len(back) == 2 and back[0].endswith(b"\n" + message) and back[1] == ENVELOPE
    return f"{number} {answer.ending.name} {ms:.0f} {'same' if is_same else 'other'}"


def main() -> None:
    """Fork them all, let them start at the same moment, and wait."""
    _, _, path, count, uid, descriptors = sys.argv
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(descriptors), int(descriptors)))
    if int(uid) >= 0:
        os.setgroups([])
        os.setgid(int(uid))
        os.setuid(int(uid))
    start, held = os.pipe()
    environment = {b"QSCANNER_SOCKET": os.fsencode(path), b"TCPREMOTEIP": b"192.0.2.7"}
    for number in range(int(count)):
        if not os.fork():
            os.close(held)
            os.read(start, 1)
            os.write(1, (_one(number, environment) + "\n").encode())
            os._exit(0)
    os.close(held)
    for _ in range(int(count)):
        os.wait()


if __name__ == "__main__":
    main()
