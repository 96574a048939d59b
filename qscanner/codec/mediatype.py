"""What the MIME fields of one part say: type, boundaries, encodings, names, in every reading.

Called by  mime only, with (name, value) pairs; values are Latin-1 text without line ends.
Ends       always with a Media; nothing here raises. What was odd is a finding id in `odd`.
Careful    get_filename() of the stdlib sees one name where mail clients see many: here all count.
"""

import operator
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import unquote_to_bytes

from qscanner.codec import fields, transfer

_COMMENT = re.compile(r"\([^()]*\)?")
_TYPE = re.compile(r"([a-z0-9.+_-]+)\s*/\s*([a-z0-9.+_!#$&^-]+)")
_TIDY_TYPE = re.compile(r"\s*[A-Za-z0-9.+_-]+/[A-Za-z0-9.+_!#$&^-]+\s*\Z")
_NAME_ANYWHERE = re.compile(
    r'(?:file)?name\s?(?:\*\d{0,4}\*?)?\s?=\s?("(?:[^"\\]|\\.)*+|[^;]*+)', re.IGNORECASE
)
_NAME_TO_NEXT = re.compile(
    r"name\s?=\s?([^;=]*(?:;(?!\s?[\w*-]{1,40}\s?=)[^;=]*)*)", re.IGNORECASE
)
_NAME_WITHOUT_EQUALS = re.compile(r"name\*?\s{0,9}[\"']([^\"']{1,1000})[\"']", re.IGNORECASE)
_BOUNDARY_ANYWHERE = re.compile(r'boundary\s?=\s?("[^"]*+|[^;\s]*+)', re.IGNORECASE)
_SECTION = re.compile(r"(.+?)\*(?:(\d{1,6})(\*?)|[^*]*+\*?)?\Z")
_LOOKS_LIKE_NAME = re.compile(r"[^\r\n]{1,250}\.[A-Za-z0-9]{1,10}[\s\".]*\Z")
_PATH_END = re.compile(r"[?#]")
_EXACT = ("content-type", "content-disposition", "content-transfer-encoding")
_MEANT = {name.replace("-", ""): name for name in _EXACT}
_NO_LETTER = re.compile(r"[^a-z]+")
_MAX_BOUNDARY = 1000
_QUOTING = str.maketrans("", "", "\\\"'")
# The types of multiparts as mail programs write them: one boundary, nothing to think about.
_TIDY_BOUNDARY = re.compile(
    r"\s*multipart/[a-z-]+(?:;\s*(?!boundary)[a-z-]+=(?:\"[^\"\\]*\"|[^\s\"\\;()*=]+))*"
    r";\s*boundary=(?:\"[\w'+,./:=?{}$#@~|-]+\"|[\w+./:=?$#@~|-]+)"
    r"(?:;\s*(?!boundary)[a-z-]+=(?:\"[^\"\\]*\"|[^\s\"\\;()*=]+))*;?\s*",
    re.IGNORECASE | re.ASCII,
)
_MAX_NAMES = 100
_LONG_NAME = 500  # characters of a field's name
_MAX_VALUES = 20  # fields of one name that are read


@dataclass(slots=True, kw_only=True)
class Media:
    """One part's MIME fields.

    `declared` is the type in lower case, text/plain where there is none (RFC 2045 5.2);
    `encodings` the distinct ones of codec.transfer, at least one; `names` as written, not yet in
    their normal forms; `located` what Content-Location calls it, which is no attachment's mark;
    `disposition` the first word.
    """

    declared: str = "text/plain"
    boundaries: tuple[str, ...] = ()
    encodings: tuple[str, ...] = (transfer.IDENTITY,)
    names: tuple[str, ...] = ()
    located: tuple[str, ...] = ()
    disposition: str = ""
    odd: set[str] = field(default_factory=set)

    @property
    def is_multipart(self) -> bool:
        """Whether it says that it has parts."""
        return self.declared.startswith("multipart/")

    @property
    def is_named(self) -> bool:
        """Whether it bears a name, as attachments do."""
        return any(map(str.strip, self.names))


def media_of(items: Iterable[tuple[str, str]], *, default: str = "text/plain") -> Media:
    """Read the Content-* fields among a part's fields; `default` is the type if none is said."""
    values: dict[str, list[str]] = {}
    for name, value in items:
        kept = values.setdefault(name.lower(), [])
        if len(kept) < _MAX_VALUES:
            kept.append(value)
    media = Media(declared=default)
    for name in [name for name in values if name not in _EXACT and "content" in name]:
        meant = _MEANT.get(_NO_LETTER.sub("", name))
        if meant:  # Content_Type, "Content-Type"
            media.odd.add("mime.junk-in-name")
            values.setdefault(meant, []).extend(values[name])
    types, dispositions, encodings = (values.get(name, []) for name in _EXACT)
    _note_repeated(media, types, encodings, dispositions)
    longer = _longer(values)
    if any(longer):
        media.odd.add("mime.longer-name")
        types, dispositions, encodings = map(
            operator.add, (types, dispositions, encodings), longer
        )
    if not encodings:
        encodings = values.get("content-encoding", [])  # that of HTTP; some take it for the other
    _read_types(media, types)
    _read_encodings(media, encodings)
    media.disposition = re.sub(r"[^a-z-].*", "", (dispositions or [""])[0].strip().lower())
    described = [
        text for text in values.get("content-description", []) if _LOOKS_LIKE_NAME.match(text)
    ]
    names = islice(_names([*dispositions, *types], described), _MAX_NAMES)
    media.names = tuple(dict.fromkeys(names))
    media.located = tuple(filter(None, map(_located, values.get("content-location", []))))
    return media


def _longer(values: dict[str, list[str]]) -> list[list[str]]:
    """Give what fields say whose names go on behind that of a MIME field: some look no further."""
    longer: list[list[str]] = [[] for _ in _EXACT]
    for name in [name for name in values if name not in _EXACT]:
        is_cut = len(name) > _LONG_NAME  # some read so much at a time
        if not (is_cut or name.startswith("content-")):
            continue
        for place, exact in enumerate(_EXACT):
            if name.startswith(exact) or (is_cut and exact in name):
                longer[place] += values[name][:_MAX_VALUES]
    return longer


def _read_types(media: Media, types: list[str]) -> None:
    kinds = [_type_of(value) for value in types]
    boundaries: dict[str, None] = {}
    for value in types:
        boundaries.update(dict.fromkeys(_boundaries(value)))
    media.boundaries = tuple(boundaries)
    if kinds:
        # A doubled field: the reading that opens the container shows more than the other.
        opening = [kind for kind in kinds if kind.startswith("multipart/")]
        media.declared = (opening or [kind for kind in kinds if kind] or [media.declared])[0]
        if any(value.strip() and not _TIDY_TYPE.match(value.partition(";")[0]) for value in types):
            media.odd.add("mime.odd-type")
    said = {_bare(text) for value in types for text in _said_boundaries(value)}
    if media.is_multipart and len(said - {""}) > 1:
        media.odd.add("mime.duplicate-boundary")
    elif media.is_multipart and not all(map(_is_tidy_multipart, types)):
        media.odd.add("mime.odd-boundary")
    if media.declared == "message/partial":
        media.odd.add("mime.partial")
    if media.declared == "message/external-body":
        media.odd.add("mime.external-body")


def _is_tidy_multipart(value: str) -> bool:
    return _TIDY_BOUNDARY.fullmatch(value) is not None and value.lower().count("boundary=") == 1


def _type_of(value: str) -> str:
    head = _COMMENT.sub(" ", value.lower())
    head = re.sub(r"[\0-\x1f\x7f-\xff\"']", "", head.partition(";")[0])
    found = _TYPE.search(head)
    if found:
        return f"{found[1]}/{found[2]}"
    return "multipart/mixed" if head.strip() == "multipart" else ""


def _read_encodings(media: Media, encodings: list[str]) -> None:
    distinct: dict[str, None] = {}
    for value in encodings:
        meant, is_odd = transfer.encodings_of(value)
        distinct.update(dict.fromkeys(meant))
        if is_odd:
            known = meant[0] != transfer.IDENTITY
            media.odd.add("mime.encoding-junk" if known else "mime.encoding-unknown")
    media.encodings = tuple(distinct) or (transfer.IDENTITY,)
    is_container = media.is_multipart or media.declared in {"message/rfc822", "message/global"}
    if is_container and media.encodings != (transfer.IDENTITY,):
        media.odd.add("mime.encoded-container")


def _note_repeated(
    media: Media, types: list[str], encodings: list[str], dispositions: list[str]
) -> None:
    """Note fields that are there twice: held against a message only if they say two things."""
    if max(map(len, (types, encodings, dispositions))) < 2:  # noqa: PLR2004  nothing is twice
        return
    said = (
        {(_type_of(value), *_boundaries(value)) for value in types},
        {transfer.encodings_of(value)[0] for value in encodings},
    )
    if any(len(each) > 1 for each in said):
        media.odd.add("mime.duplicate-header")
    elif any(len(set(each)) > 1 for each in (types, encodings, dispositions)):
        media.odd.add("mime.repeated-header")


def _boundaries(value: str) -> Iterator[str]:
    found = list(_said_boundaries(value))
    anywhere = islice(_BOUNDARY_ANYWHERE.finditer(value), _MAX_VALUES)
    found += [match[1].lstrip('"') for match in anywhere]
    for text in sorted(found, key=lambda text: not text.strip()):  # an empty one is the last
        boundary = text.rstrip(" \t")
        if len(boundary) <= _MAX_BOUNDARY:
            yield boundary
            if bare := _bare(boundary):
                yield bare


def _said_boundaries(value: str) -> Iterator[str]:
    parts: dict[str, list[tuple[int, str, bool]]] = {}
    for name, text, written in fields.parameters(value):
        if name == "boundary":
            # "\A" is A by the RFC; some clients look for the backslash.
            yield text
            yield written
        else:
            _note_section(parts, name, text)
    for joined in _joined(parts, {"boundary"}):
        yield joined.encode("latin-1", "replace").decode("latin-1")


def _bare(boundary: str) -> str:
    """Give a boundary as it is without what some take for signs of quoting."""
    return boundary.translate(_QUOTING).strip(" \t")


def _names(values: list[str], described: list[str]) -> Iterator[str]:
    raw: list[str] = []
    for value in values:
        parts: dict[str, list[tuple[int, str, bool]]] = {}
        for name, text, written in fields.parameters(value):
            if name in {"name", "filename"}:
                raw += [text, written]
            else:
                _note_section(parts, name, text)
        for joined in _joined(parts, {"name", "filename"}):
            yield joined
            if "=?" in joined:
                yield fields.decode_words(joined)
        raw += _loose_names(value)
    for text in [*raw, *described]:
        readable = fields.text_of(text)
        yield readable
        if "=?" in readable:
            yield fields.decode_words(readable)
        if "%" in readable:
            yield fields.in_charset(unquote_to_bytes(readable), "utf-8")


def _loose_names(value: str) -> Iterator[str]:
    """Give what stands behind the word `name`, wherever; of each way to write it at most 20."""
    plain = fields.decode_words(value) if "=?" in value else ""
    if plain.lower().count("name=") <= value.lower().count("name="):
        plain = ""  # no encoded word is the name of a parameter
    for text, pattern in (
        (value, _NAME_ANYWHERE),
        (value, _NAME_TO_NEXT),
        (value, _NAME_WITHOUT_EQUALS),
        (plain, _NAME_ANYWHERE),
    ):
        for found in islice(pattern.finditer(text), _MAX_VALUES):
            yield found[1].strip('"')


def _located(value: str) -> str:
    """Give the last piece of the path of an address, where it looks like a file's name."""
    scheme, slashes, rest = "".join(value.split()).strip("<>\"'").partition("://")
    path = rest.partition("/")[2] if slashes else scheme
    name = _PATH_END.split(path, maxsplit=1)[0].rpartition("/")[2]
    text = fields.in_charset(unquote_to_bytes(name.encode("latin-1", "replace")), "utf-8")
    return text if _LOOKS_LIKE_NAME.match(text) else ""


def _note_section(parts: dict[str, list[tuple[int, str, bool]]], name: str, text: str) -> None:
    found = _SECTION.match(name)
    if found:
        number = int(found[2]) if found[2] else 0
        is_encoded = found[2] is None or bool(found[3])
        parts.setdefault(found[1], []).append((number, text, is_encoded))


def _joined(parts: dict[str, list[tuple[int, str, bool]]], wanted: set[str]) -> Iterator[str]:
    """Give the values in sections (RFC 2231 section 3), joined in file and in number order."""
    for name in wanted & parts.keys():
        in_file = parts[name]
        in_order = sorted(in_file, key=lambda section: section[0])
        first = in_order[0][0]
        without_gap = [each for place, each in enumerate(in_order) if each[0] == first + place]
        for order in (in_file, in_order, without_gap):
            yield from _decoded(order)


def _decoded(order: list[tuple[int, str, bool]]) -> Iterator[str]:
    charset = ""
    octets = b""
    for place, (_number, text, is_encoded) in enumerate(order):
        if is_encoded and place == 0 and text.count("'") > 1:
            charset, _language, text = text.split("'", 2)
        raw = text.encode("latin-1", "replace")
        octets += unquote_to_bytes(raw) if is_encoded else raw
    yield fields.in_charset(octets, charset)
    if charset:  # an unknown or a lying charset
        yield fields.text_of(octets.decode("latin-1"))
