"""The docstrings and the code of Python's standard library, texts that need no download."""

import ast
import inspect
import sys
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import dropwhile, islice
from pathlib import Path

EXCLUDED = frozenset(
    {"distutils", "ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtledemo"}
)
"""Packages that some distributions omit; the text must not depend on the distribution."""

CODE_LINES = 200
"""The most lines of a module's code in the text."""
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def documents() -> tuple[str, ...]:
    """Return the docstrings of the standard library, as one document for each module.

    The documents are in the order of the modules' names. Modules without docstrings are left out,
    and so are tests, private top-level modules, and packages that some distributions omit. The
    sources are parsed, not imported. The text depends only on the version of Python.
    """
    return tuple(text for path in _sources() if (text := "\n\n".join(_docstrings(path))))


@cache
def code() -> tuple[str, ...]:
    """Return the source code of the same modules, as one document for each, without docstrings.

    Of each module there are at most the first `CODE_LINES` lines. The text depends only on the
    version of Python.
    """
    return tuple(text for path in _sources() if (text := _code(path)))


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
    for node in _documented(path.read_bytes()):
        yield inspect.cleandoc(str(ast.get_docstring(node, clean=False)))


def _code(path: Path) -> str:
    """Return the first lines of a module, after its licence and without those of docstrings."""
    with tokenize.open(path) as file:
        source = file.read()
    removed: set[int] = set()
    for node in _documented(source):
        text = node.body[0]
        removed |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    lines = (line for number, line in enumerate(source.splitlines(), 1) if number not in removed)
    code = dropwhile(lambda line: not line.strip() or line.startswith("#"), lines)
    return "\n".join(islice(code, CODE_LINES)).strip()


def _documented(source: str | bytes) -> Iterator[Documented]:
    """Yield what has a docstring that is not empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # outdated escapes in the library's sources
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, Documented) and ast.get_docstring(node, clean=False):
            yield node
