"""programs.admin_quarantine_review: `qscanner quarantine review`."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from qscanner.store.lists import Lists
from tests.fakes.desk import ROOT
from tests.fakes.holds import Hold, several
from tests.fakes.posting import Post

LEARN = """
[spam.learn]
spam = ["{program}", "spam"]
ham = ["{program}", "ham"]
"""


@pytest.fixture
def post(tmp_path: Path, fake_queue: Path) -> Post:
    """Give an installation with the strict queue program, and who learns what is spam."""
    made = Post(tmp_path, fake_queue)
    learner = tmp_path / "learner"
    learner.write_text(f'#!/bin/sh\nset -e\ncat > "{tmp_path}/learned.$1"\n')
    learner.chmod(0o755)
    made.desk.settings(
        program=str(tmp_path / "wrapper"), spam=LEARN.format(program=learner).strip()
    )
    return made


def review(post: Post, keys: bytes, *words: str) -> tuple[int, str]:
    """Press these keys; give how it ended, and what was shown."""
    return post.run("review", *words, given=keys)


def states(post: Post) -> list[Any]:
    """Give the states, oldest message first."""
    lines = post.run("list", "--json", "--oldest-first")[1].splitlines()
    return [json.loads(line)["state"] for line in lines]


def test_a_key_each(post: Post) -> None:
    """Release, delete, next, and quit; a key that means nothing does nothing."""
    post.kept(*several(4))
    code, told = review(post, b"rx\x1bdnq")
    assert code == 0
    assert "4 messages held" in told
    assert "3 of 4" in told
    assert told.endswith("quit\n1 released, 1 deleted, 1 left; 2 of them still held\n")
    assert states(post) == ["released", "deleted", "held", "held"]
    (one,) = post.queued
    assert one.message == b"Subject: 0\n\nbody\n"
    assert all(line.isprintable() for line in told.split("\n"))


def test_allow_and_block(post: Post) -> None:
    """The sender from now on, for those whose copies these are; and what becomes of this one."""
    good, bad = several(2)
    post.kept(good, replace(bad, sender=b"eve@x.example"))
    code, told = review(post, b"ab")
    assert code == 0
    assert states(post) == ["released", "deleted"]
    lists = Lists.of_folder(post.quarantine.dir)
    assert lists.allowed(b"ann@example.org", b"joe@example.com")
    assert lists.allowed(b"ann@example.org", b"other@example.com") is None
    blocked = lists.find(b"eve@x.example", b"sue@example.net")
    assert blocked
    assert not blocked.is_allowed
    assert blocked.why == "review"
    assert "1 allowed and released, 1 blocked and deleted" in told


def test_a_bounce_cannot_be_allowed(post: Post) -> None:
    """It says so, and the message stays in front: another key decides."""
    post.kept(replace(Hold(), sender=b""))
    code, told = review(post, b"ad")
    assert code == 1
    assert "it is a bounce" in told
    assert states(post) == ["deleted"]


def test_spam_and_ham(post: Post) -> None:
    """Learned as it came; spam is deleted then, ham is released."""
    post.kept(*several(2))
    code, told = review(post, b"sh")
    assert code == 0, told
    assert states(post) == ["deleted", "released"]
    for kind, number in (("spam", 0), ("ham", 1)):
        learned = (post.desk.folder / f"learned.{kind}").read_bytes()
        assert learned == b"Subject: %d\n\nbody\n" % number
    assert "learned as spam" in post.run("audit")[1]


def test_nobody_learns(post: Post) -> None:
    """Spam that was not learned stays in front, held; ham is out all the same."""
    post.desk.settings(program=str(post.desk.folder / "wrapper"))
    post.kept(*several(2))
    code, told = review(post, b"snh")
    assert code == 2
    assert "no scorer is set that could learn" in told
    assert states(post) == ["held", "released"]


def test_what_got_worse_is_asked(post: Post) -> None:
    """A release that scanners warn of waits for a yes; no leaves it in front."""
    from tests.fakes.mails import EICAR

    post.kept(Hold(octets=b"Subject: x\n\n" + EICAR + b"\n"))
    code, told = review(post, b"r")
    assert code == 1
    assert "today's engines find" in told
    assert states(post) == ["held"]


def test_only_some(post: Post) -> None:
    """A filter says which."""
    post.kept(*several(2))
    assert review(post, b"d", "--class", "virus") == (0, "0 messages held\n")
    assert review(post, b"d", "--text", "joe@")[0] == 0
    assert states(post) == ["deleted", "held"]


def test_what_keys_mean(post: Post) -> None:
    """A question mark says it of each, and decides nothing."""
    post.kept(Hold())
    told = review(post, b"?q")[1]
    assert "  d  delete it\n" in told
    assert "  r  release it; where today's scanners warn, it asks\n" in told
    assert told.endswith("quit\nnothing done; 1 of them still held\n")
    assert states(post) == ["held"]


def test_the_end_of_the_keys(post: Post) -> None:
    """Who is cut off has decided nothing."""
    post.kept(*several(2))
    review(post, b"")
    assert states(post) == ["held"] * 2


def test_an_interrupt_ends_it(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """As q does: what was done until then is summed up."""
    post.kept(*several(2))
    keys = iter("d")

    def press() -> str:
        if key := next(keys, ""):
            return key
        raise KeyboardInterrupt

    monkeypatch.setattr(click, "getchar", press)
    code, told = post.run("review")
    assert code == 0
    assert told.endswith("quit\n1 deleted; 1 of them still held\n")


def test_without_a_terminal(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can press a key; ends with 2."""

    def none(*_: object, **__: object) -> NoReturn:
        raise OSError("no terminal")

    post.kept(Hold())
    monkeypatch.setattr(click, "getchar", none)
    assert post.run("review")[0] == 2


def test_the_script(tmp_path: Path) -> None:
    """scripts/quarantine-review is this command."""
    program = tmp_path / "qscanner"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts" / "quarantine-review", "--class", "spam"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "quarantine review --class spam\n"
