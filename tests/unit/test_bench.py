"""What every scan needs, made once: only what is configured, or every mistake."""

import socket
from pathlib import Path

import pytest

from qscanner.bench import Bench, own_name
from qscanner.checks import command, spam
from qscanner.codec.servers import parse
from qscanner.model import Action
from qscanner.outcomes import Ending, Unusable
from qscanner.settings import (
    Clamav,
    Policy,
    Quarantine,
    Queue,
    Rspamd,
    Settings,
    Spam,
    SpamCommand,
    Spamd,
    Virus,
    VirusCommand,
)
from tests.fakes import listing

SHIPPED = Policy(dir=str(Path(__file__).resolve().parents[2] / "policies"))


def settings(**more: object) -> Settings:
    return Settings(**{"policy": SHIPPED, "virus": Virus(engines=()), **more})  # type: ignore[arg-type]


def test_nothing_configured() -> None:
    """No engine, no scorer: there is nothing to ask, and that is said."""
    bench = Bench.of(settings())
    assert (bench.yara, bench.clamd, bench.virus_command, bench.scorer) == (None, (), None, None)
    assert not bench.has_engine
    assert bench.policy.rules


def test_everything_configured() -> None:
    """Engines and scorer with their servers in their order; what a failure means as actions."""
    bench = Bench.of(
        settings(
            virus=Virus(
                engines=("clamav", "yara"),
                on_failure="quarantine",
                clamav=Clamav(servers=("unix:/a", "tcp:127.0.0.1:3310")),
            ),
            spam=Spam(scorer="spamd", on_failure="defer", spamd=Spamd(servers=("tcp:[::1]:783",))),
            queue=Queue(host="mx.example"),
        )
    )
    assert bench.clamd == (parse("unix:/a"), parse("tcp:127.0.0.1:3310"))
    assert isinstance(bench.scorer, spam.Scorer)
    assert bench.scorer.servers == (parse("tcp:[::1]:783"),)
    assert bench.yara is not None
    assert bench.has_engine
    assert bench.host == "mx.example"
    assert (bench.on_failure.virus, bench.on_failure.spam) == (Action.QUARANTINE, Action.DEFER)


def test_servers_of_what_is_switched_off_are_not_asked() -> None:
    """The default addresses stand in the settings, but nobody asked for them."""
    bench = Bench.of(settings(virus=Virus(engines=("yara",)), spam=Spam(scorer="none")))
    assert (bench.clamd, bench.scorer) == ((), None)


def test_a_command_is_an_engine_and_a_scorer() -> None:
    """Words, exit codes, pattern and bound come from the settings."""
    bench = Bench.of(
        settings(
            virus=Virus(
                engines=("command",),
                command=VirusCommand(program=("/bin/scan", "-"), infected=(1, 3), name="X: (.*)"),
            ),
            spam=Spam(scorer="command", command=SpamCommand(program=("/bin/score",), max=7)),
        )
    )
    assert bench.has_engine
    assert bench.virus_command is not None
    assert bench.virus_command.words == ("/bin/scan", "-")
    assert bench.virus_command.infected == {1, 3}
    assert bench.virus_command.name is not None
    assert bench.scorer == command.Scorer(words=("/bin/score",), max_octets=7)


def test_signatures_are_verified_where_a_rule_asks(tmp_path: Path) -> None:
    """Else nothing is loaded for that."""
    assert Bench.of(settings()).auth is None
    rule = 'schema = 1\n[[rule]]\nid = "a"\naction = "reject"\nwhen.auth = "dkim"\n'
    (tmp_path / "a.toml").write_text(rule)
    bench = Bench.of(settings(policy=Policy(dir=str(tmp_path))))
    assert bench.policy.needs_auth == {"dkim"}
    assert bench.auth is not None
    assert bench.auth.methods == {"dkim", "spf", "arc"}


def test_rspamd_is_a_scorer() -> None:
    """Its servers, its bound."""
    chosen = Rspamd(servers=("tcp:127.0.0.1:11333",), max=5)
    bench = Bench.of(settings(spam=Spam(scorer="rspamd", rspamd=chosen)))
    assert isinstance(bench.scorer, spam.Scorer)
    assert (bench.scorer.servers, bench.scorer.max_octets) == ((parse("tcp:127.0.0.1:11333"),), 5)


def test_who_is_allowed_stands_in_the_folder(tmp_path: Path) -> None:
    """Also where all else is in PostgreSQL: no scan waits for a database."""
    listing.put(tmp_path, listing.entry("a@x"))
    held = Quarantine(dir=str(tmp_path), database="postgresql://nobody@nowhere.invalid/x")
    bench = Bench.of(settings(quarantine=held))
    assert bench.lists.allowed(b"a@x", b"b@y")


def test_broken_policies_are_unusable(tmp_path: Path) -> None:
    """Every mistake is in the one exception, and it ends as 55."""
    (tmp_path / "a.toml").write_text('schema = 1\n[[rule]]\nid = "a"\naction = "rejekt"\n')
    (tmp_path / "b.toml").write_text("schema = \n")
    with pytest.raises(Unusable, match=r"(?s)a\.toml.*b\.toml") as caught:
        Bench.of(settings(policy=Policy(dir=str(tmp_path))))
    assert caught.value.ending is Ending.UNUSABLE


def test_the_name_of_this_host() -> None:
    """Some name, without blanks: it stands in our header line."""
    name = own_name()
    assert name
    assert not set(name) & set(" \r\n")
    assert Bench.of(settings()).host == name
    assert name == socket.gethostname() or Path("/var/qmail/control/me").exists()
