"""What digests must be in every store, whatever it is made of: the same tests for both.

Called by  tests/unit/test_store_digests.py and tests/real/test_real_store.py, whose classes give
           the settings.
"""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from qscanner import outbox, rounds
from qscanner.model import Action
from qscanner.outbox import Letter
from qscanner.outcomes import Later
from qscanner.settings import Digest, Notices, Quarantine, Settings
from qscanner.store import digests as module
from qscanner.store.digests import ADMIN, Digests
from qscanner.store.store import Store
from qscanner.store.tables import digested
from qscanner.store.words import State, Who
from tests.fakes.holds import Hold

BY = Who(name="ann", via="test@elsewhere:1:1")
HOUR, DAY = 3600.0, 86400.0
SLOT = (time.time() // DAY - 2) * DAY + 7 * HOUR  # 07:00 UTC; two more are over or near
NOW = SLOT + rounds.LAG_S
JOE, SUE = "joe@example.com", "sue@example.net"
WITHIN_S = 30.0


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the local time be UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def hold(name: str, at: float, **more: Any) -> Hold:
    """Give a message of this subject that was held at this time."""
    record = {"subject": name, "class": more.pop("class_", "spam"), **more.pop("more", {})}
    octets = b"Subject: %s\n\nbody\n" % name.encode()
    return Hold(octets=octets, kept_at=stamp(at), more=record, **more)


class Round:
    """One quarantine, its digests and its outbox."""

    def __init__(self, quarantine: Quarantine, store: Store, **asked: Any) -> None:
        usual: dict[str, Any] = {"to": ("@example.com", SUE), "admin": False, "at": ("07:00",)}
        self.settings = Settings(
            quarantine=quarantine,
            digest=Digest(**(usual | asked)),
            notices=Notices(admin="root@example.org"),
        )
        self.store = store
        self.digests = self.opened()

    def opened(self) -> Digests:
        """Give digests as another process would have them."""
        return self.store.digests(self.settings)

    def keep(self, *holds: Hold) -> None:
        for each in holds:
            each.keep(self.settings.quarantine)

    def turn(self, now: float = NOW) -> list[Letter]:
        """Have the letters of a round written, and taken out of the outbox as if sent."""
        self.digests.turn(now, within_s=WITHIN_S)
        return self.taken()

    def taken(self) -> list[Letter]:
        folder = outbox.folder(self.settings.quarantine.dir)
        letters = [outbox.read(folder, name) for name in outbox.waiting(folder)]
        for each in letters:
            outbox.remember(folder, each, each.to)
            outbox.remove(folder, each.name)
        return sorted(letters, key=lambda each: each.to)

    def subjects(self, now: float = NOW) -> dict[str, list[str]]:
        """Give what a round tells to whom."""
        return {each.to[0].decode(): told(each) for each in self.turn(now)}


def told(letter: Letter) -> list[str]:
    """Give the subjects in a letter."""
    return [row["subject"] for row in letter.rows]


@pytest.mark.usefixtures("utc")
class DigestContract:
    """Tests of digests; `settings` is a fixture of the class that takes them over."""

    @pytest.fixture
    def store(self, settings: Quarantine) -> Iterator[Store]:
        """Give the store; an outbox needs its folder."""
        os.makedirs(settings.dir, exist_ok=True)
        with Store.open(settings) as opened:
            yield opened

    @pytest.fixture
    def round(self, settings: Quarantine, store: Store) -> Round:
        """Give what is asked for joe's domain and sue."""
        return Round(settings, store)

    def test_a_letter(self, round: Round) -> None:
        """What is new, newest first, with all that a row tells; to each his own."""
        more = {"score": 7.5, "why": "a rule"}
        round.keep(
            hold("one", SLOT - 2 * HOUR, more=more),
            hold("two", SLOT - HOUR, class_="banned", to=(b"joe@example.com",), sender=b""),
        )
        to_joe, to_sue = round.turn()
        assert (to_joe.to, to_sue.to) == ((JOE.encode(),), (SUE.encode(),))
        assert to_joe.kind is outbox.Kind.DIGEST
        assert to_joe.about == f"digest-{int(SLOT)}"
        assert to_joe.at == SLOT
        assert to_joe.values == {
            "address": JOE,
            "review": "",
            "more": "0",
            "since": outbox.clock(SLOT - DAY),
            "until": outbox.clock(SLOT),
        }
        assert [(row["sender"], row["subject"]) for row in to_joe.rows] == [
            ("<>", "two"),
            ("ann@example.org", "one"),
        ]
        one = hold("one", SLOT - 2 * HOUR)
        assert to_sue.rows == (
            {
                "time": outbox.clock(SLOT - 2 * HOUR)[:16],
                "sender": "ann@example.org",
                "subject": "one",
                "why": "a rule",
                "class": "spam",
                "score": "7.5",
                "octets": str(len(one.octets)),
                "id": one.digest[:12],
                "to": "",
            },
        )
        assert to_joe.rows[0]["score"] == ""

    def test_only_what_is_new(self, round: Round, store: Store) -> None:
        """Over three rounds: told once; what was released before is not; what came again is."""
        first, second = hold("first", SLOT - HOUR), hold("second", SLOT + HOUR)
        gone = hold("gone", SLOT + 2 * HOUR, to=(JOE.encode(),))
        round.keep(first)
        assert round.subjects() == {JOE: ["first"], SUE: ["first"]}
        assert round.turn() == [], "a round is one"
        round.keep(second, gone)
        held = store.find(second.digest)
        theirs = [one for one in held.recipients if one.address == SUE]
        store.release(held, theirs, by=BY, inject=lambda message, envelope: None)
        store.move(store.find(gone.digest), None, State.DELETED, by=BY)
        assert round.subjects(NOW + DAY) == {JOE: ["second"]}
        assert round.subjects(NOW + 2 * DAY) == {}
        store.move(store.find(first.digest), None, State.DELETED, by=BY)
        round.keep(first)  # at this moment, by the clock of this host
        assert round.subjects(NOW + 3 * DAY) == {JOE: ["first"], SUE: ["first"]}
        assert round.subjects(NOW + 4 * DAY) == {}

    def test_held_for_one_more(self, round: Round) -> None:
        """Who is held for at a later try is told then; who was told is not."""
        both = hold("x", SLOT - HOUR, actions=(Action.QUARANTINE, Action.ACCEPT))
        round.keep(both)
        assert round.subjects() == {JOE: ["x"]}
        round.keep(replace(both, actions=(Action.ACCEPT, Action.QUARANTINE)))
        assert round.subjects(NOW + 3 * DAY) == {SUE: ["x"]}

    def test_bounds(self, round: Round) -> None:
        """From the mark on, up to the time of the round and without it: none is lost between."""
        times = (SLOT - DAY - 1, SLOT - DAY, SLOT - 1, SLOT, SLOT + DAY - 1, SLOT + DAY)
        round.keep(*(hold(str(number), at) for number, at in enumerate(times)))
        assert round.subjects()[JOE] == ["2", "1"]
        assert round.subjects(NOW + DAY)[JOE] == ["4", "3"]

    def test_rounds_that_were_missed(self, round: Round) -> None:
        """Whoever was never told, too, hears of all since the last round that was written."""
        assert round.subjects() == {}
        round.keep(hold("x", SLOT + HOUR, to=(JOE.encode(),)), hold("y", SLOT + 50 * HOUR))
        assert round.subjects(NOW + 3 * DAY) == {JOE: ["y", "x"], SUE: ["y"]}

    def test_for_whom(self, round: Round) -> None:
        """Of the domain and the address asked for, in any case; not of a message to nobody."""
        to = (b"Joe@EXAMPLE.com", b"joe@example.com", b"bob@example.net", b"x", b"SUE@example.net")
        round.keep(hold("x", SLOT - HOUR, to=to), hold("y", SLOT - HOUR, to=()))
        assert round.subjects() == {JOE: ["x"], SUE: ["x"]}

    def test_addresses_that_cannot_be(self, round: Round) -> None:
        """What was cut, or is longer than any address, is told nothing."""
        long, cut = b"j" * 400 + b"@example.com", b"a\0@example.com"
        round.keep(
            hold("x", SLOT - HOUR, to=(long, "j\u00f6@example.com".encode())),
            hold("y", SLOT - HOUR, to=(cut.replace(b"\0", "\ufffd".encode()),)),
        )
        assert round.subjects() == {"j\u00f6@example.com": ["x"]}

    def test_classes(self, settings: Quarantine, store: Store) -> None:
        """Those asked for, and nothing that nobody may let out; the admin hears of all."""
        one = Round(settings, store, classes=("spam", "banned"), admin=True)
        one.keep(
            hold("spam", SLOT - 2 * HOUR),
            hold("virus", SLOT - 3 * HOUR, class_="virus"),
            hold("shut", SLOT - 4 * HOUR, more={"release": "nobody"}),
            hold("nobody", SLOT - 5 * HOUR, to=()),
            hold("elsewhere", SLOT - 6 * HOUR, to=(b"bob@example.net",)),
        )
        found = {each.address: each.messages for each in one.digests.fresh(SLOT)}
        assert found == {ADMIN: 5, JOE: 1, SUE: 1}
        letters = {each.to[0].decode(): each for each in one.turn()}
        assert told(letters[JOE]) == told(letters[SUE]) == ["spam"]
        to_admin = letters["root@example.org"]
        assert to_admin.about == f"digest-{int(SLOT)}-admin"
        assert [(row["subject"], row["to"]) for row in to_admin.rows] == [
            ("spam", f"{JOE}, {SUE}"),
            ("virus", f"{JOE}, {SUE}"),
            ("shut", f"{JOE}, {SUE}"),
            ("nobody", "-"),
            ("elsewhere", "bob@example.net"),
        ]
        assert to_admin.values["review"] == "qscanner quarantine review"
        assert to_admin.values["address"] == ""
        one.keep(hold("later", SLOT + HOUR, class_="virus"))
        assert one.subjects(NOW + DAY) == {"root@example.org": ["later"]}

    def test_the_admin_is_a_recipient(self, settings: Quarantine, store: Store) -> None:
        """Both letters go to the same address, and neither takes the other's place."""
        one = Round(settings, store, to=("@example.org",), admin=True)
        one.keep(hold("x", SLOT - HOUR, to=(b"root@example.org", b"a@b", b"c@d", b"e@f", b"g@h")))
        mine, all_of_it = sorted(one.turn(), key=lambda each: each.about)
        assert (mine.values["address"], all_of_it.values["address"]) == ("root@example.org", "")
        assert all_of_it.rows[0]["to"] == "root@example.org, a@b, c@d +2"

    def test_too_many(self, round: Round, monkeypatch: pytest.MonkeyPatch) -> None:
        """The newest are shown, and the others counted."""
        monkeypatch.setattr(module, "MAX_ROWS", 3)
        round.keep(*(hold(str(number), SLOT - HOUR + number) for number in range(5)))
        letter = round.turn()[0]
        assert told(letter) == ["4", "3", "2"]
        assert letter.values["more"] == "2"
        assert round.turn(NOW + DAY) == []

    def test_nothing_new_moves_the_mark(self, round: Round, store: Store) -> None:
        """What a digest passed over is old, also where the settings change later."""
        round.keep(hold("virus", SLOT - HOUR, class_="virus"), hold("first", SLOT - 2 * HOUR))
        assert round.subjects() == {JOE: ["first"], SUE: ["first"]}
        round.keep(hold("second", SLOT + HOUR, class_="virus"))
        assert round.turn(NOW + DAY) == []
        all_of_it = Round(round.settings.quarantine, store, classes=("virus", "spam"))
        assert all_of_it.turn(NOW + 2 * DAY) == []

    def test_when(self, round: Round) -> None:
        """Not before a minute is over, then once; a process that starts anew knows it."""
        round.keep(hold("x", SLOT - HOUR, to=(JOE.encode(),)))
        assert round.turn(SLOT + rounds.LAG_S - 1 - DAY) == []
        assert round.turn(SLOT + rounds.LAG_S - 1) == []
        assert round.subjects(SLOT + rounds.LAG_S) == {JOE: ["x"]}
        round.keep(hold("y", SLOT - 1, to=(JOE.encode(),)))
        round.digests = round.opened()
        assert round.turn(NOW + HOUR) == []

    def test_nobody_asks(self, settings: Quarantine, store: Store) -> None:
        """Nothing is written, and nothing is remembered."""
        one = Round(settings, store, to=())
        one.keep(hold("x", SLOT - HOUR))
        assert one.turn() == []
        assert one.digests.fresh(NOW) == []
        assert set(Round(settings, store).subjects()) == {JOE, SUE}

    def test_by_hand(self, round: Round) -> None:
        """What is told between two rounds is not told by the next."""
        round.keep(hold("x", SLOT - HOUR, to=(JOE.encode(),)))
        assert round.digests.letter(SUE, SLOT) is None
        letter = round.digests.letter("JOE@example.com", SLOT - 60)
        assert letter is not None
        assert told(letter) == ["x"]
        assert round.digests.write([JOE, SUE], SLOT - 60) == 1
        assert round.taken() == [letter], "it was shown as it was sent"
        round.keep(hold("y", SLOT - 30))
        assert round.subjects() == {JOE: ["y"], SUE: ["y"]}
        assert round.digests.write([JOE], SLOT - 60) == 0, "a mark never goes back"
        assert round.subjects(NOW + DAY) == {}

    def test_too_little_time(self, round: Round) -> None:
        """One letter at least is written at a turn; the next one goes on, and ends the round."""
        round.keep(hold("x", SLOT - HOUR, to=(b"a@example.com", b"b@example.com")))
        for now in (NOW, NOW + 5):
            assert round.digests.turn(now, within_s=0.0) == 1
        assert len(round.taken()) == 2
        assert round.digests.turn(NOW + 10, within_s=0.0) == 0
        round.keep(hold("y", SLOT + HOUR, to=(b"a@example.com",)))
        assert round.subjects(NOW + DAY) == {"a@example.com": ["y"]}

    def test_a_process_that_dies(self, round: Round) -> None:
        """The one that takes its place goes on with the round, and tells nobody twice."""
        to = (b"a@example.com", b"b@example.com")
        round.keep(hold("x", SLOT - HOUR, to=to))
        assert round.digests.turn(NOW, within_s=0.0) == 1
        (first,) = round.taken()
        round.digests = round.opened()
        (second,) = round.turn(NOW + 5)
        assert {first.to[0], second.to[0]} == set(to)
        round.digests = round.opened()
        assert round.turn(NOW + 10) == []

    def test_a_host_that_dies(self, round: Round, store: Store) -> None:
        """Whom it did not come to is told in the next round by another; its round stays its."""
        to = (b"a@example.com", b"b@example.com")
        round.keep(hold("x", SLOT - HOUR, to=to))
        assert round.digests.turn(NOW, within_s=0.0) == 1
        (first,) = round.taken()
        elsewhere = os.path.join(round.settings.quarantine.dir, "elsewhere")
        os.mkdir(elsewhere)
        other = Round(replace(round.settings.quarantine, dir=elsewhere), store)
        assert other.turn(NOW + 5) == []
        round.keep(hold("y", SLOT + HOUR, to=to))
        letters = {each.to[0]: told(each) for each in other.turn(NOW + DAY)}
        (missed,) = set(to) - {first.to[0]}
        assert letters == {first.to[0]: ["y"], missed: ["y", "x"]}
        assert round.turn(NOW + DAY) == []

    @pytest.mark.parametrize("is_behind", [False, True], ids=["before-put", "behind-put"])
    def test_killed_about_the_letter(
        self, round: Round, is_behind: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The letter is there, or the mark has not moved: none is lost."""
        round.keep(hold("x", SLOT - HOUR, to=(JOE.encode(),)))
        real = outbox.put

        def killed(folder: str, letter: Letter) -> bool:
            if is_behind:
                real(folder, letter)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(outbox, "put", killed)
            with pytest.raises(KeyboardInterrupt):
                round.digests.turn(NOW, within_s=WITHIN_S)
        assert len(round.taken()) == is_behind
        assert round.digests.turn(NOW + 5, within_s=WITHIN_S) == (not is_behind)
        assert len(round.taken()) == (not is_behind)
        assert round.turn(NOW + DAY) == []

    def test_an_outbox_that_is_full(self, round: Round, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is said, and the round goes on when there is room."""
        round.keep(hold("x", SLOT - HOUR))
        with monkeypatch.context() as patched:
            patched.setattr(outbox, "MAX_WAITING", 1)
            with pytest.raises(Later):
                round.turn()
        assert len(round.taken()) == 1
        assert len(round.turn(NOW + 5)) == 1
        assert round.turn(NOW + 10) == []

    def test_several_at_once(self, round: Round, settings: Quarantine) -> None:
        """Four who write a round at the same time, as after a reload, tell nobody twice."""
        to = tuple(b"u%d@example.com" % number for number in range(5))
        round.keep(hold("x", SLOT - HOUR, to=to))
        put = list[int]()

        def turn() -> None:
            with Store.open(settings) as mine:
                put.append(mine.digests(round.settings).turn(NOW, within_s=WITHIN_S))

        threads = [threading.Thread(target=turn) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(15)
        assert (len(put), sum(put)) == (4, 5)
        assert len(round.taken()) == 5

    def test_by_hand_and_by_the_clock_at_once(self, round: Round, settings: Quarantine) -> None:
        """An admin who sends while a round is written makes no second letter."""
        to = tuple(b"u%d@example.com" % number for number in range(5))
        round.keep(hold("x", SLOT - HOUR, to=to))
        put = list[int]()

        def by_hand() -> None:
            with Store.open(settings) as mine:
                digests = mine.digests(round.settings)
                put.append(digests.write([each.decode() for each in to], SLOT + 10))

        thread = threading.Thread(target=by_hand)
        thread.start()
        put.append(round.digests.turn(NOW, within_s=WITHIN_S))
        thread.join(15)
        assert sum(put) == 5
        assert len(round.taken()) == 5

    def test_addresses_are_forgotten(self, round: Round, store: Store) -> None:
        """With the last message that was held for somebody goes the mark."""
        round.keep(hold("x", SLOT - HOUR))
        round.turn()
        store.move(store.find(hold("x", SLOT - HOUR).digest), None, State.DELETED, by=BY)
        quarantine = replace(round.settings.quarantine, history=HOUR)
        with Store.open(quarantine) as other:
            assert other.expire(by=BY, now=SLOT + DAY).forgotten == 1
        assert {JOE, SUE} < marks(store)
        round.turn(NOW + DAY)
        assert [each[:5] for each in sorted(marks(store))] == ["begun", "begun", "done"]


def marks(store: Store) -> set[str]:
    """Give whose marks are remembered."""
    with store._home.reading() as connection:
        return set(connection.execute(select(digested.c.address)).scalars())
