"""codec.mediatype: type, boundaries, encodings and names of a part, in every reading."""

import pytest

from qscanner.codec.mediatype import Media, media_of


def of(*values: str, name: str = "Content-Type") -> Media:
    return media_of([(name, value) for value in values])


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        pytest.param([], "text/plain", id="none"),
        pytest.param(["TEXT/HTML; charset=x"], "text/html", id="upper"),
        pytest.param(["multipart / mixed"], "multipart/mixed", id="blanks"),
        pytest.param(["(c) image/png"], "image/png", id="comment"),
        pytest.param(['"image/png"'], "image/png", id="quotes"),
        pytest.param(["multipart; boundary=a"], "multipart/mixed", id="no subtype"),
        pytest.param(["nonsense"], "text/plain", id="nonsense"),
        pytest.param(
            ["text/plain", "multipart/mixed; boundary=a"], "multipart/mixed", id="doubled"
        ),
    ],
)
def test_declared(values: list[str], declared: str) -> None:
    """The type that opens most, text/plain where there is none (RFC 2045 section 5.2)."""
    assert of(*values).declared == declared


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        pytest.param("boundary=A", "A", id="plain"),
        pytest.param('boundary = "A b"', "A b", id="quoted"),
        pytest.param("boundary*=us-ascii''A", "A", id="rfc 2231"),
        pytest.param("boundary*0=A; boundary*1=B", "AB", id="in sections"),
        pytest.param('boundary="\\A"', "A", id="escaped"),
        pytest.param('boundary="\\A"', "\\A", id="backslash kept"),
        pytest.param("x=y boundary=A", "A", id="no semicolon"),
        pytest.param("boundary=B; boundary=A", "A", id="second of two"),
        pytest.param("boundary=\xe4", "\xe4", id="8-bit"),
        pytest.param("boundary*0=A; boundary*2=B", "A", id="sections with a gap"),
        pytest.param("boundary='A'", "A", id="single quotes"),
        pytest.param('boundary=\\"A\\"', "A", id="quoted quotes"),
        pytest.param('boundary=""', "", id="empty"),
    ],
)
def test_boundaries(value: str, boundary: str) -> None:
    """A boundary that some client sees is among the candidates."""
    assert boundary in of(f"multipart/mixed; {value}").boundaries


@pytest.mark.parametrize(
    ("value", "name"),
    [
        pytest.param("attachment; filename=a.exe", "a.exe", id="plain"),
        pytest.param('attachment; filename="a b.exe"', "a b.exe", id="quoted"),
        pytest.param("attachment; filename=a b.exe", "a b.exe", id="blank without quotes"),
        pytest.param("attachment filename=a.exe", "a.exe", id="no semicolon"),
        pytest.param("attachment; filename*=utf-8''%C3%A4.exe", "ä.exe", id="rfc 2231"),
        pytest.param("attachment; filename*0=a.; filename*1=exe", "a.exe", id="sections"),
        pytest.param("attachment; filename*a=a.exe", "a.exe", id="section that is no number"),
        pytest.param("attachment; filename*-1=a.exe", "a.exe", id="section below zero"),
        pytest.param("attachment; filename*x*=a%2Eexe", "a.exe", id="encoded section"),
        pytest.param('attachment; filename "a.exe"', "a.exe", id="no equals sign"),
        pytest.param("attachment; filename\t'a.exe'", "a.exe", id="no equals sign, single quotes"),
        pytest.param("attachment; =?us-ascii?Q?file=6Eame?==a.exe", "a.exe", id="encoded word"),
        pytest.param("attachment; filename*1=exe; filename*0=a.", "a.exe", id="number order"),
        pytest.param("attachment; filename*7=a.; filename*1=exe", "a.exe", id="file order"),
        pytest.param("attachment; filename*0*=utf-8''a%2E; filename*1=exe", "a.exe", id="mixed"),
        pytest.param("attachment; filename=a.txt; filename=a.exe", "a.exe", id="second of two"),
        pytest.param("attachment; name=a.exe; filename=a.txt", "a.exe", id="the other parameter"),
        pytest.param('attachment; filename="=?utf-8?B?YS5leGU=?="', "a.exe", id="rfc 2047"),
        pytest.param(
            'x; filename*0="=?utf-8?Q?a"; filename*1=".exe?="', "a.exe", id="2047 in 2231"
        ),
        pytest.param("attachment; filename=a%2Eexe", "a.exe", id="percent"),
        pytest.param("attachment; filename=a;.exe", "a;.exe", id="semicolon without quotes"),
        pytest.param('attachment; filename="a(1).exe"', "a(1).exe", id="no comment in quotes"),
        pytest.param('attachment; x="; filename=a.exe', "a.exe", id="behind an open quote"),
        pytest.param("attachment; filename*=idna''%FF%FFa.exe", "ÿÿa.exe", id="no charset"),
        pytest.param("attachment; filename*=a\0b''x.exe", "x.exe", id="nul in the charset"),
        pytest.param(
            f"attachment; filename*{'1' * 5000}=x; filename=a.exe", "a.exe", id="huge number"
        ),
    ],
)
def test_names(value: str, name: str) -> None:
    """Whatever form a name has, it is among the candidates; three of these crash the stdlib."""
    assert name in of(value, name="Content-Disposition").names


@pytest.mark.parametrize(
    ("value", "names"),
    [
        pytest.param("http://a.example/b/c.js", ("c.js",), id="address"),
        pytest.param(" http://a.example/b\t/c.js?x=/y.exe#z", ("c.js",), id="query"),
        pytest.param("a%20b.exe", ("a b.exe",), id="relative"),
        pytest.param("file:///C:/a.exe", ("a.exe",), id="file"),
        pytest.param("http://a.example.com", (), id="no path"),
        pytest.param("http://a.example.com/", (), id="empty path"),
        pytest.param("http://a.example.com/x", (), id="no extension"),
    ],
)
def test_names_from_locations(value: str, names: tuple[str, ...]) -> None:
    """The last piece of the path, if it is like a file's name; it makes no attachment."""
    media = of(value, name="Content-Location")
    assert media.located == names
    assert not media.is_named


def test_names_of_all_fields() -> None:
    """Both fields count, and a description that looks like a name."""
    media = media_of(
        [
            ("Content-Type", "a/b; name=one.exe"),
            ("Content-Disposition", "attachment; filename=two.exe"),
            ("Content-Description", "three.exe"),
        ]
    )
    assert {"one.exe", "two.exe", "three.exe"} <= set(media.names)
    assert of("The third quarter", name="Content-Description").names == ()


@pytest.mark.parametrize(
    ("items", "odd"),
    [
        pytest.param([("Content-Type", "text/plain; charset=x")], set(), id="plain"),
        pytest.param([("Content-Type", "a/b"), ("content-type", "a/b")], set(), id="same twice"),
        pytest.param(
            [("Content-Type", "a/b"), ("Content-Type", "a/c")],
            {"mime.duplicate-header"},
            id="differ",
        ),
        pytest.param(
            [("Content-Type", "multipart/x; boundary=a; boundary=b")],
            {"mime.duplicate-boundary"},
            id="two boundaries",
        ),
        pytest.param(
            [("Content-Type", "a/b; charset=x"), ("Content-Type", "a/b; charset=y")],
            {"mime.repeated-header"},
            id="differ in nothing that matters",
        ),
        pytest.param(
            [("Content-Type", 'multipart/x; charset=utf-8; boundary="=_a.b-c"; type=text')],
            set(),
            id="ordinary boundary",
        ),
        pytest.param(
            [("Content-Type", 'multipart/x; boundary="a\\b"')],
            {"mime.odd-boundary"},
            id="backslash",
        ),
        pytest.param(
            [("Content-Type", "multipart/x; boundary*0=a")], {"mime.odd-boundary"}, id="sections"
        ),
        pytest.param(
            [("Content-Type", 'multipart/x; boundary=\\"a\\"; protected-headers=\\"v1\\"')],
            {"mime.odd-boundary"},
            id="quoted quotes",
        ),
        pytest.param(
            [("Content-Type", "multipart / x")],
            {"mime.odd-type", "mime.odd-boundary"},
            id="odd type",
        ),
        pytest.param([("Content_Type", "a/b")], {"mime.junk-in-name"}, id="odd name"),
        pytest.param([("Content-Type", "message/partial")], {"mime.partial"}, id="partial"),
        pytest.param(
            [("Content-Type", "message/external-body")], {"mime.external-body"}, id="external"
        ),
        pytest.param(
            [("Content-Transfer-Encoding", "base64 x")], {"mime.encoding-junk"}, id="junk"
        ),
        pytest.param([("Content-Transfer-Encoding", "base64 ")], set(), id="blank at the end"),
        pytest.param(
            [("Content-Transfer-Encoding", "rot13")], {"mime.encoding-unknown"}, id="unknown"
        ),
        pytest.param(
            [("Content-Type", "message/rfc822"), ("Content-Transfer-Encoding", "base64")],
            {"mime.encoded-container"},
            id="encoded container",
        ),
    ],
)
def test_odd(items: list[tuple[str, str]], odd: set[str]) -> None:
    """What is ambiguous is told; what ordinary mail does is not."""
    assert media_of(items).odd == odd


@pytest.mark.parametrize(
    ("before", "behind"), [("", "x"), ("", "content-type"), ("", "-x"), ("x" * 600, "")]
)
def test_longer_names_are_read_too(before: str, behind: str) -> None:
    """Whose name only begins like a MIME field's is one for some; no reason to hold anything."""
    media = media_of(
        [
            ("Content-Type", "text/plain"),
            (f"{before}Content-Type{behind}", "a/b; name=a.exe"),
            (f"{before}Content-Transfer-Encoding{behind}", "base64"),
        ]
    )
    assert media.names == ("a.exe",)
    assert media.declared == "text/plain"
    assert media.encodings == ("base64",)
    assert media.odd == {"mime.longer-name"}


def test_doubled_encodings_are_all_read() -> None:
    """Of two encodings both are readings; of an unknown one all."""
    encodings = of("7bit", "base64", name="Content-Transfer-Encoding").encodings
    assert encodings == ("identity", "base64")
    encodings = of("foo", name="Content-Transfer-Encoding").encodings
    assert encodings == ("identity", "base64", "quoted-printable")
    assert of("qp,64", name="Content-Transfer-Encoding").encodings[0] == "base64"
    assert of("base64", name="Content-Encoding").encodings == ("base64",)
    assert of("quoted-printable", "base64", name="Content-Transfer-Encoding").encodings == (
        "quoted-printable",
        "base64",
    )
