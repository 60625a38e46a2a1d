"""Fees, the attempts to pay them, and vendors' webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fee",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("conversation_id", sa.UUID(), nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.UUID(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("city_id", sa.UUID(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_fee_amount")),
        sa.CheckConstraint(
            "state IN ('open', 'processing', 'paid', 'cancelled', 'expired', 'refunded')",
            name=op.f("ck_fee_state"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name=op.f("fk_fee_case_id_case"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["city_id"], ["city.id"], name=op.f("fk_fee_city_id_city"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            name=op.f("fk_fee_conversation_id_conversation"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["requested_by"], ["staff.id"], name=op.f("fk_fee_requested_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fee")),
        sa.UniqueConstraint("city_id", "key", name=op.f("uq_fee_city_id_key")),
        sa.UniqueConstraint("city_id", "reference", name=op.f("uq_fee_city_id_reference")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_fee_token_hash")),
    )
    op.create_index(op.f("ix_fee_case_id"), "fee", ["case_id"], unique=False)
    op.create_index(op.f("ix_fee_city_id"), "fee", ["city_id"], unique=False)
    op.create_index(op.f("ix_fee_delete_after"), "fee", ["delete_after"], unique=False)
    op.create_index(
        "uq_fee_live",
        "fee",
        ["case_id", "service", "line"],
        unique=True,
        postgresql_where=sa.text("state IN ('open', 'processing')"),
    )
    op.create_table(
        "payment_attempt",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("fee_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("vendor_id", sa.String(), nullable=True),
        sa.Column("charge_id", sa.String(), nullable=True),
        sa.Column("url", sa.LargeBinary(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("refund_asked", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("city_id", sa.UUID(), nullable=False),
        sa.CheckConstraint(
            "state IN ('starting', 'open', 'processing', 'paid', 'failed', 'expired', 'cancelled', 'refunded')",
            name=op.f("ck_payment_attempt_state"),
        ),
        sa.ForeignKeyConstraint(
            ["city_id"], ["city.id"], name=op.f("fk_payment_attempt_city_id_city"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["fee_id"], ["fee.id"], name=op.f("fk_payment_attempt_fee_id_fee"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempt")),
        sa.UniqueConstraint("city_id", "key", name=op.f("uq_payment_attempt_city_id_key")),
        sa.UniqueConstraint("fee_id", "number", name=op.f("uq_payment_attempt_fee_id_number")),
    )
    for column in ("charge_id", "city_id", "delete_after", "vendor_id"):
        op.create_index(op.f(f"ix_payment_attempt_{column}"), "payment_attempt", [column], unique=False)
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("vendor_id", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("city_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["city.id"], name=op.f("fk_webhook_event_city_id_city"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_event")),
        sa.UniqueConstraint(
            "city_id", "source", "external_id", name=op.f("uq_webhook_event_city_id_source_external_id")
        ),
    )
    op.create_index(op.f("ix_webhook_event_city_id"), "webhook_event", ["city_id"], unique=False)
    op.create_index(op.f("ix_webhook_event_delete_after"), "webhook_event", ["delete_after"], unique=False)
