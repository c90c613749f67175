"""Builds the two images from Dockerfile.gpu, on bases made of Debian's packages.

No registry is needed. The bases stand in for those that the Dockerfile names, so all of its steps
run, and only the files of the bases differ; torch is its build for CPUs.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from tests.deploy.images.podman import Podman
from tools.lock import IMAGES

ROOT = Path(__file__).parents[3]
STAND_INS = Path(__file__).parent / "stand_ins"
SOURCES = ("api", "db", "worker", "zpruner", "requirements")
FILES = ("Dockerfile.gpu", "LICENSE", "README.md", "pyproject.toml")
PYTHON = "3.11.2"
"""Of Debian 12: a machine whose Python is newer builds with it, too."""
DEBIAN = "trixie"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASES = ("python311", "python", "node", "cuda")
SERVERS = ("postgres", "valkey", "bucket", "prometheus")
ARGUMENTS = {
    "PYTHON_IMAGE": "localhost/stand-in-python",
    "NODE_IMAGE": "localhost/stand-in-node",
    "CUDA_IMAGE": "localhost/stand-in-cuda",
    "CUDA_PYTHON": "python3.11",
}


def build_images(podman: Podman) -> None:
    """Build what is missing of the bases and servers, and the images of this checkout."""
    if not podman.has_image("stand-in-debian"):
        _import_debian(podman)
    wheels = podman.folder / "wheels"
    _download_torch(wheels)
    for name in (*BASES, *SERVERS):
        file = STAND_INS / f"{name}.Containerfile"
        _build(podman, f"stand-in-{name}", wheels, file, {})
    context = podman.folder / "context"
    _copy_sources(context, wheels)
    for image in IMAGES:
        file = context / "Dockerfile.gpu"
        _build(podman, f"zpruner-{image}", context, file, ARGUMENTS, "--target", image)


def _import_debian(podman: Podman) -> None:
    root = podman.folder / DEBIAN
    shutil.rmtree(root, ignore_errors=True)
    include = "--include=ca-certificates"
    _run("debootstrap", "--variant=minbase", include, DEBIAN, str(root))
    # The certificates of this machine, because its registries may be behind a proxy.
    shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
    pip = f"[global]\ncert = {CERTIFICATES}\nfind-links = /opt/wheels\n"
    (root / "etc" / "pip.conf").write_text(pip)
    (root / "opt" / "wheels").mkdir()
    # As Debian's own images have it: a file is not flushed to the disk when it is unpacked.
    (root / "etc" / "dpkg" / "dpkg.cfg.d" / "unsafe-io").write_text("force-unsafe-io\n")
    archive = ["tar", "-C", str(root), "-c", "."]
    with subprocess.Popen(archive, stdout=subprocess.PIPE) as tar:
        podman(
            "import",
            "--quiet",
            f"--change=ENV PATH={PATH}",
            f"--change=ENV NODE_EXTRA_CA_CERTS={CERTIFICATES}",
            "-",
            "localhost/stand-in-debian",
            stdin=tar.stdout,
        )
    shutil.rmtree(root)


def _download_torch(folder: Path) -> None:
    """Download torch's build for CPUs, from where this environment has its own."""
    folder.mkdir(exist_ok=True)
    public = version("torch").partition("+")[0]
    if not list(folder.glob(f"torch-{public}+cpu-*.whl")):
        options = ["--no-deps", "--only-binary=:all:", "--python-version=3.11", "--quiet"]
        command = [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}"]
        _run(*command, f"torch=={public}+cpu")


def _copy_sources(context: Path, wheels: Path) -> None:
    """Copy what .dockerignore lets through, with requirements for the Python of the bases."""
    shutil.rmtree(context, ignore_errors=True)
    left_out = shutil.ignore_patterns("__pycache__", "node_modules", "dist")
    for name in SOURCES:
        shutil.copytree(ROOT / name, context / name, ignore=left_out)
    for name in FILES:
        shutil.copy2(ROOT / name, context / name)
    for image, extras in IMAGES.items():
        _lock(context / "requirements" / f"{image}.txt", extras, wheels)


def _lock(file: Path, extras: Iterable[str], wheels: Path) -> None:
    """Lock the same versions for the Python of the bases, and kept until they change."""
    wanted = file.read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    kept = wheels.with_name("locks") / f"{hashlib.sha256(wanted).hexdigest()}.txt"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        _run(
            *(sys.executable, "-m", "uv", "pip", "compile", str(ROOT / "pyproject.toml")),
            *(f"--extra={extra}" for extra in extras),
            *("--python-version", PYTHON, "--python-platform", "x86_64-unknown-linux-gnu"),
            *("--generate-hashes", "--no-annotate", "--no-header", "--quiet"),
            *("--constraint", str(file), "--find-links", str(wheels), "--output-file", str(kept)),
        )
    shutil.copy2(kept, file)  # with its time, which decides whether a layer is built again


def _build(
    podman: Podman, tag: str, context: Path, file: Path, arguments: dict[str, str], *more: str
) -> None:
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    files = ["--file", str(file), "--tag", f"localhost/{tag}"]
    podman("build", "--layers", "--network=host", *given, *files, *more, str(context))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
