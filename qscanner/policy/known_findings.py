"""The ids of all findings that checks report: for `policy check`, which looks for misspelt ones.

Called by  policy.warn.
Careful    docs/findings.md explains each of them; a test keeps the two the same. The ids are put
           together here, so that none stands here as a text of its own: that is how another test
           finds those that the code reports.
"""

_WHATS = {
    "mime": """
        after-close blank-before-colon blank-fold control-in-header delimiter-junk
        duplicate-boundary duplicate-header encoded-container encoding-ambiguous
        encoding-junk encoding-unknown external-body from-line guessed-boundary hidden-field
        junk-in-name junk-line longer-name no-boundary no-separator odd-boundary odd-type
        parser-error
        partial repeated-header stray-part
    """,
    "header": """
        8bit bare-cr duplicate-bcc duplicate-cc duplicate-date duplicate-from
        duplicate-in-reply-to duplicate-message-id duplicate-references duplicate-reply-to
        duplicate-sender duplicate-subject duplicate-to long-line no-date no-from none nul
    """,
    "name": """
        bidi control double-extension long padded
    """,
    "archive": """
        encrypted not-opened odd opened-with-word unreadable
    """,
    "pdf": """
        embedded-file encrypted javascript launch unreadable
    """,
    "rtf": """
        equation object object-update remote-template
    """,
    "office": """
        activex dde equation linked-file macro-autoexec macro-suspicious ole-object
        remote-template unreadable vba xlm
    """,
    "html": """
        script smuggling
    """,
    "svg": """
        script
    """,
    "limit": """
        archive-depth archive-members archive-octets archive-ratio boundaries content-header
        decoded depth document header-line headers kinds parts readings sweep texts time
        virus-parts
    """,
    "virus": """
        clamav command yara
    """,
    "unscannable": """
        clamav-limit clamav-too-large command crashes-scanner not-scanned too-large
        yara-timeout
    """,
    "clamav": """
        heuristic
    """,
    "spam": """
        gtube not-scored rspamd-later
    """,
    "magic": """
        error
    """,
    "auth": """
        dkim-bad not-verified unavailable
    """,
    "lists": """
        unreadable
    """,
}
KINDS = tuple(_WHATS)
IDS = tuple(f"{kind}.{what}" for kind, whats in _WHATS.items() for what in whats.split())
