"""The migrations lead to exactly the tables that the models describe."""

from pathlib import Path

import procrastinate
import psycopg
from alembic import command

from foundation.db import Base
from foyer.migrations import HERE, MODELS, config, heads, import_models, migrate

LAST_JOB_CHANGE = "03.04.00_50_post_add_retry_failed_job_procedure.sql"


def test_there_is_one_head() -> None:
    assert len(heads()) == 1


def test_the_models_and_the_migrated_database_agree(database_url: str) -> None:
    command.check(config(database_url))


def test_migrating_again_changes_nothing(database_url: str) -> None:
    migrate(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(heads()[0],)]


def test_no_module_with_tables_is_forgotten() -> None:
    root = HERE.parents[1]
    rooms = [*root.glob("*/models.py"), *root.glob("bots/*/models.py"), *root.glob("foundation/*.py")]
    with_tables = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in rooms
        if "__tablename__ =" in path.read_text()
    }
    assert with_tables == set(MODELS)


def test_every_row_of_a_city_is_scoped() -> None:
    import_models()
    without_city = {table.name for table in Base.metadata.tables.values() if "city_id" not in table.c}
    assert without_city == {"city", "master_mark"}


def test_no_change_of_the_job_tables_is_missed() -> None:
    """A newer procrastinate may bring changes of its tables: they need a migration of ours, and this line."""
    folder = Path(procrastinate.__file__).parent / "sql" / "migrations"
    assert max(path.name for path in folder.glob("*.sql")) == LAST_JOB_CHANGE
