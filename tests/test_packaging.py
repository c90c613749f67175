"""The wheel, installed as a client and as a service."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEPENDENCIES = sysconfig.get_path("purelib")  # .pth files in PYTHONPATH are ignored
CLIENT = """
import zpruner
from importlib.util import find_spec
assert zpruner.__file__.startswith({prefix!r}), zpruner.__file__
assert zpruner.Client and zpruner.cli.commands.main.app
found = [name for name in ("api", "db", "worker") if find_spec(name) is not None]
assert not found, found
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with only our wheel."""
    folder = tmp_path_factory.mktemp("packaging")
    python = str(folder / "venv" / "bin" / "python")
    run_module("hatchling", "build", "-t", "wheel", "-d", str(folder))
    run_module("venv", "--without-pip", str(folder / "venv"))
    (wheel,) = folder.glob("zpruner-*.whl")
    run_module("pip", "--python", python, "install", "--no-index", "--no-deps", str(wheel))
    return folder / "venv"


def run_module(name: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", name, *words], cwd=ROOT, check=True, capture_output=True)


def test_the_wheel_has_one_top_level_package(environment: Path) -> None:
    (site,) = environment.glob("lib/python*/site-packages")
    names = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"zpruner"}


def test_a_client_cannot_import_the_service(environment: Path) -> None:
    code = "import zpruner.cli.commands.main\n" + CLIENT.format(prefix=str(environment))
    done = run(environment, "python", "-c", code)
    assert done.returncode == 0, done.stderr


def test_an_installed_command_finds_the_service_in_the_wheel(
    environment: Path, tmp_path: Path
) -> None:
    done = run(environment, "zpruner", "keys", "bootstrap", "Ada", data=tmp_path / "data")
    assert (done.returncode, done.stdout[:4]) == (0, "zpr_"), done.stderr


def run(
    environment: Path, program: str, *words: str, data: Path = Path("/nonexistent")
) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": DEPENDENCIES, "ZPRUNER_DATA_DIR": str(data)}
    command = [str(environment / "bin" / program), *words]
    return subprocess.run(command, cwd=environment, env=env, capture_output=True, text=True)
