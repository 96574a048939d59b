"""codec.htmltext: what a reader sees of a text, and where its links lead."""

import time

import pytest

from qscanner.codec.htmltext import MAX_LINKS, MAX_OCTETS, Link, domain_of, is_mismatch, page, text
from qscanner.model import Markup, Text


def html(markup: str) -> Text:
    return Text(path="1", markup=Markup.HTML, text=markup)


@pytest.mark.parametrize(
    ("markup", "want"),
    [
        ("plain", "plain"),
        ("a<b>b</b>c", "abc"),
        ("<p>one</p><p>two", "one\ntwo"),
        ("a<br>b", "a\nb"),
        ("a  \n b", "a\nb"),
        ("x<script>if (a<b) y()</script>z", "xz"),
        ("x<style>p{}</STYLE >z", "xz"),
        ("x<script>never closed", "x"),
        ("a<!-- hidden > -- -->b", "ab"),
        ("a<!-- never closed", "a"),
        ("<!doctype html>a<?xml ?>b", "ab"),
        ('a<b title="x > y">c', "ac"),
        ("a<b title='never closed>c", "a"),
        ("a < b and c<3", "a < b and c<3"),
        ("a<", "a<"),
        ("&lt;b&gt; &amp; &eacute;", "<b> & \u00e9"),
        ("v&#105;agra &#x0000000069;", "viagra i"),
        ("&#" + "9" * 5000 + ";", "\ufffd"),
        ("v\u200bi\u00ada\u2060gra", "viagra"),
        ("v&#8203;i&shy;agra", "viagra"),
        ("v<i></i>i<!-- -->agra", "viagra"),
        ("a<template>b</template>c", "ac"),
    ],
)
def test_visible(markup: str, want: str) -> None:
    """As a browser shows it, as far as words matter."""
    assert page(html(markup)).visible == want


@pytest.mark.parametrize(
    ("markup", "want"),
    [
        ('<a href="http://A.example/x">go <b>on</b></a>', [Link("a.example", "go on")]),
        ("<A HREF='https://u:p@b.example:8080?q'>x</A>", [Link("b.example", "x")]),
        ("<a class=x href=http://c.example>x</a>", [Link("c.example", "x")]),
        ('<a href="http://d.example', [Link("d.example", "")]),
        ('<a href="http://e.example/">one <a href="http://f.example/">two',
         [Link("e.example", "one"), Link("f.example", "two")]),
        ('<base href="http://o.example/"><a href="login">x</a>', [Link("o.example", "")]),
        ('<area href="//g.example/">', [Link("g.example", "")]),
        ('<form action="http://h.example/">', [Link("h.example", "")]),
        ('<a href="http:&#47;&#x2f;i.example/">x</a>', [Link("i.example", "x")]),
        ('<a href="ht\ntp://j.exa\tmple/">x</a>', [Link("j.example", "x")]),
        ('<a href="/local">x</a><a href="mailto:a@b.example">x</a><a name=x>x</a>', []),
        ('<a href="javascript:x()">x</a><img src="http://k.example/">', []),
        ('<a href="" href="http://l.example/">x</a>', []),
        ("see https://m.example/a. Or www.n.example,",
         [Link("m.example", "https://m.example/a"), Link("www.n.example", "www.n.example")]),
    ],
)  # fmt: skip
def test_links(markup: str, want: list[Link]) -> None:
    """Those that one can click on."""
    assert list(page(html(markup)).links) == want


def test_plain() -> None:
    """Its URLs are links, each once; tags are text."""
    got = page(Text(path="1", markup=Markup.PLAIN, text="<b> http://a.example http://a.example"))
    assert got.visible == "<b> http://a.example http://a.example"
    assert got.links == (Link("a.example", "http://a.example"),)


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("http://a.example", "a.example"),
        ("HTTP:\\\\a.example\\x", "a.example"),
        ("http:///a.example", "a.example"),
        ("http://bank.example@evil.example/", "evil.example"),
        ("http://evil.example#@bank.example", "evil.example"),
        ("http://%65vil.example/", "evil.example"),
        ("http://\uff45vil\u3002example/", "evil.example"),
        ("http://evil.example./", "evil.example"),
        ("http://[2001:db8::1]:80/", "2001:db8::1"),
        ("http://192.0.2.1/", "192.0.2.1"),
        (" \thttp://a.example", "a.example"),
        ("http:a.example/x", "a.example"),
        ("http:/a.example/x", "a.example"),
        ("\x01 http://a.example", "a.example"),
        ("http://", ""),
        ("http:", ""),
        ("http://" + "a" * 300, ""),
        ("mailto:x@y", ""),
        ("a.example", ""),
    ],
)
def test_domain_of(url: str, want: str) -> None:
    """As browsers read it, tricks included."""
    assert domain_of(url) == want


@pytest.mark.parametrize(
    ("domain", "shown", "want"),
    [
        ("evil.example", "http://bank.example/login", True),
        ("evil.example", "https://www.bank.example", True),
        ("evil.example", "www.bank.example", True),
        ("evil.example", "bank.com", True),
        ("evil.co.uk", "bank.co.uk", True),
        ("click.bank.example", "http://www.bank.example/", False),
        ("a.bank.co.uk", "bank.co.uk", False),
        ("evil.example", "Your bank", False),
        ("evil.example", "", False),
        ("evil.example", "readme.txt", False),
        ("evil.example", "jane@bank.com", False),
        ("evil.example", "http://localhost", False),
        ("evil.example", "see http://bank.example/", False),
    ],
)
def test_mismatch(domain: str, shown: str, want: bool) -> None:
    """Only what is shown as an address can mislead about one."""
    assert is_mismatch(Link(domain, shown)) is want


@pytest.mark.parametrize(
    ("declared", "content", "charset", "want"),
    [
        ("text/plain", b"a", "", Text(path="1", markup=Markup.PLAIN, text="a")),
        ("text/html", "\u00e9".encode(), "", Text(path="1", markup=Markup.HTML, text="\u00e9")),
        ("text/plain", b"\xe9", "", Text(path="1", markup=Markup.PLAIN, text="\u00e9")),
        ("text/plain", b"\xa4", "iso-8859-15",
         Text(path="1", markup=Markup.PLAIN, text="\u20ac")),
        ("text/plain", "a".encode("utf-16"), "us-ascii",
         Text(path="1", markup=Markup.PLAIN, text="a")),
        ("text/plain", b"a", "no such charset", Text(path="1", markup=Markup.PLAIN, text="a")),
        ("text/x-other", b"a", "", Text(path="1", markup=Markup.PLAIN, text="a")),
        ("image/png", b"a", "", None),
    ],
    ids=["plain", "html", "latin", "charset", "utf-16", "odd charset", "other", "none"],
)  # fmt: skip
def test_text(declared: str, content: bytes, charset: str, want: Text | None) -> None:
    """Decoded as it says, or as it looks."""
    assert text("1", declared, content, charset=charset) == want


def test_text_is_bounded() -> None:
    """However long the content is."""
    got = text("1", "text/plain", b"a" * (MAX_OCTETS + 9))
    assert got is not None
    assert len(got.text) == MAX_OCTETS


@pytest.mark.parametrize(
    "piece",
    ["<", "<a ", '<a "', "<a href=", "<!--", "</", "<a href='", "&#", "&#x0", "<script>",
     "<a href=http://a.example>", "http://", "www.", " = ", "<a\n\n", "\u200b ", "& "],
)  # fmt: skip
def test_linear(piece: str) -> None:
    """Half a MiB of anything takes less than some seconds: a quadratic walk would take minutes."""
    started = time.process_time()
    got = page(html(piece * (MAX_OCTETS // 2 // len(piece))))
    assert time.process_time() - started < 8
    assert len(got.links) <= MAX_LINKS


def test_links_are_bounded() -> None:
    """In plain text and in HTML."""
    urls = " ".join(f"http://a{n}.example" for n in range(MAX_LINKS + 5))
    assert len(page(Text(path="1", markup=Markup.PLAIN, text=urls)).links) == MAX_LINKS
    links = "".join(f"<a href=http://a{n}.example>" for n in range(MAX_LINKS + 5))
    assert len(page(html(links)).links) == MAX_LINKS
