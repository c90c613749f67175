"""The names of all ``ZPRUNER_*`` variables, to report misspelt ones."""

import os
from difflib import get_close_matches
from pathlib import Path

PREFIX = "ZPRUNER_"

# Each part defines only its own settings, but its environment may hold those of all parts. The file
# is made from their classes by `make generated`.
NAMES_FILE = Path(__file__).with_name("setting_names.txt")
NAMES = frozenset(NAMES_FILE.read_text("utf-8").split())


def unknown_names() -> list[str]:
    """Return an error line for each unknown ``ZPRUNER_*`` variable of the environment."""
    given = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    return [_line(name) for name in given if name.upper() not in NAMES]


def _line(name: str) -> str:
    near = get_close_matches(name.upper(), NAMES, n=1, cutoff=0)[0]
    return (
        f"{name} is not a setting. Did you mean {near}? "
        "Correct or remove it, in the environment or in .env (docs/settings.md lists all settings)."
    )
