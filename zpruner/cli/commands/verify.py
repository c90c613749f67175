"""The command ``zpruner verify``."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from zpruner.cli.exit_codes import JOB_FAILED
from zpruner.cli.options import JsonOption
from zpruner.cli.printable import printable
from zpruner.cli.statements import comparison_table, print_differing, read_statement
from zpruner.cli.terminal import print_response, stderr
from zpruner.client.models.provenance import ENVELOPE, FILE, compare_digests
from zpruner.files.digests import file_sha256

MOST_LINKS = 20
"""How many links are named."""
UNLISTED = frozenset({FILE, ENVELOPE, "SHA256SUMS"})
"""Files that no statement lists: the statement itself, and those that are made from it."""


def verify(
    folder: Annotated[Path, typer.Argument(help="The files of a job.", file_okay=False)],
    as_json: JsonOption = False,
    public_key: Annotated[
        Path | None,
        typer.Option(help="A public key in PEM that the statement must be signed with."),
    ] = None,
) -> None:
    """Compare the files in a folder with their provenance; needs no service.

    The exit code is 1 if a file is different or missing, or is not one of the job's, if the folder
    has links, or if the provenance is not signed as it should be.
    """
    _refuse_links(folder)
    expected = read_statement(folder, "FOLDER").digests
    error = _signature_error(folder, public_key) if public_key else None
    digests = {
        name: file_sha256(path) for name, path in _files(folder).items() if name not in UNLISTED
    }
    files = compare_digests(expected, digests)
    print_response(files, as_json, comparison_table)
    print_differing(files, "all files are as the job wrote them")
    if public_key:
        stderr.print(error or f"signed with the key in {public_key}", markup=False)
    raise typer.Exit(JOB_FAILED if error or any(file.differs for file in files) else 0)


def _signature_error(folder: Path, public_key: Path) -> str | None:
    try:
        signature = import_module("zpruner.cli.signature")
    except ImportError:
        reason = "it needs packages: pip install 'zpruner[verify]'"
        raise typer.BadParameter(reason, param_hint="--public-key") from None
    error: str | None = signature.signature_error(folder, public_key)
    return error


def _refuse_links(folder: Path) -> None:
    """Exit if a folder has links or devices: what is behind them may change, or lie elsewhere."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    special = [
        name
        for name, path in sorted(paths.items())
        if path.is_symlink() or not (path.is_file() or path.is_dir())
    ]
    if special:
        names = printable(", ".join(special[:MOST_LINKS]))
        text = f"not verified, because these are links, pipes or devices: {names}. Copy the folder "
        stderr.print(f"{text}with `cp -rL`, and verify the copy", markup=False)
        raise typer.Exit(JOB_FAILED)


def _files(folder: Path) -> dict[str, Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in paths}
