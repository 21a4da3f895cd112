"""What Alembic runs: the scripts, on the connection that it is given."""

from alembic import context

from voxway.stores.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
