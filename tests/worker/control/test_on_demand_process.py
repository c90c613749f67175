"""A child of the control process ends with it, whatever the child does at that moment."""

import subprocess
import sys

import pytest

from tests.processes import has_ended
from tests.waiting import eventually

OWNER = """
import sys, time
from tests.busy import SLEEPING
from {module} import {name} as Owner
owner = Owner(SLEEPING)
owner.{start}()
print(owner.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parents")
@pytest.mark.parametrize(
    ("module", "name", "start"),
    [
        ("worker.control.on_demand_process", "OnDemandProcess", "start"),
        ("worker.pool.fork_client", "ForkServer", "_start"),
    ],
)
def test_a_child_that_has_not_run_a_line_of_ours_ends_with_its_parent(
    module: str, name: str, start: str
) -> None:
    code = OWNER.format(module=module, name=name, start=start)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        owner.kill()
    eventually(lambda: has_ended(child))
