"""What `qscanner check` says of held mail: whether it can be looked at, and what waits.

Called by  programs.admin_check.
Ends       with items; a store that cannot be opened is one of them.
Careful    only who may write there looks: opening it may bring the index up to date.
"""

import os

from qscanner import history
from qscanner.outcomes import QScannerError, Unusable
from qscanner.programs.admin_items import Item, Level
from qscanner.programs.admin_options import counted
from qscanner.programs.admin_quarantine_store import at
from qscanner.settings import Quarantine, Settings
from qscanner.store.lists import Lists
from qscanner.store.words import Filter, State, StoreError

_AREA = "quarantine"
_WAITING_OCTETS = 16 << 20  # some ten thousand messages


def look(settings: Settings) -> list[Item]:
    """Give how many messages are held, and whatever is wrong with the store."""
    chosen = settings.quarantine
    may_write = os.access(chosen.dir, os.R_OK | os.W_OK | os.X_OK)
    if not (may_write or chosen.database):
        return []  # which is told of the folder already
    items = _store(chosen)
    if may_write:
        items += _history(chosen.dir) + _lists(chosen)
    return items


def _store(chosen: Quarantine) -> list[Item]:
    from qscanner.store.store import Store  # SQLAlchemy

    try:
        with Store.open(chosen) as store:
            oldest = next(store.search(Filter(state=State.HELD, is_oldest_first=True)), None)
            held = store.count(Filter(state=State.HELD))
            cut_off = [
                each.id
                for each in store.search(Filter(state=State.RELEASING))
                if not any(one.claim and one.claim.is_at_work for one in each.recipients)
            ]
    except Unusable as error:
        todo = "qscanner quarantine rebuild, if it is the index; else correct the settings"
        return [Item(area=_AREA, level=Level.ERROR, text=str(error), todo=(todo,))]
    except (QScannerError, StoreError) as error:
        return [Item(area=_AREA, level=Level.DOWN, text=str(error))]
    since = f", the oldest since {at(oldest.since)}" if oldest else ""
    items = [Item(area=_AREA, level=Level.OK, text=f"{counted(held, 'message')} held{since}")]
    if cut_off:
        text = f"{counted(len(cut_off), 'release')} cut off: {', '.join(cut_off[:5])}"
        todo = "look into the log of qmail-send, then: qscanner quarantine resolve ID --as ..."
        items.append(Item(area=_AREA, level=Level.WARNING, text=text, todo=(todo,)))
    return items


def _history(folder: str) -> list[Item]:
    try:
        waiting = os.stat(os.path.join(folder, history.NAME)).st_size
    except OSError:
        return []
    if waiting < _WAITING_OCTETS:
        return []
    text = f"{waiting >> 20} MiB of history wait, and nobody takes them in"
    todo = "start qscannerd, or let cron run qscanner quarantine expire"
    return [Item(area=_AREA, level=Level.WARNING, text=text, todo=(todo,))]


def _lists(chosen: Quarantine) -> list[Item]:
    trouble = Lists.of_folder(chosen.dir).look(b"a@example.org", (b"b@example.org",)).trouble
    if not trouble:
        return []
    text = f"nobody is allowed or blocked: {trouble}"
    todo = "qscanner quarantine rebuild writes it anew"
    if chosen.database:
        todo = f"remove {chosen.dir}/lists: qscannerd writes it anew within seconds"
    return [Item(area=_AREA, level=Level.ERROR, text=text, todo=(todo,))]
