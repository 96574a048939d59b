"""mime: any octets give a View; what hides a payload from the stdlib does not hide it here."""

import base64
import mmap
import re
import tempfile
import time

import pytest

from qscanner.mime import MimeLimits, View, view
from qscanner.model import Where

LIMITS = MimeLimits()
SECRET = b"MZ the payload that must be seen"
B64 = base64.encodebytes(SECRET).decode()
TYPE = "Content-Type: application/octet-stream; name=a.exe"
LEAF = f"{TYPE}\nContent-Transfer-Encoding: base64\n\n{B64}"


def mail(top: str, body: str = "") -> bytes:
    return f"From: a@example.org\nMIME-Version: 1.0\n{top}\n\n{body}".encode("latin-1")


def multipart(*parts: str, boundary: str = "A", top: str = "") -> bytes:
    top = top or f'Content-Type: multipart/mixed; boundary="{boundary}"'
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return mail(top, f"preamble\n{body}--{boundary}--\n")


def ids(found: View) -> list[str]:
    return [finding.id for finding in found.findings]


def shape(found: View) -> list[tuple[str, str, bytes]]:
    return [(leaf.path, leaf.declared, leaf.decode().strip()) for leaf in found.leaves]


def test_single() -> None:
    """A message of one text: its path is 1."""
    found = view(mail("Subject: x", "Hello\n"), LIMITS)
    assert shape(found) == [("1", "text/plain", b"Hello")]
    assert [header.name for header in found.headers] == ["From", "MIME-Version", "Subject"]
    assert found.leaves[0].is_text
    assert ids(found) == []


def test_multipart() -> None:
    """Paths are numbers from 1, names and places are those of the fields."""
    inner = multipart("Content-Type: text/html\n\n<p>", "\nplain", boundary="B").decode()
    inner = inner[inner.index("Content-Type: multipart") :]
    attached = LEAF.replace("\n", "\nContent-Disposition: attachment; filename=b.exe\n", 1)
    found = view(multipart("\nHello", inner, attached), LIMITS)
    assert shape(found) == [
        ("1", "text/plain", b"Hello"),
        ("2.1", "text/html", b"<p>"),
        ("2.2", "text/plain", b"plain"),
        ("3", "application/octet-stream", SECRET),
    ]
    assert found.leaves[3].names == ("b.exe", "a.exe")
    assert [leaf.where for leaf in found.leaves[2:]] == [Where.INLINE, Where.ATTACHMENT]
    assert ids(found) == []


def test_octets_are_exact() -> None:
    """8-bit octets, NULs and lone CRs come out as they went in, but for the last line end."""
    body = bytes(range(256)).replace(b"\n", b"") * 3
    octets = multipart("Content-Transfer-Encoding: 8bit\n\n@").replace(b"@", body)
    assert view(octets, LIMITS).leaves[0].decode() == body


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param("Content-Transfer-Encoding:\n base64", id="folded"),
        pytest.param("Content-Transfer-Encoding:\n \n base64", id="folded twice"),
        pytest.param("Content-Transfer-Encoding: base64 \t", id="blank at the end"),
        pytest.param("Content-Transfer-Encoding : base64", id="blank before the colon"),
        pytest.param("junk\nContent-Transfer-Encoding: base64", id="junk line"),
        pytest.param("Content-Transfer-Encoding: base64 (x)", id="comment"),
        pytest.param('Content-Transfer-Encoding: "base64"', id="quotes"),
        pytest.param(
            "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64", id="twice"
        ),
        pytest.param("Content-Transfer-Encoding\n : base64", id="a fold before the colon"),
        pytest.param("Content-Transfer-EncodingX: base64", id="a longer name"),
        pytest.param(
            "Content-Type: message/x-data\nContent-Transfer-Encoding: base64", id="message/x"
        ),
        pytest.param(
            "Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64", id="report"
        ),
        pytest.param(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", id="rfc822"
        ),
    ],
)
def test_part_headers(headers: str) -> None:
    """Headers that make the stdlib leave a part undecoded."""
    found = view(multipart("\nHello", f"{headers}\n\n{B64}"), LIMITS)
    assert SECRET in [leaf.decode() for leaf in found.leaves]
    assert "mime.parser-error" not in ids(found)


@pytest.mark.parametrize(
    "top",
    [
        pytest.param("Content-Type : multipart/mixed; boundary=A", id="blank before the colon"),
        pytest.param("Content-Type(x): multipart/mixed; boundary=A", id="comment in the name"),
        pytest.param("Content-Type: multipart / mixed; boundary=A", id="blanks in the type"),
        pytest.param("Content-Type: multiparts/mixed; boundary=A", id="wrong type"),
        pytest.param(
            "Content-Type: multipart/mixed; boundary=X; boundary=A", id="second boundary"
        ),
        pytest.param("Content-Type: multipart/mixed; boundary=A; boundary=X", id="first boundary"),
        pytest.param("Content-Type: multipart/mixed; boundary=X; boundary*=''A", id="rfc 2231"),
        pytest.param("Content-Type: multipart/mixed", id="no boundary"),
        pytest.param("Content-Type: multipart/mixed; boundary=a", id="another case"),
        pytest.param('Content-Type: multipart/mixed; boundary="\\A"', id="escaped"),
        pytest.param("junk\nContent-Type: multipart/mixed; boundary=A", id="junk line"),
        pytest.param(
            "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=A", id="second type"
        ),
        pytest.param("Content-Type: multipart/mixed; boundary=A; x*", id="crash of the stdlib"),
    ],
)
def test_top_headers(top: str) -> None:
    """Headers that make the stdlib see no parts, or raise."""
    found = view(multipart(LEAF, top=top), LIMITS)
    assert SECRET in [leaf.decode() for leaf in found.leaves]
    assert "mime.parser-error" not in ids(found)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"--A junk\n{LEAF}--A--\n", id="words behind the delimiter"),
        pytest.param(f"--A\n{LEAF}", id="no end"),
        pytest.param(f"--A\n\nx\n--A--\n--A\n{LEAF}--A--\n", id="behind the end"),
        pytest.param(f"--A\n\nx\n--B\n{LEAF}--B--\n--A--\n", id="under the other boundary"),
    ],
)
def test_bodies(body: str) -> None:
    """Delimiter lines that clients read differently."""
    top = "Content-Type: multipart/mixed; boundary=A; boundary=B"
    assert SECRET in [leaf.decode() for leaf in view(mail(top, body), LIMITS).leaves]


def test_parts_behind_the_end_are_told() -> None:
    """An early end is odd; an ordinary epilogue is not."""
    early = mail(
        "Content-Type: multipart/mixed; boundary=A", f"--A\n\nx\n--A--\n--A\n{LEAF}--A--\n"
    )
    assert ids(view(early, LIMITS)) == ["mime.after-close"]
    assert ids(view(multipart(LEAF) + b"a footer of a list\n", LIMITS)) == []


def test_8bit_boundary_and_crcrlf() -> None:
    """A boundary of 8-bit octets; line ends CR CR LF and bare CR."""
    octets = multipart(LEAF, boundary="\xe4\xff")
    for each in (octets, octets.replace(b"\n", b"\r\r\n"), octets.replace(b"\n", b"\r")):
        assert SECRET in [leaf.decode() for leaf in view(each, LIMITS).leaves]


def test_nested_message() -> None:
    """message/rfc822 is a container with a name, and what is inside is nested."""
    inner = multipart(LEAF, boundary="B").decode()
    part = f"Content-Type: message/rfc822; name=x.eml\n\n>From x\n{inner}"
    found = view(multipart("\nHello", part), LIMITS)
    assert [(leaf.path, leaf.where, leaf.is_container) for leaf in found.leaves] == [
        ("1", Where.INLINE, False),
        ("2", Where.ATTACHMENT, True),
        ("2.1", Where.NESTED, False),
    ]
    assert found.leaves[2].decode() == SECRET
    assert found.leaves[1].names == ("x.eml",)


def test_doubled_encoding_gives_two_readings() -> None:
    """Both are leaves; the second's path says which it is."""
    part = (
        "Content-Transfer-Encoding: quoted-printable\nContent-Transfer-Encoding: base64\n\n" + B64
    )
    found = view(multipart(part), LIMITS)
    assert [leaf.path for leaf in found.leaves][:2] == ["1", "1~base64"]
    assert ids(found) == ["mime.duplicate-header"]
    assert found.findings[0].where == "1"


@pytest.mark.parametrize("said", ["base64", "quoted-printable"])
def test_an_encoding_of_the_multipart_counts_for_its_parts(said: str) -> None:
    """For parts that say none themselves, as a further reading."""
    text = B64 if said == "base64" else "".join(f"={octet:02X}" for octet in SECRET)
    top = f"Content-Type: multipart/mixed; boundary=A\nContent-Transfer-Encoding: {said}"
    found = view(multipart(f"{TYPE}\n\n{text}", top=top), LIMITS)
    other = next(leaf for leaf in found.leaves if leaf.path == f"1~{said}")
    assert other.decode() == SECRET
    assert other.is_hidden
    plain = view(multipart(f"{TYPE}\nContent-Transfer-Encoding: 7bit\n\n{text}", top=top), LIMITS)
    assert f"1~{said}" not in [leaf.path for leaf in plain.leaves]


def test_line_ends_the_wrong_way_round() -> None:
    """LF CR: the CRs are passed over, in parts and fields, and nothing has a place any more."""
    octets = multipart("\nHello", LEAF).replace(b"\n", b"\n\r")
    found = view(octets, LIMITS)
    assert shape(found) == shape(view(multipart("\nHello", LEAF), LIMITS))
    assert all(leaf.is_hidden and leaf.span is None for leaf in found.leaves)
    assert octets.startswith(found.head)
    assert b"\n\r" in found.head
    assert ids(found) == []
    assert ids(view(octets + b"a\rb\rc", LIMITS)) == ["mime.control-in-header"]
    crlf = view(multipart("\nHello", LEAF).replace(b"\n", b"\r\n"), LIMITS)
    assert not any(leaf.is_hidden for leaf in crlf.leaves)


def test_headers_are_readable() -> None:
    """Two readings of a value; octets that are no UTF-8 are Latin-1; nothing is a surrogate."""
    octets = b"Subject: =?utf-8?Q?a=C3=A4?=\r\n b\nX: \xe4\nY: \xc3\xa4\n\n"
    found = view(octets, LIMITS).headers
    assert [(each.plain, each.decoded) for each in found] == [
        ("=?utf-8?Q?a=C3=A4?= b", "aä b"),
        ("ä", "ä"),
        ("ä", "ä"),
    ]


@pytest.mark.parametrize(
    ("octets", "leaves", "want"),
    [
        pytest.param(b"", [b""], [], id="empty"),
        pytest.param(b"\n", [b""], [], id="a line feed"),
        pytest.param(b"\nbody", [b"body"], [], id="no header"),
        pytest.param(b"only text", [b"only text"], [], id="one line"),
        pytest.param(b"A: b", [b""], [], id="only a header"),
        pytest.param(b"\0" * 100, [b"\0" * 100], [], id="nuls"),
        pytest.param(b"A: b\r\rtext\r", [b""], [], id="bare crs in a header"),
        pytest.param(b"\xff\xfe\xfd", [b"\xff\xfe\xfd"], [], id="8-bit"),
    ],
)
def test_odd_messages(octets: bytes, leaves: list[bytes], want: list[str]) -> None:
    """Nothing is too odd for a View."""
    found = view(octets, LIMITS)
    if b"\r" not in octets:
        assert [leaf.decode() for leaf in found.leaves] == leaves
    assert ids(found) == want


def test_a_mapping_and_long_bodies() -> None:
    """A mapped message; a long body is kept out of the parser, and comes out octet for octet."""
    text = b"some text --A\r\n- and more\n" * 10_000
    parts = [f"Content-Type: text/plain; name={i}\n\n@{i}@" for i in range(2)]
    octets = re.sub(rb"@[01]@", text, multipart(*parts))
    assert [leaf.decode() for leaf in view(octets, LIMITS).leaves] == [text, text]
    with tempfile.TemporaryFile() as file:
        file.write(octets)
        file.flush()
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            found = view(mapped, LIMITS)
            assert [leaf.decode() for leaf in found.leaves] == [text, text]


def nested(depth: int, inner: str = LEAF) -> bytes:
    layers = "".join(
        f"Content-Type: multipart/mixed; boundary=B{i}\n\n--B{i}\n" for i in range(depth)
    )
    return f"From: a@b\n{layers}{inner}".encode()


@pytest.mark.parametrize(
    ("octets", "id_"),
    [
        pytest.param(b"X: y\n" * 200_000 + b"\nhi", "limit.headers", id="200,000 headers"),
        pytest.param(b"X: " + b"y" * 1_000_000 + b"\n\nhi", "limit.header-line", id="long header"),
        pytest.param(b"X: y\n" + b" y\n" * 3_000_000, "limit.header-line", id="folded"),
        pytest.param(
            mail('Content-Type: a/b; name="' + ";" * 200_000), "limit.content-header", id="quotes"
        ),
        pytest.param(
            mail("Content-Type: a/b" + ';a=";"' * 50_000), "limit.content-header", id="parameters"
        ),
        pytest.param(nested(1000), "limit.depth", id="1000 multiparts"),
        pytest.param(
            nested(300, "\n" + "text\n" * 400_000), "limit.depth", id="300 multiparts, many lines"
        ),
        pytest.param(
            b"Content-Type: message/rfc822\n\n" * 3000, "limit.depth", id="3000 messages"
        ),
        pytest.param(multipart(*["\n"] * 100_000), "limit.parts", id="100,000 parts"),
        pytest.param(
            mail("Content-Type: multipart/mixed; boundary=A", "--A\n" * 1_000_000),
            "limit.parts",
            id="a million delimiters",
        ),
        pytest.param(
            mail(
                "Content-Type: multipart/mixed; boundary=A",
                "".join(f"--A\nContent-Type: multipart/x; boundary=C{i}\n\n" for i in range(900))
                + "x\n" * 2_000_000,
            ),
            "limit.boundaries",
            id="900 boundaries that never come",
        ),
    ],
)
def test_bounds(octets: bytes, id_: str) -> None:
    """Each bound that is hit is a finding; none of these takes long (in the stdlib: minutes)."""
    begun = time.process_time()
    found = view(octets, LIMITS)
    assert id_ in ids(found)
    assert "mime.parser-error" not in ids(found)
    assert len(found.leaves) <= LIMITS.parts + 1
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param("Subject: " + "=?utf-8?B?QQ==?= " * 20_000, id="encoded words"),
        pytest.param("To: " + "(" * 50_000, id="comments"),
        pytest.param('To: "', id="open quote"),
        pytest.param("Message-ID: <>", id="empty id"),
        pytest.param("Content-Disposition: a; filename*=a\0b''x", id="nul in a charset"),
        pytest.param("Content-Disposition: a; filename*=idna''%FF%FF", id="idna"),
        pytest.param(f"Content-Disposition: a; filename*{'1' * 5000}=x", id="huge number"),
        pytest.param('Content-Type: text/plain; charset="a\0b"', id="nul in a text's charset"),
        pytest.param("Content-Type: text/plain; charset=never-heard-of", id="unknown charset"),
    ],
)
def test_crashes_of_the_stdlib(attack: str) -> None:
    """Headers that crash or stall the email package: here there is nothing to tell."""
    found = view(mail(attack, "\xe4\n"), LIMITS)
    assert [leaf.decode() for leaf in found.leaves] == [b"\xe4\n"]
    assert "mime.parser-error" not in ids(found)


def test_want_of_memory_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the message's doing: the sender is to try again."""

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("qscanner.mime_tree.media_of", exhausted)
    with pytest.raises(MemoryError):
        view(multipart(LEAF), LIMITS)


def test_a_crash_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the parser to raise after all, the message is one leaf and that is told."""
    monkeypatch.setattr("qscanner.mime_tree.media_of", lambda *_a, **_k: 1 / 0)
    found = view(multipart(LEAF), LIMITS)
    assert ids(found)[0] == "mime.parser-error"
    assert found.findings[0].detail == "ZeroDivisionError"
    assert B64.encode() in found.leaves[-1].decode()


def test_a_long_attachment() -> None:
    """The parser never sees a long body: neither time nor memory go with it."""
    body = base64.encodebytes(bytes(3 << 20)) * 8
    octets = multipart(LEAF.replace(B64, "BODY")).replace(b"BODY", body)
    begun = time.process_time()
    found = view(octets, LIMITS)
    assert time.process_time() - begun < 2
    assert sum(isinstance(piece, bytes) for piece in found.leaves[0].payload.pieces) == 0


PIECES = b"".join(base64.b64encode(SECRET[i : i + 2]) for i in range(0, len(SECRET), 2)).decode()
ODD = "\n".join(B64.strip()[i : i + 7] for i in range(0, len(B64), 7)) + "\n"
QP = "".join(f"={octet:02X}" for octet in SECRET) + "\n"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("base64", PIECES, id="padded pieces"),
        pytest.param("base64", ODD, id="odd lines"),
        pytest.param("base64", "!".join(B64), id="junk"),
        pytest.param("base64", f"not base64\n\n{B64}", id="junk before"),
        pytest.param("base64", QP, id="another encoding"),
        pytest.param("7bit", B64 * 2, id="not declared"),
        pytest.param("foo", B64, id="unknown encoding"),
        pytest.param("x-gzip64", B64, id="gzip64"),
        pytest.param("quoted-printable", QP.replace("=", "=ZZ="), id="junk triplets"),
        pytest.param("quoted-printable", QP.replace("=", "= "), id="blanks in triplets"),
        pytest.param("quoted-printable", QP.replace("=49", "= \t\n=49"), id="soft break, blanks"),
        pytest.param("quoted-printable", B64, id="base64 after all"),
    ],
)
@pytest.mark.parametrize(
    "field",
    [
        "Content-Transfer-Encoding: @",
        "Content-Transfer-Encoding:\n \n @",
        "Content-Transfer-Encoding: @ (x)",
        "Content-Transfer-Encoding @",
        "X: y\n Content-Transfer-Encoding: @",
        "Content-Transfer-Encoding: @\nContent-Transfer-Encoding: 7bit",
        "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: @",
        'Content_Transfer-"Encoding": @',
        "X: y\rContent-Transfer-Encoding: @",
        "\0\nContent-Transfer-Encoding: @",
    ],
)
def test_every_field_with_every_body(field: str, body: str, encoding: str) -> None:
    """Whatever way a field is bent and a body is, the content is seen, and known to be hidden."""
    part = f"{TYPE}\n{field.replace('@', encoding)}\n\n{body}"
    found = view(multipart("\nHello", part), LIMITS)
    hidden = [leaf.is_hidden for leaf in found.leaves if SECRET in leaf.decode()]
    assert hidden
    is_plain = encoding != "7bit" and body != ODD and field == "Content-Transfer-Encoding: @"
    assert is_plain or any(hidden)
    assert "mime.parser-error" not in ids(found)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"--X\n{LEAF}", id="no structure at all"),
        pytest.param(f"> --X\n> Content-Transfer-Encoding: base64\n>\n{B64}", id="quoted"),
        pytest.param(f"Hello\n{LEAF}", id="a header in the text"),
        pytest.param(f"=ybegin line=1 size=1 name=a\n{'x' * 20}\n=yend\n", id="yenc"),
        pytest.param(f"=ybegin line=1 size=1\n{'x' * 20}\n=yend\n", id="yenc without a name"),
    ],
)
def test_parts_in_a_text(text: str) -> None:
    """What stands in a plain text is found, as it is in a bounce, and is no reason to hold it."""
    found = view(mail("Content-Type: text/plain", text), LIMITS)
    assert any(leaf.is_hidden for leaf in found.leaves[1:])
    assert set(ids(found)) <= {"mime.stray-part"}


def test_ordinary_leaves_are_not_hidden() -> None:
    """A raw scanner sees what is written as it should be: engines are not asked twice."""
    found = view(multipart("\nHello", LEAF), LIMITS)
    assert [leaf.is_hidden for leaf in found.leaves] == [False, False]
    odd = multipart(LEAF, top="Content-Type: multipart/mixed; boundary*0=A")
    assert [leaf.is_hidden for leaf in view(odd, LIMITS).leaves] == [True]
    assert ids(view(odd, LIMITS)) == ["mime.odd-boundary"]


def test_a_crash_of_the_sweep_keeps_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leaves of the tree are there nevertheless."""
    monkeypatch.setattr("qscanner.mime.sweep", lambda *_a, **_k: 1 / 0)
    found = view(multipart("\nHello", LEAF), LIMITS)
    assert ids(found) == ["mime.parser-error"]
    assert [leaf.path for leaf in found.leaves] == ["1", "2", "0"]
