"""Who brings a message: what is believed of a trusted caller, and what of nobody else."""

import pwd

import pytest

from qscanner import client
from qscanner.model import Client, Direction

TRUSTED, STRANGER = 4242, 4243
REMOTE = {b"TCPREMOTEIP": b"192.0.2.7", b"TCPREMOTEHOST": b"mail.example"}


def of(uid: int, environment: dict[bytes, bytes], *more: str) -> Client:
    return client.of(uid, environment, (str(TRUSTED), *more))


@pytest.mark.parametrize(
    ("environment", "direction", "is_relay", "user"),
    [
        pytest.param({}, Direction.LOCAL, False, "", id="injected-here"),
        pytest.param({b"RELAYCLIENT": b""}, Direction.LOCAL, True, "", id="injected-may-relay"),
        pytest.param(REMOTE, Direction.IN, False, "", id="from-outside"),
        pytest.param({**REMOTE, b"RELAYCLIENT": b""}, Direction.OUT, True, "", id="relay-empty"),
        pytest.param({**REMOTE, b"RELAYCLIENT": b"@x"}, Direction.OUT, True, "", id="relay-value"),
        pytest.param({**REMOTE, b"SMTPAUTHUSER": b"ann"}, Direction.OUT, False, "ann", id="auth"),
        pytest.param({**REMOTE, b"SMTP_AUTH_USER": b"a"}, Direction.OUT, False, "a", id="auth-2"),
        pytest.param({**REMOTE, b"AUTHUSER": b"ann"}, Direction.OUT, False, "ann", id="aqmail"),
        pytest.param(
            {**REMOTE, b"QMAILAUTHENTICATED": b"ann"}, Direction.OUT, False, "ann", id="sagredo"
        ),
        pytest.param(
            {**REMOTE, b"SMTPAUTHUSER": b"", b"AUTHUSER": b"bob"},
            Direction.OUT,
            False,
            "bob",
            id="an-empty-name-is-none",
        ),
        pytest.param({**REMOTE, b"SMTPAUTHUSER": b""}, Direction.IN, False, "", id="empty-auth"),
        pytest.param(
            {**REMOTE, b"TCPREMOTEINFO": b"root"}, Direction.IN, False, "", id="ident-is-no-auth"
        ),
    ],
)
def test_a_trusted_caller_is_believed(
    environment: dict[bytes, bytes], direction: Direction, is_relay: bool, user: str
) -> None:
    """What the environment of a trusted uid says is what we know."""
    got = of(TRUSTED, environment)
    assert (got.direction, got.is_relay, got.auth_user) == (direction, is_relay, user)
    assert got.is_trusted
    assert got.ip == environment.get(b"TCPREMOTEIP", b"").decode()
    assert got.host == environment.get(b"TCPREMOTEHOST", b"").decode()
    assert got.claimed_ip == ""
    assert got.environment == {key.decode(): value.decode() for key, value in environment.items()}


@pytest.mark.parametrize(
    ("environment", "direction"),
    [
        pytest.param({}, Direction.LOCAL, id="nothing"),
        pytest.param({b"RELAYCLIENT": b""}, Direction.LOCAL, id="relay"),
        pytest.param({**REMOTE, b"RELAYCLIENT": b""}, Direction.IN, id="remote-relay"),
        pytest.param(
            {**REMOTE, b"SMTPAUTHUSER": b"ann", b"AUTHUSER": b"ann"}, Direction.IN, id="auth"
        ),
    ],
)
def test_nobody_else_is(environment: dict[bytes, bytes], direction: Direction) -> None:
    """A stranger's claims make matters worse at most: they never give it a right."""
    got = of(STRANGER, environment)
    assert got == Client(
        uid=STRANGER,
        direction=direction,
        claimed_ip=environment.get(b"TCPREMOTEIP", b"").decode(),
    )


@pytest.mark.parametrize(
    ("environment", "want"),
    [
        pytest.param({b"DTLINE": b"x", b"RPLINE": b"y"}, True, id="qmail-local-forwards"),
        pytest.param({b"DTLINE": b"", b"RPLINE": b""}, True, id="empty-but-set"),
        pytest.param({b"DTLINE": b"x"}, False, id="one-alone"),
        pytest.param({b"RPLINE": b"x"}, False, id="the-other-alone"),
        pytest.param({b"DTLINE": b"x", b"RPLINE": b"y", **REMOTE}, False, id="from-the-network"),
        pytest.param({}, False, id="neither"),
    ],
)
@pytest.mark.parametrize("uid", [TRUSTED, STRANGER], ids=["trusted", "stranger"])
def test_a_forward_is_this_host(uid: int, environment: dict[bytes, bytes], want: bool) -> None:
    """qmail-local runs as any user, so its forwards are recognised by its own variables."""
    assert of(uid, environment).is_host is want


def test_qmail_send_is_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounces come from the user qmails; with an address of a client it is somebody else."""
    known = pwd.getpwnam("daemon")
    client.forget_users()
    monkeypatch.setattr(pwd, "getpwnam", {"qmails": known}.__getitem__)
    assert of(known.pw_uid, {}).is_host
    assert not of(known.pw_uid, dict(REMOTE)).is_host
    assert not of(known.pw_uid + 1, {}).is_host
    client.forget_users()


def test_users_are_looked_up_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name service may be slow: it is asked once for many messages, and again a minute later."""
    asked: list[str] = []
    now = [1000.0]
    root = pwd.getpwnam("root")

    def looked_up(name: str) -> pwd.struct_passwd:
        asked.append(name)
        return root

    monkeypatch.setattr(pwd, "getpwnam", looked_up)
    monkeypatch.setattr(client, "_now", lambda: now[0])
    client.forget_users()
    for _ in range(3):
        client.of(0, {}, ("somebody",))
    assert sorted(asked) == ["qmails", "somebody"]
    now[0] += 61
    client.of(0, {}, ("somebody",))
    assert sorted(asked) == ["qmails", "qmails", "somebody", "somebody"]
    client.forget_users()


def test_without_a_user_qmails_nobody_is_it() -> None:
    """Where there is no such user, no uid is taken for it."""
    assert not client.of(0, {}, ()).is_host


@pytest.mark.parametrize(
    ("trusted", "uid", "want"),
    [
        pytest.param(("root",), 0, True, id="by-name"),
        pytest.param(("0",), 0, True, id="by-number"),
        pytest.param(("no-such-user", "root"), 0, True, id="unknown-names-are-passed-over"),
        pytest.param(("no-such-user",), 0, False, id="an-unknown-name-trusts-nobody"),
        pytest.param((), 0, False, id="nobody"),
        pytest.param(("",), 0, False, id="an-empty-name"),
        pytest.param(("-1",), 65534, False, id="minus-one"),
        pytest.param(("\u00b2",), 2, False, id="no-digit-of-ours"),
    ],
)
def test_trusted_users(trusted: tuple[str, ...], uid: int, want: bool) -> None:
    """Names and numbers of the settings; what does not exist trusts nobody and raises nothing."""
    assert client.of(uid, {}, trusted).is_trusted is want


def test_odd_octets_in_the_environment() -> None:
    """Octets that are no UTF-8 become text that can be written."""
    got = of(TRUSTED, {b"TCPREMOTEHOST": b"\xff\x1b", b"TCPREMOTEIP": b"::1", b"\xfe": b"x"})
    assert got.host == "\u00ff\x1b"
    assert got.environment["\u00fe"] == "x"
