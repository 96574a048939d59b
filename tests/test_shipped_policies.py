"""The policies we ship: they load without a warning, each rule fires, and ordinary mail passes."""

import os
from pathlib import Path
from typing import Any

import pytest

from qscanner.kinds import kinds
from qscanner.model import Action, Edits, Part, Where
from qscanner.policy.decide import decide
from qscanner.policy.read import load
from qscanner.policy.rules import Mode
from qscanner.policy.warn import warnings
from qscanner.rehearsal import failures, untested
from qscanner.settings import Settings
from tests.fakes.facts import ON_FAILURE, TODAY, facts, infected, part, scored

FOLDER = Path(__file__).resolve().parent.parent / "policies"
POLICY = load(os.fspath(FOLDER))
A, Q, R = Action.ACCEPT, Action.QUARANTINE, Action.REJECT


def called(name: str, content: bytes = b"", declared: str = "application/octet-stream") -> Part:
    """Give the part that a file of this name and content is."""
    return part(
        name, kinds=tuple(kinds([name], declared, content, None)), declared=declared,
        octets=len(content), where=Where.ATTACHMENT,
    )  # fmt: skip


PE = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0"
HITS: list[tuple[str, dict[str, Any], Action]] = [
    ("infected", {"virus": infected("Eicar-Test-Signature")}, R),
    ("virus-heuristic", {"found": ("clamav.heuristic",)}, Q),
    ("dangerous-name", {"parts": (part("invoice.EXE"),)}, R),
    ("dangerous-name", {"parts": (part("a.pdf"), part("a.zip/b.js", where=Where.ARCHIVE))}, R),
    ("dangerous-content", {"parts": (called("invoice.pdf", PE),)}, R),
    ("dangerous-content", {"parts": (called("letter.dat", b"", "application/hta"),)}, R),
    ("dangerous-content", {"parts": (called("notes.txt", b"@echo off\r\ndel *\r\n"),)}, R),
    ("container-of-programs", {"parts": (called("scan.iso"),)}, R),
    ("container-of-programs", {"parts": (called("notes.one"),)}, R),
    ("double-extension", {"found": ("name.double-extension",)}, R),
    ("hidden-extension", {"found": ("name.bidi",)}, Q),
    ("hidden-extension", {"found": ("name.padded",)}, Q),
    ("macros", {"parts": (called("offer.docm"),)}, Q),
    ("macros", {"parts": (part("offer.doc", kinds=("ole", "office-macro")),)}, Q),
    ("document-fetches", {"found": ("office.remote-template",)}, Q),
    ("document-fetches", {"found": ("rtf.remote-template",)}, Q),
    ("document-starts-programs", {"found": ("office.dde",)}, Q),
    ("document-starts-programs", {"found": ("office.xlm",)}, Q),
    ("document-starts-programs", {"found": ("pdf.launch",)}, Q),
    ("document-attacks-office", {"found": ("rtf.object-update",)}, Q),
    ("document-attacks-office", {"found": ("rtf.equation",)}, Q),
    ("page-smuggles", {"found": ("svg.script",)}, Q),
    ("page-smuggles", {"found": ("html.smuggling",)}, Q),
    ("document-with-script", {"found": ("pdf.javascript",)}, A),
    ("document-with-script", {"found": ("pdf.encrypted",)}, A),
    ("document-with-script", {"found": ("html.script",)}, A),
    ("encrypted-archive", {"found": ("archive.encrypted",)}, Q),
    ("broken-archive", {"found": ("archive.odd",)}, Q),
    ("broken-archive", {"found": ("archive.unreadable",)}, Q),
    ("unscannable", {"found": ("unscannable.too-large",)}, Q),
    ("unscannable", {"found": ("limit.depth",)}, Q),
    ("archive-not-opened", {"found": ("archive.not-opened",)}, Q),
    ("spam", {"spam": scored(5.0)}, A),
    ("surely-spam", {"spam": scored(10.0)}, R),
    ("gtube", {"found": ("spam.gtube",)}, R),
    ("ambiguous-mime", {"found": ("mime.duplicate-boundary",)}, Q),
    ("odd-mime", {"found": ("mime.junk-line",)}, A),
    ("fragment", {"found": ("mime.partial",)}, Q),
    ("unreadable-mime", {"found": ("mime.parser-error",)}, Q),
]


def test_no_warnings() -> None:
    """What we ship is what we would advise."""
    assert warnings(POLICY, today=TODAY) == ()


@pytest.mark.parametrize(
    ("rule", "said", "want"), HITS, ids=[f"{rule}-{n}" for n, (rule, _, _) in enumerate(HITS)]
)
def test_each_rule_fires(rule: str, said: dict[str, Any], want: Action) -> None:
    """On facts that are as its `why` says; a refusal has a reply in plain English."""
    got = decide(POLICY, facts(**said), ON_FAILURE, today=TODAY)
    assert got.action is want
    assert rule in (*got.rules, *got.logged)
    assert (got.reply or "").startswith("Your message was refused because" if want is R else "")


def test_every_rule_is_tried() -> None:
    """None is shipped that nobody saw firing."""
    assert {rule.id for rule in POLICY.rules} == {rule for rule, _, _ in HITS}


def test_every_rule_has_tests_that_pass() -> None:
    """Beside it, for admins who change it."""
    assert untested(POLICY) == ()
    assert [each.render() for each in failures(POLICY, Settings(), within_s=15)] == []


def test_each_rule_says_why() -> None:
    """In one sentence; and nothing that is shipped changes a message."""
    for rule in POLICY.rules:
        assert rule.why
        assert rule.edits == Edits()
        assert not rule.is_final
        assert (rule.reply is not None) == (rule.action is R)
        assert rule.mode is Mode.ON or rule.id in {"archive-not-opened", "document-with-script"}


ORDINARY: dict[str, tuple[Part, ...]] = {
    "text": (part(kinds=("text",), declared="text/plain", where=Where.INLINE),),
    "shell script": (called("install.sh", b"#!/bin/sh\necho\n", "application/x-sh"),),
    "python": (called("tool.py", b"#!/usr/bin/python3\n", "text/x-python"),),
    "html": (called("page.html", b"<!doctype html><html><script>1</script>", "text/html"),),
    "word": (called("letter.docx", b"PK\x03\x04[Content_Types].xml"),),
    "old word": (called("letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"),),
    "pdf": (called("offer.pdf", b"%PDF-1.7", "application/pdf"),),
    "photo": (called("photo.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),),
    "zip with a text": (called("a.zip", b"PK\x03\x04"), part("a.zip/b.txt", kinds=("text",))),
    "tar": (called("src.tar.gz", b"\x1f\x8b"),),
    "7z": (called("a.7z", b"7z\xbc\xaf\x27\x1c"),),
    "signed": (called("smime.p7s", b"", "application/pkcs7-signature"),),
    "s/mime": (called("smime.p7m", b"", "application/pkcs7-mime"),),
    "pgp": (
        called("", b"Version: 1", "application/pgp-encrypted"),
        called("encrypted.asc", b"-----BEGIN PGP MESSAGE-----"),
    ),
    "invitation": (called("invite.ics", b"BEGIN:VCALENDAR", "text/calendar"),),
    "forwarded": (called("fwd.eml", b"", "message/rfc822"),),
    "winmail.dat": (called("winmail.dat", b"\x78\x9f\x3e\x22", "application/ms-tnef"),),
    "text that begins with MZ": (
        called("mz.txt", b"MZ is a country code of Mozambique", "text/plain"),
    ),
}


@pytest.mark.parametrize("parts", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_mail_passes(parts: tuple[Part, ...]) -> None:
    """What people send each other every day hits nothing."""
    got = decide(POLICY, facts(parts=parts, spam=scored(1.0)), ON_FAILURE, today=TODAY)
    assert (got.action, got.rules, got.logged) == (A, (), ())


@pytest.mark.parametrize(
    "id_",
    [
        "mime.blank-before-colon", "mime.junk-line", "mime.from-line", "mime.no-boundary",
        "mime.encoding-unknown", "mime.encoded-container", "mime.external-body",
        "mime.after-close", "name.long", "name.control", "spam.not-scored", "magic.error",
        "header.duplicate",
    ],
)  # fmt: skip
def test_sloppy_mail_passes(id_: str) -> None:
    """What ordinary mail programs do wrong is marked at most, and no reason to stop the mail."""
    got = decide(POLICY, facts(found=(id_,)), ON_FAILURE, today=TODAY)
    assert (got.action, got.rules) == (A, ("odd-mime",) if id_.startswith("mime.") else ())
