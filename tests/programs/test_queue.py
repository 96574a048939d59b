"""The real qscanner-queue, called as qmail calls it: what becomes of a message, and why."""

import os
import resource
import signal
import socket
from pathlib import Path

import pytest

from tests.fakes import clients, mails
from tests.fakes.caller import Ends, Other, Setting, envelope
from tests.fakes.replies import Flavour
from tests.fakes.site import Site, below_our_lines

REFUSAL = "Your message carries a virus"


@pytest.fixture(params=["c", "python"])
def site(request: pytest.FixtureRequest, open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation with the embedded engine and the shipped policies, and no daemon.

    It is called through both installed programs: the one in C then becomes the one in Python.
    """
    return Site(open_tmp, fake_queue, clients.installed(request.param))


def test_clean_is_queued_octet_for_octet(site: Site, uids: tuple[int | None, ...]) -> None:
    """Every user's clean message is queued below our lines, with its envelope untouched."""
    raw = envelope(
        b"list-@example.org-@[]", b"b@example.com", b"caf\xc3\xa9 x@example.com", b"odd"
    )
    for uid in uids:
        result = site.call(mails.text(), raw, setting=Setting(uid=uid))
        assert (result.code, result.text, result.leaks) == (0, b"", ()), result
        assert result.reply.startswith("250 ok")
    queued = site.queued()
    assert len(queued) == len(uids)
    for one in queued:
        assert below_our_lines(one.message) == mails.text()
        assert one.envelope == raw
    assert not site.left()


FLAVOURS = [
    pytest.param(Flavour.NOTQMAIL, None, "auto", 82, "554 ", id="notqmail-fd-6"),
    pytest.param(Flavour.CURTI, None, "auto", 82, "554 ", id="netqmail-fd-4"),
    pytest.param(Flavour.INDIMAIL, 9, "auto", 88, "554 ", id="indimail-error-fd"),
    pytest.param(Flavour.INDIMAIL, None, "2:88", 88, "554 ", id="indimail-stderr"),
    pytest.param(Flavour.SAGREDO, 9, "auto", 88, "554 ", id="sagredo-error-fd"),
    pytest.param(Flavour.STOCK, None, "auto", 31, "554 mail server perm", id="stock"),
    pytest.param(Flavour.NOTQMAIL, None, "none", 31, "554 mail server perm", id="switched-off"),
]


@pytest.mark.parametrize(("flavour", "error_fd", "channel", "code", "reply"), FLAVOURS)
def test_infected_is_refused_in_each_dialect(
    site: Site, flavour: Flavour, error_fd: int | None, channel: str, code: int, reply: str
) -> None:
    """EICAR is refused with our text where a channel is proven, with 31 where none is."""
    site.settings(queue=f'error_text = "{channel}"')
    result = site.call(mails.infected(), setting=Setting(flavour=flavour, error_fd=error_fd))
    assert result.code == code, result
    assert result.reply.startswith(reply), result
    if code != 31:
        assert result.text.startswith(b"D")
        assert result.text.endswith(b"(#5.7.1)"), result.text
        assert result.text.isascii()
        assert b"\n" not in result.text
    assert not site.queued()


@pytest.mark.parametrize("other", [Other.SOCKET, Other.FILE])
def test_nothing_is_written_where_no_qmail_reads(site: Site, other: Other) -> None:
    """A socket or a file on fd 4 or 6 is nobody's reply channel: 31, and not an octet there."""
    setting = Setting(flavour=Flavour.STOCK, others={4: other, 6: other})
    result = site.call(mails.infected(), setting=setting)
    assert (result.code, result.strays) == (31, {4: b"", 6: b""})


ABORTED = [
    pytest.param(b"", 54, id="no-envelope"),
    pytest.param(b"Fa@example.org", 54, id="cut-in-sender"),
    pytest.param(b"Fa@example.org\0Tb@example.com\0", 54, id="no-last-nul"),
    pytest.param(b"Xa@example.org\0Tb@example.com\0\0", 91, id="does-not-begin-with-F"),
    pytest.param(b"Fa@example.org\0?b@example.com\0\0", 91, id="entry-without-letter"),
    pytest.param(envelope(b"a" * 1003), 11, id="sender-of-1003"),
    pytest.param(envelope(b"a@b", b"b" * 1003), 11, id="recipient-of-1003"),
]


@pytest.mark.parametrize(("raw", "code"), ABORTED)
def test_bad_envelopes_end_before_any_scan(site: Site, raw: bytes, code: int) -> None:
    """An aborted session is not scanned, held, queued or logged as a verdict."""
    result = site.call(mails.infected(), raw)
    assert result.code == code, result
    assert not site.queued()
    assert not site.held()
    assert b"verdict=" not in result.stderr


QUEUED = [
    pytest.param(b"F\0Tb@example.com\0\0", id="null-sender"),
    pytest.param(b"F#@[]\0Tb@example.com\0\0", id="double-bounce"),
    pytest.param(b"Fa@example.org\0\0", id="no-recipients"),
    pytest.param(envelope(b"a" * 1002, b"b" * 1002), id="addresses-of-1002"),
    pytest.param(envelope(b"a@b", b"\xff\x80@example.com", b"with\nnewline@x"), id="8-bit"),
    pytest.param(envelope(b"a@b", *[b"%d@example.com" % n for n in range(50000)]), id="50000"),
]


@pytest.mark.parametrize("raw", QUEUED)
def test_odd_envelopes_pass_octet_for_octet(site: Site, raw: bytes) -> None:
    """Whatever an address holds, it arrives as it came."""
    result = site.call(mails.text(), raw, setting=Setting(within_s=18))
    assert result.code == 0, result
    assert site.queued()[0].envelope == raw


def test_entries_with_other_letters_are_carried_along(site: Site) -> None:
    """Letters that some SMTP daemons add reach the queue program, which is to judge them."""
    raw = b"Fa@example.org\0Mbox\0Tb@example.com\0\0"
    result = site.call(mails.text(), raw)
    assert result.code == 91, "the strict queue program refuses them as qmail-queue does"
    assert b"verdict=accept" in result.stderr


MESSAGES = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\nno header at all\n", id="no-header"),
    pytest.param(b"just a line", id="no-newline"),
    pytest.param(b" begins with a blank\n\nbody\n", id="continuation-first"),
    pytest.param(mails.text(b"a\0b\0c\n" * 100), id="nuls"),
    pytest.param(mails.text(b"a\rb\rc\r" * 100), id="bare-cr"),
    pytest.param(mails.text(bytes(range(128, 256)) * 9, headers=b"X-\xff: \xfe\n"), id="8-bit"),
    pytest.param(mails.text(headers=b"X-Many: 1\n" * 200_000), id="200000-header-lines"),
    pytest.param(mails.text(b"x" * 3_000_000), id="3-MB-line"),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_odd_messages_leave_as_they_came(site: Site, message: bytes) -> None:
    """Bad input is neither changed nor a reason to fail: queued whole, or held whole."""
    result = site.call(message, setting=Setting(within_s=18))
    assert result.code == 0, result
    kept = [one.message for one in site.queued()]
    if kept:
        assert below_our_lines(kept[0]) == message
    else:
        assert next(site.quarantine.glob("*.eml")).read_bytes() == message


@pytest.mark.timeout(60)
def test_100_megabytes(site: Site) -> None:
    """A body of 100 MB is scanned and queued whole, within 10 s of its last octet."""
    message = mails.text((b"x" * 76 + b"\n") * (100_000_000 // 77))
    result = site.call(message, setting=Setting(within_s=40))
    assert result.code == 0, result
    assert site.queued()[0].message.endswith(message), "what was queued is not what came"
    assert result.seconds < 10


def test_larger_than_the_limit_is_held(site: Site) -> None:
    """What is larger than [limits] message is a finding that the shipped policies hold."""
    site.settings(limits='message = "1 MiB"')
    result = site.call(mails.text(b"x\n" * 1_000_000))
    assert result.code == 0, result
    assert site.held()[0]["rules"], site.held()
    assert any(found["id"] == "unscannable.too-large" for found in site.held()[0]["findings"])
    assert not site.queued()


def test_forged_lines_are_taken_out_and_nothing_else(site: Site) -> None:
    """A stranger's X-Qscanner and X-Spam lines do not arrive; all other octets do."""
    forged = b"X-Spam-Flag: NO\nx-qscanner : mx verdict=accept\n\tfolded\nX-Spam-Level:\n"
    kept = b"X-Other: stays\nX-Spam-Report: stays as well\n"
    assert site.call(mails.text(headers=kept + forged)).code == 0
    assert below_our_lines(site.queued()[0].message) == mails.text(headers=kept)


def test_held_once_however_often_it_is_tried(site: Site) -> None:
    """Each retry of a sender, with its fresh Received line, is the same hold."""
    first = mails.locked()
    again = first.replace(b"10:00:00 -0000", b"10:30:00 -0000", 1)
    assert [site.call(message).code for message in (first, again)] == [0, 0]
    assert len(site.held()) == 1
    record = site.held()[0]
    assert record["envelope"]["recipients"][0]["action"] == "quarantine"
    assert next(site.quarantine.glob("*.eml")).read_bytes() == first
    assert not site.queued()
    assert not site.left()


def test_recipients_who_differ(site: Site) -> None:
    """The accepted go on with their own envelope, the others are held."""
    site.policy(
        '[[rule]]\nid = "no-mail"\nwhy = "they asked for it"\n'
        'when = { to = ["@quiet.example"] }\naction = "quarantine"\n'
    )
    raw = envelope(b"a@example.org", b"one@quiet.example", b"two@example.com")
    assert site.call(mails.text(), raw).code == 0
    assert site.queued()[0].envelope == envelope(b"a@example.org", b"two@example.com")
    actions = [to["action"] for to in site.held()[0]["envelope"]["recipients"]]
    assert actions == ["quarantine", "accept"]


def test_a_bounce_of_this_host_is_never_refused(site: Site) -> None:
    """What qmail-local forwards is held where a stranger's would be refused."""
    env = {"DTLINE": "Delivered-To: a\n", "RPLINE": "Return-Path: <>\n", "PATH": "/usr/bin:/bin"}
    assert site.call(mails.infected(), setting=Setting(env=env)).code == 0
    assert len(site.held()) == 1


# ---- what the caller does


def test_aborted_sessions(site: Site) -> None:
    """A client that goes away in the middle leaves nothing behind."""
    for ends in (Ends.FAILED, Ends.DROPPED):
        result = site.call(mails.text(), b"", setting=Setting(ends=ends, cut_after=100))
        assert result.code == 54, result
    assert not site.queued()
    assert not site.left()


def test_a_dribbling_sender(site: Site) -> None:
    """A message in small pieces arrives whole."""
    setting = Setting(chunk=11, delay_s=0.003)
    assert site.call(mails.text(), setting=setting).code == 0
    assert below_our_lines(site.queued()[0].message) == mails.text()


@pytest.mark.parametrize("closed", [{0}, {1}, {0, 1}, {2}, {0, 1, 2}], ids=str)
def test_closed_descriptors(site: Site, closed: set[int]) -> None:
    """Without fd 0 or 1 it is an aborted session; without fd 2 nothing lands in the message."""
    result = site.call(mails.text(), setting=Setting(closed=frozenset(closed)))
    assert result.code == (54 if closed & {0, 1} else 0), result
    if not closed & {0, 1}:
        assert below_our_lines(site.queued()[0].message) == mails.text()


def test_the_queue_program_finds_the_world_as_qmail_made_it(site: Site) -> None:
    """Behind the exec: own pid, limits as given, no alarm, no signals of ours."""
    limit = (400 << 20, 1 << 40)
    setting = Setting(limits={resource.RLIMIT_AS: limit}, cwd=str(site.folder))
    result = site.call(mails.text(), setting=setting)
    assert result.code == 0, result
    facts = site.queued()[0].facts
    assert facts["pid"] == str(result.pid), facts
    assert facts["rlimit.AS"] == f"{limit[0]} {limit[1]}", facts
    assert facts["argc"] == "1"
    assert facts["cwd"] == str(site.folder)
    assert int(facts["SigBlk"], 16) == 0
    assert not int(facts["SigIgn"], 16) & (1 << (signal.SIGXFSZ - 1))
    assert facts["alarm"] == "0"
    assert facts["NoNewPrivs"] == "0"


# ---- what fails


@pytest.mark.parametrize("code", [*range(1, 120, 7), 31, 51, 53, 54, 71, 82, 91, 111, 120])
def test_the_queue_programs_code_is_ours(site: Site, code: int) -> None:
    """Whatever the real queue program ends with reaches the caller."""
    result = site.call(mails.text(), FAKE_QUEUE_EXIT=str(code))
    assert (result.code, site.queued()) == (code, [])


def test_a_killed_queue_program_is_no_success(site: Site) -> None:
    """A queue program that is killed is a crash to the caller, as without us."""
    result = site.call(mails.text(), FAKE_QUEUE_SIGNAL="9")
    assert (result.code, result.signal) == (None, 9)


@pytest.mark.parametrize(
    "kind", ["missing", "not-executable", "folder", "no-shebang", "ourselves"]
)
def test_unusable_queue_programs(site: Site, kind: str, uids: tuple[int | None, ...]) -> None:
    """A queue program that cannot be started, or is ourselves, is 55, and nothing is lost."""
    program = site.folder / kind
    if kind == "ourselves":
        program.symlink_to(site.ours)
    elif kind == "folder":
        program.mkdir()
    elif kind != "missing":
        program.write_text("neither a script nor a program\n")
        program.chmod(0o755 if kind == "no-shebang" else 0o644)
    site.settings(program=str(program))
    result = site.call(mails.text(), setting=Setting(uid=uids[-1]))
    assert result.code == 55, result
    assert program.name.encode() in result.stderr, result.stderr


def test_a_loop_through_a_wrapper(site: Site) -> None:
    """A queue program that leads back to us by way of a script is found out: 55."""
    wrapper = site.folder / "wrapper"
    wrapper.write_text(f'#!/bin/sh\nexec "{site.ours}"\n')
    wrapper.chmod(0o755)
    site.settings(program=str(wrapper))
    result = site.call(mails.text())
    assert result.code == 55, result


@pytest.mark.parametrize(
    "kind", ["missing", "unreadable", "not-toml", "unknown-key", "bad-policy"]
)
def test_unusable_settings(site: Site, kind: str, uids: tuple[int | None, ...]) -> None:
    """Settings and policies with mistakes are 55, with the place on stderr."""
    told = site.file.name
    if kind == "missing":
        site.file.unlink()
    elif kind == "unreadable":
        site.file.chmod(0)
        if uids[-1] is None:
            site.file.unlink()
    elif kind == "not-toml":
        site.file.write_text("[queue\n")
    elif kind == "unknown-key":
        site.settings(queue='programm = "x"')
    else:
        site.policy('[[rule]]\nid = "x"\naction = "quarentine"\n')
        told = "one.toml"
    result = site.call(mails.infected(), setting=Setting(uid=uids[-1]))
    assert result.code == 55, result
    assert told.encode() in result.stderr, result.stderr
    assert not site.queued()


@pytest.mark.parametrize(
    ("servers", "on_failure", "code", "queued"),
    [
        ("unix:/nowhere/clamd.ctl", "defer", 82, 0),
        ("tcp:127.0.0.1:1", "defer", 82, 0),
        ("unix:/nowhere/clamd.ctl", "accept", 0, 1),
        ("unix:/nowhere/clamd.ctl", "quarantine", 0, 0),
    ],
)
def test_a_scanner_that_is_away(
    site: Site, servers: str, on_failure: str, code: int, queued: int
) -> None:
    """What follows from a dead scanner is what the settings say; by default "later"."""
    site.settings(
        virus=f'engines = ["clamav"]\non_failure = "{on_failure}"\n'
        f'[virus.clamav]\nservers = ["{servers}"]'
    )
    result = site.call(mails.text())
    assert result.code == code, result
    assert len(site.queued()) == queued
    assert len(site.held()) == (1 if on_failure == "quarantine" else 0)
    if code:
        assert result.reply.startswith("451 "), result
        assert result.text.endswith(b"(#4.7.1)")


def test_a_mute_scanner_ends_within_the_time(site: Site) -> None:
    """A clamd that takes the message and says nothing costs the time it was given, no more."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        site.settings(
            limits="",
            virus='engines = ["clamav"]\n[virus.clamav]\nwithin = "1 s"\n'
            f'servers = ["tcp:127.0.0.1:{mute.getsockname()[1]}"]',
        )
        result = site.call(mails.text())
    assert result.code == 82, result
    assert 0.9 < result.seconds < 6


@pytest.mark.parametrize("size", [1000, 3_000_000], ids=["small", "large"])
def test_read_only_spool(site: Site, size: int, uids: tuple[int | None, ...]) -> None:
    """Where the spool cannot be written, memory serves, up to a bound."""
    site.spool.chmod(0o555)
    result = site.call(mails.text(b"x\n" * (size // 2)), setting=Setting(uid=uids[0]))
    assert result.code == 0, result


def test_no_room_for_a_hold(site: Site, uids: tuple[int | None, ...]) -> None:
    """A client that may not write the quarantine and would have to hold says "later"."""
    site.quarantine.chmod(0o755)
    result = site.call(mails.locked(), setting=Setting(uid=uids[0]))
    assert result.code == (82 if uids[0] is not None else 0), result
    assert not site.queued()


@pytest.mark.parametrize("mib", [16, 24, 32, 48, 64, 96, 160])
@pytest.mark.parametrize("hard", [False, True], ids=["softlimit", "hard"])
def test_tight_memory(site: Site, mib: int, hard: bool) -> None:
    """Under softlimit it works or says "later"; a hard limit never makes it say yes."""
    top = (mib << 20) if hard else resource.RLIM_INFINITY
    setting = Setting(limits={resource.RLIMIT_AS: (mib << 20, top)})
    for message in (mails.text(), mails.infected()):
        result = site.call(message, setting=setting)
        assert (
            result.code is None
            or result.code == 0
            or result.code > 40
            or result.code
            in (
                1,
                31,
            )
        ), result
    messages = [below_our_lines(one.message) for one in site.queued()]
    assert messages in ([], [mails.text()])


@pytest.mark.parametrize("kib", [0, 4, 64])
def test_file_size_limit(site: Site, kib: int) -> None:
    """RLIMIT_FSIZE (ulimit -f, softlimit -f) is "later", never a cut message."""
    limit = (kib << 10, resource.RLIM_INFINITY)
    message = mails.text(b"x" * 70_000 + b"\n")
    result = site.call(message, setting=Setting(limits={resource.RLIMIT_FSIZE: limit}))
    assert result.code not in (0, None), result
    assert result.code > 40, result
    assert not site.queued()


def test_no_bytecode_is_written(site: Site) -> None:
    """Under ulimit -f Python would leave a cut .pyc, with which nothing of ours starts again."""
    cache = site.folder / "pyc"
    limit = (4 << 10, resource.RLIM_INFINITY)
    setting = Setting(
        env={"PYTHONPYCACHEPREFIX": str(cache)}, limits={resource.RLIMIT_FSIZE: limit}
    )
    assert site.call(mails.text(b"x" * 70_000), setting=setting).code == 53
    assert not list(cache.rglob("intake.*.pyc"))


def test_full_disk(site: Site) -> None:
    """No room in spool and quarantine is 53, and nothing half-written stays."""
    if os.getuid() == 0 and os.system(f"mount -t tmpfs -o size=64k none {site.quarantine}") == 0:
        try:
            site.quarantine.chmod(0o777)
            message = mails.locked() + b"x" * 200_000
            result = site.call(message)
            assert result.code == 53, result
            left = [file.name for file in site.quarantine.iterdir() if file.stat().st_size]
            assert left == [], "but for a journal in which nothing stands"
        finally:
            os.system(f"umount {site.quarantine}")
    else:  # not allowed to mount: the limit on the size of files says the same
        limits = {resource.RLIMIT_FSIZE: (16 << 10, resource.RLIM_INFINITY)}
        result = site.call(mails.locked() + b"x" * 200_000, setting=Setting(limits=limits))
        assert result.code == 53, result
    assert not site.queued()
