"""Who gets an accepted message: the envelope as it goes on, with redirections and copies.

Called by  handover, for the envelope that the real queue program is given.
Ends       always; pure. Raises ValueError where the verdict is none about this envelope.
Careful    every address is sent to once, however many rules name it. Mail that this host itself
           injects (bounces, forwards) is not copied again: its first copy went out when it came
           in, and a copy that bounces must not be copied. A redirection holds for it too; an
           address that leads back to itself is stopped by qmail's Delivered-To, not here.
"""

from collections.abc import Iterator

from qscanner.model import Action, Decision, Envelope, Verdict


def recipients(
    envelope: Envelope, verdict: Verdict, *, is_host: bool = False
) -> tuple[bytes, ...]:
    """Give those who get the message, in the order of the envelope, copies last."""
    return tuple(address for _, address in _routed(envelope, verdict, is_host=is_host))


def raw(envelope: Envelope, verdict: Verdict, *, is_host: bool = False) -> bytes:
    """Give the octets of the envelope for those who get it (qmail-queue(8)).

    Entries of other letters stay where they are; where nothing changes, the octets are the same.
    """
    if not verdict.decisions:
        return envelope.raw
    routed = tuple(_routed(envelope, verdict, is_host=is_host))
    if len(routed) == len(envelope.recipients) and all(
        place == number and address == envelope.recipients[number]
        for number, (place, address) in enumerate(routed)
    ):
        return envelope.raw
    by_place: dict[int, list[bytes]] = {}
    for place, address in routed:
        by_place.setdefault(place, []).append(address)
    entries: list[bytes] = []
    number = 0
    for entry in envelope.raw[:-2].split(b"\0"):  # the last entry's NUL and the closing NUL
        if entry.startswith(b"T"):
            entries += [b"T" + each for each in by_place.get(number, ())]
            number += 1
        else:
            entries.append(entry)
    entries += [b"T" + each for each in by_place.get(len(envelope.recipients), ())]
    return b"".join(entry + b"\0" for entry in entries) + b"\0"


def _routed(envelope: Envelope, verdict: Verdict, *, is_host: bool) -> Iterator[tuple[int, bytes]]:
    """Give each address with the place in the envelope that it stands in, copies behind all."""
    pairs = tuple(zip(envelope.recipients, verdict.decisions, strict=True))
    sent = {to.lower() for to, each in pairs if _is_sent(each) and not each.redirect_to}
    for place, (to, decided) in enumerate(pairs):
        if not _is_sent(decided):
            continue
        if not decided.redirect_to:
            yield place, to  # twice where it came twice: the envelope is the sender's
            continue
        for address in decided.redirect_to:
            if address.lower() not in sent:
                sent.add(address.lower())
                yield place, address
    if is_host:
        return
    copies = dict.fromkeys(each for _, decided in pairs for each in decided.copy_to)
    for address in copies:
        if address.lower() not in sent:
            sent.add(address.lower())
            yield len(pairs), address


def _is_sent(decided: Decision) -> bool:
    return decided.action is Action.ACCEPT
