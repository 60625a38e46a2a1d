"""Lanes, appointments, and the reminders of a plan. A lane is bookable capacity; the clerk is assigned on the day."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, CityRow, PersonalRow, new_id


class Lane(CityRow, Base):
    """One row of slots of an office. `skills` are service ids, empty for all."""

    __tablename__ = "lane"
    __table_args__ = (UniqueConstraint("office_id", "name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    office_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("office.id"), index=True)
    name: Mapped[str]
    skills: Mapped[list[str]]
    active: Mapped[bool] = mapped_column(default=True)


class Appointment(PersonalRow, Base):
    """A slot held or booked. The exclusion constraint is what makes a double booking impossible."""

    __tablename__ = "appointment"
    __table_args__ = (
        CheckConstraint(
            "status IN ('held', 'booked', 'cancelled', 'expired', 'done', 'missed')", name="status"
        ),
        ExcludeConstraint(
            ("lane_id", "="),
            ("during", "&&"),
            name="appointment_no_overlap",
            using="gist",
            where=text("status IN ('held', 'booked')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[int] = mapped_column(BigInteger, Identity(start=1001), unique=True)
    lane_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lane.id"))
    office_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("office.id"), index=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    service: Mapped[str]
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    status: Mapped[str]
    held_until: Mapped[datetime | None]
    zone: Mapped[str]
    sequence: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    late_at: Mapped[datetime | None]
    """When the person said that they would come late."""
    within: Mapped[Range[datetime] | None] = mapped_column(TSTZRANGE)
    """The time in which it has to lie, also when it is moved: not before the person has moved in. None: any time."""

    @property
    def starts_at(self) -> datetime:
        """UTC."""
        return _end(self.during.lower)

    @property
    def ends_at(self) -> datetime:
        """UTC."""
        return _end(self.during.upper)


class Reminder(PersonalRow, Base):
    """A message that a person asked for, to be sent at `due_at`; gone once it is sent or not wanted any more.

    `body` (sealed) is {"step", "day", "zone"}: what it is about, the day of the step, and where the person is then.
    """

    __tablename__ = "reminder"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    due_at: Mapped[datetime]
    body: Mapped[bytes]


def _end(bound: datetime | None) -> datetime:
    if bound is None:
        raise ValueError("an appointment has both ends")
    return bound
