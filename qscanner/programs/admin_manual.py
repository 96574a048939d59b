"""Where the manual and the shipped policies are: beside the source, or below share/qscanner.

Called by  `qscanner help`.
Ends       with a folder or a page; None where there is none.
Careful    a page is found by its exact name among those that are there: nobody reads other files.
"""

import os
import site
import sys
import sysconfig
from collections.abc import Iterator

import qscanner

_SHARED = os.path.join("share", "qscanner")


def folder() -> str | None:
    """Give the folder that holds docs/ and policies/, None where nothing was installed with us."""
    return next((each for each in _places() if os.path.isdir(os.path.join(each, "docs"))), None)


def _places() -> Iterator[str]:
    beside = os.path.dirname(os.path.dirname(os.path.abspath(qscanner.__file__)))
    if os.path.exists(os.path.join(beside, "pyproject.toml")):  # a clone
        yield beside
    for root in (beside, sys.prefix, sysconfig.get_path("data"), site.getuserbase()):
        yield os.path.join(root, _SHARED)


def topics(place: str) -> dict[str, str]:
    """Give the names of the pages and what each is about: its first heading."""
    found = {}
    for name in sorted(os.listdir(os.path.join(place, "docs"))):
        topic, ending = os.path.splitext(name)
        if ending == ".md":
            found[topic] = page(place, topic).partition("\n")[0].lstrip("# ")
    return found


def page(place: str, topic: str) -> str:
    """Give the text of a page. Raises OSError."""
    with open(os.path.join(place, "docs", f"{topic}.md"), encoding="utf-8") as file:
        return file.read()
