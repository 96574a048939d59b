"""Texts as a reader sees them: what is visible of HTML, and where its links lead.

Theory. Tags are cut out as browsers do it (HTML Living Standard 13.2.5): a tag that has begun goes
on to its ">", whatever is in between, and an attribute in quotes to its quote. So every step eats
what it looked at, and the time is linear however broken the text is.

Called by  whoever fills Facts.texts (text), policy.evidence (page).
Ends       always; nothing here raises.
Careful    what is invisible by style sheets is visible here. Links are those one can click on:
           a, area, form and, for all of these, base; pictures are not links.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from qscanner.codec.fields import in_charset
from qscanner.codec.text import readable
from qscanner.model import Markup, Text

MAX_OCTETS = 1 << 20  # of all texts of one message; whoever collects them counts
MAX_LINKS = 10_000
_MAX_URL_CHARS = 2000
_MAX_DOMAIN_CHARS = 255
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "br",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "title",
        "tr",
        "ul",
    ]
)
_HIDDEN = frozenset(["script", "style", "template", "noscript"])
_TARGETS = {"a": "href", "area": "href", "form": "action", "base": "href"}
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)|<!--|<[!?/]")
# A name, and a value in quotes that may lack its end, or a bare one.
_ATTRIBUTE = re.compile(
    r"[\s/]*(?:(>)|([^\s/>][^\s/>=]*)(?:\s*=\s*(\"[^\"]*\"?|'[^']*'?|[^\s>\"'][^\s>]*)?)?)"
)
_ZEROS = re.compile(r"&#(x?)0+(?=[0-9a-f])", re.IGNORECASE)
_HUGE = re.compile(r"&#(?:[0-9]{8,}|x[0-9a-f]{7,});?", re.IGNORECASE)  # beyond Unicode
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
_URL = re.compile(r"(?i)\b(?:(?:https?|ftp)://|www\.)[^\s<>\"'\u201c\u201d]+")
_IN_URL = re.compile(r"[\t\r\n]")  # browsers leave these out
_SCHEME = re.compile(r"(?i)[\x00-\x20]*(?:(?:https?|ftp):[/\\]*|[/\\]{2,})")
_AUTHORITY_END = re.compile(r"[/\\?#]")
_DOMAIN = re.compile(r"[^\s@/:]+\.[^\s@/:.]+")


@dataclass(frozen=True, slots=True)
class Link:
    """One link: the domain it leads to, in lower case, and what a reader sees of it."""

    domain: str
    shown: str


@dataclass(frozen=True, slots=True)
class Page:
    """One text: what is visible, and its links."""

    visible: str
    links: tuple[Link, ...]


def text(path: str, declared: str, content: bytes, *, charset: str = "") -> Text | None:
    """Give the text of a part, None where it is none. `content` is decoded, `charset` declared.

    Of the content MAX_OCTETS are read; without a charset it is UTF-8 where it is that.
    """
    if not declared.startswith("text/"):
        return None
    octets = content[:MAX_OCTETS]
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        charset = "utf-16"
    said = in_charset(octets, charset) if charset else readable(octets)
    markup = Markup.HTML if declared == "text/html" else Markup.PLAIN
    return Text(path=path, markup=markup, text=said)


def page(text: Text) -> Page:
    """Give what is visible of a text and its links; of plain text the URLs in it."""
    if text.markup is Markup.PLAIN:
        visible = _INVISIBLE.sub("", text.text)
        return Page(visible, tuple(_urls(visible)))
    walk = _Walk(text.text)
    walk.run()
    visible = _tidy("".join(walk.shown))
    return Page(visible, (*walk.links, *_urls(visible))[:MAX_LINKS])


class _Walk:
    """One pass over HTML; see the top of the module."""

    def __init__(self, text: str) -> None:
        self.shown: list[str] = []
        self.links: list[Link] = []
        self._text = text
        self._at = 0
        self._open: str | None = None  # where the link leads that we are in
        self._open_at = 0  # how much was shown before it

    def run(self) -> None:
        """Walk to the end."""
        while (found := _TAG.search(self._text, self._at)) is not None:
            self.shown.append(self._text[self._at : found.start()])
            self._at = found.end()
            if found[0] == "<!--":
                self._skip("-->")
            elif found[2] is None:
                self._skip(">")
            else:
                self._tag(found[2].lower(), is_end=bool(found[1]))
        self.shown.append(self._text[self._at :])
        self._close()

    def _skip(self, end: str) -> None:
        at = self._text.find(end, self._at)
        self._at = len(self._text) if at < 0 else at + len(end)

    def _tag(self, name: str, *, is_end: bool) -> None:
        target = self._attributes(_TARGETS.get(name, ""))
        if name in _BLOCKS:
            self.shown.append("\n")
        if name == "a":
            self._close()
        if target is not None and not is_end:
            if name == "a":
                self._open, self._open_at = target, len(self.shown)
            else:
                self._link(target, "")
        if name in _HIDDEN and not is_end:
            self._hidden(name)

    def _attributes(self, wanted: str) -> str | None:
        """Take all attributes and the ">"; give the value of the first that is wanted."""
        value = None
        while (found := _ATTRIBUTE.match(self._text, self._at)) is not None and found[0]:
            self._at = found.end()
            if found[1]:
                return value
            if value is None and found[2] and found[2].lower() == wanted:
                value = (found[3] or "").strip("\"'")
        self._at = len(self._text)  # no ">" any more
        return value

    def _hidden(self, name: str) -> None:
        """Leave out what is inside, to its end tag or to the end."""
        end = re.compile(rf"</{name}\b", re.IGNORECASE).search(self._text, self._at)
        self._at = end.start() if end else len(self._text)

    def _close(self) -> None:
        """Note the link that ends here."""
        if self._open is not None:
            self._link(self._open, _tidy("".join(self.shown[self._open_at :])))
            self._open = None

    def _link(self, target: str, shown: str) -> None:
        domain = domain_of(_unescaped(target[:_MAX_URL_CHARS]))
        if domain and len(self.links) < MAX_LINKS:
            self.links.append(Link(domain, shown))


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    # int() refuses thousands of digits, and html.unescape() does not expect that.
    return html.unescape(_HUGE.sub("\ufffd", _ZEROS.sub(r"&#\1", text)))


def _tidy(text: str) -> str:
    """Give text with entities decoded, invisible characters left out, and blanks made one."""
    text = _INVISIBLE.sub("", _unescaped(text))
    return _LINES.sub("\n", _BLANKS.sub(" ", text)).strip()


def _urls(text: str) -> Iterator[Link]:
    """Give the URLs that stand in a text, each once."""
    urls: set[str] = set()
    for found in _URL.finditer(text):
        url = found[0][:_MAX_URL_CHARS].rstrip(".,;:!?)]}>")
        if url in urls:
            continue
        urls.add(url)
        if len(urls) > MAX_LINKS:
            return
        domain = domain_of(url if "://" in url else f"//{url}")
        if domain:
            yield Link(domain, url)


def domain_of(url: str) -> str:
    """Give the domain or address that a URL leads to, as browsers read it; "" where to none.

    In lower case, without user, port and end dot; %-escapes and wide letters are undone.
    """
    url = _IN_URL.sub("", url)
    scheme = _SCHEME.match(url)
    if scheme is None:
        return ""
    authority = _AUTHORITY_END.split(url[scheme.end() :], maxsplit=1)[0].rpartition("@")[2]
    host = unicodedata.normalize("NFKC", unquote(authority)).replace("\u3002", ".").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name = host.partition(":")[0].strip().strip(".")
    return name if name and len(name) <= _MAX_DOMAIN_CHARS else ""


# Endings under which people write addresses without http:// or www. in front.
_COMMON = frozenset(
    [
        "com",
        "org",
        "net",
        "edu",
        "gov",
        "info",
        "biz",
        "io",
        "de",
        "at",
        "ch",
        "fr",
        "it",
        "es",
        "nl",
        "be",
        "uk",
        "eu",
        "us",
        "ca",
        "au",
        "jp",
        "cn",
        "ru",
        "pl",
        "cz",
        "se",
        "no",
        "dk",
        "fi",
        "br",
        "in",
        "mx",
        "tr",
    ]
)
_SECOND_LEVEL_CHARS = 3  # co.uk, com.au: there the third label is the owner's


def is_mismatch(link: Link) -> bool:
    """Say whether a link is shown as an address that is not of the site it leads to."""
    shown = _shown_domain(link.shown)
    return bool(shown) and _site(shown) != _site(link.domain)


def _shown_domain(shown: str) -> str:
    """Give the domain that a reader takes the text for, "" where it is no address."""
    if " " in shown or "\n" in shown or len(shown) > _MAX_URL_CHARS:
        return ""
    if _SCHEME.match(shown):
        domain = domain_of(shown)
        return domain if _DOMAIN.fullmatch(domain) else ""
    domain = domain_of(f"//{shown}")
    if "@" in shown or not _DOMAIN.fullmatch(domain):
        return ""
    return domain if domain.startswith("www.") or domain.rpartition(".")[2] in _COMMON else ""


def _site(domain: str) -> str:
    """Give what one owner has: the last two labels, three below endings like co.uk."""
    labels = domain.split(".")
    is_below = len(labels) > 2 and len(labels[-2]) <= _SECOND_LEVEL_CHARS and len(labels[-1]) == 2  # noqa: PLR2004
    return ".".join(labels[-3:] if is_below else labels[-2:])
