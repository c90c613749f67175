import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from db.core.session import open_sessions
from db.core.sort_key import SortMetric
from db.events.job_events import EventRepository
from db.events.use_sums import correction
from db.jobs.idempotency import IdempotencyRepository
from db.jobs.listing import JobFilter
from db.jobs.repository import JobRepository
from db.jobs.search import FIRST_FIELDS
from db.jobs.use import use_of
from db.schema.migration import migrate, migration_config
from db.schema.revision import MIGRATIONS, generation, is_of_search, known_revisions
from db.spec.reduction import reduction
from db.tables.registry import Base
from tests.factories import make_spec


def test_the_migrations_make_the_tables_that_the_models_describe(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        command.check(migration_config(connection))
    engine.dispose()


def test_the_known_migrations_are_those_of_alembic_in_its_order() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    assert known_revisions() == [script.revision for script in scripts]


def test_each_migration_only_adds_to_the_tables_or_begins_a_generation(tmp_path: Path) -> None:
    """Older processes work with the tables of newer ones, while they are replaced one by one."""
    engine = create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    later = [one for one in reversed(known_revisions()) if one >= FIRST_THAT_ONLY_ADDS]
    with engine.begin() as connection:
        config = migration_config(connection)
        command.upgrade(config, later[0])
        for last, revision in pairwise(later):
            before = columns(connection)
            command.upgrade(config, revision)
            if generation(last) == generation(revision):
                assert changes(before, columns(connection)) == [], revision
    engine.dispose()
    assert len(later) > 2


Columns = dict[tuple[str, str], dict[str, Any]]


def columns(connection: Connection) -> Columns:
    """Return the columns of all tables by table and name, and what each demands of its rows."""
    tables = inspect(connection)
    return {
        (table, one["name"]): {
            "type": str(one["type"]),
            "required": not one["nullable"] and one["default"] is None,
            "unique": [
                unique["column_names"]
                for unique in tables.get_unique_constraints(table)
                if one["name"] in unique["column_names"]
            ],
        }
        for table in tables.get_table_names()
        for one in tables.get_columns(table)
    }


def changes(before: Columns, after: Columns) -> list[str]:
    """Return the columns that a process of the version before would miss or not fill."""
    old_tables = {table for table, _ in before}
    changed = [".".join(name) for name, column in before.items() if after.get(name) != column]
    return changed + [
        ".".join(name)
        for name in after.keys() - before.keys()
        if name[0] in old_tables and (after[name]["required"] or after[name]["unique"])
    ]


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
    tables = {name for name in inspect(engine).get_table_names() if not is_of_search(name)}
    assert tables == {"alembic_version", *Base.metadata.tables}
    engine.dispose()


def test_a_job_from_before_the_columns_that_find_it_is_found(new_database_url: str) -> None:
    engine = create_engine(new_database_url)
    spec = make_spec(model="Org/Model", method="wanda", propagation="fused")
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), "0001")
        connection.execute(text(OLD_JOB), {"spec": spec.model_dump_json(include=set(FIRST_FIELDS))})
        connection.execute(text(OLD_EVENT))
    engine.dispose()

    migrate(new_database_url)

    sessions = open_sessions(new_database_url)
    with sessions() as session:
        filters = (JobFilter(model="Org/Model"), JobFilter(text="ORG/"), JobFilter(text="olD"))
        for wanted in (*filters, JobFilter(labels=(("team", "nlp"),))):
            (job,) = JobRepository(session).page(wanted)
            assert (job.id, job.method, job.spec) == ("job_1", "wanda", spec)
        assert JobRepository(session).identical(spec) == [job]
        assert len(EventRepository(session).events("job_1")) == 1
    sessions.kw["bind"].dispose()


def test_jobs_from_before_the_metrics_are_sorted_and_searched_by_label(
    new_database_url: str,
) -> None:
    engine = create_engine(new_database_url)
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), "0020")
        spec = make_spec(tasks=["boolq", "rte"])
        connection.execute(text(OLD_JOB), {"spec": spec.model_dump_json()})
        connection.execute(text(OLD_RESULT))
        connection.execute(text(OLD_FILE))
    engine.dispose()

    migrate(new_database_url)

    sessions = open_sessions(new_database_url)
    with sessions() as session:
        (job,) = JobRepository(session).sorted_page(SortMetric.seconds, JobFilter(text="team=nlp"))
        assert (job.perplexity, job.perplexity_ratio) == (9.5, None)
        assert job.reduction == reduction(job.result or {}) == 0.90625
        assert (job.accuracy, job.speed, job.weights_bytes) == (0.5, 1.5, 700)
        assert (job.seconds, job.size_bytes) == (90, 7)
    sessions.kw["bind"].dispose()


def test_jobs_from_before_the_sums_are_summed_and_found_by_the_index_of_texts(
    new_database_url: str,
) -> None:
    engine = create_engine(new_database_url)
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), "0034")
        connection.execute(text(OLD_JOB), {"spec": make_spec().model_dump_json()})
        connection.execute(text("UPDATE jobs SET method = 'wanda', search = 'the facade1'"))
        connection.execute(text(OLD_ATTEMPT))
        connection.execute(text(OLD_DELETED))
    engine.dispose()

    migrate(new_database_url)

    sessions, monday = open_sessions(new_database_url), datetime(2026, 1, 5, tzinfo=UTC)
    with sessions() as session:
        assert correction(session.connection()) == {}
        use = use_of(session, monday, monday + timedelta(days=7))
        hours = {method: one.held / timedelta(hours=1) for method, one in use.methods.items()}
        assert (hours, use.total.succeeded) == ({"wanda": 26.0, "ria": 2.0}, 1)
        assert use.total.cost == 5.0
        (job,) = JobRepository(session).page(JobFilter(text="facade1"))
        assert job.id == "job_1"
    sessions.kw["bind"].dispose()


def test_an_answer_from_before_keys_had_callers_is_its_jobs_makers(new_database_url: str) -> None:
    engine = create_engine(new_database_url)
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), "0009")
        connection.execute(text(OLD_JOB), {"spec": make_spec().model_dump_json()})
        connection.execute(text("UPDATE jobs SET created_by = 'key_a'"))
        connection.execute(text(OLD_ANSWER), {"key": "one"})
        command.upgrade(migration_config(connection), "head")
    tables = inspect(engine)
    assert tables.get_pk_constraint("answers")["constrained_columns"] == ["created_by", "key"]
    assert [one["name"] for one in tables.get_indexes("answers")] == ["ix_answers_job_id"]
    sessions = open_sessions(new_database_url)
    with sessions.begin() as session:
        responses = IdempotencyRepository(session)
        kept = responses.get("one", "key_a")
        assert kept is not None
        assert (kept.status, kept.body, responses.get("one")) == (201, {"id": "job_1"}, None)
        responses.save("one", "digest", "job_1", 201, {})
    with engine.begin() as connection:
        command.downgrade(migration_config(connection), "0009")
        assert connection.scalars(text("SELECT key FROM answers")).all() == ["one"]
    sessions.kw["bind"].dispose()
    engine.dispose()


FIRST_THAT_ONLY_ADDS = "0029"
"""The migration of 0.2.0; before it, processes of two versions did not share tables."""
OLD_JOB = """
INSERT INTO jobs (id, spec, name, labels, status, progress, attempt, crashes,
                  created_at, updated_at, warnings, version)
VALUES ('job_1', :spec, 'Old one', '{"team": "nlp"}', 'succeeded', 0, 0, 0,
        '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', '[]', 1)
"""
OLD_RESULT = """
UPDATE jobs SET result = '{"pruned_perplexity": 9.5, "perplexity_ratio": null, "sparsity": 0.5,
        "parameters": 75, "parameters_removed": 25, "quantization": {"bits_per_weight": 4},
        "acc": {"boolq": 0.25, "rte": 0.75, "other": 1}, "speed": {"decode_ratio": 1.5},
        "weights_bytes": 700}',
    started_at = '2026-01-01 00:00:00.000000', finished_at = '2026-01-01 00:01:30.000000'
"""
OLD_FILE = """
INSERT INTO artifacts (id, job_id, attempt, name, size_bytes, sha256, media_type, created_at)
VALUES ('art_1', 'job_1', 1, 'report.json', 7, 'digest', 'text/plain', '2026-01-01 00:00:00.000000')
"""
OLD_EVENT = """
INSERT INTO job_events (job_id, seq, at, kind, status, attempt, data)
VALUES ('job_1', 1, '2026-01-01 00:00:00.000000', 'status', 'queued', 0, '{}')
"""
OLD_ATTEMPT = """
INSERT INTO job_events (job_id, seq, at, kind, status, attempt, data)
VALUES ('job_1', 1, '2026-01-05 22:00:00.000000', 'status', 'running', 1, '{}'),
       ('job_1', 2, '2026-01-07 00:00:00.000000', 'status', 'succeeded', 1, '{}')
"""
OLD_DELETED = """
INSERT INTO past_attempts (job_id, number, method, hourly_price, started_at, ended_at)
VALUES ('job_2', 0, 'ria', 2.5, '2026-01-06 08:00:00.000000', '2026-01-06 10:00:00.000000')
"""
OLD_ANSWER = """
INSERT INTO answers (key, request_digest, job_id, status, body, created_at)
VALUES (:key, 'digest', 'job_1', 201, '{"id": "job_1"}', '2026-01-01 00:00:00.000000')
"""
