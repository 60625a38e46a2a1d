"""Whoever comes late to an appointment can say so."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("appointment", sa.Column("late_at", sa.DateTime(timezone=True), nullable=True))
