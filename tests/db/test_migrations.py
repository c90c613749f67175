import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from alembic import command
from sqlalchemy import create_engine, inspect

from db.models import Base
from db.session import migrate, migration_config


def test_the_migrations_make_the_tables_that_the_models_describe(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        command.check(migration_config(connection))
    engine.dispose()


def test_the_migrations_lead_back_to_nothing(new_database_url: str) -> None:
    migrate(new_database_url)
    engine = create_engine(new_database_url)
    with engine.begin() as connection:
        command.downgrade(migration_config(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_processes_that_start_together_migrate_once(new_database_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=spawn) as pool:
        list(pool.map(migrate, [new_database_url] * 3))
    engine = create_engine(new_database_url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}
    engine.dispose()
