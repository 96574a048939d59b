"""What every store must do, whatever it is made of: the same tests for SQLite and PostgreSQL.

Called by  tests/unit/test_store_store.py and tests/real/test_real_store.py, whose classes give the
           settings.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from qscanner.codec.envelope import Decoder, encode
from qscanner.inject import NotQueued
from qscanner.model import Action
from qscanner.settings import Keep, Quarantine
from qscanner.spool import Message
from qscanner.store.store import Store
from qscanner.store.words import (
    Ambiguous,
    Class,
    Filter,
    Held,
    NotSo,
    OctetsGone,
    State,
    StoreError,
    Unknown,
    Who,
)
from tests.fakes.holds import Hold, several

ANN = Who(name="ann", via="test@elsewhere:1:1")
BOB = Who(name="bob", via="test@elsewhere:2:2")
DAY = 86400.0
NOW = 1_795_420_000.0  # 2026-11-23, after all that is kept here


class Contract:
    """Tests of a store; `settings` is a fixture of the class that takes them over."""

    @pytest.fixture
    def store(self, settings: Quarantine) -> Iterator[Store]:
        """Give the store."""
        with Store.open(settings) as opened:
            yield opened

    def test_what_is_held(self, settings: Quarantine, store: Store) -> None:
        """Everything that a review asks for is there at once, the octets as they came."""
        hold = Hold(more={"class": "spam", "score": 7.5, "subject": "win\0\u202e"})
        assert hold.keep(settings)
        held = store.find(hold.digest[:12])
        assert (held.id, held.digest) == (hold.digest[:12], hold.digest)
        assert (held.state, held.class_, held.score) == (State.HELD, Class.SPAM, 7.5)
        assert (held.sender, held.subject) == ("ann@example.org", "win\ufffd\u202e")
        assert [(one.address, one.state) for one in held.recipients] == [
            ("joe@example.com", State.HELD),
            ("sue@example.net", State.HELD),
        ]
        assert held.rules == ("spam",)
        assert held.octets == len(hold.octets)
        assert octets_of(store, held) == hold.octets
        assert store.record(held)["why"] == held.why == "because"

    def test_a_retry_is_the_same_hold(self, settings: Quarantine, store: Store) -> None:
        """Once, however often the sender tries."""
        hold = Hold()
        assert hold.keep(settings)
        assert not replace(hold, octets=hold.octets.replace(b": x", b": later")).keep(settings)
        assert len(list(store.search(Filter()))) == 1

    @pytest.mark.parametrize(
        ("actions", "want"),
        [
            ((Action.ACCEPT, Action.QUARANTINE), ["sue@example.net"]),
            ((Action.REJECT, Action.REJECT), ["joe@example.com", "sue@example.net"]),
            ((Action.DISCARD, Action.QUARANTINE), ["sue@example.net"]),
            ((Action.DISCARD, Action.ACCEPT), ["joe@example.com"]),
        ],
        ids=["one-got-it", "a-copy-of-a-refusal", "discarded-for-one", "a-copy-of-a-discard"],
    )
    def test_for_whom(
        self, actions: tuple[Action, ...], want: list[str], settings: Quarantine, store: Store
    ) -> None:
        """Only whose copy this is: who got the message, or was not to get it, is not listed."""
        hold = Hold(actions=actions)
        hold.keep(settings)
        assert [one.address for one in store.find(hold.digest).recipients] == want

    def test_held_for_more_at_a_later_try(self, settings: Quarantine, store: Store) -> None:
        """Who is held for later is held for as well."""
        hold = Hold(actions=(Action.QUARANTINE, Action.ACCEPT))
        hold.keep(settings)
        assert len(store.find(hold.digest).recipients) == 1
        assert replace(hold, actions=(Action.ACCEPT, Action.QUARANTINE)).keep(settings)
        assert len(store.find(hold.digest).of(State.HELD)) == 2

    def test_without_recipients(self, settings: Quarantine, store: Store) -> None:
        """A message to nobody has one state, and its own envelope."""
        hold = Hold(to=())
        hold.keep(settings)
        held = store.find(hold.digest)
        assert [one.place for one in held.recipients] == [-1]
        assert store.envelope(held, held.recipients) == hold.raw

    @pytest.mark.parametrize(
        ("wanted", "numbers"),
        [
            ({}, [5, 4, 3, 2, 1, 0]),
            ({"is_oldest_first": True, "limit": 2}, [0, 1]),
            ({"limit": 2}, [5, 4]),
            ({"limit": 0}, []),
            ({"sender": "ANN@example.org"}, [4, 3, 2, 0]),
            ({"sender": "@spam.example"}, [5, 1]),
            ({"recipient": "Sue@example.net"}, [3, 2, 0]),
            ({"recipient": "@example.com"}, [5, 4, 3, 2, 1, 0]),
            ({"domain": "spam.example"}, [5, 1]),
            ({"domain": "example.net"}, [3, 2, 0]),
            ({"rule": "programs"}, [2, 1]),
            ({"class_": Class.VIRUS}, [3]),
            ({"score": 5.0}, [5]),
            ({"text": "LOTTERY"}, [4]),
            ({"text": "sue@"}, [3, 2, 0]),
            ({"text": "100%_"}, [2]),
            ({"state": State.RELEASED}, [0]),
            ({"state": State.HELD}, [5, 4, 3, 2, 1, 0]),
            ({"state": State.HELD, "recipient": "joe@example.com"}, [5, 4, 3, 2, 1]),
            ({"state": State.RELEASED, "recipient": "joe@example.com"}, [0]),
            ({"state": State.RELEASED, "recipient": "sue@example.net"}, []),
            ({"since": 1_793_491_320.0, "until": 1_793_491_440.0}, [3, 2]),
            ({"rule": "programs", "sender": "@spam.example"}, [1]),
            ({"text": "nowhere"}, []),
        ],
        ids=lambda value: " ".join(value) or "all" if isinstance(value, dict) else "",
    )
    def test_filters(
        self, wanted: dict[str, Any], numbers: list[int], settings: Quarantine, store: Store
    ) -> None:
        """Each filter finds what it says, in order, and the count agrees."""
        holds = several(6)
        one_to = {"to": (b"joe@example.com",)}
        changes: dict[int, dict[str, Any]] = {
            1: {**one_to, "sender": b"x@spam.example", "rules": ("programs", "spam")},
            2: {"rules": ("programs",), "more": {"subject": "100%_sure"}},
            3: {"more": {"class": "virus"}},
            4: {**one_to, "more": {"subject": "the Lottery"}},
            5: {**one_to, "sender": b"x@spam.example", "more": {"score": 5.0}},
        }
        holds = [replace(hold, **changes.get(n, {})) for n, hold in enumerate(holds)]
        for hold in holds:
            hold.keep(settings)
        first = store.find(holds[0].digest)
        released(store, first, 0)
        found = [held.digest for held in store.search(Filter(**wanted))]
        assert found == [holds[number].digest for number in numbers]
        if "limit" not in wanted:
            assert store.count(Filter(**wanted)) == len(numbers)

    def test_pages(
        self, settings: Quarantine, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A long list is read in pages, and nobody is left out, or told twice."""
        monkeypatch.setattr("qscanner.store.search.PAGE", 3)
        holds = [replace(hold, kept_at="2026-11-23T02:00:00Z") for hold in several(8)]
        for hold in holds:
            hold.keep(settings)
        for is_oldest_first in (False, True):
            found = [held.digest for held in store.search(Filter(is_oldest_first=is_oldest_first))]
            assert sorted(found) == sorted(hold.digest for hold in holds)
        assert len(list(store.search(Filter(limit=7)))) == 7

    def test_short_ids(self, settings: Quarantine, store: Store) -> None:
        """A beginning is enough where it is only one's; else the candidates are named."""
        holds = several(40)
        for hold in holds:
            hold.keep(settings)
        assert store.find(holds[7].digest[:10].upper()).digest == holds[7].digest
        assert store.find(f"log-{holds[7].digest[:6]}").digest == holds[7].digest
        first = {hold.digest[0] for hold in holds}
        common = next(one for one in first if sum(h.digest[0] == one for h in holds) > 1)
        with pytest.raises(Ambiguous) as caught:
            store.find(common)
        assert {held.digest[0] for held in caught.value.candidates} == {common}
        for nobody in ("", "f" * 64, "log-nobody", "%", "'; --"):
            with pytest.raises(Unknown):
                store.find(nobody)

    def test_the_envelope(self, settings: Quarantine, store: Store) -> None:
        """Original sender, the chosen recipients, octet for octet; or another address."""
        hold = Hold(sender=b"s\xff@x", to=(b"a@y", b"b\x80@y", b"c@y"))
        hold.keep(settings)
        held = store.find(hold.digest)
        decoder = Decoder()
        decoder.feed(store.envelope(held, held.recipients[1:]))
        found = decoder.finish()
        assert (found.sender, found.recipients) == (b"s\xff@x", (b"b\x80@y", b"c@y"))
        assert store.envelope_to(held, (b"z@z",)) == encode(b"s\xff@x", (b"z@z",))

    def test_released_for_one(self, settings: Quarantine, store: Store) -> None:
        """A release for one is none for the other; who, when, from where and why are kept."""
        hold = Hold()
        hold.keep(settings)
        held = released(store, store.find(hold.digest), 0)
        assert [one.state for one in held.recipients] == [State.RELEASED, State.HELD]
        assert held.state is State.HELD
        lines = list(store.audit(held))
        assert [
            (one.address, one.before, one.after, one.by, one.via, one.why) for one in lines
        ] == [
            ("joe@example.com", State.HELD, State.RELEASING, "ann", ANN.via, "asked"),
            ("joe@example.com", State.RELEASING, State.RELEASED, "ann", ANN.via, "asked"),
        ]
        assert abs(lines[0].at - time.time()) < 60
        assert list(store.audit()) == lines

    def test_released_once(self, settings: Quarantine, store: Store) -> None:
        """Whoever is second hears that it was done, and nothing happens."""
        hold = Hold()
        hold.keep(settings)
        held = store.find(hold.digest)
        queue = Queue()
        store.release(held, None, by=ANN, inject=queue.inject)
        for recipients in (None, held.recipients, held.recipients[:1]):
            with pytest.raises(NotSo) as caught:
                store.release(held, recipients, by=BOB, inject=queue.inject)
            assert caught.value.found.state is State.RELEASED
        assert queue.taken == [(hold.octets, hold.raw)]

    def test_many_at_once(self, settings: Quarantine, store: Store) -> None:
        """Of eight who release the same at the same time one succeeds."""
        hold = Hold()
        hold.keep(settings)
        held, queue, told = store.find(hold.digest), Queue(), list[str]()

        def try_it(number: int) -> None:
            with Store.open(settings) as mine:
                by = Who(name=str(number), via="x")
                try:
                    mine.release(held, None, by=by, inject=queue.inject)
                except NotSo:
                    told.append("not so")
                else:
                    told.append("released")

        threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(15)
        assert sorted(told) == ["not so"] * 7 + ["released"]
        assert len(queue.taken) == 1

    def test_what_is_not_queued_is_held(self, settings: Quarantine, store: Store) -> None:
        """The queue program says no: it is held as before, and the audit says why."""
        hold = Hold()
        hold.keep(settings)
        held = store.find(hold.digest)
        with pytest.raises(NotQueued):
            store.release(held, None, by=ANN, inject=Queue(NotQueued("no room")).inject)
        now = store.find(hold.digest)
        assert [one.state for one in now.recipients] == [State.HELD, State.HELD]
        assert [one.why for one in store.audit(now)][-1] == "not queued: no room"

    def test_a_release_that_was_cut_off(self, settings: Quarantine, store: Store) -> None:
        """Nobody knows whether it went out: it stays so, and seen, until a person decides."""
        hold = Hold()
        hold.keep(settings)
        held = store.find(hold.digest)
        with pytest.raises(KeyboardInterrupt):
            store.release(held, None, by=ANN, inject=Queue(KeyboardInterrupt()).inject)
        now = store.find(hold.digest)
        assert {one.claim for one in now.of(State.RELEASING)} == {ANN}
        assert any("began to release" in problem.text for problem in store.verify())
        for to in (State.RELEASING, State.DELETED, State.RELEASED, State.HELD):
            with pytest.raises(NotSo):
                store.move(now, now.recipients, to, by=BOB)
        store.expire(by=BOB, now=NOW + 400 * DAY)
        assert octets_of(store, now) == hold.octets, "nothing that is open expires"
        after = store.move(now, None, State.HELD, by=BOB, is_resolving=True, why="not in the log")
        assert after.state is State.HELD

    def test_a_claim_of_one_at_work(self, settings: Quarantine, store: Store) -> None:
        """As long as he who claimed it runs, nobody else decides."""
        hold = Hold()
        hold.keep(settings)
        held = store.move(store.find(hold.digest), None, State.RELEASING, by=Who.here("test"))
        with pytest.raises(NotSo, match="at work"):
            store.move(held, None, State.HELD, by=BOB, is_resolving=True)

    def test_deleted(self, settings: Quarantine, store: Store) -> None:
        """Deleted for one, the other's is there; deleted for all, the octets are gone."""
        hold = Hold()
        hold.keep(settings)
        held = store.find(hold.digest)
        held = store.move(held, held.recipients[:1], State.DELETED, by=ANN)
        assert octets_of(store, held) == hold.octets
        held = store.move(held, None, State.DELETED, by=ANN)
        assert held.is_gone
        with pytest.raises(OctetsGone):
            store.message(held)
        with pytest.raises(NotSo):
            store.move(held, None, State.RELEASING, by=ANN)
        assert list(store.verify()) == []

    def test_it_comes_again(self, settings: Quarantine, store: Store) -> None:
        """What was deleted and is sent again is held again: a "yes" needs a durable copy."""
        hold = Hold()
        hold.keep(settings)
        store.move(store.find(hold.digest), None, State.DELETED, by=ANN)
        assert hold.keep(settings)
        held = store.find(hold.digest)
        assert (held.state, held.is_gone) == (State.HELD, False)
        assert octets_of(store, held) == hold.octets
        assert [one.why for one in store.audit(held)][-1] == "it came again"

    def test_what_comes_again_is_kept_anew(self, settings: Quarantine, store: Store) -> None:
        """Its sender heard that it is held: it is not too old, though its first copy was."""
        long_ago = time.gmtime(time.time() - 40 * DAY)
        hold = Hold(kept_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", long_ago))
        hold.keep(settings)
        assert store.expire(by=ANN).expired == 1
        assert hold.keep(settings)
        assert store.expire(by=ANN).expired == 0
        held = store.find(hold.digest)
        assert held.state is State.HELD
        assert octets_of(store, held) == hold.octets

    def test_what_comes_again_is_what_it_is_now(self, settings: Quarantine, store: Store) -> None:
        """It was spam, and today's engines find a virus: who may release it is said anew."""
        hold = Hold(rules=("spam",), more={"class": "spam"})
        hold.keep(settings)
        store.move(store.find(hold.digest), None, State.DELETED, by=ANN)
        now = replace(hold, rules=("infected",), more={"class": "virus", "release": "nobody"})
        now.keep(settings)
        held = store.find(hold.digest)
        assert (held.class_, held.release, held.rules) == (Class.VIRUS, "nobody", ("infected",))
        assert [each.id for each in store.search(Filter(rule="infected"))] == [held.id]
        assert list(store.search(Filter(rule="spam"))) == []

    def test_a_retry_of_what_was_released(self, settings: Quarantine, store: Store) -> None:
        """It has gone out: the retry is answered, and it is not held to be released again."""
        hold = Hold()
        hold.keep(settings)
        store.release(store.find(hold.digest), None, by=ANN, inject=Queue().inject)
        hold.keep(settings)
        assert store.find(hold.digest).state is State.RELEASED

    def test_expiry(self, settings: Quarantine) -> None:
        """By class and age: what is too old is gone, what is not is there."""
        holds = [
            replace(hold, more={"class": class_})
            for hold, class_ in zip(several(4), ("spam", "spam", "virus", "policy"), strict=True)
        ]
        holds[1] = replace(holds[1], kept_at="2026-11-22T00:00:00Z")
        for hold in holds:
            hold.keep(settings)
        keep = Keep(spam=7 * DAY, virus=7 * DAY, policy=0)
        told = list[tuple[int, int]]()
        with Store.open(replace(settings, keep=keep)) as store:
            released(store, store.find(holds[2].digest), 0)
            done = store.expire(by=ANN, now=NOW, progress=lambda *at: told.append(at))
            assert (done.expired, done.removed) == (2, 2)
            states = [store.find(hold.digest) for hold in holds]
            assert [held.is_gone for held in states] == [True, False, True, False]
            assert [one.state for one in states[2].recipients] == [
                State.RELEASED,
                State.EXPIRED,
            ]
            assert told[-1][0] == told[-1][1]
            assert store.expire(by=ANN, now=NOW).expired == 0
            assert list(store.verify()) == []

    def test_room(self, settings: Quarantine) -> None:
        """Where there is no room for all, the oldest go, and no more than must."""
        holds = several(6)
        for hold in holds:
            hold.keep(settings)
        room = sum(len(hold.octets) for hold in holds[4:]) + 3
        with Store.open(replace(settings, room=room)) as store:
            assert store.expire(by=ANN, now=NOW).expired == 4
            there = [hold for hold in holds if not store.find(hold.digest).is_gone]
            assert there == holds[4:]

    def test_forgotten(self, settings: Quarantine) -> None:
        """After their time, not even the names of what is gone are kept anywhere."""
        old, young = several(2)
        young = replace(young, kept_at="2026-11-22T00:00:00Z")
        for hold in (old, young):
            hold.keep(settings)
        with Store.open(replace(settings, history=10 * DAY)) as store:
            kept = released(store, store.find(young.digest), 0)
            gone = store.move(store.find(old.digest), None, State.DELETED, by=ANN)
            assert store.expire(by=ANN, now=NOW).forgotten == 1
            with pytest.raises(Unknown):
                store.find(old.digest)
            assert list(store.audit(gone)) == []
            assert len(list(store.audit(kept))) == 2
            Hold().keep(settings)
            assert len(list(store.search(Filter()))) == 2

    def test_damage_is_told(self, settings: Quarantine, store: Store) -> None:
        """Octets that are not what the digest says are reported."""
        hold = Hold()
        message = Message.of_octets(b"something else")
        from qscanner.store.keeping import keep

        keep(settings, hold.digest, message, hold.record)
        message.close()
        (problem,) = store.verify()
        assert problem.name == hold.digest
        assert "not those of" in problem.text

    def test_lists(self, settings: Quarantine, store: Store) -> None:
        """An entry counts at once, for whom it says, as long as it says; and can be taken back."""
        lists = store.lists()
        assert lists.find(b"ann@example.org", b"joe@example.com") is None

        def write(is_allowed: bool, sender: str, to: str, until: float | None = None) -> str:
            return store.write_entry(
                is_allowed=is_allowed, sender=sender, recipient=to, until=until, why="w", by=ANN
            ).id

        write(True, "@Example.org", "")
        found = lists.allowed(b"ann@EXAMPLE.org", b"joe@example.com")
        assert found
        assert (found.sender, found.why, found.by) == ("@example.org", "w", f"ann {ANN.via}")
        assert lists.allowed(b"ann@sub.example.org", b"joe@example.com") is None
        blocked = write(False, "@example.org", "joe@example.com")
        assert lists.allowed(b"ann@example.org", b"joe@example.com") is None
        assert lists.allowed(b"ann@example.org", b"sue@example.com")
        write(True, "ann@example.org", "joe@example.com")
        assert lists.allowed(b"ann@example.org", b"joe@example.com")
        write(False, "ann@example.org", "joe@example.com", until=1.0)
        assert len(store.entries()) == 3, "one for the same two takes its place"
        found = lists.find(b"ann@example.org", b"joe@example.com")
        assert found
        assert found.id == blocked, "its time is over"
        store.remove_entry(blocked, by=ANN)
        assert lists.allowed(b"ann@example.org", b"joe@example.com")
        with pytest.raises(Unknown):
            store.remove_entry(blocked, by=ANN)
        wrong = (("", ""), ("ann", ""), ("ann@x", "joe"), ("@", ""), ("@.x", ""), ("a@x", "b@."))
        for sender, to in wrong:
            with pytest.raises(ValueError, match="domain"):
                write(True, sender, to)

    def test_two_see_the_same(self, settings: Quarantine, store: Store) -> None:
        """What one does the other sees, and what is kept while both look."""
        with Store.open(settings) as other:
            hold = Hold()
            hold.keep(settings)
            held = other.find(hold.digest)
            released(store, held, 0)
            assert other.find(hold.digest).recipients[0].state is State.RELEASED
            store.expire(by=ANN, now=NOW + 40 * DAY)
            assert other.find(hold.digest).is_gone
            hold.keep(settings)
            assert other.find(hold.digest).state is State.HELD

    def test_errors_are_of_one_kind(self) -> None:
        """Whoever reviews catches one root."""
        assert all(
            issubclass(each, StoreError) for each in (Unknown, Ambiguous, NotSo, OctetsGone)
        )


class Queue:
    """A queue program that remembers, or fails."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.taken = list[tuple[bytes, bytes]]()

    def inject(self, message: Message, envelope: bytes) -> None:
        """Take a message."""
        if self.error:
            raise self.error
        self.taken.append((bytes(message.octets), envelope))


def octets_of(store: Store, held: Held) -> bytes:
    """Give the octets of a message."""
    message = store.message(held)
    try:
        return bytes(message.octets)
    finally:
        message.close()


def released(store: Store, held: Held, place: int) -> Held:
    """Release for one recipient."""
    these = [one for one in held.recipients if one.place == place]
    return store.release(held, these, by=ANN, why="asked", inject=Queue().inject)
