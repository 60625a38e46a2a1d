"""Ready-made rows for tests: people, conversations, cases, each with its keys."""

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Address, Case, Conversation, Person
from foundation.clock import Clock
from foundation.crypto import Vault
from foundation.db import Database, new_id
from people.models import City, Office, Staff

KEEP = timedelta(days=400)
Row = TypeVar("Row")


@dataclass(frozen=True)
class SampleCity:
    """A city with one office and two clerks; `id` is the city's."""

    city: City
    office: Office
    clerk: Staff
    second_clerk: Staff

    @property
    def id(self) -> uuid.UUID:
        return self.city.id


async def sample_city(database: Database, slug: str = "heidelberg") -> SampleCity:
    """Insert the city, its office "buergeramt" (Europe/Berlin) and the clerks "clerk" and "second"."""
    city = City(id=new_id(), slug=slug, name=slug.title())
    office = Office(id=new_id(), city_id=city.id, slug="buergeramt", name="Bürgeramt", zone="Europe/Berlin")
    clerks = [_clerk(city, office, login) for login in ("clerk", "second")]
    async with database.every_city() as session:
        session.add(city)
        await session.flush()
        session.add(office)
        await session.flush()
        session.add_all(clerks)
    return SampleCity(city, office, *clerks)


def _clerk(city: City, office: Office, login: str) -> Staff:
    return Staff(
        id=new_id(),
        city_id=city.id,
        office_id=office.id,
        login=login,
        name=login.title(),
        password_hash="-",
        must_change_password=False,
        roles=["clerk"],
        languages=["de", "en"],
        active=True,
    )


@dataclass(frozen=True)
class Factory:
    """Makes rows in the caller's session; every row is flushed and may be used at once."""

    vault: Vault
    clock: Clock
    city: SampleCity

    async def person(self, session: AsyncSession, name: str | None = None) -> Person:
        row_id, key_id = await self._keyed(session, "person")
        sealed = await self.vault.seal(session, key_id, f"person.name:{row_id}", name) if name else None
        person = Person(
            id=row_id,
            city_id=self.city.id,
            key_id=key_id,
            name=sealed,
            created_at=self.clock.now(),
            **self._kept(),
        )
        return await self._stored(session, person)

    async def address(
        self,
        session: AsyncSession,
        person: Person,
        *,
        channel: str = "web",
        external: str | None = None,
        language: str = "en",
        zone: str | None = None,
    ) -> Address:
        row_id, external = new_id(), external or secrets.token_hex(8)
        address = Address(
            id=row_id,
            city_id=self.city.id,
            person_id=person.id,
            channel=channel,
            language=language,
            zone=zone,
            external_hash=self.vault.blind_index(channel, external),
            blocked_at=None,
            external=await self.vault.seal(session, person.key_id, f"address.external:{row_id}", external),
            **self._kept(),
        )
        return await self._stored(session, address)

    async def conversation(
        self,
        session: AsyncSession,
        *,
        channel: str = "web",
        language: str = "en",
        zone: str | None = None,
        case: Case | None = None,
    ) -> Conversation:
        """A new person with an address and a conversation, joined to `case` when one is given."""
        person = await self.person(session) if case is None else await session.get_one(Person, case.person_id)
        address = await self.address(session, person, channel=channel, language=language, zone=zone)
        row_id, key_id = await self._keyed(session, "conversation")
        conversation = Conversation(
            id=row_id,
            city_id=self.city.id,
            address_id=address.id,
            key_id=key_id,
            state=None,
            holder_id=None,
            case_id=case.id if case else None,
            created_at=self.clock.now(),
            **self._kept(),
        )
        return await self._stored(session, conversation)

    async def case(
        self,
        session: AsyncSession,
        *,
        person: Person | None = None,
        service: str | None = "residence_registration",
    ) -> Case:
        person = person or await self.person(session)
        row_id, key_id = await self._keyed(session, "case")
        token = secrets.token_urlsafe(32)
        case = Case(
            id=row_id,
            city_id=self.city.id,
            office_id=self.city.office.id,
            person_id=person.id,
            key_id=key_id,
            service=service,
            holder_id=None,
            state="open",
            outcome=None,
            summary=None,
            closed_at=None,
            token=await self.vault.seal(session, key_id, f"case.token:{row_id}", token),
            token_hash=hashlib.sha256(token.encode()).digest(),
            opened_at=self.clock.now(),
            **self._kept(),
        )
        return await self._stored(session, case)

    async def _keyed(self, session: AsyncSession, kind: str) -> tuple[uuid.UUID, uuid.UUID]:
        row_id = new_id()
        key_id = await self.vault.make_key(
            session, city_id=self.city.id, owner_kind=kind, owner_id=row_id, now=self.clock.now()
        )
        return row_id, key_id

    def _kept(self) -> dict[str, Any]:
        return {"delete_after": self.clock.now() + KEEP}

    async def _stored(self, session: AsyncSession, row: Row) -> Row:
        session.add(row)
        await session.flush()
        return row
