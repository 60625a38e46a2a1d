"""The main walk in two browsers: an Arabic-speaking citizen on a phone, a German clerk at a desk.

Each step waits for what its person sees, so it may be interrupted by a power cut and go on: whoever drives
it restarts the processes (`Guardian`), the pages come back by themselves, and a step that was refused is
done again as a person would do it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from playwright.async_api import Browser, Locator, Page, expect
from playwright.async_api import TimeoutError as TooSlow
from sqlalchemy import select

from booking.models import Appointment
from foundation.content_models import CityContent
from foundation.db import Database
from foundation.i18n import Catalogue
from tests.support.app import App, Process
from tests.support.browser import DESKTOP, PHONE, Visitor, visiting

PATIENCE = 90_000
CITIZEN_SAID = ("غيرت عنواني", "مانيلا", "amal@example.org", "عندي سؤال عن الشقة", "شكرا جزيلا")
CLERK_SAID = "Guten Tag, ich sehe Ihre Unterlagen."


@dataclass
class Guardian:
    """Restarts what has died, as `foyer run` does, and lays the next trap: `traps` names, for each process,
    the steps at which it is to die, one a life. `deaths` are the steps that were met."""

    app: App
    traps: dict[str, list[str]] = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def restart(self) -> None:
        """Start what does not live, each process with its next trap."""
        for process in self.app.processes:
            if not process.alive:
                steps = self.traps.get(process.name, [])
                process.start({"FOYER_CRASH_AT": steps[0]} if steps else None)
        await self.app.ready()

    async def move_time(self, now: datetime) -> None:
        """A normal restart of the office at another time of its clock."""
        async with self._busy:
            self.app.kill()
            self.app.now = now
            for process in self.app.processes:
                process.environment = self.app.environment()
            await self.restart()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            died = await self.app.wait_for_crash(seconds=3600)
            async with self._busy:
                await self._raise_again(died)

    async def _raise_again(self, died: Process) -> None:
        if not died.alive:
            if steps := self.traps.get(died.name):
                self.deaths.append(steps.pop(0))
            await self.restart()


@dataclass
class Walk:
    """Both people, step by step. `seen` holds the texts of each person's thread at the end."""

    app: App
    database: Database
    catalogue: Catalogue
    content: CityContent
    citizen: Page
    clerk: Page
    visitors: tuple[Visitor, Visitor]
    account: tuple[str, str]
    guardian: Guardian

    # -- what the citizen does ---------------------------------------------------------------------

    def ar(self, key: str, **params: object) -> str:
        return self.catalogue(key, "ar", **params)

    async def press(self, label: str) -> None:
        """Press a choice. It vanishes at once; while the server is away the press is kept and sent later."""
        await self.choice(label).click(timeout=PATIENCE)

    def choice(self, label: str) -> Locator:
        return self.citizen.locator(".choices button").get_by_text(label, exact=True)

    async def type(self, text: str) -> None:
        await self.citizen.locator("#words").fill(text)
        await self.citizen.locator("#words").press("Enter")

    async def hears(self, text: str, page: Page | None = None) -> None:
        await expect((page or self.citizen).locator("[role=log]")).to_contain_text(text, timeout=PATIENCE)

    async def hello(self) -> None:
        await self.citizen.goto("/")
        await self.hears(self.content.city.office.name["ar"])
        await expect(self.choice(self.ar("menu.book"))).to_be_visible(timeout=PATIENCE)

    async def asks(self) -> None:
        await self.type(CITIZEN_SAID[0])
        await self.hears("Ummeldung")
        await expect(self.choice(self.ar("faq.can_i_book"))).to_be_visible(timeout=PATIENCE)

    async def gate(self) -> None:
        await self.press(self.ar("faq.can_i_book"))
        for question, answer in (("moved_in", "yes"), ("where_to", "same_city")):
            asked = self.content.service("address_change").gate.question(question)
            await self.hears(asked.ask["ar"])
            found = asked.answer(answer)
            assert found is not None
            await self.press(found.label["ar"])
        await self.hears("Wohnungsgeberbestätigung")

    async def place(self) -> None:
        await self.press(self.ar("gate.ready"))
        await self.hears(self.ar("booking.which_city"))
        await self.type(CITIZEN_SAID[1])
        await self.hears(self.ar("booking.choose_slot"))

    async def slot(self) -> None:
        slots = self.citizen.locator(".choices button").filter(has_text="مانيلا")
        await slots.first.click(timeout=PATIENCE)
        await self.hears(self.ar("booking.ask_mail"))
        await self.type(CITIZEN_SAID[2])
        await expect(self.choice(self.ar("booking.confirm_yes"))).to_be_visible(timeout=PATIENCE)

    async def books(self) -> None:
        await self.press(self.ar("booking.confirm_yes"))
        await expect(self.citizen.locator("a[download]").first).to_be_visible(timeout=PATIENCE)
        await expect(self.choice(self.ar("menu.here"))).to_be_visible(timeout=PATIENCE)

    async def the_day_comes(self) -> None:
        """Ten minutes before the appointment; a normal restart of the office lies between."""
        async with self.database.every_city() as session:
            booked = (await session.scalars(select(Appointment).where(Appointment.status == "booked"))).one()
        await self.guardian.move_time(booked.starts_at - timedelta(minutes=10))
        await expect(self.citizen.locator(".trouble")).to_have_count(0, timeout=PATIENCE)
        # The page's own tries to reach a server that was just away are no fault of the page.
        for visitor in self.visitors:
            visitor.complaints[:] = [one for one in visitor.complaints if "ERR_CONNECTION_REFUSED" not in one]

    async def arrives(self) -> None:
        await self.press(self.ar("menu.here"))
        await expect(self.citizen.locator(".place")).to_be_visible(timeout=PATIENCE)

    async def writes_while_waiting(self) -> None:
        await self.type(CITIZEN_SAID[3])
        await self.hears(self.ar("queue.noted"))

    # -- what the clerk does -----------------------------------------------------------------------

    async def clerk_signs_in(self) -> None:
        login, password = self.account
        await self.clerk.goto("/desk")
        await self.clerk.locator("#login").fill(login)
        await self.clerk.locator("#password").fill(password)
        await self.clerk.locator("form button[class*=primary]").click()
        await expect(self.clerk.locator(".list--waiting")).to_be_visible(timeout=PATIENCE)

    async def clerk_sees_the_day(self) -> None:
        today = self.clerk.locator(".list").filter(has=self.clerk.get_by_role("heading", name="Heute"))
        await expect(today).to_contain_text("Ummeldung", timeout=PATIENCE)
        await expect(self.clerk.locator(".list--waiting .row")).to_have_count(1, timeout=PATIENCE)

    async def admits(self) -> None:
        admit = self.clerk.locator(".list--waiting .row button.act")
        await self.until(admit.click, self.clerk.locator("#compose"))
        await self.hears(CITIZEN_SAID[3], self.clerk)
        await expect(self.citizen.locator(".standing")).to_contain_text("Frau Weber", timeout=PATIENCE)
        await expect(self.citizen.locator(".place")).to_have_count(0, timeout=PATIENCE)

    async def they_talk(self) -> None:
        await self.clerk.locator("#compose").fill(CLERK_SAID)
        await self.clerk.locator("#compose").press("Enter")
        await self.hears(CLERK_SAID)
        await self.type(CITIZEN_SAID[4])
        await self.hears(CITIZEN_SAID[4], self.clerk)

    async def closes(self) -> None:
        await self.clerk.get_by_role("button", name=self.catalogue("desk.close", "de")).click()
        dialog = self.clerk.locator("dialog")
        await dialog.locator("input[value=done]").check()
        await dialog.get_by_label(self.catalogue("next_step.keep_documents", "de"), exact=True).check()
        await expect(dialog.locator(".closing__preview")).to_contain_text(
            self.catalogue("outcome.done", "de"), timeout=PATIENCE
        )
        await self.until(dialog.locator("footer button:not([type=button])").click, dialog, gone=True)

    async def reads_the_summary(self) -> None:
        await self.hears(self.ar("next_step.keep_documents"))
        await expect(self.citizen.locator(".standing")).not_to_contain_text("Frau Weber", timeout=PATIENCE)

    async def until(self, act: object, sign: Locator, *, gone: bool = False) -> None:
        """Act until its sign shows: what a clerk does whose click met a server that was just gone."""
        assert callable(act)
        async with asyncio.timeout(PATIENCE / 1000 * 2):
            while True:
                with contextlib.suppress(TooSlow):
                    await act(timeout=2000)
                with contextlib.suppress(AssertionError):
                    if gone:
                        await expect(sign).to_be_hidden(timeout=4000)
                    else:
                        await expect(sign).to_be_visible(timeout=4000)
                    return

    # -- the whole walk ----------------------------------------------------------------------------

    @property
    def steps(self) -> tuple[str, ...]:
        return (
            "hello", "asks", "gate", "place", "slot", "books", "the_day_comes", "arrives", "writes_while_waiting",
            "clerk_signs_in", "clerk_sees_the_day", "admits", "they_talk", "closes", "reads_the_summary",
        )  # fmt: skip

    async def whole(self) -> None:
        for step in self.steps:
            try:
                await getattr(self, step)()
            except Exception as error:
                error.add_note(f"in step {step!r}; the processes wrote:\n{self.app.logs()[-4000:]}")
                raise

    async def texts(self, page: Page) -> list[str]:
        return await page.locator("[role=log] .said .text, [role=log] .said__text").all_inner_texts()


@asynccontextmanager
async def walking(
    app: App,
    browser: Browser,
    database_url: str,
    traps: dict[str, list[str]] | None = None,
    kind: type[Walk] = Walk,
) -> AsyncIterator[Walk]:
    """Both people with their browsers open, nothing done yet; the processes die in the `traps`."""
    from foundation import content

    settings = app.chosen()
    account = await app.clerk()
    database = Database(database_url)
    async with visiting(browser, app.url, PHONE) as person, visiting(browser, app.url, DESKTOP) as clerk:
        guardian = Guardian(app, traps or {})
        walk = kind(
            app=app,
            database=database,
            catalogue=Catalogue.load(settings.content_dir),
            content=content.load(settings.content_dir, settings.city),
            citizen=await person.context.new_page(),
            clerk=await clerk.context.new_page(),
            visitors=(person, clerk),
            account=account,
            guardian=guardian,
        )
        if traps:
            app.kill()
            await guardian.restart()
        async with guardian.watching():
            yield walk
    await database.close()
