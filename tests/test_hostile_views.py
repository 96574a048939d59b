"""What the dearest messages cost all readings together: CPU and memory, in a process of their own.

Called by  pytest.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MOST_MIB, MOST_S = 256, 3.0
OCTETS = 8_000_000
CHILD = """
import ast, sys, time
from tests.fakes import reading
head, unit = ast.literal_eval(sys.argv[1])
octets = head + unit * (int(sys.argv[2]) // len(unit))
begun = time.process_time()
reading.MOST_S = 60
reading.read(octets)
spent = time.process_time() - begun
with open("/proc/self/status") as file:
    peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
print(spent, peak >> 10)
"""
ODD = b"Content-Type: text/plain\nContent-Type: text/html\n"
BASE64 = b"Content-Transfer-Encoding: base64\n\n"
MANY = b"Content-Type: multipart/a; boundary=A\nContent-Transfer-Encoding: 64 uu yenc\n\n--A\n\n"
QUOTED = b"Content-Transfer-Encoding: quoted-printable\n\n"


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        pytest.param(ODD + BASE64, b"A\n", id="base64 in lines of one"),
        pytest.param(ODD + BASE64, b"TVqQ=\n", id="base64 that is padded wrongly"),
        pytest.param(ODD + QUOTED, b"= ", id="blanks behind equals"),
        pytest.param(QUOTED, b" \t", id="blanks"),
        pytest.param(QUOTED + b"=", b" ", id="blanks behind one equals sign"),
        pytest.param(QUOTED + b"=zz", b"\t ", id="blanks behind junk"),
        pytest.param(ODD + b"\n", b"\nMZ\x90" + b"x" * 20, id="contents that are not encoded"),
        pytest.param(ODD + b"\n", b"TVqQ" * 12 + b"\n\n", id="base64 outside of parts"),
        pytest.param(ODD + b"\n", b"begin 644 a\n#0V%T\n", id="uuencoded files"),
        pytest.param(b"\nbegin 644 a\n", b"!  \n", id="uuencoded in short lines"),
        pytest.param(b"\nbegin 644 a\n", b"zzz\xff\n", id="uuencoded badly"),
        pytest.param(
            ODD + b"\n", b':"*2rm*2rm*2rm*2rm*2rm*2rm*2rm*2rm*2rm*2rm*2rm\n', id="binhex"
        ),
        pytest.param(ODD + b"\n", b"=ybegin name=a\n" + b"=a" * 500 + b"\n", id="yenc"),
        pytest.param(ODD + b"\n", b"data:x,MZ%00aaaaaaaaaaaaaaaaaaaaaaa ", id="data: URIs"),
        pytest.param(
            ODD + b"\n", b"content-type: a/b; name=x\n" + BASE64 + b"TVqQ=\n", id="stray parts"
        ),
        pytest.param(ODD + b"\n", b"a\0", id="text in UTF-16"),
        pytest.param(MANY, b"TVqQ\n", id="encodings of the multipart around a part"),
        pytest.param(ODD + b"\n", b"begin\n", id="what nearly begins a file"),
        pytest.param(b"", b"a" * 78 + b"\n \n" * 19 + b"x\n", id="names without a colon"),
    ],
)
def test_cost(head: bytes, unit: bytes) -> None:
    """Below 3 s of CPU and 256 MiB, the interpreter and all libraries included."""
    command = [sys.executable, "-c", CHILD, repr((head, unit)), str(OCTETS)]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=18)
    seconds, mib = told.stdout.split()
    assert float(seconds) < MOST_S
    assert int(mib) < MOST_MIB
