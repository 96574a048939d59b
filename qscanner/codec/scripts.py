"""Text that Windows would run: JScript, VBScript, PowerShell, batch, whatever the file is called.

Theory. Text about scripts is ordinary mail, so one word proves nothing. A script begins with code
(behind comments), talks to the system in at least two ways, and is not mostly sentences.

Called by  kinds, for named contents that are text.
Ends       always with an answer; nothing here raises.
Careful    at most 64 KiB are looked at: malware that pads further is not found by this.
"""

import re

_LOOKED_AT = 64 << 10
_MARKS_NEEDED = 2
_SENTENCES_ALLOWED = 3
_MAX_COMMENTS = 2_000
_ENCODED = re.compile(rb"#@~\^[A-Za-z0-9+/]{6}==")  # what Microsoft's script encoder writes
_COMMENT = re.compile(
    rb"[ \t]*(?://[^\n]*|'[^\n]*|rem\b[^\n]*|::[^\n]*|#(?!>)[^\n]*|/\*.{0,20000}?\*/|<#.{0,20000}?#>)?\r?\n"
    rb"|[ \t]*/\*.{0,20000}?\*/",
    re.DOTALL,
)
_CODE = re.compile(
    rb"[\s;({!+~-]*(?:function\b|var\s|let\s|const\s|dim\s|set\s+\w+\s*=|option\s+explicit"
    rb"|on\s+error\s+resume|(?:private\s+|public\s+)?(?:sub|function)\s+\w+\s*\(|class\s+\w+\s*[\{:]"
    rb"|try\s*\{|if\s*\(|for\s*\(|while\s*\(|\$[\w:{]+\s*[.=+]|param\s*\(|iex\b|invoke-\w+|powershell"
    rb"|cmd(?:\.exe)?\s+/|@\w|setlocal|start\s+[/\"]|mshta\s|[\w.$\[\]\"']{1,80}\s?=[^=]"
    rb"|[\w.$]{1,80}\()"
)
_SENTENCE = re.compile(rb"\b[a-z]{2,20}(?: [a-z]{2,20}){5}")
_MARKS = (
    b"activexobject", b"wscript.", b"createobject(", b"scripting.filesystemobject",
    b"adodb.stream", b"msxml2.", b"winmgmts", b"powershell", b"encodedcommand", b" -enc ",
    b"iex(", b"iex (", b"invoke-expression", b"net.webclient", b"downloadstring", b"downloadfile",
    b"frombase64string", b"start-process", b"bitsadmin", b"certutil", b"cmd.exe", b"cmd /c",
    b"schtasks", b"mshta", b"rundll32", b"regsvr32", b"invoke-webrequest", b"shell.application",
    b"executeglobal", b"executionpolicy", b"mppreference", b"%comspec%", b"%appdata%",
    b"getobject(",
)  # fmt: skip


def is_script(text: bytes) -> bool:
    """Say whether text is a script for Windows; `text` in UTF-8 or any ASCII-like code."""
    head = text[:_LOOKED_AT]
    if _ENCODED.search(head):
        return True
    low = head.lower()
    if sum(mark in low for mark in _MARKS) < _MARKS_NEEDED:
        return False
    code = _without_comments(low)
    marks = sum(mark in code for mark in _MARKS)
    if marks < _MARKS_NEEDED or not _CODE.match(code):
        return False
    return sum(1 for _ in _SENTENCE.finditer(code)) <= _SENTENCES_ALLOWED + marks


def _without_comments(low: bytes) -> bytes:
    """Take away the comments at the start: malware hides behind pages of them."""
    at = 0
    for _ in range(_MAX_COMMENTS):
        found = _COMMENT.match(low, at)
        if not found or found.end() == at:
            break
        at = found.end()
    return low[at:]
