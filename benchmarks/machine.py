"""The machine and the commit on which a measurement was made."""

import os
import platform
import subprocess
from importlib.metadata import version

from worker.pruning.planning.processor import processor_name


def machine() -> dict[str, str | int]:
    """Return the processor, the number of cores, the software versions and the commit."""
    return {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
        "commit": _commit(),
    }


def _commit() -> str:
    commit = _git("describe", "--always", "--abbrev=12")
    # Results of earlier benchmarks do not change what is measured.
    changed = _git("status", "--porcelain", "-uno", "--", ".", ":!benchmarks/results")
    return (f"{commit}-dirty" if changed else commit) or "no commit"


def _git(*words: str) -> str:
    done = subprocess.run(("git", *words), capture_output=True, text=True, check=False)
    return done.stdout.strip()
