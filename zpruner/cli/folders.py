"""The commands about folders of models, which need numpy and no service."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import typer

from zpruner.cli.display import bytes_display
from zpruner.cli.exit_codes import INTERRUPTED, JOB_FAILED, USAGE
from zpruner.cli.options import JsonOption
from zpruner.cli.terminal import print_json, print_table, stderr
from zpruner.cli.text_table import Table
from zpruner.files.certificate import Certificate
from zpruner.files.errors import FilesError
from zpruner.files.folder import expand_folder, files_of
from zpruner.files.matrices import REPORT, block_matrices, reported_matrices
from zpruner.files.patterns import STANDARD, GroupPattern
from zpruner.files.weights import tensors_of

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def expand(
    folder: Annotated[Path, typer.Argument(help="A folder that `zpruner compact` of 0.2 wrote.")],
    out: Annotated[Path, typer.Argument(help="The folder to write; it must not exist yet.")],
    as_json: JsonOption = False,
) -> None:
    """Restore the folder that a compact one was made from, and verify every file's sha256."""
    with _errors_printed(), bytes_display(stderr, "expanding", _size(folder)) as advance:
        expand_folder(folder, out, advance)
    _print_sizes(folder, out, as_json)


@app.command()
def certify(
    folder: Annotated[Path, typer.Argument(help="A folder with safetensors files.")],
    pattern: Annotated[
        list[str] | None,
        typer.Option(help="A pattern that must hold, such as 2:4; may be repeated."),
    ] = None,
    matrix: Annotated[
        list[str] | None,
        typer.Option(help="Glob of the tensors to read; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read every group of every pruned matrix, and print which N:M patterns hold.

    The exit code is 1 if a named pattern does not hold. Matrices are those that the job's report
    names, and without one those of all numbered blocks, routers excepted.
    """
    with _errors_printed():
        required = [GroupPattern.parse(text) for text in pattern or ()]
        certificate = _certificate(folder, required, matrix)
    if as_json:
        print_json(_as_json(certificate))
    else:
        _print(certificate, required)
    raise typer.Exit(0 if all(map(certificate.holds, required)) else JOB_FAILED)


def _certificate(
    folder: Path, required: Sequence[GroupPattern], globs: Sequence[str] | None
) -> Certificate:
    tensors = tensors_of(folder)
    if (matrices := reported_matrices(folder)) is None:
        matrices = block_matrices(folder, tensors)
        stderr.print(f"no {REPORT} names the pruned matrices: all blocks are read", markup=False)
    if globs:
        matrices = [
            matrix for matrix in matrices if any(fnmatchcase(matrix.tensor, glob) for glob in globs)
        ]
    if not matrices:
        raise FilesError(f"{folder} has no such matrix; name other tensors with --matrix")
    certificate = Certificate(tuple(dict.fromkeys((*required, *STANDARD))))
    size = sum(
        tensors[matrix.tensor].tensor.size_bytes for matrix in matrices if matrix.tensor in tensors
    )
    with bytes_display(stderr, "reading", size) as advance:
        for matrix in matrices:
            certificate.add(matrix, tensors)
            advance(tensors[matrix.tensor].tensor.size_bytes)
    return certificate


def _print(certificate: Certificate, required: Sequence[GroupPattern]) -> None:
    table = Table("pattern", "outcome", "matrices")
    for pattern in certificate.patterns:
        broken = len(certificate.broken.get(pattern, ()))
        held = certificate.matrices - broken
        outcome = "holds" if certificate.holds(pattern) else "does not hold"
        table.add_row(str(pattern), outcome, f"{held:,} of {certificate.matrices:,}")
    print_table(table)
    for pattern in required:
        for matrix in certificate.broken.get(pattern, ()):
            groups = f"{matrix.broken:,} of {matrix.groups:,} groups"
            stderr.print(f"{pattern} does not hold in {matrix.tensor}: {groups}", markup=False)


def _as_json(certificate: Certificate) -> dict[str, Any]:
    return {
        "matrices": certificate.matrices,
        "patterns": {
            str(pattern): {
                "holds": certificate.holds(pattern),
                "broken": [vars(matrix) for matrix in certificate.broken.get(pattern, ())],
            }
            for pattern in certificate.patterns
        },
    }


@contextmanager
def _errors_printed() -> Iterator[None]:
    """Print expected errors, and exit with the matching code."""
    try:
        yield
    except FilesError as error:
        stderr.print(str(error), markup=False)
        raise typer.Exit(USAGE) from None
    except OSError as error:
        place = error.filename or "the new folder cannot be written"
        stderr.print(f"{place}: {error.strerror}", markup=False)
        raise typer.Exit(USAGE) from None
    except KeyboardInterrupt:
        stderr.print("interrupted; nothing was written")
        raise typer.Exit(INTERRUPTED) from None


def _print_sizes(folder: Path, out: Path, as_json: bool) -> None:
    before, after = _size(folder), _size(out)
    if as_json:
        print_json({"folder": str(out), "size_bytes": after, "source_size_bytes": before})
    else:
        share = f"{100 * after / before:.1f} %" if before else "none"
        typer.echo(f"{out}: {after:,} bytes, {share} of {before:,}")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_of(folder).values())


def main() -> None:
    app(prog_name="zpruner")


if __name__ == "__main__":
    main()
