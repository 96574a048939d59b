"""schema: one value of the file at a time; the messages are shown in tests/bad_settings."""

import pytest

from qscanner import schema


@pytest.mark.parametrize(
    ("key", "written", "kind", "want"),
    [
        ("limits.message", "1 MiB", int, 1 << 20),
        ("limits.parts", 7, int, 7),
        ("limits.time", "1.5 min", float, 90.0),
        ("log.to", "syslog", str, "syslog"),
        ("queue.host", "", str, ""),
        ("daemon.metrics", "", str, ""),
        ("daemon.metrics", "[::1]:9810", str, "[::1]:9810"),
        ("quarantine.database", "", str, ""),
        ("quarantine.database", "postgresql://u@h:5/d?x=:@", str, "postgresql://u@h:5/d?x=:@"),
        ("quarantine.password_file", "", str, ""),
        ("policy.dir", "a/../b/", str, "/etc/q/b"),
        ("policy.dir", "/b", str, "/b"),
        ("virus.clamav.servers", "unix:/run/c", str, "unix:/run/c"),
    ],
    ids=[
        "size",
        "count",
        "time",
        "choice",
        "empty",
        "no metrics",
        "metrics",
        "no database",
        "a database",
        "no password",
        "relative",
        "absolute",
        "server",
    ],
)
def test_a_value(key: str, written: object, kind: type, want: object) -> None:
    """What is right becomes octets, seconds, or an absolute path."""
    found = schema.single(key, written, kind, folder="/etc/q")
    assert found == want
    assert type(found) is kind


@pytest.mark.parametrize(
    ("key", "written", "kind", "why"),
    [
        ("limits.parts", True, int, "needs a whole number, not true or false"),
        ("limits.parts", 1.0, int, "needs a whole number, not a fraction"),
        ("limits.time", 5, float, "needs a time in quotes"),
        ("limits.time", "5", float, "has no unit"),
        ("limits.message", [], int, "needs a size in quotes"),
        ("virus.engines", "clamav", tuple[str, ...], "needs a list"),
        ("virus.engines", "commando", str, "command"),
        ("spam.relay_clients", "yes", bool, "needs true or false, not text"),
        ("virus.command.name", "(", str, "a closing . is missing"),
        ("virus.command.clean", 256, int, "is not from 0 to 255"),
        ("spam.spamd.user", "a b", str, "is no name of a user"),
        ("auth.authserv_id", "a b", str, "is no host name"),
        ("auth.servers", "dns.example", str, "no address of a name server"),
        ("queue.spool", "", str, "may not be empty"),
        ("queue.spool", "a\x7f", str, "control character"),
        ("queue.host", "a b", str, "is no host name"),
        ("queue.error_text", "1:82", str, "is no reply channel"),
        ("daemon.socket", "s" * 108, str, "at most 107 octets"),
        ("daemon.metrics", "192.0.2.1:9810", str, "no loopback address"),
        ("quarantine.database", "postgresql://", str, "is no database"),
        ("quarantine.database", "postgresql://u:secret@h/d", str, "no password here"),
        ("quarantine.database", "x", str, "is no database"),
        ("spam.spamd.servers", "tcp:x", str, "the port is missing"),
        ("log.to", {}, str, "needs text in quotes, not a table"),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, str) else "",
)
def test_a_wrong_value(key: str, written: object, kind: object, why: str) -> None:
    """What is wrong raises ValueError alone, with what would have been right."""
    with pytest.raises(ValueError, match=why):
        schema.single(key, written, kind, folder="/etc/q")
