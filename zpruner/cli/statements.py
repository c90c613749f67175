"""Reading statements of jobs' files, and showing how files compare with them."""

from collections.abc import Sequence
from pathlib import Path

import typer
from pydantic import ValidationError

from zpruner.cli.printable import printable
from zpruner.cli.terminal import stderr
from zpruner.cli.text_table import Table
from zpruner.client.models.provenance import FILE, FileComparison, Statement


def read_statement(path: Path, argument: str) -> Statement:
    """Read a statement from a file, or from its usual place in a folder.

    Raises:
        BadParameter: ``argument`` names no such file, or the file is no statement.
    """
    path = path / FILE if path.is_dir() else path
    try:
        return Statement.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = f"{path}: {error.strerror}; give the {FILE} of a job, or a folder that has it"
    except ValidationError as error:
        first = error.errors()[0]
        place = printable(".".join(str(part) for part in first["loc"]))
        reason = f"{path} is no statement of a job's files: {place}: {first['msg']}"
    raise typer.BadParameter(reason, param_hint=argument)


def comparison_table(files: Sequence[FileComparison]) -> Table:
    table = Table("file", "outcome", "expected sha256", "found sha256")
    for file in files:
        table.add_row(file.name, file.outcome, file.expected, file.found)
    return table


def print_differing(files: Sequence[FileComparison], if_none: str) -> None:
    """Print the names of the files that are not as expected, or ``if_none``."""
    names = printable(", ".join(file.name for file in files if file.differs))
    stderr.print(f"not the same: {names}" if names else if_none, markup=False)
