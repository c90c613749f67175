"""Run the command line: ``zpruner``, or ``python -m zpruner``."""

import sys
from importlib import import_module
from importlib.util import find_spec

from zpruner.parts.programs import PING_NEEDS, replace_process


def main() -> None:
    # Containers are checked once a minute, and importing all commands takes longer than the check.
    if sys.argv[1:3] == ["part", "ping"] and all(map(find_spec, PING_NEEDS)):
        replace_process("ping", *sys.argv[3:])
    import_module("zpruner.cli.commands.main").main()


if __name__ == "__main__":
    main()
