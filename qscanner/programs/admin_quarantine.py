"""`qscanner quarantine`: held mail, from the shell.

Called by  programs.admin.
Ends       as its subcommands do: 0 fine, 1 something could not be done, 2 asked wrongly, 3 the
           queue program or the store is down.
"""

import click

from qscanner.programs.admin_lazy import Lazy
from qscanner.programs.admin_options import config_option

_OURS = "qscanner.programs.admin_quarantine_"
_COMMANDS = {
    "list": f"{_OURS}list:list_",
    "show": f"{_OURS}show:show",
    "release": f"{_OURS}release:release",
    "delete": f"{_OURS}release:delete",
    "learn": f"{_OURS}learn:learn",
    "rescan": f"{_OURS}rescan:rescan",
    "resolve": f"{_OURS}release:resolve",
    "review": f"{_OURS}review:review",
    "allow": f"{_OURS}senders:allow",
    "block": f"{_OURS}senders:block",
    "senders": f"{_OURS}senders:senders",
    "unlist": f"{_OURS}senders:unlist",
    "export": f"{_OURS}export:export",
    "digest": f"{_OURS}digest:digest",
    "audit": f"{_OURS}keep:audit",
    "expire": f"{_OURS}keep:expire",
    "verify": f"{_OURS}keep:verify",
    "rebuild": f"{_OURS}keep:rebuild",
}


@click.group("quarantine", cls=Lazy, lazy=_COMMANDS)
@config_option
def command() -> None:
    """Look at held mail, release or delete it, and keep the store in order.

    ID is the beginning of a digest, as long as it is only one's, or the id in the log.
    """
