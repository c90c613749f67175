from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import literal, select
from sqlalchemy.sql.compiler import SQLCompiler

from db.core.session import open_sessions


def test_a_statement_is_compiled_once_for_all_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_again(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    for number in range(3):
        sessions = open_sessions(f"sqlite:///{tmp_path}/{number}.db")
        with sessions() as session:
            statement = select(literal(number).label("of_this_test_alone"))
            assert session.scalar(statement) == number
        sessions.kw["bind"].dispose()
        monkeypatch.setattr(SQLCompiler, "__init__", compile_again)
