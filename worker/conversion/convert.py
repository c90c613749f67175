"""The conversion of a folder: llama.cpp's converter runs, and its file is read."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from worker.conversion import adapted
from worker.conversion.errors import ConversionError
from worker.conversion.gguf_file import GgufFile
from worker.conversion.gguf_type import GgufType
from worker.conversion.loading import check_loads

_UNKNOWN_MODEL = re.compile(r"Model (\w+) is not supported")
_UNKNOWN_TOKENIZER = "pre-tokenizer was not recognized"
_REMEDY = "Name the converter of a newer llama.cpp with --converter."


def convert(script: Path, folder: Path, file: Path, kind: GgufType) -> GgufFile:
    """Write a model folder as a GGUF file.

    The file appears under its name only once it is complete, was read, and llama.cpp loads it.

    Args:
        script: the converter's script, which is run.
        folder: the model's folder.
        file: the file to write.
        kind: how the matrices are stored.

    Raises:
        ConversionError: the converter failed, or its file is not complete or not loaded.
    """
    with TemporaryDirectory(prefix=".gguf-", dir=file.absolute().parent) as scratch:
        # The converter reads braces in the file's name as a template; this name has none.
        written = Path(scratch) / "model.gguf"
        _run(script, folder, written, kind)
        gguf = GgufFile.read(written)
        check_loads(written)
        os.replace(written, file)
    return gguf


def _run(script: Path, folder: Path, file: Path, kind: GgufType) -> None:
    # The script imports what lies beside it: so not -P, and -E, because PYTHONSAFEPATH may be set.
    words = [sys.executable, "-E", "-B"]
    if adapted.is_needed(folder):
        words += ["-P", "-m", adapted.__name__]  # which adds the script's folder itself
    words += [str(script.absolute()), str(folder.absolute())]
    words += ["--outfile", str(file), "--outtype", kind.value]
    done = subprocess.run(  # noqa: S603 - a verified script, or one that the user names
        words,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise ConversionError(_reason(done.returncode, done.stdout))
    if not file.is_file():
        raise ConversionError("the converter has written no file")


def _reason(status: int, output: str) -> str:
    if model := _UNKNOWN_MODEL.search(output):
        return f"llama.cpp's converter does not know the architecture {model[1]}. {_REMEDY}"
    if _UNKNOWN_TOKENIZER in output:
        return f"llama.cpp's converter does not know the model's tokenizer. {_REMEDY}"
    if status < 0:
        return f"the converter was ended by {signal.Signals(-status).name}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"the converter failed: {lines[-1] if lines else f'exit status {status}'}"
