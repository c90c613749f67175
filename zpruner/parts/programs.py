"""The commands that start the service's programs, without imports from the current folder.

In a checkout, the packages ``api``, ``db`` and ``worker`` are beside the package ``zpruner``. In
an installation they are in the folder ``zpruner/_service``, and are not top-level packages.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

PROGRAMS = {
    "api": "api.program",
    "backup": "db.backup.backup",
    "certify": "zpruner.cli.folders",
    "control": "worker.control.process",
    "doctor": "zpruner.serve.doctor",
    "expand": "zpruner.cli.folders",
    "gguf": "worker.standalone.gguf",
    "keys": "db.access.bootstrap",
    "migrate": "db.migrate",
    "ping": "worker.ping",
    "prune": "worker.standalone.command",
    "restore": "db.backup.restore",
    "serve": "zpruner.serve.serve",
    "sums": "db.use_sums",
    "speed": "worker.standalone.speed",
    "worker": "worker.program",
}
SHARED = {"certify", "expand"}
"""Programs that share a module; the name of the program is the module's first argument."""
PING_NEEDS = ("sqlalchemy", "kombu", "redis")
"""The packages that ``ping`` needs beside those of a client."""
RUN = "db.startup.program"
"""Runs the others. It is not imported here, because a client's command line cannot import it."""


def command(program: str, *arguments: str) -> list[str]:
    name = [program] if program in SHARED else []
    return [sys.executable, "-P", "-m", RUN, PROGRAMS[program], *name, *arguments]


def replace_process(program: str, *arguments: str) -> NoReturn:
    """Run a program in place of this process."""
    words = command(program, *arguments)
    os.execve(words[0], words, environment())  # noqa: S606 - our own program


def environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment in which Python does not import from the current folder.

    An empty entry of ``PYTHONPATH`` means the current folder and is removed; other relative entries
    were set on purpose and are kept.
    """
    given = inherited.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(source_folder()), *filter(None, given)]
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONSAFEPATH": "1",
    }


def source_folder() -> Path:
    """Return the folder that holds the service's packages."""
    package = Path(__file__).parents[1]
    installed = package / "_service"
    return installed if installed.is_dir() else package.parent
