"""The promise of the quarantine, enumerated: nothing lost, nothing released twice.

For k = 1, 2, 3 ... the k-th file operation of keeping, releasing, deleting, expiring, compressing,
of the first opening, and of writing and taking in the history fails, or is the last. After each,
what is left is looked at:
tests/fakes/crashing.py says what must hold.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import child
from tests.fakes.crashing import FAULTS, SCENES
from tests.fakes.fault import KILL, Fault

LIMIT_S = 280


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scene", SCENES)
def test_every_operation(scene: str, fault: str, fault_library: Path, tmp_path: Path) -> None:
    """After a fault at any operation nothing is lost, and nothing goes out twice."""
    setting = Fault(fault_library, tmp_path).set(0, KILL, 0, reads=False)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.crashing", scene, fault, str(tmp_path / "scene")],
        cwd=Path(__file__).resolve().parents[2],
        env=child.environment(setting),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    print(done.stdout.decode(), done.stderr.decode()[-4000:])
    assert done.returncode == 0
