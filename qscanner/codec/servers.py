"""Where a scanner listens, as admins write it: "unix:/path", "tcp:host:port", "tcp:[::1]:port".

Called by  config to check the settings, and the scanners' clients to connect.
Ends       with a Server, or raises ValueError that says which forms there are.
Careful    nothing is looked up here: a host may be a name that resolves to several addresses.
"""

import re
from dataclasses import dataclass
from typing import Literal

_FORMS = "unix:/path, tcp:host:port, tcp:[::1]:port"
_MAX_UNIX_OCTETS = 107  # unix(7): sun_path has 108 with its NUL
_MAX_PORT = 65535
_TCP = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One address: `path` for unix; `host` (name or address, without brackets) and `port` for tcp.

    `text` is what the admin wrote, for logs and tables.
    """

    kind: Literal["unix", "tcp"]
    path: str = ""
    host: str = ""
    port: int = 0
    text: str


def parse(text: str) -> Server:
    """Give the server that the text means. Raises ValueError where it means none."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in {"unix", "tcp"}:
        raise ValueError(f'"{text}" is no server: {_FORMS}')
    return _unix(rest, text) if kind == "unix" else _tcp(rest, text)


def _unix(path: str, text: str) -> Server:
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f'"{text}": the path of a socket begins with / ({_FORMS})')
    if len(path.encode("utf-8", "surrogateescape")) > _MAX_UNIX_OCTETS:
        raise ValueError(f'"{text}": a socket\'s path has at most {_MAX_UNIX_OCTETS} octets')
    return Server(kind="unix", path=path, text=text)


def _tcp(address: str, text: str) -> Server:
    found = _TCP.fullmatch(address)
    if not found:
        raise ValueError(f'"{text}" is no server{_why(address)} ({_FORMS})')
    port = int(found[3])
    if not 0 < port <= _MAX_PORT:
        raise ValueError(f'"{text}": a port is from 1 to {_MAX_PORT}')
    return Server(kind="tcp", host=found[1] or found[2], port=port, text=text)


def _why(address: str) -> str:
    host, _, port = address.rpartition(":")
    if ":" in host and not host.startswith("["):
        return ": an IPv6 address stands in brackets"
    if not host or not port.isdecimal():
        return ": the port is missing"
    return ""
