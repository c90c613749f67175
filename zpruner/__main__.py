"""Run the command line: ``python -m zpruner``."""

from zpruner.cli.main import main

main()
