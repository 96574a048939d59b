"""What `qscanner check` says of files: can the users of SMTP read all that their mail needs?

Called by  programs.admin_check, with settings that could be read.
Ends       with items: an error for each user and thing, none at all unless root runs the check.
Careful    a settings file of mode 0600, or a Python below /root, is fine for root who runs the
           check, and puts off every message of qmaild. So the kernel is asked, as that user.
"""

import os
import pwd
import sys
from collections.abc import Iterator

import qscanner
from qscanner.programs.admin_items import Item, Level
from qscanner.settings import Settings


def look(settings: Settings) -> list[Item]:
    """Give what a user of `trusted_users` cannot reach, as far as root may find that out."""
    if os.geteuid() != 0:
        return []  # whoever runs this has read it all
    wanted = list(_wanted(settings))
    users = [user for user in map(_user, settings.queue.trusted_users) if user and user.pw_uid]
    items, fine = [], []
    for user in users:
        shut = _shut(user, wanted)
        items += [_item(user.pw_name, at) for at in shut or ()]
        fine += [user.pw_name] if shut == [] else []
    if fine:
        text = f"settings, rules and programs can be read by {', '.join(fine)}"
        items.append(Item(area="users", level=Level.OK, text=text))
    return items


def _wanted(settings: Settings) -> Iterator[str]:
    """Give the paths of all that a message needs."""
    yield os.path.realpath(sys.executable)
    yield os.path.dirname(os.path.abspath(qscanner.__file__))
    yield settings.file
    for folder in (settings.policy.dir, os.path.join(settings.policy.dir, "lists")):
        if os.path.isdir(folder):
            yield folder
            yield from sorted(
                entry.path
                for entry in os.scandir(folder)
                if entry.is_file() and entry.name.endswith((".toml", ".txt"))
            )
    yield from settings.virus.yara.rules


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return None


def _item(user: str, at: str) -> Item:
    text = f"{at} cannot be read by {user}: qscanner-queue would put off every message (451)"
    letters = "rx" if os.path.isdir(at) else "r"
    todo = f"chmod a+{letters} {at}"
    if os.path.realpath(sys.executable).startswith(f"{at}{os.sep}"):
        todo = "install qscanner with a Python that all may run: /usr/bin/python3 -m venv ..."
    return Item(area="users", level=Level.ERROR, text=text, todo=(todo,))


def _shut(user: pwd.struct_passwd, wanted: list[str]) -> list[str] | None:
    """Give the places where this user is stopped, each once: asked in a process of theirs.

    None where we may not become this user, as in some containers. It has no supplementary
    groups, as setuidgid(8) and tcpserver(1) start programs.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.setgroups([user.pw_gid])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            stops = dict.fromkeys(stop for path in wanted if (stop := _stop(path)))
            with open(write, "wb") as told:
                told.write(b"\0".join(map(os.fsencode, stops)))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    with open(read, "rb") as told_us:
        octets = told_us.read()
    if os.waitpid(child, 0)[1] != 0:
        return None
    return [os.fsdecode(each) for each in octets.split(b"\0") if each]


def _stop(path: str) -> str:
    """Give the first folder on the way that this process may not enter, or what it cannot read."""
    steps = os.path.abspath(path).split(os.sep)
    for number in range(1, len(steps)):
        folder = os.sep.join(steps[:number]) or os.sep
        if not os.access(folder, os.X_OK):
            return folder
    needed = os.R_OK | (os.X_OK if os.path.isdir(path) else 0)
    return "" if os.access(path, needed) else os.path.abspath(path)
