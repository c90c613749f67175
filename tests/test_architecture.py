"""Import rules, the origin of our packages, reasons of silenced checks."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "db", "worker", "zpruner")
HEAVY = ("torch", "transformers", "safetensors")
CLOUDS = ("boto3", "datasets", "huggingface_hub.hf_api", "pyarrow", "securesystemslib")
STARTS = (
    ("api.program", ("zpruner.client",)),
    ("api.services.checks", ("celery", "fastapi", "zpruner.client")),
    ("db.migrate", ("celery", "fastapi", "httpx")),
    ("worker.control.process", ("fastapi", "numpy", "zpruner.client")),
    ("worker.pool.checks", ("celery", "fastapi", "httpx", "numpy")),
    (
        "worker.ping",
        ("celery", "db.startup.settings", "httpx", "kombu", "sqlalchemy", "worker.tasks"),
    ),
    ("worker.program", ("fastapi", "httpx", "numpy", "zpruner.client")),
    ("zpruner.cli.commands.main", ("celery", "fastapi", "numpy", "sqlalchemy")),
    ("zpruner.serve.serve", ("celery", "fastapi", "numpy", "zpruner.client")),
)
"""The modules of programs, and what each of them does not need until it has work, if then."""


@pytest.mark.parametrize("package", PACKAGES)
def test_our_packages_are_imported_from_this_repository(package: str) -> None:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent.parent == ROOT


@pytest.mark.parametrize("module", [module for module, _ in STARTS])
def test_a_start_imports_only_what_the_process_needs(module: str, tmp_path: Path) -> None:
    unneeded = (*HEAVY, *CLOUDS, *dict(STARTS)[module])
    code = f"import sys, {module}; print([name for name in {unneeded!r} if name in sys.modules])"
    environment = os.environ | {"ZPRUNER_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_the_application_is_made_without_torch(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules |= dict.fromkeys({HEAVY!r})\n"
        "from api.app import create_app\n"
        "from api.core.settings import ApiSettings\n"
        f"app = create_app(ApiSettings(data_dir={str(tmp_path)!r}))\n"
        "assert app.openapi()['paths']"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_silenced_check_names_its_code_and_a_reason() -> None:
    """As in ``# noqa: T201 - the output`` and ``# type: ignore[arg-type] # any text will do``."""
    mark = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:)")
    reasoned = re.compile(r"# (?:noqa: [A-Z0-9, ]+ [-#]|type: ignore\[[a-z, -]+\] #) ?\S")
    folders = (*PACKAGES, "benchmarks", "demo", "tests", "tools")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "node_modules" not in path.parts
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if mark.search(line) and not reasoned.search(line)
    ]
    assert found == []


def test_the_import_rules_hold() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_decision_5_lists_the_layers_of_the_import_rules() -> None:
    page = (ROOT / "docs/decisions/0005-who-imports-whom.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z.]+)` \| (.+) \|$", page, re.MULTILINE)
    listed = {
        package: [set(re.findall(r"`(\w+)`", layer)) for layer in layers.split(" → ")]
        for package, layers in rows
    }
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = rules["tool"]["importlinter"]["contracts"]
    inside = dict(_layers(one) for one in contracts if one["type"] == "layers")
    del inside[""]  # those of the packages themselves, which the page has as a sentence
    assert listed == inside


def _layers(contract: dict[str, Any]) -> tuple[str, list[set[str]]]:
    """Return the package of a contract, and the names in each of its layers, highest first."""
    layers = [re.split(r" [|:] ", layer) for layer in contract["layers"]]
    names = [one for layer in layers for one in layer]
    [package] = contract.get("containers") or {one.rpartition(".")[0] for one in names}
    return package, [{one.rpartition(".")[2] for one in layer} for layer in layers]
