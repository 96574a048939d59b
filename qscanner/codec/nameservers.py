"""A name server as admins write it: "127.0.0.1", "::1", "192.0.2.1:5353", "[2001:db8::1]:5353".

Called by  schema to check the settings, checks.auth_dns to ask.
Ends       with address and port, or raises ValueError with what would be right.
Careful    a name is no name server: somebody would have to look it up.
"""

import ipaddress
import re

PORT = 53
_MAX_PORT = 65535
_WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+)):([0-9]{1,5})", re.ASCII)
_FORMS = '"127.0.0.1", "::1", "127.0.0.1:5353", "[::1]:5353"'


def parse(text: str) -> tuple[str, int]:
    """Give the address and the port that the text means. Raises ValueError where it means none."""
    found = _WITH_PORT.fullmatch(text)
    address, port = (found[1] or found[2], int(found[3])) if found else (text, PORT)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(f'"{text}" is no address of a name server ({_FORMS})') from None
    if not 0 < port <= _MAX_PORT:
        raise ValueError(f'"{text}": a port is from 1 to {_MAX_PORT}')
    return address, port
