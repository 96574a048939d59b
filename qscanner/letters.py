"""Letters: the only place where mail of ours is composed, from templates that admins can edit.

A template is plain text in UTF-8, `LANGUAGE/KIND.txt`: the first line `Subject: ...`, an empty
line, the text. `$name` and `${name}` are filled in. Templates of [notices] templates come first,
then the shipped ones of the language, then the English ones. A digest has a second one beside
it, `digest.html`, of the same content; both are forms with rows (forms.py).

Called by  injector, for each letter; the command that shows a digest; `qscanner check` (problems).
Ends       with the octets of a message; raises nothing, whatever a template or a value holds.
Careful    values may be a stranger's: controls and bidi characters are escaped, they are cut, and
           nothing in them stays a link, since our name stands above; in HTML none of it is markup.
           The subject takes none of them. Date and Message-ID are the letter's own: sent twice it
           is the same message.
"""

import hashlib
import html
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from email.utils import formatdate

from qscanner import forms
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
    Kind.DIGEST: ("address", "review", "count", "more", "since", "until"),
}
# Of one message in a digest: by strangers, and by us.
IN_ROWS = ("sender", "subject", "why", "to", "time", "class", "score", "octets", "id")
EVERYWHERE = ("host", "admin")
IN_SUBJECT = ("host", "minutes", "count")
_WITH_ROWS = (Kind.DIGEST,)  # and with HTML
_LONG = frozenset({"address", "sender", "subject", "why", "to"})
_MAX_VALUE_CHARS = 500
_MAX_TEMPLATE_OCTETS = 64 << 10
_MAX_SUBJECT_CHARS = 200
_MAX_DIGITS = 9
_SUBJECT = "Subject:"
_CODED = "quoted-printable"
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9._=+-]{1,64}@[A-Za-z0-9.-]{1,255}")
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.-]{1,255}")
_LINK = re.compile(r"://|www\.|mailto:|javascript:", re.IGNORECASE)
_MAY_BREAK = re.compile("([.@])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a letter says: subject and text, and for a digest the same in HTML, else ""."""

    subject: str
    text: str
    html: str = ""


def compose(
    letter: Letter, notices: Notices, *, to: Sequence[bytes], host: str, dropped: int = 0
) -> bytes:
    """Give the message to send to these addresses; lines end in LF.

    `host` is our name. `dropped` says how many notices were not sent since the last one.
    """
    host = _plain(host)
    written = write(letter, notices, host=host, dropped=dropped)
    message = EmailMessage(policy=default)
    message["From"] = notices.from_address or f"postmaster@{host}"
    message["To"] = _to(to)
    message["Subject"] = written.subject
    message["Date"] = formatdate(letter.at, localtime=True)
    message["Message-ID"] = f"<{_token(letter)}@{host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5
    message["Precedence"] = "bulk"  # for responders that do not know RFC 3834
    message.set_content(written.text, charset="utf-8", cte=_CODED)
    if written.html:
        message.add_alternative(written.html, subtype="html", charset="utf-8", cte=_CODED)
        # The same each time; "=_" is in nothing that is quoted-printable (RFC 2045 6.7).
        message.set_boundary(f"=_{_token(letter)}")
    return message.as_bytes()


def write(letter: Letter, notices: Notices, *, host: str, dropped: int = 0) -> Written:
    """Give what a letter says, filled in. As compose()."""
    host = _plain(host)
    author = notices.from_address or f"postmaster@{host}"
    known = {
        **{name: safe(letter.values.get(name, "")) for name in VALUES[letter.kind]},
        "host": host,
        "admin": notices.admin or author,
    }
    if "dropped" in known:
        known["dropped"] = str(dropped)
    path, found = _found(letter.kind, notices)
    subject, text = _parted(found)
    if letter.kind not in _WITH_ROWS:
        return Written(subject=_filled_subject(subject, known), text=forms.fill(text, known))
    known |= _counts(letter)
    if known["review"]:
        known["admin"] = ""  # who reads it
    rows = [{name: safe(row.get(name, "")) for name in IN_ROWS} for row in letter.rows]
    form = _beside(path)
    return Written(
        subject=_filled_subject(subject, known),
        text=forms.fill_with_rows(text, known, rows),
        html=forms.fill_with_rows(form, _as_html(known), [_as_html(row) for row in rows]),
    )


def _counts(letter: Letter) -> dict[str, str]:
    """Give the numbers of a digest, whatever a letter says: one stands in the subject."""
    said = letter.values.get("more", "")
    is_number = said.isascii() and said.isdecimal() and len(said) <= _MAX_DIGITS
    more = int(said) if is_number else 0
    return {"count": str(len(letter.rows) + more), "more": str(more) if more else ""}


def _as_html(values: Mapping[str, str]) -> dict[str, str]:
    """Give values as they may stand in HTML, as text or in quotes.

    Long ones may be broken behind a dot, which narrow screens need; nor does what shows mail
    make links of them then.
    """
    escaped = {name: html.escape(value) for name, value in values.items()}
    broken = {name: _MAY_BREAK.sub(r"\1<wbr>", escaped[name]) for name in escaped.keys() & _LONG}
    return escaped | broken


def safe(text: str) -> str:
    """Give a value as it may stand in a letter: visible, on one line, cut, and no link."""
    cut = text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}..."
    return _LINK.sub(lambda hit: f"{hit[0][:-1]}[{hit[0][-1]}]", for_terminal(cut))


def _plain(host: str) -> str:
    return host if _PLAIN_HOST.fullmatch(host) else "localhost"


def _token(letter: Letter) -> str:
    return f"{hashlib.sha256(letter.name.encode()).hexdigest()[:24]}.{int(letter.at)}.qscanner"


def _to(to: Sequence[bytes]) -> str:
    """Give the To field: nobody is shown to others, and odd addresses to nobody."""
    shown = to[0].decode("latin-1") if len(to) == 1 else ""
    return shown if _PLAIN_ADDRESS.fullmatch(shown) else "undisclosed-recipients:;"


def _filled_subject(subject: str, known: Mapping[str, str]) -> str:
    ours = {name: known[name] for name in IN_SUBJECT if name in known}
    return for_terminal(forms.fill(subject, ours))[:_MAX_SUBJECT_CHARS]


def _parted(text: str) -> tuple[str, str]:
    """Give the subject and the text of a template."""
    first, _, rest = text.partition("\n")
    if not first.startswith(_SUBJECT):
        return "Notice of $host", text
    return first.removeprefix(_SUBJECT).strip(), rest.removeprefix("\n")


def _found(kind: Kind, notices: Notices) -> tuple[str, str]:
    """Give path and text of the first template that can be read; the shipped English one can."""
    for path in _paths(kind, notices):
        try:
            return path, _read(path)
        except (OSError, UnicodeDecodeError):
            continue
    return "", f"{_SUBJECT} Notice of $host\n\n(No template for {kind.value} is there.)\n"


def _beside(path: str) -> str:
    """Give the HTML that belongs to a text, "" where there is none: the letter has none then."""
    if not path:
        return ""
    try:
        return _read(_html_of(path))
    except (OSError, UnicodeDecodeError):
        return ""


def _html_of(path: str) -> str:
    return f"{path.removesuffix('.txt')}.html"


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
        if kind in _WITH_ROWS and os.path.exists(_html_of(path)):
            found += [f"{_html_of(path)}: {each}" for each in _mistakes_in_html(path, kind)]
    return found


def _mistakes(path: str, kind: Kind) -> Iterator[str]:
    try:
        found = _read(path)
    except (OSError, UnicodeDecodeError) as error:
        yield f"cannot be read as UTF-8, the shipped one is used: {error}"
        return
    subject, text = _parted(found)
    if not found.startswith(_SUBJECT):
        yield f'the first line must begin with "{_SUBJECT}"'
    yield from forms.mistakes(subject, IN_SUBJECT)
    yield from _mistakes_in_text(text, kind)


def _mistakes_in_html(path: str, kind: Kind) -> Iterator[str]:
    if not os.path.exists(path):
        yield f"is not used without {os.path.basename(path)} beside it"
        return
    try:
        yield from _mistakes_in_text(_read(_html_of(path)), kind)
    except (OSError, UnicodeDecodeError) as error:
        yield f"cannot be read as UTF-8, letters go without it: {error}"


def _mistakes_in_text(text: str, kind: Kind) -> Iterator[str]:
    known = (*VALUES[kind], *EVERYWHERE)
    if kind in _WITH_ROWS:
        return forms.mistakes_with_rows(text, known, IN_ROWS)
    return forms.mistakes(text, known)
