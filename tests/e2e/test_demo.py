"""``make demo`` with a tiny model instead of the downloaded one."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.llama import RandomLlama
from demo.model import NAME
from tests.e2e.embedded import START_WITHIN_S
from tests.e2e.limits import ENDS_WITHIN_S
from tests.waiting import DEADLINE_S, eventually

TINY = RandomLlama(blocks=2, width=32, intermediate=64, heads=2, vocabulary=256)


@pytest.mark.e2e
def test_the_demo_ends_with_one_line_of_json_and_leaves_nothing_running(tmp_path: Path) -> None:
    TINY.write(tmp_path / "models" / NAME)

    done = subprocess.run(
        [sys.executable, "-m", "demo", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=START_WITHIN_S + DEADLINE_S,
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["sparsity"] == pytest.approx(0.5, abs=1e-3)
    assert 200 < answer["dense_perplexity"] < 400  # a random model guesses among 256 bytes
    assert len(answer["artifact_sha256"]) == 64
    assert answer["url"].endswith(f"/v1/jobs/{answer['job_id']}/archive")
    eventually(lambda: _commands_naming(tmp_path) == [], ENDS_WITHIN_S)


def _commands_naming(folder: Path) -> list[str]:
    """Return the commands of running processes whose environment contains ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text(errors="replace"))
    return found
