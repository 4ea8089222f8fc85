"""What Alembic runs: the migrations of the service's own tables, on the connection that Database.migrate hands over."""

from alembic import context

from photoplay.service.ground.migrations import VERSION_TABLE
from photoplay.service.ground.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
# One transaction around all of it, begun and committed by Database.migrate: a migration is there wholly or not at all.
context.run_migrations()
