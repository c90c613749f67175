"""``python -m zpruner`` is ``zpruner``."""

from zpruner.cli.main import main

main()
