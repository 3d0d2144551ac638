"""Migrations of the store, driven by Alembic without a configuration file of its own.

`REVISIONS` in `models` lists them, so that opening a database that is up to date needs no Alembic at all.
"""

import io

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

LOCATION = "backstay.ledger.projections:migrations"


def configuration(connection: Connection | None = None, output: io.StringIO | None = None) -> Config:
    """Alembic's configuration: with a connection to migrate it, without one to write SQL to `output`."""
    config = Config(output_buffer=output) if output is not None else Config()
    config.set_main_option("script_location", LOCATION)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to `revision` inside the caller's transaction."""
    command.upgrade(configuration(connection), revision)


def known_revisions() -> tuple[str, ...]:
    """Every revision in the folder, oldest first."""
    scripts = ScriptDirectory.from_config(configuration())
    return tuple(reversed([s.revision for s in scripts.walk_revisions()]))


def offline_sql(dialect: str) -> str:
    """The statements that make an empty database, for who applies them by hand."""
    output = io.StringIO()
    config = configuration(output=output)
    config.attributes["dialect"] = dialect
    command.upgrade(config, "head", sql=True)
    return output.getvalue()
