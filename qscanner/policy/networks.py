"""Sets of hosts and networks, for ip and ip_in: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32.

Called by  policy.evidence (host), policy.conditions.
Ends       network() raises ValueError with what would be right; no other does.
Careful    an IPv4 address mapped into IPv6 (::ffff:192.0.2.7) is the IPv4 address.
"""

import datetime
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Host = ipaddress.IPv4Address | ipaddress.IPv6Address


class Network(NamedTuple):
    """A network: its version, the length of its prefix, and its first address as a number."""

    version: int
    length: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Networks by version and length of prefix: a lookup costs one look per length."""

    by_length: Mapping[tuple[int, int], Mapping[int, datetime.date]]

    def has(self, host: Host, today: datetime.date) -> bool:
        """Say whether the host is in a network that has not expired."""
        for (version, length), networks in self.by_length.items():
            if version == host.version:
                spare = host.max_prefixlen - length
                last_day = networks.get(int(host) >> spare << spare)
                if last_day is not None and last_day >= today:
                    return True
        return False


def networks(given: Iterable[tuple[Network, datetime.date]]) -> Networks:
    """Give the set of the networks; of equal ones the later day counts."""
    by_length: dict[tuple[int, int], dict[int, datetime.date]] = {}
    for each, last_day in given:
        same = by_length.setdefault((each.version, each.length), {})
        same[each.first] = max(last_day, same.get(each.first, last_day))
    return Networks(by_length=by_length)


def network(text: str) -> Network:
    """Give the network, or the network of one host, that a text is. Raises ValueError."""
    try:
        return Network(4, 32, int.from_bytes(socket.inet_pton(socket.AF_INET, text)))
    except (OSError, ValueError):  # a network, or IPv6, or nothing of that kind
        pass
    try:
        found = ipaddress.ip_network(text)
        return Network(found.version, found.prefixlen, int(found.network_address))
    except ValueError as error:
        said = str(error)
    if "has host bits set" in said:
        right = ipaddress.ip_network(text, strict=False)
        raise ValueError(f'"{text}" is an address inside a network: the network is "{right}"')
    raise ValueError(f'"{text}" is neither an address nor a network like "192.0.2.0/24"')


def host(text: str) -> Host | None:
    """Give the address that a text is, None where it is none."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
