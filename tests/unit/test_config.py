"""config: which file is read, what its values become, and that nothing in it is overlooked.

What is said of wrong files is in tests/bad_settings.
"""

import os
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from qscanner import schema
from qscanner.codec.problems import Problems
from qscanner.config import find, keys, load
from qscanner.outcomes import Ending
from qscanner.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with an empty policies folder in it."""
    (tmp_path / "policies").mkdir()
    return tmp_path


def load_text(folder: Path, text: str) -> Settings:
    file = folder / "qscanner.toml"
    file.write_text(text, encoding="utf-8")
    return load(os.fspath(file))


@pytest.mark.parametrize(
    ("option", "environment", "want"),
    [
        ("/a", {"QSCANNER_CONFIG": "/b"}, "/a"),
        (None, {"QSCANNER_CONFIG": "/b"}, "/b"),
        (None, {"QSCANNER_CONFIG": ""}, "/etc/qscanner/qscanner.toml"),
        (None, {}, "/etc/qscanner/qscanner.toml"),
    ],
    ids=["option", "environment", "empty environment", "default"],
)
def test_find(option: str | None, environment: dict[str, str], want: str) -> None:
    """The option beats the environment, which beats /etc."""
    assert find(option, environment) == want


def test_an_empty_file_gives_every_default(folder: Path) -> None:
    """Nothing but the two paths that depend on the file's place differs from settings.py."""
    settings = load_text(folder, "")
    policy = replace(settings.policy, dir=f"{folder}/policies")
    assert settings == replace(Settings(), file=f"{folder}/qscanner.toml", policy=policy)


FULL = """
[queue]
program       = "bin/qmail-queue"
error_text    = "4:82"
daemon_away   = "defer"
trusted_users = ["89", "qmaild"]
spool         = "tmp"
host          = "mx1.example.org"
[daemon]
socket  = "run/socket"
workers = 7
wait    = "5 s"
metrics = "127.0.0.1:9810"
[limits]
message = "10 MB"
time    = "2 min"
decoded = "1 GiB"
ratio   = 99
parts   = 50
depth   = 5
members = 60
memory  = "512 MiB"
spooled = "1 GiB"
[virus]
engines    = ["yara", "clamav"]
on_failure = "quarantine"
clamav     = { servers = ["tcp:[::1]:3310", "unix:/run/c"], within = "1500 ms" }
[virus.yara]
rules  = ["../rules.yar"]
within = "2 s"
[virus.command]
program     = ["/bin/sh", "-c", "-c"]
clean       = [4]
infected    = [5, 6]
unscannable = [7]
name        = "(.*) FOUND"
within      = "3 s"
[spam]
scorer     = "spamd"
relay_clients = true
on_failure = "defer"
spamd.servers = ["tcp:spam.example.org:783"]
spamd.within  = "0.5 min"
spamd.max     = "1.5 MB"
spamd.user    = "recipient"
rspamd        = { servers = ["unix:/r"], within = "4 s", max = "2 MB", threshold = 6, \
controllers = ["unix:/c"], password_file = "rspamd" }
learn         = { spam = ["/bin/true", "-"], ham = ["/bin/true", "+"], within = "6 s" }
command       = { program = ["/bin/true"], within = "5 s", max = "3 MB" }
[auth]
authserv_id = "mx.example.org"
servers     = ["127.0.0.1", "[::1]:5353"]
within      = "3 s"
max         = "1 MB"
[policy]
dir = "./mine/"
test_before_reload = true
[quarantine]
dir           = "/held"
database      = "postgresql://qscanner@db/held"
password_file = "secret"
room          = "10 GiB"
history       = "1 d"
expire_every  = "2 h"
[quarantine.keep]
virus       = "1 d"
banned      = "2 d"
spam        = "3 d"
unscannable = "4 d"
policy      = "0 s"
[notices]
admin        = "root@example.org"
from_address = "mail@example.org"
templates    = "texts"
language     = "de"
per_hour     = 5
per_address  = 3
alarm_after  = "1 h"
[digest]
to      = ["@example.org", "joe@example.com"]
admin   = true
at      = ["06:30", "18:00"]
classes = ["spam"]
[history]
keep   = "0 s"
counts = "1 d"
[archive]
maildir = "../all"
address = "all@example.org"
[log]
to = "syslog"
"""


def test_every_key_is_read(tmp_path: Path) -> None:
    """Each key lands in its own field: octets, seconds, and paths below the file's folder."""
    folder = tmp_path / "etc"
    (folder / "mine").mkdir(parents=True)
    (tmp_path / "rules.yar").touch()
    settings = load_text(folder, FULL)
    assert settings.queue.program == f"{folder}/bin/qmail-queue"
    assert settings.queue.error_text == "4:82"
    assert settings.queue.trusted_users == ("89", "qmaild")
    assert settings.queue.spool == f"{folder}/tmp"
    assert settings.daemon.socket == f"{folder}/run/socket"
    assert settings.daemon.workers == 7
    assert settings.daemon.wait == 5.0
    assert settings.daemon.metrics == "127.0.0.1:9810"
    assert settings.limits.message == 10_000_000
    assert settings.limits.time == 120.0
    assert settings.limits.memory == 512 << 20
    assert settings.virus.engines == ("yara", "clamav")
    assert settings.virus.clamav.servers == ("tcp:[::1]:3310", "unix:/run/c")
    assert settings.virus.clamav.within == 1.5
    assert settings.virus.yara.rules == (f"{tmp_path}/rules.yar",)
    assert settings.spam.spamd.within == 30.0
    assert settings.spam.spamd.max == 1_500_000
    assert settings.spam.relay_clients
    assert settings.auth.servers == ("127.0.0.1", "[::1]:5353")
    assert (settings.auth.within, settings.auth.max) == (3.0, 1_000_000)
    assert settings.spam.rspamd.password_file == f"{folder}/rspamd"
    assert settings.spam.learn.ham == ("/bin/true", "+")
    assert settings.digest.at == ("06:30", "18:00")
    assert settings.history.keep == 0.0
    assert settings.virus.command.program == ("/bin/sh", "-c", "-c")
    assert settings.virus.command.infected == (5, 6)
    assert settings.policy.dir == f"{folder}/mine"
    assert settings.quarantine.dir == "/held"
    assert settings.quarantine.password_file == f"{folder}/secret"
    assert settings.quarantine.room == 10 << 30
    assert settings.quarantine.keep.spam == 3 * 86400.0
    assert settings.notices.templates == f"{folder}/texts"
    assert settings.notices.alarm_after == 3600.0
    assert settings.archive.maildir == f"{tmp_path}/all"
    assert_nothing_is_left_out(settings)


def assert_nothing_is_left_out(settings: Any) -> None:
    unchanged = {key for key in keys() if value_of(settings, key) == value_of(Settings(), key)}
    assert unchanged == set()


def value_of(settings: Any, dotted: str) -> object:
    for name in dotted.split("."):
        settings = getattr(settings, name)
    return settings


def test_values_have_the_type_of_their_field(tmp_path: Path) -> None:
    """A size stays a whole number and a time a float, however they were written."""
    (tmp_path / "etc" / "mine").mkdir(parents=True)
    (tmp_path / "rules.yar").touch()
    settings = load_text(tmp_path / "etc", FULL)
    for dotted, field in keys().items():
        value = value_of(settings, dotted)
        assert type(value) is (field.type if isinstance(field.type, type) else tuple), dotted


def test_a_relative_path_of_the_file_is_no_trouble(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config etc/qscanner.toml gives absolute paths too."""
    load_text(folder, "")
    monkeypatch.chdir(folder)
    settings = load("qscanner.toml")
    assert settings.file == f"{folder}/qscanner.toml"
    assert settings.policy.dir == f"{folder}/policies"


def test_a_missing_file() -> None:
    """A settings file that is not there is a problem with the way out, and ends as 55."""
    with pytest.raises(Problems, match=r"^/nonexistent/q.toml: no such file: write one") as caught:
        load("/nonexistent/q.toml")
    assert caught.value.ending is Ending.UNUSABLE


def test_an_unreadable_file(tmp_path: Path) -> None:
    """A folder in its place stands for all that cannot be read, also for root."""
    with pytest.raises(Problems, match=r"cannot be read by uid [0-9]+: Is a directory"):
        load(os.fspath(tmp_path))


def test_a_missing_policies_folder_that_is_not_named(tmp_path: Path) -> None:
    """The default folder must be there as well; the whole file is to blame."""
    with pytest.raises(Problems) as caught:
        load_text(tmp_path, "")
    (problem,) = caught.value.problems
    assert problem.line == 0
    assert f"no folder {tmp_path}/policies" in problem.text


@pytest.mark.parametrize(
    ("key", "lowest", "highest", "below", "above"),
    [
        ("limits.time", '"1 s"', '"599 s"', '"999 ms"', '"600 s"'),
        ("limits.message", '"1 KiB"', '"4 GiB"', '"1023 B"', '"4294967297 B"'),
        ("limits.depth", "1", "100", "0", "101"),
        ("daemon.workers", "0", "1024", "-1", "1025"),
    ],
    ids=["time", "size", "count", "zero allowed"],
)
def test_ranges(folder: Path, key: str, lowest: str, highest: str, below: str, above: str) -> None:
    """Both ends of a range are allowed, and nothing beyond them."""
    table, _, name = key.partition(".")
    for value in (lowest, highest):
        load_text(folder, f"[{table}]\n{name} = {value}\n")
    for value in (below, above):
        with pytest.raises(Problems, match="is not from"):
            load_text(folder, f"[{table}]\n{name} = {value}\n")


@pytest.mark.parametrize("value", ["auto", "none", "6:82", "4:82", "2:88"])
def test_reply_channels(folder: Path, value: str) -> None:
    """All forms of error_text that the design names are taken."""
    assert load_text(folder, f'[queue]\nerror_text = "{value}"\n').queue.error_text == value


def test_every_number_has_a_range_and_every_table_names_real_keys() -> None:
    """A key added to settings.py must be thought of in schema.py, and none is left over there."""
    known = keys()
    kinds = {int, float, tuple[int, ...]}
    numbers = {key for key, field in known.items() if field.type in kinds}
    assert set(schema.RANGES) == numbers
    named = schema.SIZES | schema.PATHS | set(schema.CHOICES) | schema.WORDS
    assert named <= set(known)
    assert all(known[key].type is int for key in schema.SIZES)


def test_all_fields_have_types_that_can_be_read() -> None:
    """Only these and tables occur: another type needs code in schema.py."""
    lists = {tuple[str, ...], tuple[int, ...]}
    assert {field.type for field in keys().values()} == {str, int, float, bool, *lists}
    assert all(is_dataclass(each.type) for each in fields(Settings) if each.name != "file")


def test_the_defaults_are_in_their_ranges() -> None:
    """No default would be refused if an admin wrote it down."""
    for dotted, (lowest, highest) in schema.RANGES.items():
        kind = keys()[dotted].type
        kind = int if kind == tuple[int, ...] else kind
        low, high = (
            schema.single(dotted, _as_written(dotted, each, kind), kind, folder="/")
            for each in (lowest, highest)
        )
        value = value_of(Settings(), dotted)
        for each in value if isinstance(value, tuple) else (value,):
            assert float(low) <= each <= float(high)


def _as_written(dotted: str, value: str, kind: object) -> str | int:
    return int(value) if kind is int and dotted not in schema.SIZES else value


def test_nothing_heavy_is_imported() -> None:
    """qscanner-queue reads the settings for every message: no difflib, email, click for that."""
    code = "import sys, qscanner.config; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=15,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    loaded = set(found.stdout.split())
    assert "qscanner.config" in loaded
    assert not loaded & {"difflib", "email", "click", "rich", "re2", "yara_x", "magic", "socket"}


def test_a_wrong_policies_folder_is_told_once(tmp_path: Path) -> None:
    """Where the key itself is wrong, nothing is said of the default folder."""
    with pytest.raises(Problems) as caught:
        load_text(tmp_path, "[policy]\ndir = 3\n")
    assert len(caught.value.problems) == 1
