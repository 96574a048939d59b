"""The facts of a message by our own looking, for whoever decides about them later.

Called by  rehearsal, replaying: what tests rules, or compares them.
Ends       as scan does: with Facts, or raises OutOfTime, or what is a bug of ours.
Careful    no server is asked, unless a bench with servers is handed in; and nothing is decided:
           the policy in these benches has no rules, and nobody is allowed or blocked.
"""

from dataclasses import replace

from qscanner.bench import Bench
from qscanner.checks.clamav_known import Known
from qscanner.checks.yara import Rules
from qscanner.deadline import Deadline
from qscanner.health import Health
from qscanner.model import Action, Facts
from qscanner.policy.decide import OnFailure
from qscanner.policy.rules import Policy
from qscanner.report import Mail
from qscanner.scan import scan
from qscanner.settings import Settings
from qscanner.store.lists import Lists


def bench(settings: Settings, *, needs_texts: bool, has_engine: bool = False) -> Bench:
    """Give a bench that asks nobody; `has_engine`: but the embedded engine, if it is configured.

    Raises Unusable where the engine's rules cannot be used.
    """
    engines = tuple(each for each in settings.virus.engines if has_engine and each == "yara")
    virus = replace(settings.virus, engines=engines)
    alone = replace(settings, virus=virus, spam=replace(settings.spam, scorer="none"))
    return Bench(
        settings=alone,
        policy=no_rules(needs_texts=needs_texts),
        on_failure=on_failure(settings),
        yara=Rules.of_files(virus.yara.rules) if engines else None,
        clamd=(),
        virus_command=None,
        scorer=None,
        host="localhost",
        known=Known(Health(())),
        lists=Lists.nobody(),
    )


def no_rules(*, needs_texts: bool, needs_auth: frozenset[str] = frozenset()) -> Policy:
    """Give a policy without rules; `needs_…` is what those ask about that decide later."""
    return Policy(folder="", needs_texts=needs_texts, needs_auth=needs_auth)


def on_failure(settings: Settings) -> OnFailure:
    """Give what the settings say of checks that cannot answer; no emergency."""
    return OnFailure(
        virus=Action(settings.virus.on_failure), spam=Action(settings.spam.on_failure)
    )


def facts(mail: Mail, chosen: Bench, *, within_s: float) -> Facts:
    """Give what is to be seen of one message."""
    return scan(mail, chosen, Deadline(within_s)).facts
