"""policy.sentence: one rule with everything that goes with it; mistakes are in bad_policies."""

from pathlib import Path

import pytest

from qscanner.codec.problems import Problems
from qscanner.model import Action, Edits, Notify
from qscanner.policy.rules import Mode
from qscanner.policy.sentence import MAX_REPLY_OCTETS
from tests.fakes.facts import policy


def test_all_keys(tmp_path: Path) -> None:
    """Nothing that is written is lost."""
    text = """
    [[rule]]
    id = "Tag.it_1-a"
    why = "Because: \u00fc"
    action = "accept"
    spam = {at_least = 5}
    add_header = {X-One = "1", x-Two = "2"}
    subject_prefix = "[spam] "
    final = true
    order = -1.5
    [[rule]]
    id = "b"
    action = "reject"
    virus = "*"
    reply = "No."
    keep = true
    mode = "log-only"
    [[rule]]
    id = "c"
    action = "accept"
    part.kind = "pe"
    strip = true
    """
    one, two, three = policy(tmp_path, text).rules
    assert [each.strips for each in (one, two, three)] == [False, False, True]
    assert (one.id, one.why, one.action, one.is_final) == (
        "Tag.it_1-a", "Because: \u00fc", Action.ACCEPT, True,
    )  # fmt: skip
    assert one.edits == Edits(
        add_headers=(("X-One", "1"), ("x-Two", "2")), subject_prefix="[spam] "
    )
    assert (one.mode, one.order) == (Mode.ON, -1.5)
    assert (two.reply, two.keep, two.mode) == ("No.", True, Mode.LOG_ONLY)


@pytest.mark.parametrize("action", list(Action))
def test_all_actions(tmp_path: Path, action: Action) -> None:
    """By the words of the manual."""
    text = f'[[rule]]\nid = "a"\nvirus = "*"\naction = "{action.value}"\n'
    assert policy(tmp_path, text).rules[0].action is action


def test_who_is_told_and_where_copies_go(tmp_path: Path) -> None:
    """One word or a list, each once; Maildirs and addresses are told apart."""
    text = """
    [[rule]]
    id = "a"
    virus = "*"
    action = "accept"
    notify = "admin"
    copy_to = ["x@y", "maildir:/var/mail/all/", "maildir:/var/mail/all"]
    [[rule]]
    id = "b"
    virus = "*"
    action = "quarantine"
    notify = ["recipients", "admin", "recipients"]
    """
    one, two = policy(tmp_path, text).rules
    assert (one.copy_to, one.maildirs) == ((b"x@y",), ("/var/mail/all",))
    assert one.notify == (Notify.ADMIN,)
    assert two.notify == (Notify.RECIPIENTS, Notify.ADMIN)


def test_the_longest_reply_fits(tmp_path: Path) -> None:
    """With its letter and code, 250 octets; one more is refused."""
    text = '[[rule]]\nid = "a"\nvirus = "*"\naction = "reject"\nreply = "{}"\n'
    reply = "x" * MAX_REPLY_OCTETS
    assert len(f"D{reply} (#5.7.1)") == 250
    assert policy(tmp_path, text.format(reply)).rules[0].reply == reply
    with pytest.raises(Problems):
        policy(tmp_path, text.format(f"{reply}x"))
