"""programs.admin_quarantine_today: what is worse today, and what would be decided."""

from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import config
from qscanner.bench import Bench
from qscanner.model import Action
from qscanner.programs.admin_quarantine_today import judged, looked_at
from qscanner.store.store import Store
from qscanner.store.words import OctetsGone
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold, several
from tests.fakes.mails import EICAR


def test_what_is_worse(tmp_path: Path) -> None:
    """Only what was not known when it came."""
    chosen = config.load(str(Desk(tmp_path).file))
    eicar = b"Subject: x\n\n" + EICAR + b"\n"
    fine, new, known = several(3)
    new = replace(new, octets=eicar, more={"class": "policy"})
    known = replace(known, octets=b"X: y\n" + eicar, more={"class": "virus"})
    for hold in (fine, new, known):
        hold.keep(chosen.quarantine)
    with Store.open(chosen.quarantine) as store:
        held = [store.find(hold.digest) for hold in (fine, new, known)]
        worse = looked_at(store, held, chosen)
    assert list(worse) == [new.digest]
    assert "today's engines find" in worse[new.digest]


def test_as_it_came_then(tmp_path: Path) -> None:
    """Rules see who brought it: the client of the record, not the admin at the shell."""
    desk = Desk(tmp_path)
    desk.policy(
        'schema = 1\n[[rule]]\nid = "there"\nwhen = { ip = "192.0.2.7" }\naction = "reject"\n'
    )
    chosen = config.load(str(desk.file))
    client = {
        "uid": 1,
        "is_trusted": True,
        "direction": "in",
        "ip": "192.0.2.7",
        "host": "",
        "auth_user": "",
        "is_relay": False,
    }
    there, elsewhere = Hold(more={"client": client}), Hold(octets=b"Subject: other\n\nx\n")
    bench = Bench.of(chosen)
    for hold in (there, elsewhere):
        hold.keep(chosen.quarantine)
    with Store.open(chosen.quarantine) as store:
        found = [judged(store, store.find(hold.digest), bench) for hold in (there, elsewhere)]
        assert [verdict.action for verdict in found] == [Action.REJECT, Action.ACCEPT]
        record = tmp_path / "quarantine" / f"{there.digest}.json"
        record.write_text("{}")
        with pytest.raises(OctetsGone):
            judged(store, store.find(there.digest), bench)
