"""A sample calendar for tests: weekdays 08:00–12:00 and 13:00–16:00 in Heidelberg, half an hour each."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Lane
from booking.ports import GateResult, LanePlan
from booking.service import Booking
from booking.slots import OfficeHours
from foundation.clock import Clock
from foundation.db import new_id
from foundation.events import Events, Subscriptions
from people.models import Office

SERVICE = "residence_registration"
NINE = datetime(2026, 10, 20, 7, 0, tzinfo=UTC)
"""Tuesday 20 October 2026, 09:00 in Heidelberg."""


@dataclass(frozen=True)
class SampleRules:
    minutes: int = 30

    def hours(self, office: str) -> OfficeHours:
        spans = ((time(8), time(12)), (time(13), time(16)))
        return OfficeHours(zone="Europe/Berlin", weekly=dict.fromkeys(range(5), spans))

    def lanes(self, office: str) -> Sequence[LanePlan]:
        return [LanePlan("1")]

    def duration(self, service: str) -> timedelta:
        return timedelta(minutes=self.minutes)


def gate(kind: str = "video", service: str = SERVICE) -> GateResult:
    """What a gate said."""
    return GateResult(service, kind)


async def no_effects(session: AsyncSession, task: str, arguments: Mapping[str, Any]) -> None:
    raise AssertionError(f"nobody subscribed, but {task} was deferred")


def sample_booking(clock: Clock, minutes: int = 30) -> Booking:
    return Booking(SampleRules(minutes), clock, Events(Subscriptions(), no_effects))


async def add_lane(
    session: AsyncSession, office: Office, name: str = "1", skills: tuple[str, ...] = ()
) -> uuid.UUID:
    lane = Lane(id=new_id(), city_id=office.city_id, office_id=office.id, name=name, skills=list(skills))
    session.add(lane)
    await session.flush()
    return lane.id
