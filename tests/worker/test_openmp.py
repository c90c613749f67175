import os
import subprocess
import sys

import pytest

SHOW = "import worker, torch; torch.ones(2) + 1"


def shown(**setting: str) -> str:
    """Return the settings that OpenMP displays in a process that imports the worker."""
    unset = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment = unset | {"OMP_DISPLAY_ENV": "true"} | setting
    command = [sys.executable, "-c", SHOW]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stderr


@pytest.mark.parametrize(
    ("setting", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")]
)
def test_threads_sleep_while_they_wait_unless_the_environment_says_otherwise(
    setting: dict[str, str], policy: str
) -> None:
    assert f"OMP_WAIT_POLICY = '{policy}'" in shown(**setting)
