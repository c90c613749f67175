"""Run the migrations on the connection that `db.schema.migration` hands over."""

from alembic import context

from db.schema.revision import is_of_search
from db.tables.registry import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=lambda name, *_: not is_of_search(name),
    compare_type=True,
    compare_server_default=True,
    # SQLite changes a table by rebuilding it.
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
