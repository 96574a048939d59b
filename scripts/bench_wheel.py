"""The Python client as users have it: from a wheel, in an environment made as they make it.

Called by  bench.
Ends       with the two programs of the environment, or with None and a word where it cannot be
           made: building needs the package index.
Careful    an installation for development is slower: `site` reads the path of the clone at every
           start. What the package depends on is lent from the .venv, by links: nothing of it is
           imported by the client's first stage, and it need not be fetched.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from bench_site import ROOT

_LEFT_OUT = (".*", "build", "dist", "*.egg-info", "__pycache__")
_NOT_LENT = ("__editable__", "qscanner", "pip", "setuptools", "pkg_resources", "_distutils_hack")
_WITHIN_S = 300
NAME = "qscanner-queue-python"


def install(folder: Path) -> tuple[Path, Path] | None:
    """Build the wheel and install it in `folder`; give the client and the Python beside it."""
    try:
        built = _built(folder)
        python = _environment(folder / "installed")
        _run(python, "-m", "pip", "install", "--no-deps", "--no-index", built)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = getattr(error, "stderr", b"") or b""
        print(f"no wheel: {said.decode(errors='replace')[-400:]}", file=sys.stderr)
        return None
    return python.with_name(NAME), python


def _built(folder: Path) -> Path:
    source, made = folder / "source", folder / "wheel"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", made, source)
    (wheel,) = made.glob("*.whl")
    return wheel


def _environment(folder: Path) -> Path:
    """Make it as the manual says, with pip; give its Python."""
    _run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / Path(sys.executable).name
    ours = Path(sysconfig.get_path("purelib"))
    (theirs,) = folder.glob("lib/python*/site-packages")
    for name in os.listdir(ours):
        is_lent = not name.startswith(_NOT_LENT) and not name.endswith(".pth")
        if is_lent and not (theirs / name).exists():
            (theirs / name).symlink_to(ours / name)
    return python


def _run(*words: str | Path) -> None:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [str(word) for word in words],
        env=env | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=_WITHIN_S,
        cwd="/",
    )
