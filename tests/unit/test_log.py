"""One line per event: whatever strangers wrote, it is one printable line that reads back."""

import os
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec.text import readable
from qscanner.log import MAX_OCTETS, line
from tests.fakes import child

_PAIR = re.compile(r'([a-z][a-z0-9_-]*)=(?:"((?:[^"\\]|\\.)*)"|([^" =\\]+))(?: |\Z)')
_ESCAPE = re.compile(r'\\(?:([\\"])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))')


def parsed(text: str) -> dict[str, str]:
    """Read a line as the manual says, and fail at anything that is not exactly one."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        assert pair, f"no pair at {text[at : at + 40]!r}"
        quoted, bare = pair[2], pair[3]
        found[pair[1]] = bare if quoted is None else _ESCAPE.sub(_plain, quoted)
        at = pair.end()
    return found


def _plain(hit: re.Match[str]) -> str:
    return hit[1] or chr(int(hit[2] or hit[3] or hit[4], 16))


@pytest.mark.parametrize(
    ("event", "want"),
    [
        pytest.param({"event": "message"}, "event=message", id="bare"),
        pytest.param({"a": "b", "c": 3, "d": 2.5, "e": 3.0}, "a=b c=3 d=2.5 e=3", id="numbers"),
        pytest.param({"a": ""}, 'a=""', id="empty"),
        pytest.param({"a": "b c"}, 'a="b c"', id="blank"),
        pytest.param({"a": 'b"c'}, 'a="b\\"c"', id="quote"),
        pytest.param({"a": "b\\c"}, 'a="b\\\\c"', id="backslash"),
        pytest.param({"a": "b=c"}, 'a="b=c"', id="equals"),
        pytest.param({"from": b"<a+b@[1.2.3.4]>"}, "from=<a+b@[1.2.3.4]>", id="address"),
        pytest.param({"a": "x\r\nevent=forged"}, 'a="x\\x0d\\x0aevent=forged"', id="newline"),
        pytest.param({"a": "\x1b[2J"}, 'a="\\x1b[2J"', id="escape"),
        pytest.param({"a": "\u202efdp"}, 'a="\\u202efdp"', id="bidi"),
        pytest.param({"a": b"\xff\0"}, 'a="\\xff\\x00"', id="octets"),
        pytest.param({"a": 'x" event="forged'}, 'a="x\\" event=\\"forged"', id="closing-quote"),
        pytest.param({"a": "\\"}, 'a="\\\\"', id="a-backslash-before-the-quote"),
        pytest.param({}, "", id="nothing"),
    ],
)
def test_line(event: Mapping[str, str | bytes | int | float], want: str) -> None:
    """Each kind of value in its form."""
    assert line(event) == want


_VALUES = st.text(st.characters(codec="utf-8"), max_size=25) | st.binary(max_size=60)


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z_-]{0,9}\Z"), _VALUES, max_size=6))
def test_a_line_reads_back(event: dict[str, str | bytes]) -> None:
    """Any values: one printable line, and reading it gives the event again."""
    text = line(event)
    assert all(" " <= char <= "~" for char in text)
    assert parsed(text) == {
        key: readable(value) if isinstance(value, bytes) else value for key, value in event.items()
    }


def test_long_values_are_cut() -> None:
    """One value takes 300 octets at most, and says that it was cut."""
    text = line({"a": "x" * 5000, "b": "\n" * 5000, "c": "end"})
    found = parsed(text)
    assert found["a"] == "x" * 297 + "..."
    assert found["b"].endswith("\n...")
    assert found["c"] == "end"


def test_a_line_is_bounded() -> None:
    """Never more than 2000 octets: what finds no room is left out, whole."""
    text = line({f"k{number}": '"' * 300 for number in range(100)} | {"small": 1})
    assert len(text) <= MAX_OCTETS
    assert parsed(text)["small"] == "1"


def test_stderr_gets_one_write_per_line() -> None:
    """Lines of several processes never mix: each is one write of one line, with our name."""
    code = (
        "from qscanner.log import Log\n"
        "log = Log('stderr')\n"
        "log.write({'event': 'a b'}); log.trouble('one\\ntwo\\x1b\\nthree')\n"
        "log.trouble('')\n"
    )
    done = child.run(code)
    assert done.stderr.splitlines() == [
        b'qscanner: event="a b"',
        b"qscanner: one",
        b"qscanner: two\\x1b",
        b"qscanner: three",
    ]
    assert done.stdout == b""


def test_a_bug_says_where_it_was() -> None:
    """The innermost place of ours and the exception, in one printable line."""
    code = (
        "from qscanner.log import Log\n"
        "def inner(): raise ValueError('bad\\nthing \\u202e')\n"
        "try: inner()\n"
        "except ValueError as error: Log('stderr').bug(error)\n"
        "Log('stderr').bug(ValueError('never raised'))\n"
    )
    first, second = child.run(code).stderr.decode("ascii").splitlines()
    assert re.fullmatch(
        r"qscanner: bug: ValueError\('bad\\\\nthing \\\\u202e'\) at <string>:2 inner", first
    )
    assert "never raised" in second


@pytest.mark.parametrize("way", ["closed", "nobody-reads"])
def test_a_log_that_cannot_be_written_changes_nothing(way: str) -> None:
    """Neither a closed descriptor nor a broken pipe reaches the caller."""
    code = (
        "import os, sys; from qscanner.log import Log\n"
        "r, w = os.pipe(); os.close(r); os.dup2(w, 2)\n"
        "if sys.argv[1] == 'closed': os.close(2)\n"
        "Log('stderr').write({'event': 'x'})\n"
        "os.write(1, b'goes on'); os._exit(0)\n"
    )
    assert child.said(child.run(code, way)) == "goes on"


def test_what_is_not_ascii_never_gets_out() -> None:
    """say() wants printable text; should it get other, the octets are replaced."""
    done = child.run("from qscanner.log import Log; Log('stderr').say('gr\\u00fcn')")
    assert done.stderr == b"qscanner: gr?n\n"


def test_syslog_gets_the_same_line_and_stderr_nothing() -> None:
    """Where fd 2 is the reply channel: as mail.info, with our name, and not an octet on fd 2.

    What records the calls stands in the place of Python's door to syslog(3).
    """
    code = (
        "import os, sys, types\n"
        "calls = []\n"
        "def record(name): return lambda *given: calls.append((name, *given))\n"
        "door = types.SimpleNamespace(openlog=record('open'), syslog=record('log'))\n"
        "door.LOG_PID, door.LOG_MAIL, door.LOG_INFO = 1, 16, 6\n"
        "sys.modules['syslog'] = door\n"
        "from qscanner.log import Log\n"
        "Log('syslog').write({'event': 'a\\n%s'})\n"
        "print(calls)\n"
    )
    done = child.run(code)
    assert done.stderr == b""
    assert child.said(done) == (
        "[('open', 'qscanner', 1, 16), ('log', 6, 'event=\"a\\\\x0a%s\"')]\n"
    )


def test_nothing_loads_syslog_that_does_not_want_it() -> None:
    """The import is paid only by those who log there."""
    code = (
        "import sys; from qscanner.log import Log; Log('stderr').write({'event': 'x'})\n"
        "print('syslog' in sys.modules)\n"
    )
    assert child.said(child.run(code)) == "False\n"


def test_the_log_is_not_stdout() -> None:
    """fd 1 of a queue program is the envelope: nothing is ever written there."""
    assert child.run("from qscanner.log import Log; Log('syslog').say('x')").stdout == b""
    assert os.path.exists("/dev/null")
