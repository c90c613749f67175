"""The shape of the source tree: small folders, no import cycles, tests that stand alone."""

import ast
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "db", "worker", "zpruner")
MOST_MODULES = 20


def test_no_folder_has_more_than_20_modules() -> None:
    modules = Counter(path.parent for path in _sources() if path.name != "__init__.py")
    crowded = {str(folder): count for folder, count in modules.items() if count > MOST_MODULES}
    assert crowded == {}


def test_no_modules_import_each_other_not_even_in_functions() -> None:
    files = {_module(path): path for path in _sources()}
    graph = {name: (_imports(path) & files.keys()) - {name} for name, path in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


@pytest.mark.parametrize("package", ["api", "db", "zpruner"])
def test_no_two_folders_import_each_other(package: str) -> None:
    files = {_module(path): path for path in _sources() if path.parts[0] == package}
    uses = {
        (str(path.parent), str(files[name].parent))
        for path in files.values()
        for name in _imports(path) & files.keys()
    }
    assert [
        (one, other) for one, other in sorted(uses) if one < other and (other, one) in uses
    ] == []


def test_no_test_module_is_imported_by_another_one() -> None:
    tests = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py")]
    names = {_module(path) for path in tests if path.name.startswith("test_")}
    importers = {str(path): imported for path in tests if (imported := _imports(path) & names)}
    assert importers == {}


def _sources() -> list[Path]:
    paths = (
        path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    )
    return [path for path in paths if not {"node_modules", "versions"} & set(path.parts)]


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@cache
def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
