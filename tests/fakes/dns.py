"""A name server on loopback, UDP and TCP, that says what a test tells it.

Called by  tests of whatever asks for DKIM keys and SPF records.
Careful    what is no zone entry does not exist; a Mood is how a name is answered instead.
"""

import contextlib
import enum
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

_MAX_UDP = 1232


class Mood(enum.Enum):
    """How a name is answered that has no records."""

    SILENT = "silent"
    SERVFAIL = "servfail"
    RUBBISH = "rubbish"


Zone = Mapping[tuple[str, str], Sequence[str] | Mood]  # (name, kind) -> records as in zone files


class Answers:
    """What is said of each name; `asked` grows."""

    def __init__(self, zone: Zone) -> None:
        self.asked: list[tuple[str, str]] = []
        self._zone = zone

    def to(self, octets: bytes, *, most: int) -> bytes | None:
        """Give the answer to one question, cut where it is longer than `most` octets."""
        question = dns.message.from_wire(octets)
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        said = self._zone.get((name, kind))
        answer = dns.message.make_response(question)
        match said:
            case Mood.SILENT:
                return None
            case Mood.RUBBISH:
                return octets[:2] + b"\xff" * 20
            case Mood.SERVFAIL:
                answer.set_rcode(dns.rcode.SERVFAIL)
            case None:
                is_there = any(known == name for known, _ in self._zone)
                answer.set_rcode(dns.rcode.NOERROR if is_there else dns.rcode.NXDOMAIN)
            case _:
                answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *said))
        wire = answer.to_wire(max_size=65535)
        if len(wire) > most:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
            wire = answer.to_wire()
        return wire


@contextlib.contextmanager
def serving(zone: Zone) -> Iterator[tuple[str, Answers]]:
    """Run until the block ends; give the address as in [auth] servers, and what was asked."""
    answers = Answers(zone)

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            octets, sock = self.request
            if (wire := answers.to(octets, most=_MAX_UDP)) is not None:
                sock.sendto(wire, self.client_address)

    class Tcp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            peer: socket.socket = self.request
            peer.settimeout(5)
            (size,) = struct.unpack("!H", peer.recv(2, socket.MSG_WAITALL))
            wire = answers.to(peer.recv(size, socket.MSG_WAITALL), most=65535)
            if wire is not None:
                peer.sendall(struct.pack("!H", len(wire)) + wire)

    with _both(Udp, Tcp) as (udp, tcp):
        threads = [
            threading.Thread(target=each.serve_forever, args=(0.01,), daemon=True)
            for each in (udp, tcp)
        ]
        for thread in threads:
            thread.start()
        try:
            yield f"127.0.0.1:{udp.server_address[1]}", answers
        finally:
            for each in (udp, tcp):
                each.shutdown()
            for thread in threads:
                thread.join(5)


@contextlib.contextmanager
def _both(
    udp: type[socketserver.BaseRequestHandler], tcp: type[socketserver.BaseRequestHandler]
) -> Iterator[tuple[socketserver.UDPServer, socketserver.TCPServer]]:
    """Bind both to one port; another program may have the second one of it."""
    for _ in range(20):
        first = socketserver.UDPServer(("127.0.0.1", 0), udp)
        try:
            second = socketserver.TCPServer(("127.0.0.1", int(first.server_address[1])), tcp)
        except OSError:
            first.server_close()
            continue
        with first, second:
            yield first, second
        return
    raise RuntimeError("no port is free for both UDP and TCP")


def txt(text: str) -> str:
    """Give a text as the strings of a TXT record, of 200 octets each."""
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
