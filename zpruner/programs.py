"""The service's programs, started so that nothing in the current folder is ever imported.

Their packages have short names (``api``, ``db``, ``worker``) and are no top-level packages of an
installation: they lie beside this package in a checkout, and below it where it is installed.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = {
    "api": "api.program",
    "control": "worker.control.process",
    "doctor": "zpruner.serve.doctor",
    "keys": "db.access.keys",
    "migrate": "db.migrate",
    "ping": "worker.program",
    "prune": "worker.standalone.command",
    "serve": "zpruner.serve.serve",
    "worker": "worker.program",
}
SELECTED = {"ping", "worker"}
"""Programs that share a module, which is given their name first."""


def command(program: str, *arguments: str) -> list[str]:
    """Return the command of a program."""
    name = [program] if program in SELECTED else []
    return [sys.executable, "-P", "-m", PROGRAMS[program], *name, *arguments]


def environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment in which a program, and whatever Python it starts, is safe.

    An empty entry of ``PYTHONPATH`` means the current folder; other relative ones are kept, as
    somebody wrote them down.
    """
    given = inherited.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(source_folder()), *filter(None, given)]
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONSAFEPATH": "1",
    }


def source_folder() -> Path:
    """Return the folder in which the service's packages lie."""
    package = Path(__file__).parent
    installed = package / "_service"
    return installed if installed.is_dir() else package.parent
