"""programs.admin_quarantine_senders: allow, block, senders, unlist."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner.store.lists import Lists
from tests.fakes.holds import Hold
from tests.fakes.posting import Post

DAY = 86400.0


@pytest.fixture
def post(tmp_path: Path, fake_queue: Path) -> Post:
    """Give an installation."""
    return Post(tmp_path, fake_queue)


def entries(post: Post) -> list[dict[str, object]]:
    """Give the entries as `senders --json` prints them."""
    return [json.loads(line) for line in post.run("senders", "--json")[1].splitlines()]


def test_an_entry(post: Post) -> None:
    """In force at once, told, listed, taken back; all of it is in the audit."""
    code, told = post.run("allow", "Ann@Example.org", "--for", "joe@example.com", "--why", "a\x1b")
    assert code == 0
    (entry,) = entries(post)
    assert told.startswith("allowed ann@example.org for joe@example.com until 2")
    assert f"({entry['id']})" in told
    lists = Lists.of_folder(post.quarantine.dir)
    found = lists.allowed(b"ann@example.org", b"joe@example.com")
    assert found
    assert found.until
    assert abs(found.until - time.time() - 365 * DAY) < 60
    assert lists.find(b"ann@example.org", b"sue@example.com") is None
    line = post.run("senders")[1]
    assert "a\\x1b" in line
    assert str(entry["id"]) in line
    assert post.run("unlist", str(entry["id"]), "--why", "over") == (
        0,
        f"took back {entry['id']}\n",
    )
    assert lists.find(b"ann@example.org", b"joe@example.com") is None
    assert post.run("senders")[1] == "nobody is allowed or blocked\n"
    code, told = post.run("unlist", str(entry["id"]))
    assert code == 1
    assert "no entry" in told
    audit = [json.loads(line) for line in post.run("audit", "--json")[1].splitlines()]
    assert [(each["did"].partition(" until")[0], each["why"]) for each in audit] == [
        ("allowed ann@example.org for joe@example.com", "a\x1b"),
        ("took back: allowed ann@example.org for joe@example.com", "over"),
    ]
    assert {each["after"] for each in audit} == {None}


@pytest.mark.parametrize(
    ("words", "sender", "recipient"),
    [
        (("a@x.example",), "a@x.example", ""),
        (("@x.example", "--for", "all"), "@x.example", ""),
        (("x.example", "--for", "Y.example"), "@x.example", "@y.example"),
        (("a@x.example", "--for", "@y.example", "--days", "0"), "a@x.example", "@y.example"),
        (("a@x.example", "--until", "2999-12-31"), "a@x.example", ""),
    ],
    ids=["all", "domain", "bare domains", "for ever", "a day"],
)
def test_what_is_meant(words: tuple[str, ...], sender: str, recipient: str, post: Post) -> None:
    """Addresses, domains with and without @, and how long."""
    assert post.run("block", *words)[0] == 0
    (entry,) = entries(post)
    assert (entry["sender"], entry["recipient"]) == (sender, recipient)
    assert entry["is_allowed"] is False
    assert (entry["until"] is None) == ("0" in words)


def test_of_a_held_message(post: Post) -> None:
    """Its sender, for each for whom it is held; --for says it otherwise."""
    (id_,) = post.kept(Hold())
    assert post.run("allow", id_, "--days", "3")[0] == 0
    assert [(each["sender"], each["recipient"]) for each in entries(post)] == [
        ("ann@example.org", "joe@example.com"),
        ("ann@example.org", "sue@example.net"),
    ]
    assert post.run("block", id_, "--for", "all")[0] == 0
    assert entries(post)[-1]["recipient"] == ""


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("a@x", "--for", "joe"),
        ("a@x", "--days", "3", "--until", "2999-01-01"),
        ("a@x", "--until", "yesterday"),
        ("a@x", "--until", "2001-01-01"),
        ("a@x\x1b",),
        ("a" * 400 + "@x",),
    ],
    ids=["no id", "no address", "both", "no day", "over", "control", "long"],
)
def test_what_is_refused(words: tuple[str, ...], post: Post) -> None:
    """Nothing is written, and it ends with 2."""
    assert post.run("allow", *words)[0] == 2
    assert entries(post) == []


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        ("ann", '"ann" is no address, no "@domain", and no id of a held message'),
        ("all", '"all" is no address, no "@domain", and no id of a held message'),
        ("<>", "bounces are no mail of a domain"),
        ("abcd", 'no held message has an id that begins with "abcd"'),
    ],
    ids=["a name", "all", "bounces", "an id"],
)
def test_what_is_no_sender(sender: str, said: str, post: Post) -> None:
    """It is told what was expected there."""
    code, told = post.run("block", sender)
    assert code == 2
    assert said in told


def test_a_bounce_has_no_sender(post: Post) -> None:
    """The null sender is everybody's."""
    (id_,) = post.kept(replace(Hold(), sender=b""))
    code, told = post.run("allow", id_)
    assert code == 2
    assert "it is a bounce" in told


def test_one_for_the_same_two(post: Post) -> None:
    """A block takes the place of an allowance."""
    post.run("allow", "a@x", "--for", "b@y")
    post.run("block", "A@x", "--for", "B@y")
    (entry,) = entries(post)
    assert entry["is_allowed"] is False


@pytest.mark.parametrize(
    ("sender", "to"),
    [
        (b"@example.org", b"joe@example.com"),
        (b"eve@x.example", b"@example.com"),
        (b"eve@x.example", b"example.com"),
        (b"eve@x.example", b"all"),
        (b"eve@.", b"joe@example.com"),
        (b"eve\x1b@x.example", b"joe@example.com"),
        (b"eve@x.example", b"j" * 400 + b"@example.com"),
    ],
    ids=["a domain", "for a domain", "for a bare domain", "for all", "dots", "controls", "long"],
)
def test_odd_addresses_of_a_held_message(post: Post, sender: bytes, to: bytes) -> None:
    """Strangers wrote them: none becomes an entry for a domain, or for all; a review goes on."""
    (id_,) = post.kept(Hold(sender=sender, to=(b"sue@example.net", to)))
    for word in ("allow", "block"):
        code, told = post.run(word, id_)
        assert code == 2
        assert told.rstrip("\n").replace("\n", "").isprintable()
    code, told = post.run("review", given=b"abn")
    assert code == 1
    assert "1 left" in told.splitlines()[-1]
    assert entries(post) == []
    assert post.states() == [["held", "held"]]


def test_days_without_end(post: Post) -> None:
    """A day that no calendar has is refused, or the list of senders could not be shown."""
    for days in ("36501", "999999999999"):
        assert post.run("allow", "a@x.example", "--days", days)[0] == 2
    assert post.run("allow", "a@x.example", "--days", "36500")[0] == 0
    assert post.run("senders")[0] == 0
    assert len(entries(post)) == 1


@pytest.mark.parametrize("words", [("@",), ("a@.",), ("a@x.example", "--for", "@")])
def test_what_names_nobody(post: Post, words: tuple[str, ...]) -> None:
    """It is refused in words."""
    code, told = post.run("block", *words)
    assert code == 2
    assert "an address, or @ and a domain" in told
    assert entries(post) == []
