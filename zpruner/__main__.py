"""Run the command line: ``python -m zpruner``."""

from zpruner.cli.commands.main import main

main()
