"""``python -m db.startup.program MODULE ARGUMENTS``: runs the function ``main`` of a module.

While the module is imported, no garbage is collected: imports leave hardly any, and each collection
would examine all objects that were imported before, a quarter of the CPU time of a start.
"""

import gc
import sys
from importlib import import_module


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours, without imports from the current folder."""
    return [sys.executable, "-P", "-m", __name__, module, *arguments]


def main() -> None:
    gc.disable()
    del sys.argv[0]
    # As if it had been started itself: processes that it spawns import the main module first.
    sys.modules["__main__"] = program = import_module(sys.argv[0])
    gc.freeze()  # later collections need not examine what was imported either
    gc.enable()
    program.main()


if __name__ == "__main__":
    main()
