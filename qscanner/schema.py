"""One setting: what it may be beyond the type of its field, and its value from the file's.

Called by  config, for every key of the settings file.
Ends       with a value of the field's type, or raises ValueError that says what would be right.
Careful    keys are named as in the manual, "virus.clamav.within". Whoever adds a number, a path or
           a closed set to settings.py adds it here: a number needs a range, and what is no size
           and no path here is read as a plain number or text.
"""

import os
import re
from collections.abc import Callable

from qscanner.codec import servers, units
from qscanner.codec.problems import expected

SIZES = {
    "limits.message",
    "limits.decoded",
    "limits.memory",
    "limits.spooled",
    "spam.spamd.max",
    "spam.rspamd.max",
    "spam.command.max",
    "auth.max",
    "quarantine.room",
}
PATHS = {
    "queue.program",
    "queue.spool",
    "daemon.socket",
    "virus.yara.rules",
    "policy.dir",
    "quarantine.dir",
    "quarantine.password_file",
    "spam.rspamd.password_file",
    "notices.templates",
    "archive.maildir",
}
WORDS = {
    "virus.command.program",
    "spam.command.program",
    "spam.learn.spam",
    "spam.learn.ham",
}  # of a command: one may stand twice
CHOICES: dict[str, tuple[str, ...]] = {
    "queue.daemon_away": ("scan", "defer"),
    "virus.engines": ("clamav", "yara", "command"),
    "virus.on_failure": ("defer", "accept", "quarantine"),
    "spam.scorer": ("none", "spamd", "rspamd", "command"),
    "spam.on_failure": ("defer", "accept", "quarantine"),
    "digest.classes": ("virus", "banned", "spam", "unscannable", "policy"),
    "log.to": ("stderr", "syslog"),
}
# Lowest and highest, as an admin writes them. The manual names them in the same words.
RANGES = {
    "daemon.workers": ("0", "1024"),
    "daemon.wait": ("100 ms", "80 s"),
    "limits.message": ("1 KiB", "4 GiB"),
    "limits.time": ("1 s", "599 s"),
    "limits.decoded": ("1 KiB", "64 GiB"),
    "limits.ratio": ("2", "1000000"),
    "limits.parts": ("1", "100000"),
    "limits.depth": ("1", "100"),
    "limits.members": ("1", "1000000"),
    "limits.memory": ("64 MiB", "1024 GiB"),
    "limits.spooled": ("1 MiB", "1024 GiB"),
    "virus.clamav.within": ("100 ms", "599 s"),
    "virus.yara.within": ("100 ms", "599 s"),
    "spam.spamd.within": ("100 ms", "599 s"),
    "spam.spamd.max": ("1 kB", "1 GiB"),
    "spam.rspamd.within": ("100 ms", "599 s"),
    "spam.rspamd.max": ("1 kB", "1 GiB"),
    "spam.rspamd.threshold": ("0", "1000"),
    "spam.command.within": ("100 ms", "599 s"),
    "spam.command.max": ("1 kB", "1 GiB"),
    "auth.within": ("100 ms", "60 s"),
    "auth.max": ("1 kB", "1 GiB"),
    "virus.command.within": ("100 ms", "599 s"),
    "virus.command.clean": ("0", "255"),
    "virus.command.infected": ("0", "255"),
    "virus.command.unscannable": ("0", "255"),
    "quarantine.room": ("0 B", "64000 GiB"),
    "quarantine.history": ("0 s", "36500 d"),
    "quarantine.expire_every": ("0 s", "7 d"),
    "quarantine.keep.virus": ("0 s", "36500 d"),
    "quarantine.keep.banned": ("0 s", "36500 d"),
    "quarantine.keep.spam": ("0 s", "36500 d"),
    "quarantine.keep.unscannable": ("0 s", "36500 d"),
    "quarantine.keep.policy": ("0 s", "36500 d"),
    "spam.learn.within": ("100 ms", "599 s"),
    "history.keep": ("0 s", "36500 d"),
    "history.counts": ("0 s", "36500 d"),
    "notices.per_hour": ("1", "1000000"),
    "notices.per_address": ("1", "1000000"),
    "notices.alarm_after": ("1 s", "7 d"),
}
_REASONS = {"limits.time": " (an SMTP client gives up after 10 minutes: RFC 5321 4.5.3.2.6)"}

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_LAST_PORT = 65535
_MAY_BE_EMPTY = {
    "queue.host",
    "daemon.metrics",
    "quarantine.database",
    "quarantine.password_file",
    "spam.rspamd.password_file",
    "virus.command.name",
    "spam.spamd.user",
    "auth.authserv_id",
    "notices.admin",
    "notices.from_address",
    "notices.templates",
    "archive.maildir",
    "archive.address",
}
_REPLY_CHANNEL = re.compile("auto|none|[2-9]:(?:82|88)")
_USER = re.compile("[A-Za-z0-9._=+@-]{1,100}")
_HOST = re.compile("[A-Za-z0-9._-]{0,255}")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
_DOMAIN = re.compile(r"@[A-Za-z0-9.-]{1,255}")
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_LANGUAGE = re.compile("[A-Za-z]{2,3}(?:[_-][A-Za-z0-9]{2,8})*")
_WITH_PASSWORD = re.compile("[^/?#]*:[^/?#]*@")
_MAX_SOCKET_OCTETS = 107  # unix(7): sun_path has 108 with its NUL


def single(dotted: str, value: object, kind: object, *, folder: str) -> str | int | float:
    """Give the value that a key, or one member of its list, has in the file.

    `kind` is the type of the field: int is a number or octets, float is seconds, str is text, a
    path made absolute below `folder`. Raises ValueError with what would have been right.
    """
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"needs true or false, not {_described(value)}")
        return value
    if kind is float:
        return _with_unit(dotted, value, units.seconds, 'a time in quotes, like "60 s"')
    if dotted in SIZES:
        return int(_with_unit(dotted, value, units.octets, 'a size in quotes, like "100 MiB"'))
    if kind is int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"needs a whole number, not {_described(value)}")
        return int(_in_range(dotted, value, str(value), int))
    if kind is not str:
        raise ValueError(f'needs a list like ["..."], not {_described(value)}')
    return text(dotted, value, folder=folder)


def _with_unit(dotted: str, value: object, read: Callable[[str], float], needed: str) -> float:
    if not isinstance(value, str):
        raise ValueError(f"needs {needed}, not {_described(value)}")  # noqa: TRY004
    return _in_range(dotted, read(value), f'"{value}"', read)


def _in_range(dotted: str, value: float, written: str, read: Callable[[str], float]) -> float:
    lowest, highest = RANGES[dotted]
    if not read(lowest) <= value <= read(highest):
        reason = _REASONS.get(dotted, "")
        raise ValueError(f"{written} is not from {lowest} to {highest}{reason}")
    return value


def text(dotted: str, value: object, *, folder: str) -> str:
    """Give the value of a key of text, or of one member of its list, as single() does."""
    if not isinstance(value, str):
        raise ValueError(f"needs text in quotes, not {_described(value)}")  # noqa: TRY004
    if not value and dotted not in _MAY_BE_EMPTY:
        raise ValueError("may not be empty")
    if any(ord(char) < ord(" ") or char == "\x7f" for char in value):
        raise ValueError("may not hold a control character")
    if dotted in CHOICES and value not in CHOICES[dotted]:
        raise ValueError(f"unknown value {expected(value, CHOICES[dotted])}")
    if dotted.endswith((".servers", ".controllers")) and dotted not in _TEXT_CHECKS:
        servers.parse(value)
    if dotted in PATHS and value:
        value = os.path.normpath(os.path.join(folder, value))
    if dotted in _TEXT_CHECKS:
        _TEXT_CHECKS[dotted](value)
    return value


def _described(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a fraction", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time of day")


def _reply_channel(value: str) -> None:
    if not _REPLY_CHANNEL.fullmatch(value):
        raise ValueError(
            f'"{value}" is no reply channel: auto, none, or descriptor:exit code '
            "like 6:82, 4:82, 2:88"
        )


def _host(value: str) -> None:
    if not _HOST.fullmatch(value):
        raise ValueError(f'"{value}" is no host name: letters, digits, dots and dashes')


def _socket(value: str) -> None:
    if len(os.fsencode(value)) > _MAX_SOCKET_OCTETS:
        raise ValueError(f'"{value}": a socket\'s path has at most {_MAX_SOCKET_OCTETS} octets')


def _metrics(value: str) -> None:
    host, _, port = value.rpartition(":")
    if value and not (host in _LOOPBACK and port.isdecimal() and 0 < int(port) <= _LAST_PORT):
        raise ValueError(f'"{value}" is no loopback address and port, like "127.0.0.1:9810"')


def _pattern(value: str) -> None:
    if value:
        from qscanner import patterns  # RE2 is heavy, and few settings have a pattern

        patterns.compile(value)


def _name_server(value: str) -> None:
    from qscanner.codec import nameservers  # few settings have one

    nameservers.parse(value)


def _user(value: str) -> None:
    if value and not _USER.fullmatch(value):
        raise ValueError(f'"{value}" is no name of a user: letters, digits and . _ = + @ -')


def _address(value: str) -> None:
    if value and not _ADDRESS.fullmatch(value):
        raise ValueError(f'"{value}" is no address like "postmaster@example.org"')


def _addresses(value: str) -> None:
    if not (_ADDRESS.fullmatch(value) or _DOMAIN.fullmatch(value)):
        raise ValueError(f'"{value}" is no address, nor "@example.org" for all of a domain')


def _time_of_day(value: str) -> None:
    if not _TIME.fullmatch(value):
        raise ValueError(f'"{value}" is no time of day like "07:00"')


def _language(value: str) -> None:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(f'"{value}" is no language like "en" or "pt-BR"')


def _database(value: str) -> None:
    if not value:
        return
    scheme, _, rest = value.partition("://")
    if scheme != "postgresql" or not rest:
        raise ValueError(
            f'"{value}" is no database: leave it empty, "", for files in dir, or '
            'write "postgresql://user@host/name"'
        )
    if _WITH_PASSWORD.match(rest):
        raise ValueError("no password here, where others read it: name a file in password_file")


_TEXT_CHECKS: dict[str, Callable[[str], None]] = {
    "queue.error_text": _reply_channel,
    "queue.host": _host,
    "daemon.socket": _socket,
    "daemon.metrics": _metrics,
    "quarantine.database": _database,
    "virus.command.name": _pattern,
    "spam.spamd.user": _user,
    "auth.authserv_id": _host,
    "auth.servers": _name_server,
    "notices.admin": _address,
    "notices.from_address": _address,
    "notices.language": _language,
    "digest.to": _addresses,
    "digest.at": _time_of_day,
    "archive.address": _address,
}
