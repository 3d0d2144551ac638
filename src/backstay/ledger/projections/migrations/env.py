"""Alembic's environment: a connection given by `backstay.ledger.projections.migrating`, or offline as SQL."""

from alembic import context

from backstay.ledger.projections.models import Base


def run() -> None:
    """Run what was asked for, on the given connection or as statements only."""
    connection = context.config.attributes.get("connection")
    if context.is_offline_mode():
        dialect = context.config.attributes.get("dialect", "sqlite")
        context.configure(dialect_name=dialect, target_metadata=Base.metadata, literal_binds=True)
    else:
        if connection is None:
            raise RuntimeError("the migrations run on a connection of the store: `backstay run` opens it")
        context.configure(
            connection=connection, target_metadata=Base.metadata, compare_type=True, render_as_batch=True
        )
    with context.begin_transaction():
        context.run_migrations()


run()
