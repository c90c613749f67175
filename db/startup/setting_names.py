"""The names of all ``ZPRUNER_*`` variables, to report misspelt ones."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

PREFIX = "ZPRUNER_"
ENV_FILE = Path(".env")

# Each part defines only its own settings, but its environment may hold those of all parts. The file
# is made from their classes by `make generated`.
NAMES_FILE = Path(__file__).with_name("setting_names.txt")
NAMES = frozenset(NAMES_FILE.read_text("utf-8").split())


def unknown_names() -> list[str]:
    """Return an error line for each unknown ``ZPRUNER_*`` variable, set directly or in ``.env``."""
    places = (("the environment", os.environ), (str(ENV_FILE), dotenv_values(ENV_FILE)))
    return [line for place, names in places for line in _unknown(place, names)]


def _unknown(place: str, names: Iterable[str]) -> list[str]:
    found = sorted(name for name in names if name.upper().startswith(PREFIX))
    return [_line(name, place) for name in found if name.upper() not in NAMES]


def _line(name: str, place: str) -> str:
    near = get_close_matches(name.upper(), NAMES, n=1, cutoff=0)[0]
    return (
        f"{name} in {place} is not a setting. Did you mean {near}? "
        "Correct or remove it (docs/settings.md lists all settings)."
    )
