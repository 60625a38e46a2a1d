"""A case's call, and what the two browsers tell each other on the way to it."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, PersonalRow, new_id


class Call(PersonalRow, Base):
    """A room for one clerk and one person, opened when the person is admitted.

    open: the browsers may connect, no media flows; accepted: the person has said yes by a tap;
    ended: somebody has hung up, one tap leads back; over: the clerk no longer holds the case.
    """

    __tablename__ = "call"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'accepted', 'ended', 'over')", name="state"),
        Index("uq_call_live", "case_id", unique=True, postgresql_where=text("state <> 'over'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    staff_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("staff.id"))
    state: Mapped[str] = mapped_column(default="open")
    opened_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class CallSignal(PersonalRow, Base):
    """An offer, an answer, candidates: sealed, for they hold addresses of the network, and short-lived.

    The id is the sender's own, so a signal sent again is still one.
    """

    __tablename__ = "call_signal"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("call.id", ondelete="CASCADE"), index=True)
    sender: Mapped[str]
    body: Mapped[bytes]
    at: Mapped[datetime]
