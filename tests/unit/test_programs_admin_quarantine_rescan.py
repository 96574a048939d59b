"""programs.admin_quarantine_rescan, _today: held messages as they look today."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.holds import Hold, several
from tests.fakes.mails import EICAR
from tests.fakes.posting import Post

ZIP_RULE = """
schema = 1
[[rule]]
id = "big-zip"
why = "held too much"
when = { to = "joe@example.com" }
header = { Subject = "zip" }
action = "quarantine"
"""


@pytest.fixture
def post(tmp_path: Path, fake_queue: Path) -> Post:
    """Give an installation."""
    return Post(tmp_path, fake_queue)


def told(post: Post, *words: str) -> list[dict[str, Any]]:
    """Give what `rescan --json` prints."""
    return [json.loads(line) for line in post.run("rescan", "--json", *words)[1].splitlines()]


def held(post: Post) -> list[str]:
    """Hold three: one that is all right, one of a rule for one recipient, and a virus."""
    fine, zipped, bad = several(3, rules=("big-zip",))
    zipped = replace(zipped, octets=b"Subject: zip\n\nbody\n")
    bad = replace(bad, octets=b"Subject: x\n\n" + EICAR + b"\n")
    post.desk.policy(ZIP_RULE)
    return post.kept(fine, zipped, bad)


def test_what_would_become_of_each(post: Post) -> None:
    """By today's rules and scanners, recipient by recipient; nothing is changed."""
    ids = held(post)
    found = {each["id"]: each for each in told(post, "--rule", "big-zip")}
    assert [found[id_]["action"] for id_ in ids] == ["accept", "accept", "reject"]
    assert found[ids[1]]["recipients"] == {
        "joe@example.com": "quarantine",
        "sue@example.net": "accept",
    }
    assert found[ids[2]]["rules"] == ["infected"]
    assert found[ids[0]]["was"]["rules"] == ["big-zip"]
    code, text = post.run("rescan", "--rule", "big-zip")
    assert code == 1
    assert "3 messages: 2 would be accepted now, 1 would be refused" in text
    assert post.states() == [["held", "held"]] * 3


def test_release_what_is_free(post: Post) -> None:
    """Those copies that would be accepted, for that recipient; a question first."""
    held(post)
    code, text = post.run("rescan", "--release", "--rule", "big-zip", given=b"n\n")
    assert (code, len(post.queued)) == (1, 0)
    assert "release 2 messages?" in text
    code, _ = post.run("rescan", "--release", "--rule", "big-zip", "--yes", "--why", "bad rule")
    assert code == 0
    assert post.states() == [["released", "released"], ["held", "released"], ["held", "held"]]
    assert [one.message for one in post.queued] == [
        b"Subject: 0\n\nbody\n",
        b"Subject: zip\n\nbody\n",
    ]
    assert "bad rule" in post.run("audit")[1]
    code, text = post.run("rescan", "--release", "--rule", "big-zip", "--yes")
    assert code == 1
    assert "nothing to release" in text


def test_nothing_changed(post: Post) -> None:
    """All would be held again: 0; nothing there: 0."""
    post.desk.policy(ZIP_RULE.replace('when = { to = "joe@example.com" }\n', ""))
    post.kept(Hold(octets=b"Subject: zip\n\nbody\n"))
    code, text = post.run("rescan", "--since", "2026-01-01")
    assert (code, "1 would be held again" in text) == (0, True)
    assert post.run("rescan", "--class", "virus") == (0, "nothing is held that is so\n")


def test_no_scanner(post: Post) -> None:
    """Who cannot be judged now is not free, and monitoring hears 3."""
    post.kept(Hold())
    post.desk.settings(
        virus='engines = ["clamav"]\n[virus.clamav]\nservers = ["unix:/nonexistent/clamd"]'
    )
    code, text = post.run("rescan", "--release", "--yes", "--since", "2026-01-01")
    assert code == 3
    assert "1 cannot be judged now" in text
    assert post.states() == [["held", "held"]]


def test_what_goes_on_without_parts_is_not_free(post: Post) -> None:
    """The original has them still: a rule that strips holds it."""
    rule = ZIP_RULE.partition("[[rule]]")[0] + (
        '[[rule]]\nid = "strip"\npart = { name = "x.txt" }\naction = "accept"\nstrip = true\n'
    )
    post.desk.policy(rule)
    head = b'Subject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
    part = (
        b'--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename="x.txt"\n\nx\n'
    )
    post.kept(Hold(octets=head + b"--b\n\nhello\n" + part + b"--b--\n"))
    (found,) = told(post, "--since", "2026-01-01")
    assert set(found["recipients"].values()) == {"quarantine"}
    assert post.run("rescan", "--release", "--yes", "--since", "2026-01-01")[0] != 3
    assert post.queued == []


def test_damage_is_told(post: Post) -> None:
    """One that cannot be read keeps none of the others."""
    ids = post.kept(*several(2))
    for file in (post.desk.folder / "quarantine").glob(f"{ids[0]}*.eml"):
        file.unlink()
    found = {each["id"]: each["action"] for each in told(post, "--since", "2026-01-01")}
    assert found == {ids[0]: "defer", ids[1]: "accept"}


def test_what_is_gone_is_no_scanner_that_is_down(post: Post) -> None:
    """Of a deleted message it says so, and ends with 1: nothing that comes back would help."""
    (id_,) = post.kept(Hold())
    post.run("delete", id_)
    code, told = post.run("rescan", id_)
    assert code == 1
    assert f"cannot be judged now ({id_} is deleted: its octets are gone)" in told


def test_long_words_are_cut(post: Post) -> None:
    """A sender and a subject that fill a screen leave room for the others."""
    post.kept(Hold(sender=b"a" * 300 + b"@x.example"))
    told = post.run("rescan", "--since", "2026-01-01")[1]
    assert "@x.example" in told
    assert max(map(len, told.splitlines())) < 200


def test_rules_with_mistakes(post: Post) -> None:
    """They end it with 2, before anything is looked at."""
    post.kept(Hold())
    post.desk.policy("nonsense")
    assert post.run("rescan", "--since", "2026-01-01")[0] == 2
