"""The container engine, with its images in a cache folder of their own."""

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = "podman runc buildah conmon catatonit netavark aardvark-dns nftables debootstrap"
PROGRAMS = ("podman", "runc", "debootstrap")
STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""
# crun refuses the two kinds of cgroups at once that some machines have. Builds ask for more open
# files and processes than some machines allow, unless a limit is given.
ENGINE = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "{folder}/networks"
"""


def missing_programs() -> str:
    """Return what is missing on this machine, as a sentence; empty if nothing is."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        install = f"apt-get install --no-install-recommends {PACKAGES}"
        return f"{', '.join(missing)} not found; on Debian: {install}"
    return "" if os.geteuid() == 0 else "only root can make root file systems and networks."


class Podman:
    """Runs podman. ``ZPRUNER_IMAGES_DIR`` names the folder that keeps the layers."""

    def __init__(self) -> None:
        cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        named = os.environ.get("ZPRUNER_IMAGES_DIR", f"{cache}/zpruner-images")
        self.folder = Path(named).expanduser()
        (self.folder / "networks").mkdir(parents=True, exist_ok=True)
        limits = {
            "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "processes": resource.getrlimit(resource.RLIMIT_NPROC)[1],
        }
        self.environment = os.environ | {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": self._write("containers.conf", ENGINE, **limits),
            "CONTAINERS_STORAGE_CONF": self._write("storage.conf", STORAGE),
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
            "TMPDIR": str(self.folder),
        }

    def __call__(self, *arguments: str, check: bool = True, **options: Any) -> str:
        """Run a command; return what it has printed."""
        command = ["podman", *arguments]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, env=self.environment, text=True, **options
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stdout[-4000:]}{done.stderr}")
        return done.stdout

    def has_image(self, name: str) -> bool:
        return bool(self("images", "--quiet", f"localhost/{name}"))

    def inspect(self, container: str) -> dict[str, Any]:
        [found] = json.loads(self("inspect", container))
        return dict(found)

    def _write(self, name: str, text: str, **values: int) -> str:
        path = self.folder / name
        path.write_text(text.format(folder=self.folder, **values))
        return str(path)
