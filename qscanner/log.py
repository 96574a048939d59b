"""One line per message: key=value, stable keys (docs/log.md), hostile text escaped, 2 kB at most.

Called by  handover, for each message that got a verdict; the programs, for trouble.
Ends       always: a log that cannot be written never changes what becomes of a message.
Careful    never a body, never a secret. Under `error_text = "2:88"` fd 2 is the reply channel, so
           only syslog is used there.
"""

import contextlib
import os
import re
from collections.abc import Mapping

from qscanner.codec.text import printable

MAX_OCTETS = 2000
_VALUE_OCTETS = 300
_BARE = re.compile(r"[A-Za-z0-9@.,:;/+_<>#*%()\[\]-]+\Z")


def line(event: Mapping[str, str | bytes | int | float]) -> str:
    """Give the line of an event: printable ASCII, at most 2000 octets, no newline.

    A value with blanks, quotes or `=` stands in double quotes; `\\` and `"` are escaped in it.
    """
    shown, room = [], MAX_OCTETS
    for key, value in event.items():
        pair = f"{key}={_value(value)}"
        if len(pair) + 1 > room:
            continue
        shown.append(pair)
        room -= len(pair) + 1
    return " ".join(shown)


def _value(value: str | bytes | float) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:g}"
    text = printable(value, max_octets=_VALUE_OCTETS)
    if _BARE.match(text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


class Log:
    """Where lines go: "stderr" (one write per line, so that lines never mix) or "syslog"."""

    def __init__(self, to: str) -> None:
        self._to = to

    def write(self, event: Mapping[str, str | bytes | int | float]) -> None:
        """Write one event. Trouble with the log itself is swallowed."""
        self.say(line(event))

    def trouble(self, text: str) -> None:
        """Write lines that say what went wrong and what to do; escaped, one by one."""
        for part in text.splitlines():
            self.say(printable(part, max_octets=MAX_OCTETS))

    def bug(self, error: Exception) -> None:
        """Write where a bug of ours is: the exception and its innermost place in our code."""
        trace, place = error.__traceback__, ""
        while trace is not None:
            code = trace.tb_frame.f_code
            place, trace = f"{code.co_filename}:{trace.tb_lineno} {code.co_name}", trace.tb_next
        self.trouble(f"bug: {error!r} at {place}")

    def say(self, text: str) -> None:
        """Write one line of text, which must be printable ASCII."""
        if self._to == "syslog":
            import syslog

            syslog.openlog("qscanner", syslog.LOG_PID, syslog.LOG_MAIL)
            syslog.syslog(syslog.LOG_INFO, text)
            return
        with contextlib.suppress(OSError):
            os.write(2, f"qscanner: {text}\n".encode("ascii", "replace"))
