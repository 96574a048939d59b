"""codec.markup: scripts in pages and pictures, and what they carry."""

import base64

import pytest

from qscanner.codec.markup import as_utf8, look_html, look_svg
from qscanner.codec.packages import Carried
from qscanner.model import Finding

PROGRAM = base64.b64encode(b"MZ" + bytes(600))


def ids(found: object) -> set[str]:
    assert hasattr(found, "__iter__")
    return {each.id for each in found if isinstance(each, Finding)}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(b"navigator.msSaveOrOpenBlob(b,'a.zip')", id="old browsers"),
        pytest.param(
            b"var b=new Blob([Uint8Array.from(atob(x))]);a.href=URL.createObjectURL(b);"
            b"a.download='a.zip';a.click()",
            id="blob",
        ),
        pytest.param(b"a.href='data:application/zip;base64,'+x;a.click()", id="data url"),
        pytest.param(b"document.write(atob('PGh0bWw+'))", id="writes"),
        pytest.param(b"eval(window.atob(x))", id="evaluates"),
        pytest.param(b"document.write(unescape('" + b"%3C" * 200 + b"'))", id="unescapes"),
    ],
)
def test_smuggling(script: bytes) -> None:
    """Decoding, making a file, starting the download."""
    assert "html.smuggling" in ids(look_html(b"<html><script>" + script + b"</script>"))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(b"<html><p>text</p><a href='http://a.example'>a</a></html>", id="plain"),
        pytest.param(b"<p>a description of scripting</p>", id="words"),
        pytest.param(b"<img src='http://a.example/javascript.png'>", id="address"),
    ],
)
def test_ordinary_pages(page: bytes) -> None:
    """Nothing is said of what has no script."""
    assert list(look_html(page)) == []


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(b"ga('send');", id="statistics"),
        pytest.param(b"document.write(unescape('%3Cscript src=x%3E'))", id="loader"),
        pytest.param(b"var x = atob(y); show(x)", id="decodes only"),
    ],
)
def test_pages_with_scripts(script: bytes) -> None:
    """A script alone smuggles nothing."""
    assert ids(look_html(b"<html><script>" + script + b"</script>")) == {"html.script"}


def test_entities() -> None:
    """A word may be written in entities."""
    page = b"<a href='&#106;avascript:alert(1)'>script</a>"
    assert ids(look_html(page)) == {"html.script"}


def test_carried() -> None:
    """data: URLs with the name of a download, and long texts in scripts."""
    page = b"<a download='a.exe' href='data:x/y;base64," + PROGRAM + b"'>a</a>"
    (got,) = (each for each in look_html(page) if isinstance(each, Carried))
    assert got.names == ("a.exe",)
    assert got.content.startswith(b"MZ")
    page = b"<script>x='" + PROGRAM + b"'</script>"
    (got,) = (each for each in look_html(page) if isinstance(each, Carried))
    assert got.content.startswith(b"MZ")


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param(b"<script>alert(1)</script>", id="script"),
        pytest.param(b"<s:script>alert(1)</s:script>", id="prefix"),
        pytest.param(b"<a xlink:href='JavaScript:alert(1)'/>", id="link"),
        pytest.param(b"<a xlink:href='java&#115;cript:alert(1)'/>", id="link in entities"),
        pytest.param(b"<g\nonLoad = 'x()'/>", id="handler"),
        pytest.param(b"<foreignObject><iframe src='x'/></foreignObject>", id="page"),
        pytest.param(b"<image href='data:text/html;base64,AAAA'/>", id="data url"),
    ],
)
def test_active_pictures(inner: bytes) -> None:
    """A picture needs none of this."""
    assert "svg.script" in ids(look_svg(b"<svg>" + inner + b"</svg>"))


def test_ordinary_pictures() -> None:
    """Shapes, styles, links, embedded bitmaps."""
    svg = (
        b"<svg xmlns='x'><style>a{}</style><a xlink:href='http://a.example/on=1'></a>"
        b"<image href='data:image/png;base64,AAAA'/><text>onload = once</text></svg>"
    )
    assert ids(look_svg(svg)) == set()


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8"])
def test_as_utf8(codec: str) -> None:
    """UTF-16 is read, with a mark or without."""
    assert as_utf8("<svg>".encode(codec)) == b"<svg>"
