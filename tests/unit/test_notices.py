"""notices: who is told, and who never is."""

from pathlib import Path

import pytest

from qscanner import notices, outbox
from qscanner.log import Log
from qscanner.model import Action, Direction, Notify
from qscanner.outbox import Kind
from qscanner.policy.rules import Policy
from qscanner.settings import Notices, Quarantine, Settings
from tests.fakes import facts
from tests.fakes.post import DIGEST, report

ACCEPT, HOLD, DISCARD, REJECT, DEFER = (
    Action.ACCEPT,
    Action.QUARANTINE,
    Action.DISCARD,
    Action.REJECT,
    Action.DEFER,
)
ADMIN = "root@here.example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(quarantine=Quarantine(dir=str(tmp_path)), notices=Notices(admin=ADMIN))


def posted(settings: Settings, *actions: Action, **said: object) -> dict[Kind, tuple[bytes, ...]]:
    """Give who would get which letter."""
    notices.post(report(*actions, **said), settings, Log("stderr"))  # type: ignore[arg-type]
    folder = outbox.folder(settings.quarantine.dir)
    read = [outbox.read(folder, name) for name in outbox.waiting(folder)]
    return {each.kind: each.to for each in read}


ROOT = {Kind.ADMIN: (ADMIN.encode(),)}


@pytest.mark.parametrize(
    ("actions", "told"),
    [
        ((HOLD,), {Kind.HELD: (b"r0@here.example",)} | ROOT),
        ((DISCARD,), {Kind.DISCARDED: (b"r0@here.example",)} | ROOT),
        ((ACCEPT, HOLD, DISCARD), {
            Kind.HELD: (b"r1@here.example",), Kind.DISCARDED: (b"r2@here.example",)} | ROOT),
        ((REJECT,), ROOT),
        ((ACCEPT,), ROOT),
    ],
    ids=["held", "discarded", "differ", "refused", "accepted"],
)  # fmt: skip
def test_who_is_told(
    settings: Settings, actions: tuple[Action, ...], told: dict[Kind, tuple[bytes, ...]]
) -> None:
    """Recipients of what they do not get; the admin of everything that a rule names."""
    assert posted(settings, *actions) == told


@pytest.mark.parametrize("notify", [(), (Notify.ADMIN,), (Notify.RECIPIENTS,)], ids=len)
def test_only_whom_the_rule_names(settings: Settings, notify: tuple[Notify, ...]) -> None:
    """Nobody by itself."""
    wanted = {Notify.ADMIN: Kind.ADMIN, Notify.RECIPIENTS: Kind.HELD}
    assert posted(settings, HOLD, notify=notify).keys() == {wanted[each] for each in notify}


@pytest.mark.parametrize(
    "sender", [b"", b"#@[]", b"list-owner-@x-@[]"], ids=["null", "double", "verp"]
)
def test_never_of_bounces(settings: Settings, sender: bytes) -> None:
    """The null sender, that of a double bounce, and that of a list."""
    assert posted(settings, HOLD, sender=sender) == {}


@pytest.mark.parametrize(
    "header",
    [
        ("List-Id", "<x>"),
        ("LIST-Unsubscribe", "<x>"),
        ("Precedence", " Bulk "),
        ("precedence", "list"),
        ("Precedence", "junk"),
        ("Auto-Submitted", "auto-replied"),
        ("Auto-Submitted", "auto-generated; x=no"),
        ("Auto-Submitted", ""),
    ],
    ids=lambda each: "-".join(each),
)
def test_never_of_lists_and_programs(settings: Settings, header: tuple[str, str]) -> None:
    """Whatever else stands in the header, before or after."""
    headers = (("Subject", "x"), header, ("Auto-Submitted", "no"))
    assert posted(settings, HOLD, headers=headers) == {}


@pytest.mark.parametrize(
    "header", [("Auto-Submitted", "no"), ("Auto-Submitted", "No; x=y"), ("Precedence", "first")]
)
def test_ordinary_mail(settings: Settings, header: tuple[str, str]) -> None:
    """What people write is told of."""
    assert posted(settings, HOLD, headers=(header,)) != {}


def test_never_without_a_header(settings: Settings) -> None:
    """What was not read may be anything."""
    assert posted(settings, HOLD, headers=()) == {}


@pytest.mark.parametrize("direction", [Direction.OUT, Direction.LOCAL])
def test_recipients_of_outgoing_mail_are_strangers(
    settings: Settings, direction: Direction
) -> None:
    """They are not told what becomes of mail that never left us."""
    assert posted(settings, HOLD, client={"direction": direction}) == ROOT


def test_nobody_is_the_admin() -> None:
    """Without an address nothing is written, and check says so."""
    made = Settings()
    assert notices.problems(made, Policy(folder="x")) == []


def test_problems(tmp_path: Path) -> None:
    """A rule that tells an admin who is nobody."""
    rule = '[[rule]]\nid = "a"\nvirus = "*"\naction = "reject"\nnotify = "admin"\n'
    policy = facts.policy(tmp_path, rule)
    assert notices.problems(Settings(notices=Notices(admin=ADMIN)), policy) == []
    (said,) = notices.problems(Settings(), policy)
    assert said.startswith("rule a tells the admin")


def test_each_recipient_once_and_many_in_pieces(settings: Settings) -> None:
    """More than one letter holds come in several."""
    notices.post(report(*[HOLD] * 1001, notify=(Notify.RECIPIENTS,)), settings, Log("stderr"))
    folder = outbox.folder(settings.quarantine.dir)
    sizes = sorted(len(outbox.read(folder, each).to) for each in outbox.waiting(folder))
    assert sizes == [1, 500, 500]


def test_what_is_written(settings: Settings) -> None:
    """Values are as they came, for letters to escape; recipients are not told of each other."""
    posted(settings, HOLD, HOLD, sender=b"a\xff@x", headers=(("Subject", "a\nb"),))
    folder = outbox.folder(settings.quarantine.dir)
    by_kind = {
        each.kind: each for each in (outbox.read(folder, n) for n in outbox.waiting(folder))
    }
    held = by_kind[Kind.HELD]
    assert held.about == DIGEST
    assert held.values["subject"] == "a\nb"
    assert held.values["sender"] == "a\xff@x"
    assert "recipients" not in held.values
    assert by_kind[Kind.ADMIN].values["recipients"] == "r0@here.example, r1@here.example"


def test_an_outbox_that_cannot_be_written(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is logged, and nothing is raised: the message is held already."""
    Path(outbox.folder(settings.quarantine.dir)).write_text("in the way")
    notices.post(report(HOLD), settings, Log("stderr"))
    assert "event=notice-not-kept id=i1 kind=held to=1" in capfd.readouterr().err
