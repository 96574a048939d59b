"""codec.words: the password is among the first candidates, in any language; few are tried."""

import pytest

from qscanner.codec import words


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("The password is infected.", "infected", id="english"),
        pytest.param("Passwort: geheim42!", "geheim42", id="german"),
        pytest.param("PW=abc", "abc", id="short"),
        pytest.param("Mot de passe : soleil", "soleil", id="french"),
        pytest.param("Пароль к архиву: 7788", "7788", id="russian"),
        pytest.param("解压密码：8888", "8888", id="chinese"),  # noqa: RUF001
        pytest.param("<p>password: <b>x&amp;y</b></p>", "x&y", id="html"),
        pytest.param("password: two words\nmore", "two words", id="a phrase"),
        pytest.param('open it with "sesame"', "sesame", id="in quotes"),
        pytest.param("code\n\n   A1B2", "A1B2", id="on another line"),
    ],
)
def test_first(text: str, want: str) -> None:
    """Among the first ten, also behind much other text."""
    assert want in words.candidates("", [text.encode()])[:10]
    assert want in words.candidates(
        "", [b"many other words 12 of 34 a letter " * 9, text.encode()]
    )


def test_bounded() -> None:
    """At most 200, whatever comes; the subject counts, too."""
    found = words.candidates("Invoice 1234", [b"%d " % n for n in range(99)] * 9)
    assert "1234" in found
    assert len(words.candidates("", [b" ".join(b"w%d" % n for n in range(9999))])) == words.MOST
    assert words.candidates("", []) == ()


@pytest.mark.parametrize("octets", [b"<" * 65536, b'"' * 65536, b"password" * 8192, b": " * 32768])
def test_hostile(octets: bytes) -> None:
    """Linear: the time limit of the tests proves it."""
    words.candidates("", [octets] * 8)
