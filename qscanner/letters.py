"""Letters: the only place where mail of ours is composed, from templates that admins can edit.

A template is plain text in UTF-8, `LANGUAGE/KIND.txt`: the first line `Subject: ...`, an empty
line, the text. `$name` and `${name}` are filled in. Templates of [notices] templates come first,
then the shipped ones of the language, then the English ones.

Called by  injector, for each letter; `qscanner check` (problems).
Ends       with the octets of a message; raises nothing, whatever a template or a value holds.
Careful    values may be a stranger's: controls and bidi characters are escaped, they are cut, and
           nothing in them stays a link, since our name stands above. The subject takes none of
           them. Date and Message-ID are the letter's own: sent twice it is the same message.
"""

import hashlib
import os
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.policy import default
from email.utils import formatdate

from qscanner.codec.text import for_terminal
from qscanner.outbox import Kind, Letter
from qscanner.settings import Notices

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
ENGLISH = "en"
VALUES = {
    Kind.HELD: ("sender", "subject", "why", "time", "octets", "digest", "id"),
    Kind.DISCARDED: ("sender", "subject", "why", "time", "octets", "digest", "id"),
    Kind.ADMIN: (
        *("sender", "subject", "why", "time", "octets", "digest", "id"),
        *("recipients", "action", "rules", "findings", "client", "dropped"),
    ),
    Kind.ALARM: ("minutes", "time", "then", "dropped"),
    Kind.ALARM_OVER: ("minutes", "time"),
}
EVERYWHERE = ("host", "admin")
IN_SUBJECT = ("host", "minutes")
_MAX_VALUE_CHARS = 500
_MAX_TEMPLATE_OCTETS = 64 << 10
_MAX_SUBJECT_CHARS = 200
_SUBJECT = "Subject:"
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9._=+-]{1,64}@[A-Za-z0-9.-]{1,255}")
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.-]{1,255}")
_LINK = re.compile(r"://|www\.|mailto:|javascript:", re.IGNORECASE)


def compose(
    letter: Letter, notices: Notices, *, to: Sequence[bytes], host: str, dropped: int = 0
) -> bytes:
    """Give the message to send to these addresses; lines end in LF.

    `host` is our name. `dropped` says how many notices were not sent since the last one.
    """
    host = host if _PLAIN_HOST.fullmatch(host) else "localhost"
    author = notices.from_address or f"postmaster@{host}"
    known = {
        **{name: safe(letter.values.get(name, "")) for name in VALUES[letter.kind]},
        "host": host,
        "admin": notices.admin or author,
    }
    if "dropped" in known:
        known["dropped"] = str(dropped)
    subject, text = _parted(template(letter.kind, notices))
    message = EmailMessage(policy=default)
    message["From"] = author
    message["To"] = _to(to)
    message["Subject"] = _filled_subject(subject, known)
    message["Date"] = formatdate(letter.at, localtime=True)
    message["Message-ID"] = f"<{_token(letter)}@{host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5
    message["Precedence"] = "bulk"  # for responders that do not know RFC 3834
    message.set_content(
        string.Template(text).safe_substitute(known), charset="utf-8", cte="quoted-printable"
    )
    return message.as_bytes()


def safe(text: str) -> str:
    """Give a value as it may stand in a letter: visible, on one line, cut, and no link."""
    cut = text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}..."
    return _LINK.sub(lambda hit: f"{hit[0][:-1]}[{hit[0][-1]}]", for_terminal(cut))


def _token(letter: Letter) -> str:
    return f"{hashlib.sha256(letter.name.encode()).hexdigest()[:24]}.{int(letter.at)}.qscanner"


def _to(to: Sequence[bytes]) -> str:
    """Give the To field: nobody is shown to others, and odd addresses to nobody."""
    shown = to[0].decode("latin-1") if len(to) == 1 else ""
    return shown if _PLAIN_ADDRESS.fullmatch(shown) else "undisclosed-recipients:;"


def _filled_subject(subject: str, known: Mapping[str, str]) -> str:
    ours = {name: known[name] for name in IN_SUBJECT if name in known}
    filled = string.Template(subject).safe_substitute(ours)
    return for_terminal(filled)[:_MAX_SUBJECT_CHARS]


def _parted(text: str) -> tuple[str, str]:
    """Give the subject and the text of a template."""
    first, _, rest = text.partition("\n")
    if not first.startswith(_SUBJECT):
        return "Notice of $host", text
    return first.removeprefix(_SUBJECT).strip(), rest.removeprefix("\n")


def template(kind: Kind, notices: Notices) -> str:
    """Give the text of the first template that can be read; the shipped English one always can."""
    for path in _paths(kind, notices):
        try:
            return _read(path)
        except (OSError, UnicodeDecodeError):
            continue
    return f"{_SUBJECT} Notice of $host\n\n(No template for {kind.value} is there.)\n"


def _paths(kind: Kind, notices: Notices) -> Iterator[str]:
    places = [(SHIPPED, notices.language), (SHIPPED, ENGLISH)]
    if notices.templates:
        places.insert(0, (notices.templates, notices.language))
    for place, language in places:
        yield os.path.join(place, language, f"{kind.value}.txt")


def _read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(_MAX_TEMPLATE_OCTETS).decode("utf-8").replace("\r\n", "\n")


def problems(notices: Notices) -> list[str]:
    """Say what is wrong with the templates, a sentence each: for `qscanner check`."""
    own, shipped = (
        os.path.join(place, notices.language) for place in (notices.templates, SHIPPED)
    )
    if not os.path.isdir(shipped) and not (notices.templates and os.path.isdir(own)):
        return [f"no templates in the language {notices.language}: English ones are used"]
    found = []
    if notices.templates and not os.path.isdir(own):
        found.append(f"no folder {own}: the shipped templates are used")
    for kind in Kind:
        path = next(_paths(kind, notices))
        if os.path.exists(path):
            found += [f"{path}: {each}" for each in _mistakes(path, kind)]
    return found


def _mistakes(path: str, kind: Kind) -> Iterator[str]:
    try:
        subject, text = _parted(_read(path))
    except (OSError, UnicodeDecodeError) as error:
        yield f"cannot be read as UTF-8, the shipped one is used: {error}"
        return
    if not _read(path).startswith(_SUBJECT):
        yield f'the first line must begin with "{_SUBJECT}"'
    for part, known in ((subject, IN_SUBJECT), (text, (*VALUES[kind], *EVERYWHERE))):
        made = string.Template(part)
        if not made.is_valid():
            yield 'a "$" without a name behind it: write "$$"'
        for name in made.get_identifiers():
            if name not in known:
                yield f'"${name}" is not known here ({", ".join(known)})'
