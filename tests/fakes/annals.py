"""The history in tests: lines as handover writes them, and what every history must do.

Called by  tests/unit/test_store_history.py and tests/real/test_real_history.py, whose classes give
           the store; the tests of `log` and `stats`.
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from qscanner.history import NAME, append
from qscanner.settings import History as Settings
from qscanner.settings import Quarantine
from qscanner.store.history_words import Passed, PassedTo, Sought, Sum
from qscanner.store.store import Store
from qscanner.store.tables import counted, passed, passed_to
from tests.fakes.holds import Hold, several

NOW = 1_795_420_000.0  # 2026-11-23
DAY = 86400.0
HOUR = int(NOW) // 3600


def fact(**more: Any) -> bytes:
    """Give a line of the history: an accepted message, but for what is said."""
    action, rules = more.get("verdict", "accept"), more.get("rules", [])
    to = more.pop("to", ["joe@example.com"])
    told = {
        "id": "19a-1",
        "digest": "ab" * 32,
        "message_id": "<1@example.org>",
        "pid": 4242,
        "verdict": "accept",
        "ending": "accepted",
        "rules": [],
        "why": "",
        "findings": [],
        "sender": "ann@example.org",
        "direction": "in",
        "ip": "192.0.2.7",
        "auth_user": "",
        "octets": 100,
        "virus": "clean",
        "spam": "2.1/5.0",
        "ms": 31,
        "checks": {"virus": "clean", "spam": "clean"},
        "names": [],
        "score": 2.1,
        "host": "mx",
        "at": NOW,
        "recipients": len(to),
        "how": [[action, rules]],
        "to": [[address, 0] for address in to],
    }
    return b"\n%b\n" % json.dumps(told | more).encode()


def ids(found: Any) -> list[str]:
    """Give the scans of messages."""
    return [each.scan_id for each in found]


class Contract:
    """Tests of a history; `settings` is a fixture of the class that takes them over."""

    @pytest.fixture
    def store(self, settings: Quarantine) -> Iterator[Store]:
        """Give a store; the folder is there."""
        with Store.open(settings) as opened:
            yield opened

    def test_what_is_written_is_found(self, settings: Quarantine, store: Store) -> None:
        """By scan, digest, its beginning, Message-ID with or without brackets, and qp."""
        append(settings.dir, fact(id="19a-2", rules=["r"], verdict="reject", to=["A@b", "c@d"]))
        assert store.history.take() == 1
        assert not list(Path(settings.dir).glob(f"{NAME}*"))
        names = ("19a-2", "AB" * 32, "abababab", "<1@example.org>", "1@example.org", " 4242 ")
        for name in names:
            assert ids(store.history.find(name)) == ["19a-2"], name
        for name in (
            "19a-3",
            "ababab",
            "ac" * 32,
            "2@example.org",
            "424",
            "",
            "9" * 30,
            "%",
            "\0",
        ):
            assert store.history.find(name) == [], name
        (found,) = store.history.find("19a-2")
        assert found == Passed(
            scan_id="19a-2",
            host="mx",
            at=NOW,
            digest="ab" * 32,
            verdict="reject",
            ending="accepted",
            sender="ann@example.org",
            recipients=2,
            to=(
                PassedTo(place=0, address="A@b", action="reject", rules=("r",)),
                PassedTo(place=1, address="c@d", action="reject", rules=("r",)),
            ),
            message_id="1@example.org",
            pid=4242,
            rules=("r",),
            direction="in",
            ip="192.0.2.7",
            octets=100,
            virus="clean",
            spam="2.1/5.0",
            score=2.1,
            ms=31,
        )

    def test_hostile_words(self, settings: Quarantine, store: Store) -> None:
        """NUL, lone surrogates and long words are what both databases can hold."""
        word = "\0\ud800\u202e" + "x" * 9000
        texts = ("message_id", "why", "sender", "ip", "auth_user", "virus", "spam", "host")
        odd = dict.fromkeys(texts, word)
        append(
            settings.dir,
            fact(**odd, rules=[word], findings=[word] * 9, names=[word], to=[word, word]),
        )
        assert store.history.take() == 1
        (found,) = store.history.find("19a-1")
        assert found.sender.startswith("\ufffd?\u202exx")
        assert "virus" in store.history.numbers(NOW, NOW).totals

    def test_each_line_counts_once(self, settings: Quarantine, store: Store) -> None:
        """Lines that were taken before, by one who was killed then, add nothing."""
        lines = [fact(id=f"19a-{number}") for number in range(5)]
        for octets in lines[:3]:
            append(settings.dir, octets)
        assert store.history.take() == 3
        Path(settings.dir, f"{NAME}.taking.1.a").write_bytes(b"".join(lines))
        append(settings.dir, lines[4])
        assert store.history.take() == 2
        assert sorted(ids(store.history.search(Sought()))) == [f"19a-{n}" for n in range(5)]
        totals = store.history.numbers(NOW, NOW).totals
        assert totals["verdict"] == {"accept": Sum(messages=5, octets=500)}
        assert store.history.take() == 0

    def test_the_same_scan_on_two_hosts(self, settings: Quarantine, store: Store) -> None:
        """Are two messages."""
        for host in ("mx1", "mx2"):
            append(settings.dir, fact(host=host))
        assert store.history.take() == 2
        assert sorted(each.host for each in store.history.find("19a-1")) == ["mx1", "mx2"]
        totals = store.history.numbers(NOW, NOW).totals
        assert totals["spam"] == {"clean": Sum(messages=2, octets=200)}

    def test_damage_spoils_itself_only(self, settings: Quarantine, store: Store) -> None:
        """Half a line, a line of nothing and one of odd values harm no other."""
        odd = fact(id="19a-2", pid="x", octets=-1, how=7, rules="r", score="s", ms=1 << 99)
        append(settings.dir, fact()[:100].rstrip(b"\n"))
        for octets in (b"\nnull\n", b'\n{"id":"x"}\n', fact(at="x"), odd, fact()):
            append(settings.dir, octets)
        assert store.history.take() == 2
        assert sorted(ids(store.history.search(Sought()))) == ["19a-1", "19a-2"]

    @pytest.mark.parametrize(
        ("sought", "want"),
        [
            (Sought(), [4, 3, 2, 1, 0]),
            (Sought(limit=2), [4, 3]),
            (Sought(since=NOW + DAY, until=NOW + 3 * DAY), [2, 1]),
            (Sought(sender="Bob@Example.net"), [3]),
            (Sought(sender="@example.NET"), [3]),
            (Sought(recipient="SUE@example.com"), [4, 2]),
            (Sought(recipient="@other.example"), [2]),
            (Sought(recipient="nobody@other.example"), []),
            (Sought(verdict="reject"), [4, 1]),
            (Sought(verdict="discard"), []),
            (Sought(rule="programs"), [4, 1]),
            (Sought(rule="program"), []),
            (Sought(rule="spam", verdict="reject"), [4]),
            (Sought(rule="spam", verdict="quarantine"), [0]),
            (Sought(rule="programs", since=NOW + 2 * DAY), [4]),
            (Sought(rule="\0\udc80", sender="\udc80", recipient="\0", verdict="\0"), []),
            (Sought(rule="programs", recipient="sue@example.com", limit=1), [4]),
        ],
        ids=lambda value: repr(value).replace("None", "")[:90],
    )
    @pytest.mark.parametrize("page", [1, 2, 200])
    def test_search(
        self,
        sought: Sought,
        want: list[int],
        page: int,
        settings: Quarantine,
        store: Store,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Each filter finds what it says, newest first, however it is paged."""
        monkeypatch.setattr("qscanner.store.search.PAGE", page)
        changes: list[dict[str, Any]] = [
            {"verdict": "quarantine", "rules": ["spam"]},
            {"verdict": "reject", "rules": ["programs"]},
            {"to": ["sue@example.com", "x@other.example"]},
            {"sender": "bob@example.net"},
            {"verdict": "reject", "rules": ["programs", "spam"], "to": ["Sue@Example.com"]},
        ]
        for number, each in enumerate(changes):
            append(settings.dir, fact(id=f"19a-{number}", at=NOW + number * DAY, **each))
        store.history.take()
        assert ids(store.history.search(sought)) == [f"19a-{number}" for number in want]

    def test_rare_without_numbers(self, settings: Quarantine, store: Store) -> None:
        """Where numbers are kept for a shorter time than facts, a rule is found all the same."""
        for number in range(3):
            line = fact(id=f"19a-{number}", at=NOW + number * DAY, rules=["r"])
            append(settings.dir, line)
        store.history.take()
        gone = store.history.forget(Settings(keep=99 * DAY, counts=DAY), NOW + 2.5 * DAY)
        assert (gone.facts, gone.hours) == (0, 2)
        assert ids(store.history.search(Sought(rule="r"))) == ["19a-2", "19a-1", "19a-0"]

    def test_forgotten(self, settings: Quarantine, store: Store) -> None:
        """Facts go after their time, with their recipients; numbers stay longer."""
        for number in range(1000):
            append(settings.dir, fact(id=f"19a-{number}", at=NOW + number * 60))
        store.history.take()
        told = list[int]()
        gone = store.history.forget(
            Settings(keep=DAY), NOW + DAY + 900 * 60, progress=lambda done, _: told.append(done)
        )
        assert (gone.facts, gone.hours) == (900, 0)
        assert told == [400, 800, 900]
        assert len(list(store.history.search(Sought()))) == 100
        assert _rows(store, passed_to) == 100
        totals = store.history.numbers(NOW, NOW + DAY).totals
        assert totals["verdict"]["accept"].messages == 1000
        gone = store.history.forget(Settings(keep=0.0, counts=0.0), NOW + 10 * DAY)
        assert (gone.facts, gone.hours) == (100, 18)
        assert (_rows(store, passed), _rows(store, counted)) == (0, 0)

    def test_tries(self, settings: Quarantine, store: Store) -> None:
        """All of one message, the first one first."""
        for number in (2, 0, 1):
            append(settings.dir, fact(id=f"19a-{number}", at=NOW + number))
        append(settings.dir, fact(id="19a-9", digest="cd" * 32))
        store.history.take()
        assert ids(store.history.tries("ab" * 32)) == ["19a-0", "19a-1", "19a-2"]
        assert ids(store.history.find("ab" * 32)) == ["19a-2", "19a-1", "19a-0"]

    def test_numbers(self, settings: Quarantine, store: Store) -> None:
        """By verdict and hour, by name and word; who had most refused; what is held."""
        refused = {"verdict": "reject", "ending": "rejected", "rules": ["infected"]}
        lines = [
            fact(id="1"),
            fact(id="2", at=NOW + 3600, octets=7),
            fact(id="3", **refused, names=["Eicar", "Eicar"], to=["a@x", "b@x"]),
            fact(id="4", **refused, to=["B@x"], sender=""),
            fact(id="5", at=NOW - 7200, **refused),
            fact(
                id="6",
                verdict="defer",
                ending="deferred",
                checks={"virus": "unavailable"},
                to=["b@x"],
            ),
        ]
        for octets in lines:
            append(settings.dir, octets)
        store.history.take()
        for hold in several(2, sender=b"x@y"):
            hold.keep(settings)
        found = store.history.numbers(NOW, NOW + 3600)
        assert (found.since, found.until) == (HOUR * 3600, (HOUR + 2) * 3600)
        assert found.verdicts == {
            "accept": {HOUR: Sum(messages=1, octets=100), HOUR + 1: Sum(messages=1, octets=7)},
            "reject": {HOUR: Sum(messages=2, octets=200)},
            "defer": {HOUR: Sum(messages=1, octets=100)},
        }
        assert found.totals["rule"] == {"infected": Sum(messages=2, octets=200)}
        assert found.totals["virus"] == {"Eicar": Sum(messages=1, octets=100)}
        assert found.totals["unavailable"] == {"virus": Sum(messages=1, octets=100)}
        assert found.totals["direction"] == {"in": Sum(messages=5, octets=407)}
        assert list(found.totals["verdict"]) == ["accept", "reject", "defer"]
        assert found.senders == (("example.org", 2), ("", 1))
        assert found.recipients == (("b@x", 3), ("a@x", 1))
        assert found.looked_at == 3
        (held,) = found.held.values()
        assert held.messages == 2

    def test_many_writers_and_a_taker(self, settings: Quarantine, store: Store) -> None:
        """None is lost, none is taken twice, however they meet."""

        def write(who: int) -> None:
            for number in range(100):
                append(settings.dir, fact(id=f"{who}-{number}"))

        threads = [threading.Thread(target=write, args=(who,)) for who in range(6)]
        for thread in threads:
            thread.start()
        count = 0
        while any(thread.is_alive() for thread in threads):
            count += store.history.take()
        count += store.history.take()
        assert count == 600
        assert len(set(ids(store.history.search(Sought())))) == 600
        assert store.history.numbers(NOW, NOW).totals["verdict"]["accept"].messages == 600

    def test_two_takers(self, settings: Quarantine, store: Store) -> None:
        """Each line goes to one of them."""
        counts = list[int]()

        def take() -> None:
            with Store.open(settings) as mine:
                counts.extend(mine.history.take() for _ in range(20))

        for number in range(300):
            append(settings.dir, fact(id=f"1-{number}"))
        threads = [threading.Thread(target=take) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(300):
            append(settings.dir, fact(id=f"2-{number}"))
        for thread in threads:
            thread.join(15)
        assert sum(counts) + store.history.take() == 600
        assert store.history.numbers(NOW, NOW).totals["verdict"]["accept"].messages == 600

    def test_held_mail_does_not_matter(self, settings: Quarantine, store: Store) -> None:
        """Expiry and what is held change nothing in the history."""
        Hold().keep(settings)
        append(settings.dir, fact())
        store.history.take()
        assert ids(store.history.find("19a-1")) == ["19a-1"]
        assert len(list(store.verify())) == 0


def _rows(store: Store, table: Any) -> int:
    with store._home.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
