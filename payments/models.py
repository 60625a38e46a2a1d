"""Fees, the attempts to pay them, and the vendors' webhooks. Amounts are minor units; ids and codes only.

Sealed: `fee.token` (the pay link) and `payment_attempt.url` (the vendor's page), with the case's key.
"""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, PersonalRow, new_id


class Fee(PersonalRow, Base):
    """What a clerk asked for. `line` is the line of the service's tariff: "usual", or a reduction's id.

    `reference` is the cash reference (Kassenzeichen), `key` the desk's, which makes a repeated request one fee.
    """

    __tablename__ = "fee"
    __table_args__ = (
        CheckConstraint(
            "state IN ('open', 'processing', 'paid', 'cancelled', 'expired', 'refunded')", name="state"
        ),
        CheckConstraint("amount > 0", name="amount"),
        UniqueConstraint("city_id", "key"),
        UniqueConstraint("city_id", "reference"),
        Index(
            "uq_fee_live",
            "case_id",
            "service",
            "line",
            unique=True,
            postgresql_where=text("state IN ('open', 'processing')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    conversation_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("conversation.id", ondelete="SET NULL")
    )
    key: Mapped[str]
    service: Mapped[str]
    line: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    reference: Mapped[str]
    provider: Mapped[str]
    state: Mapped[str] = mapped_column(default="open")
    token: Mapped[bytes]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    requested_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("staff.id"))
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class PaymentAttempt(PersonalRow, Base):
    """One way through a vendor. `key` is the idempotency key: "fee:<fee>:<number>".

    `problem` is a code for the desk: away, refused, differs, paid_twice. `tries` counts the vendor's own errors.
    """

    __tablename__ = "payment_attempt"
    __table_args__ = (
        CheckConstraint(
            "state IN ('starting', 'open', 'processing', 'paid', 'failed', 'expired', 'cancelled', 'refunded')",
            name="state",
        ),
        UniqueConstraint("fee_id", "number"),
        UniqueConstraint("city_id", "key"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    fee_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("fee.id", ondelete="CASCADE"))
    number: Mapped[int]
    provider: Mapped[str]
    key: Mapped[str]
    state: Mapped[str]
    vendor_id: Mapped[str | None] = mapped_column(index=True)
    charge_id: Mapped[str | None] = mapped_column(index=True)
    url: Mapped[bytes | None]
    problem: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0)
    refund_asked: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    checked_at: Mapped[datetime]


class WebhookEvent(PersonalRow, Base):
    """A vendor's news, written down before it is acknowledged; only what was meant by it, never its words."""

    __tablename__ = "webhook_event"
    __table_args__ = (UniqueConstraint("city_id", "source", "external_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    source: Mapped[str]
    external_id: Mapped[str]
    kind: Mapped[str]
    vendor_id: Mapped[str]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
