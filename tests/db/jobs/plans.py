"""The plans of queries, as each database explains them."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import event

from db.core.session import Sessions

MANY = 5000
"""Jobs of the database whose plans are read."""
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}
WHOLE_TABLE = re.compile(r"Seq Scan on jobs|SCAN jobs(?! USING COVERING INDEX)")


@contextmanager
def plans(sessions: Sessions) -> Iterator[list[str]]:
    """Collect the plan of every query with its parameters."""
    found: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith(("SELECT", "WITH")):
            return
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(f"{EXPLAIN[connection.dialect.name]} {statement}", parameters)
            found.append("\n".join(str(line[-1]) for line in cursor.fetchall()))

    engine = sessions.kw["bind"]
    event.listen(engine, "before_cursor_execute", explain)
    yield found
    event.remove(engine, "before_cursor_execute", explain)
