"""Learning: tells the spam scorer that a message is spam, or that it is ham.

Called by  the admin's commands, when somebody has looked at a message. Never by a scan.
Ends       with Learned; raises NotLearned where the scorer did not do it, Unusable where the
           settings name nobody who could.
Careful    the message goes out as it came, octet for octet: no line of ours on top. Of several
           servers only the first that answers learns. A password is read when it is needed, and
           stands in no value and no words.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from qscanner import commands
from qscanner.checks.command import last_line
from qscanner.checks.spam import user_of
from qscanner.checks.told import Told
from qscanner.codec import rspamd_tell, spamd, spamd_tell
from qscanner.codec.rspamd_tell import Said
from qscanner.codec.servers import Server, parse
from qscanner.conversation import Conversation
from qscanner.deadline import Deadline
from qscanner.outcomes import CheckFailed, OutOfTime, Unusable
from qscanner.settings import Spam
from qscanner.spool import Message

_CHUNK_OCTETS = 1 << 16
_MAX_REPLY_OCTETS = max(rspamd_tell.MAX_REPLY_OCTETS, spamd_tell.MAX_REPLY_OCTETS)
_EARLY = "it answered before it had the whole message"
_NOBODY = (
    "no scorer is set that could learn: set [spam] scorer to spamd or rspamd, "
    "or name programs in [spam.learn] spam and ham"
)
_NOT_ALLOWED = "this spamd does not learn: start it with --allow-tell"
_LEARNS_NOTHING = (
    "spamd neither knew nor learned it: is Bayes on (use_bayes 1), and may spamd's user write "
    "its database?"
)
_WANTS_ONE = (
    "rspamd's controller wants a password (its enable_password): name a file with it in "
    "[spam.rspamd] password_file"
)
_WANTS_ANOTHER = (
    "rspamd's controller does not take the password of [spam.rspamd] password_file: it must be "
    "that of its enable_password"
)


class Learned(enum.Enum):
    """What became of it: the scorer learned, or it knew the message as that already."""

    LEARNED = "learned"
    KNOWN = "known"


class NotLearned(Exception):
    """The scorer did not learn; the text says why and what to do.

    `is_of_message`: for the message's own sake; others may well be learned.
    """

    def __init__(self, text: str, *, is_of_message: bool = False) -> None:
        super().__init__(text)
        self.is_of_message = is_of_message


class _Tell(Protocol):
    """How one server is told."""

    def __call__(
        self, message: Message, server: Server, *, is_spam: bool, deadline: Deadline
    ) -> Learned:
        """Tell it. Raises NotLearned, CheckFailed, OutOfTime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """Who learns, as the settings say."""

    settings: Spam

    @classmethod
    def of(cls, settings: Spam) -> "Learner":
        """Give the learner of [spam]; whether there is one shows when it is to learn."""
        return cls(settings=settings)

    @property
    def within_s(self) -> float:
        """How long learning one message may take, by the settings."""
        return self.settings.learn.within

    def learn(
        self,
        message: Message,
        *,
        is_spam: bool,
        within_s: float,
        recipients: Sequence[bytes] = (),
    ) -> Learned:
        """Have the scorer learn a message, in `within_s` seconds at most.

        `recipients` are those whose message it is: with `user = "recipient"` the only one's
        database is meant. Raises NotLearned, and Unusable where nobody is set who could learn or
        the password cannot be read.
        """
        learn = self.settings.learn
        program = learn.spam if is_spam else learn.ham
        way = None if program else self._way(recipients)
        most = self._max_octets()
        if most and message.size > most:
            text = f"not learned: larger than the {most} octets that the scorer takes"
            raise NotLearned(text, is_of_message=True)
        if way is None:
            return _run(program, message, within_s=within_s)
        servers, tell = way
        return _first(message, servers, tell, is_spam=is_spam, within_s=within_s)

    def _way(self, recipients: Sequence[bytes]) -> "tuple[tuple[Server, ...], _Tell]":
        chosen = self.settings
        if chosen.scorer == "spamd":
            user = user_of(Told(recipients=tuple(recipients)), chosen.spamd.user)
            return _addresses(chosen.spamd.servers), _Spamd(user=user)
        if chosen.scorer == "rspamd":
            tell = _Rspamd(password_file=chosen.rspamd.password_file)
            tell.password()  # what cannot be read is told before anybody is asked
            return _addresses(chosen.rspamd.controllers), tell
        raise Unusable(_NOBODY)

    def _max_octets(self) -> int:
        """Give how large a message may be; 0: as large as it is."""
        chosen = self.settings
        most = {
            "spamd": chosen.spamd.max,
            "rspamd": chosen.rspamd.max,
            "command": chosen.command.max,
        }
        return most.get(chosen.scorer, 0)


def _addresses(texts: Sequence[str]) -> tuple[Server, ...]:
    return tuple(parse(text) for text in texts)


def _run(program: Sequence[str], message: Message, *, within_s: float) -> Learned:
    """Have a program learn: 0 is that it did, whether it knew the message or not."""
    try:
        ran = commands.run(program, message.fd, within_s=within_s)
    except (CheckFailed, OutOfTime) as error:
        raise NotLearned(str(error)) from error
    if ran.code:
        raise NotLearned(f"{program[0]}: exit code {ran.code}: {last_line(ran)}")
    return Learned.LEARNED


def _first(
    message: Message, servers: Sequence[Server], tell: _Tell, *, is_spam: bool, within_s: float
) -> Learned:
    """Tell the servers in their order, until one has an answer; each has its share of time."""
    deadline = Deadline(within_s)
    reasons: list[str] = []
    for place, server in enumerate(servers):
        try:
            share = Deadline(deadline.remaining_s() / (len(servers) - place))
            return tell(message, server, is_spam=is_spam, deadline=share)
        except NotLearned as error:
            if error.is_of_message:
                raise
            reasons.append(f"{server.text}: {error}")
        except (CheckFailed, OutOfTime) as error:
            reasons.append(str(error))
    raise NotLearned("; ".join(dict.fromkeys(reasons)) or "no server is set")


def _asked(
    head: bytes, message: Message, server: Server, deadline: Deadline, *, is_cut: bool
) -> tuple[bytes, bool]:
    """Send an order and the message; give the answer, and whether it came after all was heard.

    `is_cut`: tell the server where the message ends; spamd wants it, HTTP does not.
    """
    with Conversation(server, within_s=deadline.remaining_s()) as talk:
        is_open = talk.send(head)
        for start in range(0, message.size, _CHUNK_OCTETS):
            if not is_open:
                break
            is_open = talk.send(message.octets[start : start + _CHUNK_OCTETS])
        if is_open and is_cut:
            talk.finish_sending()
        return talk.receive(max_octets=_MAX_REPLY_OCTETS), is_open and not talk.was_reset


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spamd:
    """Tells a spamd; `user` is whose database is meant."""

    user: str

    def __call__(
        self, message: Message, server: Server, *, is_spam: bool, deadline: Deadline
    ) -> Learned:
        """Tell it; where it did nothing, prove that it knew.

        Raises NotLearned, CheckFailed, OutOfTime.
        """
        if self._ordered(message, server, is_spam, deadline).did_set:
            return Learned.LEARNED
        # It says the same where it learns nothing at all. What it can forget, it knew.
        if not self._ordered(message, server, None, deadline).did_remove:
            raise NotLearned(_LEARNS_NOTHING)
        if not self._ordered(message, server, is_spam, deadline).did_set:
            raise NotLearned("spamd knew it, forgot it, and did not learn it again: try again")
        return Learned.KNOWN

    def _ordered(
        self, message: Message, server: Server, is_spam: bool | None, deadline: Deadline
    ) -> spamd_tell.Answer:
        head = spamd_tell.order(message.size, is_spam=is_spam, user=self.user)
        octets, is_heard = _asked(head, message, server, deadline, is_cut=True)
        decoder = spamd_tell.Decoder()
        try:
            decoder.feed(octets)
            answer = decoder.finish()
        except spamd_tell.NotAllowed as error:
            raise NotLearned(_NOT_ALLOWED) from error
        except spamd.BadReply as error:
            raise CheckFailed(f"{server.text}: {error}") from error
        if not is_heard:
            raise CheckFailed(f"{server.text}: {_EARLY}")
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rspamd:
    """Tells a controller of rspamd's; the file's first line is the password, "" for none."""

    password_file: str

    def __call__(
        self, message: Message, server: Server, *, is_spam: bool, deadline: Deadline
    ) -> Learned:
        """Tell it. Raises NotLearned, CheckFailed, OutOfTime."""
        password = self.password()
        head = rspamd_tell.order(message.size, is_spam=is_spam, password=password)
        octets, is_heard = _asked(head, message, server, deadline, is_cut=False)
        try:
            answer = rspamd_tell.parse(octets)
        except rspamd_tell.BadReply as error:
            raise CheckFailed(f"{server.text}: {error}") from error
        words = answer.words.replace(password, "...") if password else answer.words
        match answer.said:
            case Said.REFUSED:
                raise NotLearned(_WANTS_ANOTHER if password else _WANTS_ONE)
            case Said.FAILED:
                raise NotLearned(f"rspamd does not learn: {words}")
            case Said.NOT_THIS:
                raise NotLearned(f"rspamd cannot learn from it: {words}", is_of_message=True)
            case Said.LEARNED | Said.KNOWN:
                if not is_heard:
                    raise CheckFailed(f"{server.text}: {_EARLY}")
                return Learned.LEARNED if answer.said is Said.LEARNED else Learned.KNOWN

    def password(self) -> str:
        """Give the password. Raises Unusable where the file has none."""
        if not self.password_file:
            return ""
        name = "spam.rspamd.password_file"
        try:
            with open(self.password_file, encoding="utf-8") as file:
                found = file.readline().strip()
        except UnicodeDecodeError as error:
            raise Unusable(f"{name}: its first line is no text in UTF-8") from error
        except OSError as error:
            raise Unusable(f"{name} cannot be read: {error}") from error
        if not rspamd_tell.is_password(found):
            raise Unusable(f"{name}: its first line is no password")
        return found
