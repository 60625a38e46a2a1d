"""A citizen's pages on a test's own database: an application in this process, and cases with appointments."""

import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.calendar import CalendarFiles
from booking.jobs import KINDS, Notices
from booking.models import Appointment
from booking.ports import ContentRules, GateResult
from booking.service import Booking
from bots.web import routes as chat
from bots.web.limits import Bucket
from bots.web.thread import Threads
from conversation.links import Links
from conversation.models import Case, Conversation, Outbox
from conversation.reply import Body
from conversation.service import Conversations
from escalation.service import Escalation
from foundation.clock import Clock
from foundation.content import load
from foundation.content_models import CityContent
from foundation.crypto import Vault
from foundation.db import Database
from foundation.events import Events, Subscriptions
from foundation.files import DatabaseFiles, clean
from foundation.i18n import Catalogue
from foundation.live import Hub
from foundation.settings import ROOT, Settings
from foundation.web import Assets, Pages, install
from pages.citizen import call, pay
from pages.citizen import files as case_files
from pages.citizen import routes as citizen
from payments.jobs import Settlement
from payments.service import Fees, Wish
from payments.transfer import TransferProvider
from people.models import Staff
from people.service import People
from tests.support.booking import add_lane, no_effects
from tests.support.desk import SampleFacts
from tests.support.factory import SampleCity
from tests.support.files import picture
from web_call.echo import Echoes
from web_call.files import CaseFiles
from web_call.ice import Turn
from web_call.service import Calls

CONTENT = load(ROOT / "content", "heidelberg")
CATALOGUE = Catalogue.load(ROOT / "content")
SERVICE = "certificate_of_conduct"
ZONE = "Asia/Manila"


@dataclass(frozen=True)
class Errand:
    """A booked appointment: `path` is its link, `visitor` the cookie of the person's chat browser, if any.

    `pay` is the link of an open fee, `paid` that of a paid one, `file_id` a file of the office, if there are fees.
    """

    case_id: uuid.UUID
    appointment_id: uuid.UUID
    path: str
    visitor: str | None
    pay: str = ""
    paid: str = ""
    file_id: uuid.UUID | None = None


@dataclass(frozen=True)
class CitizenHouse:
    """What stands behind the pages in a test."""

    city: SampleCity
    database: Database
    conversations: Conversations
    booking: Booking
    notices: Notices
    links: Links
    fees: Fees
    files: CaseFiles
    app: FastAPI

    @asynccontextmanager
    async def browser(
        self, visitor: str | None = None, language: str = "en"
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A browser of its own, without JavaScript."""
        headers = {"Accept": "text/html", "Accept-Language": language, "Origin": "http://localhost:8080"}
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost:8080", headers=headers, follow_redirects=True
        ) as client:
            if visitor:
                client.cookies.set("foyer_visitor", visitor)
            yield client

    async def errand(
        self,
        *,
        channel: str = "web",
        mail: str | None = None,
        language: str = "en",
        book: bool = True,
        fees: bool = False,
    ) -> Errand:
        """A person on `channel` with a case, a booked appointment and, if wanted, a mailbox and two fees."""
        visitor = secrets.token_urlsafe(32)
        async with self.database.city(self.city.id) as session:
            address = await self.conversations.address(
                session, self.city.id, channel, visitor, language=language
            )
            thread = await self.conversations.conversation_at(session, address)
            case = await self.conversations.open_case(session, thread, self.city.office.id, SERVICE)
            if mail:
                mailbox = await self.conversations.own_address(
                    session, case, "email", mail, language=language, zone=ZONE
                )
                await self.conversations.join_case(
                    session, await self.conversations.conversation_at(session, mailbox), case
                )
            appointment = await self._booked(session, case) if book else None
            path = await self.conversations.case_path(session, case)
            file_id = await self._file(session, case, thread) if fees else None
            paid, pay = await self._fees(session, case, thread) if fees else ("", "")
        return Errand(
            case.id,
            appointment.id if appointment else uuid.UUID(int=0),
            path,
            visitor if channel == "web" else None,
            pay,
            paid,
            file_id,
        )

    async def _fees(self, session: AsyncSession, case: Case, thread: Conversation) -> tuple[str, str]:
        """The links of a fee that is paid and of one that is not."""
        clerk = await session.get_one(Staff, self.city.clerk.id)
        case.holder_id = clerk.id
        paid = await self.fees.request(session, case, thread, clerk, Wish("first-fee"))
        await self.fees.received(session, paid, clerk)
        pay = await self.fees.request(session, case, thread, clerk, Wish("second-fee"))
        return await self.fees.path(session, paid), await self.fees.path(session, pay)

    async def _file(self, session: AsyncSession, case: Case, thread: Conversation) -> uuid.UUID:
        """A file that the office has sent."""
        clerk = await session.get_one(Staff, self.city.clerk.id)
        made = clean(picture("PNG"))
        return (
            await self.files.take(session, case, thread, uuid.uuid4(), "Merkblatt.png", made, staff=clerk)
        ).id

    async def _booked(self, session: AsyncSession, case: Case) -> Appointment:
        (slot, *_) = await self.booking.offer(session, case.office_id, SERVICE, zone=ZONE)
        held = await self.booking.hold(session, case, GateResult(SERVICE, "video"), slot.start, ZONE)
        return await self.booking.confirm(session, held.id)

    async def appointment(self, errand: Errand) -> Appointment:
        async with self.database.city(self.city.id) as session:
            return await session.get_one(Appointment, errand.appointment_id)

    async def said(self, errand: Errand) -> list[tuple[str, Body]]:
        """What waits in the outbox for the person, oldest first: (channel, body)."""
        async with self.database.city(self.city.id) as session:
            case = await session.get_one(Case, errand.case_id)
            threads = {row.id: row for row in await self.conversations.threads_of(session, case)}
            rows = await session.scalars(
                select(Outbox).where(Outbox.conversation_id.in_(threads)).order_by(Outbox.seq)
            )
            found = []
            for row in rows:
                address = await self.conversations.address_of(session, threads[row.conversation_id])
                value = await self.conversations.vault.open(session, f"outbox.body:{row.id}", row.body)
                found.append((address.channel, Body.from_json(value)))
        return found


async def citizen_house(
    database: Database, city: SampleCity, vault: Vault, clock: Clock, settings: Settings, dist: Path
) -> CitizenHouse:
    """The pages of citizens and the chat page on one database; `dist` is an empty folder."""
    conversations = Conversations(vault, clock, CATALOGUE, settings.public_url, CONTENT.city.languages)
    calendars = CalendarFiles(CATALOGUE)
    notices = Notices(conversations, calendars, CONTENT)
    events = Events(Subscriptions(handlers=dict.fromkeys(KINDS, (notices.mail,))), no_effects)
    booking = Booking(ContentRules(CONTENT), clock, events)
    links = Links(conversations)
    transfer = TransferProvider()
    fees = Fees(conversations, People(clock), clock, events, CONTENT, {transfer.name: transfer}, no_effects)
    pages = _pages(settings, CONTENT, dist)
    there = citizen.AppointmentPages(database, pages, city.id, links, booking, notices, calendars, CONTENT)
    app = FastAPI()
    app.include_router(citizen.router(there))
    files = CaseFiles(conversations, DatabaseFiles(vault))
    calls = _calls(there, conversations, booking, clock, events, files)
    app.include_router(call.router(calls))
    app.include_router(case_files.router(calls))
    settlement = Settlement(database, fees, clock)
    app.include_router(pay.router(pay.PayPages(database, pages, city.id, links, fees, settlement)))
    app.include_router(chat.router(_chat(database, pages, conversations, city, clock)))
    install(app, pages)
    async with database.city(city.id) as session:
        await add_lane(session, city.office)
    return CitizenHouse(city, database, conversations, booking, notices, links, fees, files, app)


def _calls(
    there: citizen.AppointmentPages,
    conversations: Conversations,
    booking: Booking,
    clock: Clock,
    events: Events,
    files: CaseFiles,
) -> call.CallPages:
    escalation = Escalation(conversations, People(clock), booking, clock, events, SampleFacts())
    return call.CallPages(
        database=there.database,
        hub=Hub(there.database),
        pages=there.pages,
        city_id=there.city_id,
        links=there.links,
        escalation=escalation,
        calls=Calls(conversations, clock),
        turn=Turn(),
        files=files,
        echoes=Echoes(),
        appointments=there,
    )


def _pages(settings: Settings, content: CityContent, dist: Path) -> Pages:
    (dist / "assets").mkdir(parents=True)
    entries = ("src/styles/base.css", "src/chat/main.ts", "src/pay/main.ts", "src/call/main.ts")
    (dist / "manifest.json").write_text(
        "{" + ",".join(f'"{name}": {{"file": "assets/x.css", "src": "{name}"}}' for name in entries) + "}"
    )
    return Pages(
        settings=settings,
        catalogue=CATALOGUE,
        languages=content.city.languages,
        templates={"citizen": citizen.TEMPLATES, "chat": chat.TEMPLATES},
        names={"chat": ("chat.",), "call": call.TEXTS},
        shared=lambda language: {
            "office_name": content.city.office.name[language],
            "city_name": content.city.names[language],
            "sample": True,
        },
        assets=Assets(dist),
    )


def _chat(
    database: Database, pages: Pages, conversations: Conversations, city: SampleCity, clock: Clock
) -> chat.WebChat:
    async def nowhere(*_: object) -> None:
        return None

    return chat.WebChat(
        database=database,
        hub=Hub(database),
        threads=Threads(conversations, "http://localhost:8080", nowhere),
        pages=pages,
        city_id=city.id,
        messages=Bucket(clock, burst=1000, per_second=1000),
        visits=Bucket(clock, burst=1000, per_second=1000),
    )
