"""Fees in a test: a house with a clerk who asks, a person who pays, and the jobs run when the test says so."""

import json
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import func, select, text

from conversation.models import Case, Conversation, Outbox
from conversation.reply import Body
from foundation.clock import FixedClock
from foundation.db import Database
from foundation.events import events_of
from foundation.settings import Settings
from foyer.app import create_app
from foyer.seed import seed
from foyer.wiring import House, build
from payments.jobs import Settlement, tasks
from payments.models import Fee, PaymentAttempt, WebhookEvent
from payments.ports import VendorAway, VendorRefused
from payments.service import Wish
from payments.stripe import StripeProvider
from people.models import Office, Staff
from tests.doubles.stripe.server import KEY, WEBHOOK_SECRET, StripeDouble

SERVICE = "certificate_of_conduct"
PRICE = 1300


def stripe_settings(stripe: StripeDouble) -> dict[str, str]:
    """What switches online payment on for the processes of a test."""
    return {
        "FOYER_STRIPE_KEY": KEY,
        "FOYER_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "FOYER_STRIPE_API": stripe.url,
    }


async def one_of_everything(database_url: str) -> None:
    """One fee, one request to the person, one receipt, one piece of news."""
    database = Database(database_url)
    async with database.every_city() as session:
        keys = list(await session.scalars(select(Outbox.key).where(Outbox.key.startswith("fee:"))))
        fees = await session.scalar(select(func.count()).select_from(Fee))
        paid = await events_of(session, "fee.paid")
    await database.close()
    assert (fees, len(paid)) == (1, 1)
    assert sorted(key.rpartition(":")[2] for key in keys) == ["paid", "request"]


@dataclass(frozen=True)
class Errand:
    """A case in a clerk's hands; `visitor` is the cookie of the person's chat browser."""

    case_id: uuid.UUID
    thread_id: uuid.UUID
    visitor: str


@dataclass
class Till:
    """One office that takes fees."""

    house: House
    city_id: uuid.UUID
    clerk: Staff
    app: FastAPI
    clock: FixedClock

    @property
    def settlement(self) -> Settlement:
        return self.house.settlement()

    # -- people ------------------------------------------------------------------------------------

    async def errand(
        self, service: str | None = SERVICE, *, channel: str = "web", language: str = "en"
    ) -> Errand:
        """A person with an open case that the clerk holds."""
        conversations, visitor = self.house.conversations, secrets.token_urlsafe(32)
        async with self.house.database.city(self.city_id) as session:
            address = await conversations.address(session, self.city_id, channel, visitor, language=language)
            thread = await conversations.conversation_at(session, address)
            case = await conversations.open_case(session, thread, self.clerk.office_id, service)
            case.holder_id = self.clerk.id
        return Errand(case.id, thread.id, visitor)

    async def ask(self, errand: Errand, **wish: Any) -> Fee:
        """The clerk asks for the fee. Errors: those of Fees.request."""
        wish.setdefault("key", secrets.token_hex(8))
        async with self.house.database.city(self.city_id) as session:
            case = await session.get_one(Case, errand.case_id)
            thread = await session.get_one(Conversation, errand.thread_id)
            clerk = await session.get_one(Staff, self.clerk.id)
            return await self.house.fees.request(session, case, thread, clerk, Wish(**wish))

    async def at_desk(self, what: str, fee: Fee) -> None:
        """The clerk presses "received", "cancel" or "give_back"."""
        async with self.house.database.city(self.city_id) as session:
            clerk = await session.get_one(Staff, self.clerk.id)
            await getattr(self.house.fees, what)(session, fee, clerk)

    @asynccontextmanager
    async def browser(
        self, visitor: str | None = None, language: str = "en"
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A browser of its own, without JavaScript."""
        headers = {"Accept": "text/html", "Accept-Language": language, "Origin": "http://localhost:8080"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://localhost:8080",
            headers=headers,
            follow_redirects=True,
        ) as client:
            if visitor:
                client.cookies.set("foyer_visitor", visitor)
            yield client

    # -- what happens ------------------------------------------------------------------------------

    async def work(self) -> list[str]:
        """Run every waiting job once; one that fails stays. The names of those that were done."""
        known, done = tasks(self.settlement), []
        async with self.house.database.every_city() as session:
            rows = await session.execute(
                text("SELECT id, task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
            )
            waiting = rows.all()
        for row_id, name, args in waiting:
            try:
                await known[name](None, **(json.loads(args) if isinstance(args, str) else args))
            except (VendorAway, VendorRefused):
                continue
            async with self.house.database.every_city() as session:
                await session.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": row_id})
            done.append(name)
        return done

    async def forget_jobs(self) -> None:
        """All jobs are lost, as after too many tries."""
        async with self.house.database.every_city() as session:
            await session.execute(text("DELETE FROM procrastinate_jobs"))

    async def fee(self, fee: Fee) -> Fee:
        async with self.house.database.city(self.city_id) as session:
            return await session.get_one(Fee, fee.id)

    async def attempts(self, fee: Fee) -> list[PaymentAttempt]:
        async with self.house.database.city(self.city_id) as session:
            return await self.house.fees.attempts(session, fee)

    async def path(self, fee: Fee) -> str:
        async with self.house.database.city(self.city_id) as session:
            return await self.house.fees.path(session, fee)

    async def webhooks(self) -> list[WebhookEvent]:
        async with self.house.database.city(self.city_id) as session:
            return list(await session.scalars(select(WebhookEvent)))

    async def said(self, errand: Errand) -> list[Body]:
        """What the person was told, oldest first, as it stands in the outbox."""
        vault = self.house.conversations.vault
        async with self.house.database.city(self.city_id) as session:
            query = select(Outbox).where(Outbox.conversation_id == errand.thread_id).order_by(Outbox.seq)
            return [
                Body.from_json(await vault.open(session, f"outbox.body:{row.id}", row.body))
                for row in await session.scalars(query)
            ]


@asynccontextmanager
async def opened_till(
    settings: Settings,
    database_url: str,
    clock: FixedClock,
    stripe: StripeDouble | None = None,
    **options: Any,
) -> AsyncIterator[Till]:
    """A house that takes transfers, and, with a double, online payments first. `options` are the provider's."""
    house = build(settings, database_url, clock=clock)
    if stripe is not None:
        online = StripeProvider(KEY, WEBHOOK_SECRET, base=stripe.url, **options)
        providers = {online.name: online, **house.fees.providers}
        house = replace(house, fees=replace(house.fees, providers=providers))
    await seed(house)
    city_id = await house.city_id()
    async with house.database.city(city_id) as session:
        office = await session.get_one(Office, await house.office_id())
        clerk, _ = await house.people.create_staff(
            session, office, login="weber", name="Frau Weber", roles=["clerk"], languages=["de"]
        )
    app = await create_app(house)
    if stripe is not None:
        stripe.hook = "http://localhost:8080/hooks/payments/stripe"
        stripe.transport = httpx.ASGITransport(app=app)
    yield Till(house, city_id, clerk, app, clock)
    await house.database.close()
