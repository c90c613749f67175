"""Build and check the dashboard: ``python -m tools.dashboard build``."""

import argparse
import fcntl
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from tools.node import NodeError, run

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "api" / "dashboard"
TYPES = FOLDER / "src" / "api" / "schema.d.ts"


def build() -> None:
    """Build the page that the API serves."""
    run(FOLDER, "vite", "build")


def types() -> None:
    """Write the TypeScript types of requests and responses."""
    TYPES.write_text(_types())


def check() -> None:
    """Check that the generated types are up to date, type-check the code, and lint it.

    Raises:
        NodeError: a check failed.
    """
    if TYPES.read_text() != _types():
        raise NodeError(f"{TYPES} is out of date: run `python -m tools.dashboard types`.")
    run(FOLDER, "tsc", "--noEmit")
    run(FOLDER, "biome", "ci", ".")


def test() -> None:
    """Run the unit tests."""
    run(FOLDER, "vitest", "run")


COMMANDS: dict[str, Callable[[], None]] = {one.__name__: one for one in (build, types, check, test)}


def main() -> int:
    """Run the command given on the command line, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    try:
        _install()
        COMMANDS[parser.parse_args().command]()
    except NodeError as error:
        print(f"dashboard: {error}", file=sys.stderr)
        return 1
    return 0


def _install() -> None:
    """Install the packages that the lock file names, unless this version of it is installed."""
    lock, done = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    with _alone(ROOT / "build" / "npm.lock"):
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            run(FOLDER, "npm", "ci", "--no-audit", "--no-fund")
            done.touch()


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold the lock ``file``, and wait if another process of this checkout has it."""
    file.parent.mkdir(exist_ok=True)
    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another process, which installs npm's packages.", file=sys.stderr)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _types() -> str:
    with tempfile.TemporaryDirectory() as folder:
        document, out = Path(folder) / "openapi.json", Path(folder) / "schema.d.ts"
        document.write_text(json.dumps(_openapi(Path(folder))))
        run(FOLDER, "openapi-typescript", str(document), "--output", str(out))
        return out.read_text()


def _openapi(folder: Path) -> dict[str, object]:
    # Imported here, because building the page does not need the service's packages.
    app, settings = import_module("api.app"), import_module("api.core.settings")
    api_settings = settings.ApiSettings.model_validate({"_env_file": None, "data_dir": folder})
    document: dict[str, object] = app.create_app(api_settings).openapi()
    return document


if __name__ == "__main__":
    sys.exit(main())
