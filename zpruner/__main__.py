"""``python -m zpruner`` is ``zpruner``."""

from zpruner.cli import main

main()
