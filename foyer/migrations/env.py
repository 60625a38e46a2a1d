"""Run by Alembic for every command."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, text

from foundation.db import Base
from foyer.migrations import import_models

FOREIGN = ("procrastinate_",)
"""Tables that another library owns; they come as its SQL and are not compared with our models."""
ONE_AT_A_TIME = 4_711_001


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    if kind == "schema":
        return name in (None, "public", "keyring")
    return not (kind == "table" and (name or "").startswith(FOREIGN))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_schemas=True,
        include_name=include_name,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
        context.run_migrations()


import_models()
url: str = context.config.attributes["url"].replace("postgres://", "postgresql://", 1)
engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
with engine.connect() as connection:
    run(connection)
engine.dispose()
