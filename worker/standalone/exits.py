"""Exits of the commands that run without a service."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from db.core.errors import SpecRefusedError
from worker.pruning.base.errors import PruningError

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
stderr = Console(stderr=True, soft_wrap=True)


@contextmanager
def errors_printed(*failures: type[Exception], interrupted: str = "interrupted") -> Iterator[None]:
    """Print the body's errors without a traceback, and exit with a status that depends on them.

    Args:
        failures: the errors to print, besides those of arguments and of the pruning core.
        interrupted: the text if the user interrupts the body.
    """
    printed: tuple[type[Exception], ...] = (PruningError, OSError, *failures)
    try:
        yield
    except SpecRefusedError as error:
        stderr.print(f"error: {error}", markup=False)
        raise typer.Exit(EXIT_USAGE) from None
    except printed as error:
        stderr.print(f"error: {str(error) or 'out of memory'}", markup=False)
        raise typer.Exit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        stderr.print(interrupted)
        raise typer.Exit(EXIT_INTERRUPTED) from None
