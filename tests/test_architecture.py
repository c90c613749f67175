"""The import rules, and the origin of our top-level packages."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "safetensors")


@pytest.mark.parametrize("package", ["api", "db", "worker", "zpruner"])
def test_our_packages_are_imported_from_this_repository(package: str) -> None:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent.parent == ROOT


@pytest.mark.parametrize(
    "module", ["api.app", "zpruner.cli.main", "zpruner.serve.serve", "db.migrate"]
)
def test_it_starts_without_torch(module: str) -> None:
    """It starts in a process in which heavy packages cannot be imported."""
    code = f"import sys; sys.modules |= dict.fromkeys({HEAVY!r}); import {module}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_application_is_made_without_torch(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules |= dict.fromkeys({HEAVY!r})\n"
        "from api.app import create_app\n"
        "from api.settings import ApiSettings\n"
        f"app = create_app(ApiSettings(data_dir={str(tmp_path)!r}))\n"
        "assert app.openapi()['paths']"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_import_rules_hold() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
