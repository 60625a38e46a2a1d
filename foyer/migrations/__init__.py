"""The database's schema, step by step (Alembic). `migrate(url)` is all that the rest of the program needs."""

import importlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

HERE = Path(__file__).resolve().parent
MODELS = (
    "booking.models",
    "bots.matrix.models",
    "conversation.models",
    "escalation.models",
    "foundation.content_store",
    "foundation.crypto",
    "foundation.events",
    "foundation.files",
    "foundation.live",
    "payments.models",
    "people.models",
    "web_call.models",
)
"""Every module that defines tables; a test looks for forgotten ones."""


def import_models() -> None:
    """Make all tables known to `foundation.db.Base.metadata`."""
    for name in MODELS:
        importlib.import_module(name)


def config(url: str | None = None) -> Config:
    """Alembic's configuration; there is no alembic.ini to keep in step."""
    made = Config()
    made.set_main_option("script_location", str(HERE))
    made.attributes["url"] = url
    return made


def migrate(url: str) -> None:
    """Bring the database at `url` (postgresql://) to the newest schema; two at once wait for each other."""
    command.upgrade(config(url), "head")


def heads() -> list[str]:
    """The newest revisions; more than one means that two branches were never joined."""
    return list(ScriptDirectory.from_config(config()).get_heads())
