"""``python -m db.startup.program MODULE ARGUMENTS``: runs the function ``main`` of a module.

While the module is imported, no garbage is collected: imports leave hardly any, and each collection
would examine all objects that were imported before, a quarter of the CPU time of a start.
"""

import gc
import signal
import sys
import threading
from importlib import import_module


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours, without imports from the current folder."""
    return [sys.executable, "-P", "-m", __name__, module, *arguments]


def stop_signal() -> threading.Event:
    """Return an event that is set when the process receives SIGINT, SIGTERM or SIGHUP."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop


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
