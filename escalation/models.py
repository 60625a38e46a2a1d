"""The waiting room. Positions are computed from these rows, never stored."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, PersonalRow, new_id


class Waiting(PersonalRow, Base):
    """Somebody's place. It is kept on the server, whatever the browser does."""

    __tablename__ = "waiting"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'admitted', 'ended', 'left')", name="state"),
        Index(
            "uq_waiting_live",
            "case_id",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'admitted')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    office_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("office.id"), index=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"))
    conversation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    appointment_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("appointment.id", ondelete="SET NULL")
    )
    state: Mapped[str] = mapped_column(default="waiting")
    joined_at: Mapped[datetime]
    ranked_at: Mapped[datetime]
    admitted_at: Mapped[datetime | None]
    admitted_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None]
