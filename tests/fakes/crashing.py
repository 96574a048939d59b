"""A store whose every operation fails, or is the last: what is left is looked at each time.

Called by  tests/crash/test_store.py, as a program of its own under LD_PRELOAD of fault.c.
Ends       0 with a table on stdout, operation and outcome; or with the traceback of what must
           never be.
Careful    one process forks for each k, so that libraries are loaded once: no store is open then.
"""

import ctypes
import errno
import gzip
import mmap
import os
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from qscanner.history import append
from qscanner.inject import NotQueued
from qscanner.outcomes import QScannerError
from qscanner.settings import Keep, Quarantine
from qscanner.spool import Message
from qscanner.store import history
from qscanner.store.history_words import Sought
from qscanner.store.lists import Lists
from qscanner.store.store import Store
from qscanner.store.words import Filter, NotSo, State, Who
from tests.fakes.annals import NOW as AT
from tests.fakes.annals import fact
from tests.fakes.fault import FAIL, KILL, _State
from tests.fakes.holds import Hold, several
from tests.fakes.vault import octets_of

FAULTS = {"kill": (KILL, 0), "full": (FAIL, errno.ENOSPC), "broken": (FAIL, errno.EIO)}
DAY = 86400.0
NOW = 1_795_420_000.0
CLASSES = ("virus", "banned", "spam", "unscannable", "policy")
_BODY = b"body\n" * 2000  # so much that it is worth compressing
HOLDS = [replace(hold, octets=hold.octets + _BODY) for hold in several(3)]
NEW = Hold(octets=b"Subject: new\n\n" + _BODY, kept_at="2026-11-22T00:00:00Z")
_LONG, _SHORT = (Keep(**dict.fromkeys(CLASSES, days * DAY)) for days in (500.0, 30.0))
LINES = 14  # of the history
_DONE, _TOLD = 0, 3  # exit codes: it said yes; it said that it could not


@dataclass(frozen=True, kw_only=True)
class World:
    """The folder of a store, and a file where a queue program writes down what it queued."""

    folder: str

    @property
    def settings(self) -> Quarantine:
        """Give the settings: what was kept at the beginning of the month is too old."""
        return Quarantine(dir=f"{self.folder}/held", history=600 * DAY, keep=_LONG)

    def inject(self, message: Message, envelope: bytes) -> None:
        """Queue it: the rename is the deed."""
        name = f"{self.folder}/queue/{os.getpid()}"
        try:
            with open(f"{name}.new", "wb") as file:
                file.write(envelope + bytes(message.octets))
            os.rename(f"{name}.new", f"{name}.queued")
        except OSError as error:
            raise NotQueued(str(error)) from error

    def queued(self) -> int:
        """Give how often something was queued."""
        return sum(name.endswith(".queued") for name in os.listdir(f"{self.folder}/queue"))


def keep(world: World) -> None:
    """Keep a message that is new."""
    NEW.keep(world.settings)


def look_at_keep(world: World, code: int) -> str:
    """A yes has a whole hold that is found at once; after anything, the next try has."""
    with Store.open(world.settings) as store:
        found = [held for held in store.search(Filter()) if held.digest == NEW.digest]
        if code == _DONE:
            assert len(found) == 1, "answered, and nobody sees it"
        outcome = "held" if found else "not held"
    NEW.keep(world.settings)
    with Store.open(world.settings) as store:
        held = store.find(NEW.digest)
        assert octets_of(store, held) == NEW.octets
        assert len(held.of(State.HELD)) == len(NEW.to)
        all_others_stand(store)
    return outcome


def release(world: World) -> None:
    """Release the first message, as a command does."""
    with Store.open(world.settings) as store:
        held = store.find(HOLDS[0].digest)
        store.release(held, None, by=Who.here("test"), inject=world.inject)


def look_at_release(world: World, code: int) -> str:
    """Queued once at most; what was not queued can be released, or says that nobody knows."""
    with Store.open(world.settings) as store:
        held = store.find(HOLDS[0].digest)
        queued = world.queued()
        match held.state:
            case State.HELD:
                assert queued == 0, "queued, and still held: it would go out twice"
            case State.RELEASED:
                assert queued == 1, "released, and not queued"
            case State.RELEASING:
                assert code != _DONE
            case State.DELETED | State.EXPIRED:
                raise AssertionError(held.state)
        assert code != _DONE or held.state is State.RELEASED
        assert octets_of(store, held) == HOLDS[0].octets
        try:
            store.release(held, None, by=Who.here("again"), inject=world.inject)
        except NotSo:
            assert held.state is not State.HELD
        assert world.queued() == 1 or held.state is State.RELEASING
        all_others_stand(store)
    return f"{held.state.value}, {'queued' if queued else 'not queued'}"


def delete(world: World) -> None:
    """Delete the first message."""
    with Store.open(world.settings) as store:
        store.move(store.find(HOLDS[0].digest), None, State.DELETED, by=Who.here("test"))


def look_at_delete(world: World, code: int) -> str:
    """Held with its octets, or deleted; a sender who tries again has it held."""
    with Store.open(world.settings) as store:
        held = store.find(HOLDS[0].digest)
        assert held.state in (State.HELD, State.DELETED)
        if held.state is State.HELD:
            assert code != _DONE
            assert octets_of(store, held) == HOLDS[0].octets
        store.expire(by=Who.here("test"), now=0.0)
        now = store.find(HOLDS[0].digest)
        assert now.is_gone == (held.state is State.DELETED)
        HOLDS[0].keep(world.settings)
        again = store.find(HOLDS[0].digest)
        assert octets_of(store, again) == HOLDS[0].octets
        assert again.state is State.HELD
        all_others_stand(store)
    return str(held.state.value)


def expire(world: World) -> None:
    """Let go of what is too old: all but the message that is new."""
    with Store.open(replace(world.settings, history=10 * DAY, keep=_SHORT)) as store:
        store.expire(by=Who.here("test"), now=NOW + 18 * DAY)


def look_at_expire(world: World, code: int) -> str:
    """Each is held with its octets, or expired; the young one stands; the next run ends it."""
    with Store.open(world.settings) as store:
        there = {held.digest: held for held in store.search(Filter())}
        states = [there[hold.digest].state if hold.digest in there else None for hold in HOLDS]
        for hold, state in zip(HOLDS, states, strict=True):
            if state is State.HELD:
                assert octets_of(store, there[hold.digest]) == hold.octets
        assert code != _DONE or states == [None] * 3
    expire(world)
    with Store.open(world.settings) as store:
        (held,) = store.search(Filter())
        assert octets_of(store, held) == NEW.octets
        assert list(store.audit()) == [], "forgotten is forgotten"
        assert list(store.verify()) == []
    return f"{sum(state is State.HELD for state in states)} left"


def pack(world: World) -> None:
    """Compress all."""
    with Store.open(world.settings) as store:
        store.expire(by=Who.here("test"), now=time.time() + 7200)


def look_at_pack(world: World, _code: int) -> str:
    """Whatever form they have: octet for octet, and a retry is the same hold."""
    with Store.open(world.settings) as store:
        for hold in (*HOLDS, NEW):
            assert octets_of(store, store.find(hold.digest)) == hold.octets
            assert not hold.keep(world.settings), "the same hold"
        names = os.listdir(world.settings.dir)
        for name in names:
            if name.endswith(".eml.gz"):
                with open(f"{world.settings.dir}/{name}", "rb") as file:
                    gzip.decompress(file.read())
        assert all(held.state is State.HELD for held in store.search(Filter()))
    return f"{sum(name.endswith('.gz') for name in names)} packed"


def allow(world: World) -> None:
    """Allow a sender, and write down that a message was learned."""
    with Store.open(world.settings) as store:
        by = Who.here("test")
        store.write_entry(is_allowed=True, sender="a@x", until=None, why="w", by=by)
        store.note(store.find(HOLDS[0].digest), "learned as ham", by=by)


def look_at_allow(world: World, code: int) -> str:
    """A yes is in force for scans; what is listed is so everywhere, and once in the audit."""
    if code == _DONE:
        assert Lists.of_folder(world.settings.dir).allowed(b"a@x", b"b@y")
    with Store.open(world.settings) as store:
        entries = [each.sender for each in store.entries()]
        did = [each.did for each in store.audit()]
        assert did == ["allowed a@x for all", "learned as ham"][: len(did)]
        assert len(entries) == min(1, len(did))
        in_force = Lists.of_folder(world.settings.dir).allowed(b"a@x", b"b@y")
        assert bool(in_force) == bool(entries) == (entries == ["a@x"])
        assert code != _DONE or len(did) == 2
        store.write_entry(is_allowed=False, sender="a@x", until=None, why="", by=Who.here("test"))
        assert len(store.entries()) == 1
        assert not Lists.of_folder(world.settings.dir).allowed(b"a@x", b"b@y")
        all_others_stand(store)
    return f"{len(entries)} listed, {len(did)} in the audit"


def begin(world: World) -> None:
    """Open a store for the first time: files of the first version, and no index."""
    with Store.open(world.settings):
        pass


def look_at_begin(world: World, _code: int) -> str:
    """The next one to open it has everything."""
    with Store.open(world.settings) as store:
        assert store.count(Filter()) == 4
        assert list(store.verify()) == []
        all_others_stand(store)
    return "opened"


def note(world: World) -> None:
    """Write the facts of a message into the history."""
    append(world.settings.dir, fact(id="new"))


def look_at_note(world: World, code: int) -> str:
    """It is in the history once, or not at all where it said no; the next one is, in any case."""
    append(world.settings.dir, fact(id="next"))
    with Store.open(world.settings) as store:
        store.history.take()
        found = sorted(each.scan_id for each in store.history.search(Sought()))
        assert found in (["new", "next"], ["next"])
        assert code != _DONE or len(found) == 2
        assert store.history.numbers(AT, AT).totals["verdict"]["accept"].messages == len(found)
        all_others_stand(store)
    return f"{len(found)} known"


def take(world: World) -> None:
    """Take the history into the database."""
    with Store.open(world.settings) as store:
        store.history.take()


def look_at_take(world: World, code: int) -> str:
    """Each line is in it once, or waits; after the next run each is, in the numbers too."""
    names = [name for name in os.listdir(world.settings.dir) if name.startswith("history")]
    append(world.settings.dir, fact(id="later"))
    with Store.open(world.settings) as store:
        known = len(list(store.history.search(Sought())))
        assert code != _DONE or (known == LINES and not names)
        assert known + store.history.take() == LINES + 1
        found = [each.scan_id for each in store.history.search(Sought())]
        assert len(set(found)) == len(found) == LINES + 1
        numbers = store.history.numbers(AT, AT)
        assert numbers.totals["verdict"]["accept"].messages == LINES + 1
        assert store.history.take() == 0
        all_others_stand(store)
    left = [name for name in os.listdir(world.settings.dir) if name.startswith("history")]
    assert left == [], "nothing is taken in twice, for nothing is left"
    return f"{known} of {LINES} known, {len(names)} files"


def all_others_stand(store: Store) -> None:
    """See that messages which nobody touched are as they were."""
    for hold in HOLDS[1:]:
        held = store.find(hold.digest)
        assert octets_of(store, held) == hold.octets
        assert held.state is State.HELD


SCENES: dict[str, tuple[Callable[[World], None], Callable[[World, int], str]]] = {
    "keep": (keep, look_at_keep),
    "release": (release, look_at_release),
    "delete": (delete, look_at_delete),
    "expire": (expire, look_at_expire),
    "pack": (pack, look_at_pack),
    "allow": (allow, look_at_allow),
    "begin": (begin, look_at_begin),
    "note": (note, look_at_note),
    "take": (take, look_at_take),
}


def main() -> None:
    """Go through one scene with one fault: `SCENE FAULT FOLDER`."""
    name, fault, folder = sys.argv[1:]
    act, look = SCENES[name]
    template, world = f"{folder}/template", World(folder=f"{folder}/world")
    os.makedirs(f"{template}/held")
    os.mkdir(f"{template}/queue")
    made = Quarantine(dir=f"{template}/held")
    for hold in HOLDS if name == "keep" else (*HOLDS, NEW):
        hold.keep(made)
    with Store.open(made):
        pass
    if name == "begin":
        for left in ("index.sqlite", "journal"):
            os.unlink(f"{made.dir}/{left}")
    if name == "take":
        history._LINES = 4  # so that it takes several transactions
        for number in range(LINES):
            append(made.dir, fact(id=f"{number}"))
            if number == 3:  # by one who was killed
                os.rename(f"{made.dir}/history", f"{made.dir}/history.taking.0.a")
    table: Counter[tuple[str, str]] = Counter()
    with open(os.environ["FAULT_STATE"], "r+b") as common:
        shared = mmap.mmap(common.fileno(), mmap.PAGESIZE)
    state = _State.from_buffer(shared)
    at, hits, code = 0, 1, _TOLD
    while hits:
        at += 1
        shutil.rmtree(world.folder, ignore_errors=True)
        shutil.copytree(template, world.folder)
        code = _tried(act, world, state, at, *FAULTS[fault])
        hits = state.hits
        outcome = look(world, code)
        told = {_DONE: "yes", _TOLD: "no"}.get(code, "killed")
        table[state.name.decode() if hits else "undisturbed", f"{told}; {outcome}"] += 1
    assert code == _DONE, "undisturbed, it ends well"
    assert len(table) > 3, "hardly anything was counted: is the library loaded?"
    print(f"{name} {fault}: {at - 1} operations")
    for (operation, outcome), count in sorted(table.items()):
        print(f"  {operation:14} {outcome:34} {count:4}")
    ctypes.memset(ctypes.addressof(state), 0, ctypes.sizeof(state))


def _tried(
    act: Callable[[World], None], world: World, state: _State, at: int, what: int, error: int
) -> int:
    """Do it in a child, with the k-th operation hit; give its exit code, negative for a signal."""
    ctypes.memset(ctypes.addressof(state), 0, ctypes.sizeof(state))
    state.at, state.what, state.error = at, what, error
    pid = os.fork()
    if not pid:
        code = 1
        try:
            state.armed = 1
            act(world)
            code = _DONE
        except (QScannerError, NotQueued, OSError):
            code = _TOLD
        except Exception:  # noqa: BLE001 - told to the parent by the exit code
            traceback.print_exc()
        finally:
            state.armed = 0
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    state.armed = 0
    assert code != 1, "an exception that is none of ours"
    return code


if __name__ == "__main__":
    main()
