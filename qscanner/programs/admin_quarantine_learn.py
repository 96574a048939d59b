"""`qscanner quarantine learn`: tells the spam scorer what somebody has seen in a held message.

Called by  programs.admin_quarantine; the review takes learn_one().
Ends       0 when all were learned or known; 1 where one could not be for its own sake (too large,
           octets gone); 2 for ids that mean nothing, and where nobody is set who could learn; 3
           where the scorer is down or does not learn: the others are not tried then.
Careful    what is learned is the message as it came. It stays held: learning is no release.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qscanner.codec.envelope import Decoder
from qscanner.codec.text import for_terminal
from qscanner.learning import Learned, Learner, NotLearned
from qscanner.outcomes import QScannerError, Unusable
from qscanner.programs.admin_options import Exit, config_option, counted, settings
from qscanner.programs.admin_quarantine_filter import Asked, filter_options, ids_or_filter, meant
from qscanner.programs.admin_quarantine_store import (
    Bar,
    complain,
    confirmed,
    here,
    opened,
    why_option,
    yes_option,
)
from qscanner.store.words import Held, StoreError, Who

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_SPAM, _HAM = "spam", "ham"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """How learning one message ended, and what is told of it: "" nothing."""

    end: Exit
    told: str = ""
    trouble: str = ""

    def tell(self) -> Exit:
        """Print it, and give how it ended."""
        if self.told:
            click.echo(for_terminal(self.told))
        if self.trouble:
            complain(self.trouble)
        return self.end


@click.command("learn")
@config_option
@why_option
@yes_option
@filter_options()
@click.argument("kind", metavar="spam|ham", type=click.Choice([_SPAM, _HAM]))
@ids_or_filter
@click.pass_context
def learn(  # noqa: PLR0913 - what the command line says
    context: click.Context,
    /,
    kind: str,
    ids: tuple[str, ...],
    *,
    why: str,
    is_yes: bool,
    asked: Asked,
) -> None:
    """Have the spam scorer learn held messages: those named, or all that a filter finds.

    They stay held. What was learned as the other is learned anew.
    """
    chosen = settings()
    learner = Learner.of(chosen.spam)
    with opened(chosen) as store:
        wanted = [held for held, _ in meant(store, ids, asked)]
        if not wanted:
            click.echo("nothing is held that is so")
        confirmed(len(wanted), f"learn as {kind}:", is_yes=is_yes)
        end = learn_all(store, wanted, learner, is_spam=kind == _SPAM, by=here(), why=why)
    context.exit(end)


def learn_all(  # noqa: PLR0913 - what and as what; by whom and why
    store: "Store", wanted: Sequence[Held], learner: Learner, *, is_spam: bool, by: Who, why: str
) -> Exit:
    """Have messages learned, and tell of each; the first that shows that nobody learns ends it."""
    lessons: list[Lesson] = []
    try:
        with Bar("learning") as bar:
            for done, held in enumerate(wanted, 1):
                lessons.append(learn_one(store, held, learner, is_spam=is_spam, by=by, why=why))
                if lessons[-1].end > Exit.FOUND:
                    break
                if len(wanted) > 1:
                    bar(done, len(wanted))
    finally:  # what was learned is told, also where somebody pressed ^C
        end = max((lesson.tell() for lesson in lessons), default=Exit.FINE)
    left = len(wanted) - len(lessons)
    if left:
        complain(f"{counted(left, 'message')} not tried")
    return end


def learn_one(  # noqa: PLR0913 - as learn_all()
    store: "Store", held: Held, learner: Learner, *, is_spam: bool, by: Who, why: str
) -> Lesson:
    """Have one message learned, and write it into the audit; nothing is printed."""
    kind = _SPAM if is_spam else _HAM
    try:
        learned = _learned(store, held, learner, is_spam=is_spam)
    except NotLearned as error:
        end = Exit.FOUND if error.is_of_message else Exit.DOWN
        return Lesson(end=end, trouble=f"{held.id}: {error}")
    except StoreError as error:
        return Lesson(end=Exit.FOUND, trouble=f"not learned: {error}")
    except Unusable as error:
        return Lesson(end=Exit.WRONG, trouble=str(error))
    if learned is Learned.KNOWN:
        return Lesson(end=Exit.FINE, told=f"{held.id} was known as {kind} already")
    store.note(held, f"learned as {kind}", by=by, why=why)
    return Lesson(end=Exit.FINE, told=f"learned {held.id} as {kind}")


def _learned(store: "Store", held: Held, learner: Learner, *, is_spam: bool) -> Learned:
    recipients: tuple[bytes, ...] = ()
    with contextlib.suppress(StoreError, QScannerError):  # a damaged record: nobody's database
        decoder = Decoder()
        decoder.feed(store.envelope(held, held.recipients))
        recipients = decoder.finish().recipients
    message = store.message(held)
    try:
        return learner.learn(
            message, is_spam=is_spam, within_s=learner.within_s, recipients=recipients
        )
    finally:
        message.close()
