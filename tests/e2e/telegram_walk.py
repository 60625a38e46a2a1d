"""The main walk by Telegram: an Arabic-speaking citizen in Manila, a clerk at the desk, and one look at the page."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select

from booking.models import Appointment
from foundation.db import Database
from tests.doubles.telegram.server import TOKEN, Telegram
from tests.e2e.walk import Guardian
from tests.support.app import App
from tests.support.citizen import Citizen, visiting_citizen
from tests.support.clerk import Clerk, sitting_clerk
from tests.support.planted import BORN, NAME, NOTE, STREET
from tests.support.telegram import Person

WRITTEN = f"عندي سؤال، اسمي {NAME} ولدت في {BORN}"
CLERK_SAID = f"Guten Tag {NAME}, geboren {BORN}: Ihre neue Anschrift {STREET} ist eingetragen."
CLOSING = f"Bitte bewahren Sie alles auf, {NAME}: {NOTE}."


def settings_of(telegram: Telegram) -> dict[str, str]:
    """What switches Telegram on for the processes of a test."""
    return {"FOYER_TELEGRAM_TOKEN": TOKEN, "FOYER_TELEGRAM_API": telegram.url}


@dataclass
class TelegramWalk:
    """Both people, step by step; `visitor` is the cookie of the browser in which the citizen read."""

    app: App
    telegram: Telegram
    database: Database
    person: Person
    account: tuple[str, str]
    guardian: Guardian
    visitor: str = ""
    read: list[str] = field(default_factory=list)

    async def talk(self) -> None:
        """From hello to a booked slot, every choice by its button."""
        person = self.person
        await person.start()
        await person.until("book")
        await person.say("غيرت عنواني")
        await person.choose("book:address_change")
        await person.choose("gate:address_change:moved_in:yes")
        await person.choose("gate:address_change:where_to:same_city")
        await person.choose("ready:")
        await person.until("zone:")
        await person.say("مانيلا")
        await person.choose("slot:")
        await person.choose("confirm:yes")
        await person.until("here")
        await self.telegram.until(lambda: any(shown.file for shown in person.shown))

    async def the_day_comes(self) -> None:
        """Ten minutes before the appointment; a restart of the office lies between."""
        async with self.database.every_city() as session:
            booked = (await session.scalars(select(Appointment).where(Appointment.status == "booked"))).one()
        await self.guardian.move_time(booked.starts_at - timedelta(minutes=10))

    async def waits(self) -> None:
        await self.person.press("here")
        await self.person.until("leave")
        await self.person.say(WRITTEN)
        await self.person.until("leave")

    async def is_served(self) -> None:
        """The clerk's whole part, and the citizen on the page that Telegram's notice leads to."""
        async with sitting_clerk(self.app.url, *self.account) as clerk:
            (waiter,) = await clerk.waiting()
            said = len(self.person.shown)
            case_id = await self._again(lambda: clerk.admit(waiter["id"]))
            await self._told(said, 1)
            await self._again(lambda: clerk.say(case_id, CLERK_SAID))
            path = await self._told(said, 2)
            async with self._page(path) as page:
                await page.until(lambda one: one["text"] == CLERK_SAID, "the clerk's words")
                await page.say("شكرا")
                await self._seen(clerk, case_id, "شكرا")
                await self.person.say("ومن هنا أيضا")
                await self._seen(clerk, case_id, "ومن هنا أيضا")
                await self._again(lambda: clerk.close(case_id, note=CLOSING))
                await page.until(lambda one: CLOSING in one["text"], "the summary")
                self.read = [message["text"] for message in page.messages]
            await self._told(said, 3)

    async def _told(self, since: int, count: int) -> str:
        """Telegram's `count`-th notice since then; the path of its link."""

        def links() -> list[str]:
            texts = " ".join(shown.text for shown in self.person.shown[since:])
            return re.findall(rf"{re.escape(self.app.url)}(/a/[0-9a-f]{{64}})", texts)

        await self.telegram.until(lambda: len(links()) >= count)
        return links()[count - 1]

    @asynccontextmanager
    async def _page(self, path: str) -> AsyncIterator[Citizen]:
        """The browser that opens the link, once: looking changes nothing, the button leads to the thread."""
        async with httpx.AsyncClient(base_url=self.app.url, follow_redirects=True, timeout=10) as browser:
            looked = await self._again(lambda: browser.get(path))
            assert looked.status_code == 200
            assert CLERK_SAID not in looked.text
            opened = await self._again(lambda: browser.post(f"{path}/open", headers={"Origin": self.app.url}))
            assert opened.url.path == "/", opened.text
            cookies = {
                cookie.name: cookie.value or "" for cookie in browser.cookies.jar if cookie.path == "/"
            }
        self.visitor = cookies["foyer_visitor"]
        async with visiting_citizen(self.app.url, cookies={"foyer_visitor": self.visitor}) as page:
            yield page

    async def _seen(self, clerk: Clerk, case_id: str, text: str) -> None:
        async with asyncio.timeout(30):
            while True:
                case = await self._again(lambda: clerk.case(case_id))
                if any(text == message["text"] for message in case["messages"]):
                    return

    async def _again(self, act: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Act until the server is there: what people do whose click met a power cut."""
        async with asyncio.timeout(60):
            while True:
                try:
                    return await act()
                except (httpx.TransportError, AssertionError) as error:
                    if isinstance(error, AssertionError) and "50" not in str(error):
                        raise
                    await self.app.ready()

    async def whole(self) -> None:
        for step in (self.talk, self.the_day_comes, self.waits, self.is_served):
            try:
                await step()
            except Exception as error:
                error.add_note(f"in {step.__name__}; the processes wrote:\n{self.app.logs()[-4000:]}")
                raise


@asynccontextmanager
async def walking(
    app: App, telegram: Telegram, database_url: str, traps: dict[str, list[str]] | None = None
) -> AsyncIterator[TelegramWalk]:
    """Both people ready, nothing done yet; the processes die in the `traps`."""
    database = Database(database_url)
    guardian = Guardian(app, traps or {})
    walk = TelegramWalk(app, telegram, database, Person(telegram, "ar"), await app.clerk(), guardian)
    if traps:
        app.kill()
        await guardian.restart()
    async with guardian.watching():
        yield walk
    await database.close()
