"""The docstrings of Python's standard library: real text that every machine has."""

import ast
import inspect
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LEFT_OUT = frozenset(
    {"distutils", "ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtledemo"}
)
"""Packages that distributions leave out or ship apart: the text must not depend on that."""

Documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def documents() -> tuple[str, ...]:
    """Return one document for every module that has docstrings, in the order of their names.

    The sources are parsed, never imported. The text depends on the version of Python alone.
    """
    return tuple(text for path in _sources() if (text := "\n\n".join(_docstrings(path))))


def _sources() -> list[Path]:
    root = Path(sysconfig.get_path("stdlib"))
    tops = sorted(name for name in sys.stdlib_module_names - LEFT_OUT if not name.startswith("_"))
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
        warnings.simplefilter("ignore")  # old escapes in the library's own sources
        tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node, clean=False)):
            yield inspect.cleandoc(text)
