"""A case's call, the short-lived signals on the way to it, and what is in files."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("staff_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("city_id", sa.UUID(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'accepted', 'ended', 'over')", name=op.f("ck_call_state")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name=op.f("fk_call_case_id_case"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["city_id"], ["city.id"], name=op.f("fk_call_city_id_city"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_call_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call")),
    )
    op.create_index(
        "uq_call_live", "call", ["case_id"], unique=True, postgresql_where=sa.text("state <> 'over'")
    )
    for column in ("case_id", "city_id", "delete_after"):
        op.create_index(op.f(f"ix_call_{column}"), "call", [column], unique=False)
    op.create_table(
        "call_signal",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("call_id", sa.UUID(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("city_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["call.id"], name=op.f("fk_call_signal_call_id_call"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["city_id"], ["city.id"], name=op.f("fk_call_signal_city_id_city"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_signal")),
    )
    for column in ("call_id", "city_id", "delete_after"):
        op.create_index(op.f(f"ix_call_signal_{column}"), "call_signal", [column], unique=False)
    op.create_table(
        "file_content",
        sa.Column("file_id", sa.UUID(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("city_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["city.id"], name=op.f("fk_file_content_city_id_city"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["file.id"], name=op.f("fk_file_content_file_id_file"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_file_content")),
    )
    # What is sealed cannot be packed; trying would only cost time.
    op.execute("ALTER TABLE file_content ALTER COLUMN content SET STORAGE EXTERNAL")
    for column in ("city_id", "delete_after"):
        op.create_index(op.f(f"ix_file_content_{column}"), "file_content", [column], unique=False)
