"""Loading a written GGUF file with llama.cpp, in a process of its own, which llama.cpp may end."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from worker.conversion.errors import ConversionError

_REASONS = (re.compile(r"error loading model: (.+)"), re.compile(r"^[\d.]+ E (.+)", re.MULTILINE))
"""The reason of a failure in llama.cpp's messages: the best first."""
_NEWER = "unknown model architecture"
_HEADS = (
    ". For this architecture llama.cpp computes the width of a head from the size of the hidden "
    "state, which a model with fewer heads does not have: remove neurons instead of heads."
)
_ERRORS = 1
_CONTEXT = 64


def check_loads(file: Path) -> None:
    """Check that llama.cpp loads a file; its weights are mapped, not read.

    An architecture that the installed llama.cpp does not know is no failure: the converter may be
    that of a newer one.

    Raises:
        ConversionError: llama.cpp does not load the file.
    """
    with TemporaryDirectory(prefix="zpruner-llama-") as private:
        words = [sys.executable, "-P", "-m", "worker.conversion.loading", str(file.absolute())]
        done = subprocess.run(  # noqa: S603 - this module
            [*words, f"{private}/llama.sock"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode and _NEWER not in done.stdout:
        raise ConversionError(f"llama.cpp does not load the file: {_reason(done)}")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    for pattern in _REASONS:
        if (match := pattern.search(done.stdout)) is not None:
            reason = " ".join(match[1].split())
            return reason + (_HEADS if ".attn_" in reason and "wrong shape" in reason else "")
    if done.returncode < 0:
        return f"it was ended by {signal.Signals(-done.returncode).name}"
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {done.returncode}"


def main() -> None:
    """Load the file that the first argument names, for a server at the socket that follows it."""
    import xllamacpp  # noqa: PLC0415 - only this process loads llama.cpp

    file, socket = sys.argv[1:]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = file
    parameters.hostnames = [socket]  # its server listens in any case
    parameters.verbosity = _ERRORS
    parameters.n_ctx = _CONTEXT
    parameters.n_parallel = 1
    parameters.warmup = False
    parameters.fit_params = False
    parameters.no_extra_bufts = True  # copies of the weights in other layouts
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    try:
        server = xllamacpp.Server(parameters)
    except RuntimeError:
        _flush_log(xllamacpp.xllamacpp.__file__)
        raise
    os._exit(0 if server else 1)  # a server that is deleted can wait for its threads forever


def _flush_log(library: str) -> None:
    """Wait until llama.cpp's messages are written: its thread that writes them ends unfinished."""
    llama = ctypes.CDLL(library)
    main_log = llama._Z15common_log_mainv  # the C++ names of common_log_main and common_log_flush
    flush = llama._Z16common_log_flushP10common_log
    main_log.restype, flush.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    flush(main_log())


if __name__ == "__main__":
    main()
