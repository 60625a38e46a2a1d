"""An office at work for tests: the escalation service with sample facts, people who wait, and what was said to them."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Appointment
from conversation.models import Case, Conversation, Outbox
from conversation.ports import Inbound
from conversation.service import Conversations
from escalation.service import Escalation
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import new_id
from foundation.events import Events, Subscriptions
from foundation.i18n import Catalogue, Filled, Sayable, Text
from foundation.settings import ROOT
from people.models import Office
from people.service import People
from tests.support.booking import add_lane, sample_booking
from tests.support.factory import Factory

NAMES = {
    "de": "Anmeldung eines Wohnsitzes",
    "en": "Registering your home",
    "tr": "Adres kaydı",
    "ar": "تسجيل السكن",
}


@dataclass(frozen=True)
class SampleFacts:
    """Every talk takes ten minutes, the office is open until noon."""

    def service_name(self, service: str | None) -> Sayable:
        return Filled(NAMES) if service else Text("desk.no_service")

    def duration_of(self, service: str | None) -> timedelta:
        return timedelta(minutes=10)

    def open_at(self, office: Office, instant: datetime) -> bool:
        return instant.hour < 12


async def _no_effects(session: AsyncSession, task: str, arguments: dict[str, Any]) -> None:
    raise AssertionError(f"nobody subscribed, but {task} was deferred")


@dataclass(frozen=True)
class Bureau:
    """The escalation service and what a test needs to bring people to it."""

    escalation: Escalation
    make: Factory
    clock: FixedClock

    @property
    def conversations(self) -> Conversations:
        return self.escalation.conversations

    @property
    def people(self) -> People:
        return self.escalation.people

    async def person(
        self, session: AsyncSession, language: str = "en", zone: str | None = None
    ) -> Conversation:
        """Somebody with a thread that has an open case."""
        thread = await self.make.conversation(session, language=language, zone=zone)
        office_id = self.make.city.office.id
        await self.conversations.open_case(session, thread, office_id, "residence_registration")
        return thread

    async def case(self, session: AsyncSession, thread: Conversation) -> Case:
        case = await self.conversations.case_of(session, thread)
        assert case is not None
        return case

    async def join(self, session: AsyncSession, thread: Conversation, start: datetime | None = None) -> Case:
        """Take a place, with an appointment at `start` if given."""
        case = await self.case(session, thread)
        appointment = await self.appointment(session, case, start) if start else None
        await self.escalation.join(session, case, thread, appointment)
        return case

    async def appointment(self, session: AsyncSession, case: Case, start: datetime) -> Appointment:
        lane_id = await add_lane(session, self.make.city.office, name=str(new_id()))
        row = Appointment(
            id=new_id(),
            city_id=case.city_id,
            office_id=case.office_id,
            lane_id=lane_id,
            case_id=case.id,
            service="residence_registration",
            during=Range(start, start + timedelta(minutes=30)),
            status="booked",
            zone="Asia/Manila",
            created_at=self.clock.now(),
            delete_after=case.delete_after,
        )
        session.add(row)
        await session.flush()
        return row

    async def writes(self, session: AsyncSession, thread: Conversation, text: str) -> None:
        """The person writes something."""
        address = await self.conversations.address_of(session, thread)
        external = await self.conversations.external_of(session, address)
        inbound = Inbound(address.channel, str(new_id()), external, "text", text)
        await self.conversations.receive(session, thread.city_id, inbound)

    async def sent(self, session: AsyncSession, thread_id: uuid.UUID) -> list[tuple[str, dict[str, Any]]]:
        """What stands in the outbox of a thread: author and body, in order."""
        rows = await session.scalars(
            select(Outbox).where(Outbox.conversation_id == thread_id).order_by(Outbox.seq)
        )
        vault = self.conversations.vault
        return [(row.author, await vault.open(session, f"outbox.body:{row.id}", row.body)) for row in rows]


def sample_bureau(vault: Vault, clock: FixedClock, make: Factory) -> Bureau:
    catalogue = Catalogue.load(ROOT / "content")
    conversations = Conversations(vault, clock, catalogue, "http://localhost", ("de", "en", "tr", "ar"))
    events = Events(Subscriptions(), _no_effects)
    booking = sample_booking(clock)
    return Bureau(
        Escalation(conversations, People(clock), booking, clock, events, SampleFacts()), make, clock
    )
