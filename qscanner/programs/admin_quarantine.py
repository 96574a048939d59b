"""`qscanner quarantine`: held mail, from the shell.

Called by  programs.admin.
Ends       as its subcommands do: 0 fine, 1 something could not be done, 2 asked wrongly, 3 the
           queue program or the store is down.
"""

import click

from qscanner.programs import admin_quarantine_keep
from qscanner.programs.admin_options import config_option
from qscanner.programs.admin_quarantine_list import list_
from qscanner.programs.admin_quarantine_release import delete, release, resolve
from qscanner.programs.admin_quarantine_rescan import rescan
from qscanner.programs.admin_quarantine_review import review
from qscanner.programs.admin_quarantine_senders import allow, block, senders, unlist
from qscanner.programs.admin_quarantine_show import show


@click.group("quarantine")
@config_option
def command() -> None:
    """Look at held mail, release or delete it, and keep the store in order.

    ID is the beginning of a digest, as long as it is only one's, or the id in the log.
    """


for each in (
    list_,
    show,
    release,
    delete,
    rescan,
    resolve,
    review,
    allow,
    block,
    senders,
    unlist,
    admin_quarantine_keep.audit,
    admin_quarantine_keep.expire,
    admin_quarantine_keep.verify,
    admin_quarantine_keep.rebuild,
):
    command.add_command(each)
