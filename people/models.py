"""City, office, staff, their sessions, and the audit trail."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, CityRow, PersonalRow, new_id


class City(Base):
    __tablename__ = "city"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]


class Office(CityRow, Base):
    __tablename__ = "office"
    __table_args__ = (UniqueConstraint("city_id", "slug"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str]
    name: Mapped[str]
    zone: Mapped[str]


class Staff(CityRow, Base):
    """Someone who works for the city. `roles`: clerk, content, admin.

    `on_duty_until` is moved on by the heartbeat of an open desk.
    """

    __tablename__ = "staff"
    __table_args__ = (UniqueConstraint("city_id", "login"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    office_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("office.id"))
    login: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]
    must_change_password: Mapped[bool] = mapped_column(default=True)
    roles: Mapped[list[str]]
    languages: Mapped[list[str]]
    active: Mapped[bool] = mapped_column(default=True)
    on_duty_until: Mapped[datetime | None]


class StaffSession(PersonalRow, Base):
    """An opaque browser session; only the token's SHA-256 is kept."""

    __tablename__ = "staff_session"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class FailedSignIn(PersonalRow, Base):
    """Slows down guessing: counted per login."""

    __tablename__ = "failed_sign_in"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    login_hash: Mapped[bytes] = mapped_column(index=True)
    at: Mapped[datetime]


class Audit(PersonalRow, Base):
    """Who did what to which case, and when; every look counts. Ids and codes only."""

    __tablename__ = "audit"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    at: Mapped[datetime]
    staff_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    action: Mapped[str]
    case_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    detail: Mapped[str | None]
