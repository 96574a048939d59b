"""What file(1) says, in our kinds: the words that MailScanner's filetype rules ask for.

Called by  importers.mailscanner.
Ends       with kinds, () where a word is not known: nothing is guessed.
Careful    a kind is found by content, declared type or name: wider than file(1), which saw content
           only.
"""

import re

# What a rule's pattern may say, without \\b and ^ and in lower case -> kinds.
_BY_WORD: dict[str, tuple[str, ...]] = {
    "executable": ("pe", "elf", "macho", "dos-com"),
    "ms-dos executable": ("pe", "dos-com"),
    "pe32": ("pe",),
    "elf": ("elf",),
    "mach-o": ("macho",),
    "script": ("script", "shell-script"),
    "text": ("text",),
    "html": ("html",),
    "xml": ("xml",),
    "archive": ("archive",),
    "zip": ("zip",),
    "rar": ("rar",),
    "7-zip": ("7z",),
    "gzip": ("gzip",),
    "bzip2": ("bzip2",),
    "tar": ("tar",),
    "cabinet": ("cab",),
    "arj": ("arj",),
    "lha": ("lha",),
    "pdf": ("pdf",),
    "rich text": ("rtf",),
    "registry": ("reg",),
    "shortcut": ("lnk",),
    "htmlhelp": ("chm",),
    "iso 9660": ("disk-image",),
    "image": ("image",),
    "jpeg": ("image",),
    "png": ("image",),
    "gif": ("image",),
    "mng": ("image",),
    "metafont": ("image",),
    "audio": ("audio",),
    "video": ("video",),
    "movie": ("video",),
    "mpeg": ("video", "audio"),
    "avi": ("video",),
    "quicktime": ("video",),
    "asf": ("video",),
    "microsoft asf": ("video",),
    "composite document": ("ole",),
    "microsoft word": ("ole", "ooxml"),
    "microsoft excel": ("ole", "ooxml"),
    "microsoft powerpoint": ("ole", "ooxml"),
    "pgp": ("encrypted-mail", "signature"),
    "font": ("font",),
    "vcard": ("vcard",),
    "calendar": ("calendar",),
}
_BY_TYPE: dict[str, tuple[str, ...]] = {
    "x-dosexec": ("pe", "dos-com"),
    "x-executable": ("elf",),
    "x-sharedlib": ("elf",),
    "x-mach-binary": ("macho",),
    "x-shellscript": ("shell-script",),
    "zip": ("zip",),
    "x-rar": ("rar",),
    "x-7z-compressed": ("7z",),
    "gzip": ("gzip",),
    "x-gzip": ("gzip",),
    "x-tar": ("tar",),
    "pdf": ("pdf",),
    "msword": ("ole",),
    "rtf": ("rtf",),
    "video": ("video",),
    "audio": ("audio",),
    "image": ("image",),
    "text": ("text",),
}
_DRESS = re.compile(
    r"\\[bB]|[\^$()]|^\.\*|\.\*$|(?:application|text|video|audio|image)/$|^application/"
)
_EITHER = re.compile(r"video|audio|image|text")


def kinds_of(pattern: str, mime: str = "") -> tuple[str, ...]:
    """Give the kinds that a pattern on the words of file(1), or of file -i, means."""
    if pattern not in ("", "-"):
        return _looked_up(pattern, _BY_WORD)
    major = _EITHER.match(mime.lower().lstrip("^"))
    if major and mime.lower().lstrip("^")[major.end() :].strip("/.*") == "":
        return _BY_TYPE[major[0]]
    return _looked_up(mime, _BY_TYPE)


def _looked_up(pattern: str, table: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Give the kinds of all words that stand between |; none where one of them is not known."""
    found: dict[str, None] = {}
    for word in pattern.split("|"):
        plain = re.sub(r"\\(\W)", r"\1", _DRESS.sub("", word.strip())).lower()
        if plain not in table:
            return ()
        found |= dict.fromkeys(table[plain])
    return tuple(found)
