"""What `qscanner check` says of notices: whether they can be sent, and whether they are.

Called by  programs.admin_check, with settings and the rules that were made of the folder.
Ends       with items.
"""

import time

from qscanner import injector, notices, outbox
from qscanner.policy.rules import Policy
from qscanner.programs.admin_items import Item, Level
from qscanner.programs.admin_options import counted
from qscanner.settings import Settings

LATE_S = 3600.0  # a letter that waits so long waits for something


def look(settings: Settings, policy: Policy) -> list[Item]:
    """Give what keeps letters from being sent; nothing where nobody asks for any."""
    items = [
        Item(area="notices", level=Level.WARNING, text=problem)
        for problem in notices.problems(settings, policy)
    ]
    folder = outbox.folder(settings.quarantine.dir)
    try:
        state = outbox.state(folder, now=time.time())
    except OSError as error:
        text = f"{folder} cannot be read: {error.strerror}"
        return [*items, Item(area="notices", level=Level.WARNING, text=text)]
    if state.oldest_s > LATE_S:
        text = f"{counted(state.waiting, 'letter')} in {folder}, the oldest for"
        text = f"{text} {state.oldest_s / 3600:.1f} h"
        todo = "they are sent by qscannerd: is it up, and does its log say why it cannot?"
        items.append(Item(area="notices", level=Level.WARNING, text=text, todo=(todo,)))
    if state.failed:
        text = f"{counted(state.failed, 'letter')} in {folder}/failed were refused for good"
        todo = "the log of qscannerd says why; delete them when you have read it"
        items.append(Item(area="notices", level=Level.WARNING, text=text, todo=(todo,)))
    if not items and injector.is_needed(settings, policy):
        items.append(Item(area="notices", level=Level.OK, text="letters are sent"))
    return items
