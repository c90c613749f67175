"""All databases of the tests share what SQLAlchemy has compiled.

Each test has a database of its own, so that it would compile all its statements anew: a quarter of
the time of a test of the API.
"""

from typing import Any

import pytest
from sqlalchemy import Dialect
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.util import LRUCache

MOST_STATEMENTS = 5000


def pytest_configure(config: pytest.Config) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(ClauseElement, "_compile_w_cache", shared(ClauseElement._compile_w_cache))
    config.add_cleanup(patch.undo)


def shared(compiled: Any) -> Any:
    """Have a method look among the statements of all engines that `open_sessions` has opened."""
    statements: LRUCache[Any, Any] = LRUCache(MOST_STATEMENTS)
    dialects: dict[object, Dialect] = {}

    def among_all(
        statement: ClauseElement, dialect: Any, *, compiled_cache: Any, **more: Any
    ) -> Any:
        # Other engines, such as that of migrations, do not check the JSON that they write.
        if compiled_cache is not None and dialect._json_serializer is not None:
            compiled_cache = statements
            dialect = dialects.setdefault((type(dialect), dialect.server_version_info), dialect)
        return compiled(statement, dialect, compiled_cache=compiled_cache, **more)

    return among_all
