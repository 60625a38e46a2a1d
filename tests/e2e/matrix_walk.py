"""The main walk in Matrix: an Arabic-speaking citizen at a client that is not ours, a German clerk at a desk.

Each step waits for what its person can read, so the processes may die and come back at any time (`Guardian`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import icalendar
from sqlalchemy import func, select

from booking.models import Appointment
from conversation.models import Outbox
from foundation import content
from foundation.content_models import CityContent
from foundation.db import Database
from foundation.i18n import Catalogue
from tests.e2e.walk import CITIZEN_SAID, CLERK_SAID, Guardian
from tests.support.app import App
from tests.support.clerk import Clerk, sitting_clerk
from tests.support.matrix import POLL, Event, MatrixCitizen, body, matrix_citizen
from tests.support.synapse import Synapse

STEPS = (
    "hello", "asks", "gate", "place", "slot", "books", "the_day_comes", "arrives", "writes_while_waiting",
    "is_admitted", "they_talk", "is_closed",
)  # fmt: skip


@dataclass
class MatrixWalk:
    """Both people, step by step. `bot` is the office's Matrix id."""

    app: App
    database: Database
    catalogue: Catalogue
    content: CityContent
    citizen: MatrixCitizen
    bot: str
    account: tuple[str, str]
    guardian: Guardian
    case_id: str = ""
    clerk: Clerk | None = None

    def ar(self, key: str, **params: object) -> str:
        return self.catalogue(key, "ar", **params)

    async def hello(self) -> None:
        await self.citizen.meet(self.bot)
        await self.citizen.hears(self.content.city.office.name["de"])

    async def asks(self) -> None:
        await self.citizen.say(CITIZEN_SAID[0])
        await self.citizen.hears("Ummeldung")

    async def gate(self) -> None:
        """One answer by poll, one by its number, one by its label."""
        await self.citizen.press(self.ar("faq.can_i_book"))
        questions = self.content.service("address_change").gate
        moved, where = questions.question("moved_in"), questions.question("where_to")
        yes, same = moved.answer("yes"), where.answer("same_city")
        assert yes is not None
        assert same is not None
        await self.citizen.hears(moved.ask["ar"])
        await self.citizen.say(str(await self.citizen.position(yes.label["ar"])))
        await self.citizen.hears(where.ask["ar"])
        await self.citizen.say(same.label["ar"])
        await self.citizen.hears("Wohnungsgeberbestätigung")

    async def place(self) -> None:
        await self.citizen.press(self.ar("gate.ready"))
        await self.citizen.hears(self.ar("booking.which_city"))
        await self.citizen.say(CITIZEN_SAID[1])
        await self.citizen.hears(self.ar("booking.choose_slot"))

    async def slot(self) -> None:
        poll = await self.citizen.until(lambda one: bool(slots_of(one)), "a poll of slots")
        await self.citizen.vote(poll, slots_of(poll)[0])
        await self.citizen.hears(self.ar("booking.ask_mail"))
        await self.citizen.say(CITIZEN_SAID[2])

    async def books(self) -> None:
        await self.citizen.press(self.ar("booking.confirm_yes"))
        file = await self.citizen.until(
            lambda one: one["content"].get("msgtype") == "m.file", "a calendar file"
        )
        events = icalendar.Calendar.from_ical(await self.citizen.fetch(file)).walk("VEVENT")
        assert len(events) == 1
        await self.citizen.offered(self.ar("menu.here"))

    async def the_day_comes(self) -> None:
        async with self.database.every_city() as session:
            booked = (await session.scalars(select(Appointment).where(Appointment.status == "booked"))).one()
        await self.guardian.move_time(booked.starts_at - timedelta(minutes=10))

    async def arrives(self) -> None:
        await self.citizen.press(self.ar("menu.here"))
        await self.citizen.position(self.ar("queue.leave"))

    async def writes_while_waiting(self) -> None:
        await self.citizen.say(CITIZEN_SAID[3])
        await self.citizen.hears(self.ar("queue.noted"))

    async def is_admitted(self) -> None:
        assert self.clerk is not None
        (person,) = await self.clerk.waiting()
        self.case_id = await self.clerk.admit(person["id"])
        await self.citizen.hears("Frau Weber")
        thread = str(await self.clerk.case(self.case_id))
        assert CITIZEN_SAID[3] in thread

    async def they_talk(self) -> None:
        assert self.clerk is not None
        await self.clerk.say(self.case_id, CLERK_SAID)
        heard = await self.citizen.hears(CLERK_SAID)
        assert "Frau Weber" in body(heard), "it says who writes"
        await self.citizen.say(CITIZEN_SAID[4])
        await self.clerk.reads(self.case_id, CITIZEN_SAID[4])

    async def is_closed(self) -> None:
        assert self.clerk is not None
        await self.clerk.close(self.case_id)
        await self.citizen.hears(self.ar("next_step.confirmation_by_post"))

    async def quiet(self) -> None:
        """Wait until nothing is on its way any more. Errors: TimeoutError."""
        waiting = select(func.count()).select_from(Outbox).where(Outbox.state == "waiting")
        async with asyncio.timeout(60):
            while True:
                async with self.database.every_city() as session:
                    if not await session.scalar(waiting):
                        return

    async def whole(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for step in STEPS:
                if step == "is_admitted":
                    self.clerk = await stack.enter_async_context(sitting_clerk(self.app.url, *self.account))
                try:
                    await getattr(self, step)()
                except Exception as error:
                    error.add_note(f"in step {step!r}; the processes wrote:\n{self.app.logs()[-6000:]}")
                    raise

    def heard(self) -> list[str]:
        """All that the citizen can read from the office."""
        return [body(one) for one in self.citizen.events if one["sender"] == self.bot and body(one)]


def slots_of(event: Event) -> list[str]:
    """The slots that a poll offers."""
    answers = event.get("content", {}).get(POLL, {}).get("answers", [])
    return [one["id"] for one in answers if one["id"].startswith("slot:")]


@asynccontextmanager
async def walking_in_matrix(
    app: App, synapse: Synapse, bot: str, database_url: str, traps: dict[str, list[str]] | None = None
) -> AsyncIterator[MatrixWalk]:
    """Both people, nothing done yet; the processes die in the `traps`."""
    settings = app.chosen()
    account = await app.clerk()
    database = Database(database_url)
    async with matrix_citizen(synapse.url, synapse.somebody()) as citizen:
        guardian = Guardian(app, traps or {})
        citizen.signs = lambda: len(guardian.deaths)
        walk = MatrixWalk(
            app=app,
            database=database,
            catalogue=Catalogue.load(settings.content_dir),
            content=content.load(settings.content_dir, settings.city),
            citizen=citizen,
            bot=bot,
            account=account,
            guardian=guardian,
        )
        if traps:
            app.kill()
            await guardian.restart()
        async with guardian.watching():
            yield walk
    await database.close()
