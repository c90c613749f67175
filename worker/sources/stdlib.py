"""The docstrings of Python's standard library, a text that needs no download."""

import ast
import inspect
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

EXCLUDED = frozenset(
    {"distutils", "ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtledemo"}
)
"""Packages that some distributions omit; the text must not depend on the distribution."""

Documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def documents() -> tuple[str, ...]:
    """Return the docstrings of the standard library, as one document for each module.

    The documents are in the order of the modules' names. Modules without docstrings are left out,
    and so are tests, private top-level modules, and packages that some distributions omit. The
    sources are parsed, not imported. The text depends only on the version of Python.
    """
    return tuple(text for path in _sources() if (text := "\n\n".join(_docstrings(path))))


def _sources() -> list[Path]:
    root = Path(sysconfig.get_path("stdlib"))
    tops = sorted(name for name in sys.stdlib_module_names - EXCLUDED if not name.startswith("_"))
    return [path for name in tops for path in _files(root, name)]


def _files(root: Path, name: str) -> list[Path]:
    if (root / f"{name}.py").is_file():
        return [root / f"{name}.py"]
    inside = [path for path in (root / name).rglob("*.py") if not _is_test(path.relative_to(root))]
    return sorted(inside, key=lambda path: path.relative_to(root).parts)


def _is_test(path: Path) -> bool:
    return not {"test", "tests"}.isdisjoint(path.parts)


def _docstrings(path: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # outdated escapes in the library's sources
        tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node, clean=False)):
            yield inspect.cleandoc(text)
