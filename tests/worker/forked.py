"""Write to a file what a process finds when it begins and what it makes, for tests to compare."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from db.core.operator_keys import kept_bucket_keys, kept_hub_token
from db.spec.prune_spec import PruneSpec
from worker.jobs.resources import Resources


def work(spec: PruneSpec, resources: Resources, folder: Path) -> None:
    """Say what there is, compute with every library, and prune a model into ``out``."""
    was_loaded = "worker.jobs.prune" in sys.modules
    import numpy as np  # noqa: PLC0415 - a spawned process loads them here
    import torch  # noqa: PLC0415 - a spawned process loads them here

    from worker.jobs.prune import prune  # noqa: PLC0415 - a spawned process loads them here

    found = _surroundings() | {
        "threads": torch.get_num_threads(),
        "interop threads": torch.get_num_interop_threads(),
    }
    drawn = [random.random(), float(np.random.rand()), torch.initial_seed()]
    alone = len(os.listdir("/proc/self/task"))
    _ = np.ones((500, 500)) @ np.ones((500, 500)), torch.ones(500, 500) @ torch.ones(500, 500)
    found["threads at work"] = len(os.listdir("/proc/self/task"))
    (folder / "out").mkdir()
    for _step in prune(spec, folder / "out", resources):
        pass
    report = {"found": found, "was loaded": was_loaded, "alone": alone, "drawn": drawn}
    (folder / "report.json").write_text(json.dumps(report))


def begin_job(folder: Path) -> None:
    """Do what a process does before its first job; write its environments and those of a child."""
    from celery import signals  # noqa: PLC0415 - a forked process has loaded it

    import_module("worker.tasks")
    signals.worker_process_init.send(sender=None)
    child = [sys.executable, "-c", "import os; print(dict(os.environ))"]
    (folder / "os").write_text(str(dict(os.environ)))
    (folder / "proc").write_bytes(Path("/proc/self/environ").read_bytes())
    (folder / "child").write_bytes(subprocess.run(child, capture_output=True, check=True).stdout)
    (folder / "kept").write_text(str([kept_hub_token(), kept_bucket_keys()]))


def interrupt() -> None:
    """Interrupt this process, as Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


def end(code: int) -> None:
    """End with an exit code, or by a signal where it is negative."""
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _surroundings() -> dict[str, Any]:
    links = [_link(name) for name in os.listdir("/proc/self/fd")]
    os.umask(umask := os.umask(0))
    return {
        "parent": os.getppid(),
        "files": sorted(re.sub(r"\d+", "", link) for link in links if link),
        "signals": {number.name: str(signal.getsignal(number)) for number in signal.Signals},
        "umask": umask,
        "nice": os.nice(0),
        "folder": str(Path.cwd()),
        "environment": {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
        "group": os.getpgrp(),
        "session": os.getsid(0),
    }


def _link(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:  # the list itself
        return ""
