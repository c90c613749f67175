"""Programs of this package that need more installed than a client does."""

import os
import sys
from importlib.util import find_spec
from typing import NoReturn

import typer

from zpruner.terminal import USAGE, people


def become(module: str, arguments: list[str], needs: tuple[str, ...], extra: str) -> NoReturn:
    """Replace this process by a module that needs more than a client has."""
    if missing := [name for name in needs if find_spec(name) is None]:
        people.print(
            f"{', '.join(missing)} not installed: pip install 'zpruner[{extra}]'", markup=False
        )
        raise typer.Exit(USAGE)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our module
