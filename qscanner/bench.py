"""What every scan needs, made once from the settings: policy, rules, addresses of servers.

Called by  inprocess, `qscanner scan` and `check`; later the workers, before they fork.
Ends       with a Bench, or raises Unusable (Problems) with every mistake.
"""

import os
import socket
from dataclasses import dataclass
from functools import partial

from qscanner import patterns
from qscanner.checks import command, rspamd, spam, yara
from qscanner.checks.auth import Verifier
from qscanner.checks.clamav_known import Known
from qscanner.codec import servers
from qscanner.health import Health
from qscanner.model import Action
from qscanner.policy.decide import OnFailure
from qscanner.policy.read import load
from qscanner.policy.rules import Policy
from qscanner.settings import Settings, Spam, VirusCommand
from qscanner.store.lists import Lists

_QMAIL_ME = "/var/qmail/control/me"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Settings and all that is made of them. Empty tuples and None: not configured.

    `known` and `lists` are memory, and all here that changes: shared by forks as far as
    `known.health` goes, else each process's own.
    """

    settings: Settings
    policy: Policy
    on_failure: OnFailure
    yara: yara.Rules | None
    clamd: tuple[servers.Server, ...]
    virus_command: command.Engine | None
    scorer: spam.Scorer | command.Scorer | None
    host: str
    known: Known
    lists: Lists
    auth: Verifier | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Bench":
        """Load policy and rules. Raises Unusable (Problems) with every mistake."""
        virus = settings.virus
        clamd = _addresses(virus.clamav.servers) if "clamav" in virus.engines else ()
        health = Health((*clamd, *_spam_servers(settings.spam)))
        policy = load(settings.policy.dir)
        return cls(
            settings=settings,
            policy=policy,
            on_failure=OnFailure(
                virus=_action(virus.on_failure), spam=_action(settings.spam.on_failure)
            ),
            yara=yara.Rules.of_files(virus.yara.rules) if "yara" in virus.engines else None,
            clamd=clamd,
            virus_command=_engine(virus.command) if "command" in virus.engines else None,
            scorer=_scorer(settings.spam, health),
            host=settings.queue.host or own_name(),
            known=Known(health),
            # With PostgreSQL too: others write the file, and no scan waits for a database.
            lists=Lists.of_folder(settings.quarantine.dir),
            auth=Verifier.of(settings.auth) if policy.needs_auth else None,
        )

    @property
    def has_engine(self) -> bool:
        """Say whether any virus engine is configured."""
        return bool(self.settings.virus.engines)


def _action(word: str) -> Action:
    return Action(word)


def _engine(chosen: VirusCommand) -> command.Engine:
    return command.Engine(
        words=chosen.program,
        clean=frozenset(chosen.clean),
        infected=frozenset(chosen.infected),
        unscannable=frozenset(chosen.unscannable),
        name=patterns.compile_capturing(chosen.name) if chosen.name else None,
    )


def _spam_servers(chosen: Spam) -> tuple[servers.Server, ...]:
    by_server = {"spamd": chosen.spamd.servers, "rspamd": chosen.rspamd.servers}
    return _addresses(by_server.get(chosen.scorer, ()))


def _scorer(chosen: Spam, health: Health) -> spam.Scorer | command.Scorer | None:
    if chosen.scorer == "none":
        return None
    if chosen.scorer == "command":
        return command.Scorer(words=chosen.command.program, max_octets=chosen.command.max)
    ask: spam.Ask = partial(spam.ask_spamd, user=chosen.spamd.user)
    most = chosen.spamd.max
    if chosen.scorer == "rspamd":
        ask, most = partial(rspamd.ask, threshold=chosen.rspamd.threshold), chosen.rspamd.max
    return spam.Scorer(servers=_spam_servers(chosen), ask=ask, max_octets=most, health=health)


def _addresses(texts: tuple[str, ...]) -> tuple[servers.Server, ...]:
    return tuple(servers.parse(text) for text in texts)


def own_name() -> str:
    """Give the name of this host: qmail's control/me where there is one, else the system's."""
    try:
        with open(_QMAIL_ME, encoding="ascii") as file:
            name = file.readline().strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    return name or socket.gethostname() or os.uname().nodename
