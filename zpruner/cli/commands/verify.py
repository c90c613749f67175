"""The command ``zpruner verify``."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from zpruner.cli.options import JsonOption
from zpruner.cli.statements import comparison_table, print_differing, read_statement
from zpruner.cli.terminal import JOB_FAILED, print_response
from zpruner.client.models.provenance import FILE, compare_digests

UNLISTED = frozenset({FILE, "SHA256SUMS"})
"""Files that no statement lists: the statement itself, and the checksums, which list it."""


def verify(
    folder: Annotated[Path, typer.Argument(help="The files of a job.", file_okay=False)],
    as_json: JsonOption = False,
) -> None:
    """Compare the files in a folder with their provenance; needs no service.

    The exit code is 1 if a file is different or missing, or is not one of the job's.
    """
    expected = read_statement(folder, "FOLDER").digests
    found = {name: _sha256(path) for name, path in _files(folder).items() if name not in UNLISTED}
    files = compare_digests(expected, found)
    print_response(files, as_json, comparison_table)
    print_differing(files, "all files are as the job wrote them")
    raise typer.Exit(JOB_FAILED if any(file.differs for file in files) else 0)


def _files(folder: Path) -> dict[str, Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
