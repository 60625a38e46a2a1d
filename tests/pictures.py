"""python -m tests.pictures: takes the README's pictures from the running program (`make pictures`)."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from foyer.migrations import migrate
from tests.support.app import App
from tests.support.browser import DESKTOP, PHONE, running_browser, visiting
from tests.support.citizen import Citizen, visiting_citizen
from tests.support.clerk import Clerk, sitting_clerk
from tests.support.moments import MONDAY
from tests.support.png import signed
from tests.support.postgres import running_cluster
from tests.support.readme import ROOT
from tests.support.smtp import running_smtp

PICTURES = ("chat.png", "desk.png")
MADE_BY = "Foyer, make pictures"
FOLDER = ROOT / "docs" / "pictures"
SMALL_PHONE = {**PHONE, "device_scale_factor": 1.5}
SMALL_DESKTOP = {**DESKTOP, "viewport": {"width": 1280, "height": 800}}
QUESTION = "مرحبًا، غيّرت عنواني داخل هايدلبرغ"
REPLY = "Guten Tag! Ich sehe Ihre Unterlagen. Bitte halten Sie die Wohnungsgeberbestätigung bereit."


async def take() -> None:
    """Start a Foyer of its own, let people and a clerk meet in it, and take the pictures."""
    async with demo() as app, running_browser() as browser:
        login, password = await app.clerk()
        async with sitting_clerk(app.url, login, password) as clerk, contextlib.AsyncExitStack() as guests:
            for language in ("tr", "en"):
                guest = await guests.enter_async_context(visiting_citizen(app.url, language))
                await _ask_for_a_person(guest)
            await _meet(app, browser, clerk)


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[App]:
    """A running Foyer with a mail server, on the Monday of the tests."""
    with running_cluster() as cluster, running_smtp() as smtp, tempfile.TemporaryDirectory() as home:
        with cluster.connect() as connection:
            connection.execute("CREATE DATABASE demo")
        migrate(cluster.url("demo"))
        app = App(Path(home), cluster.url("demo"), MONDAY, smtp.url)
        try:
            await app.start()
            yield app
        finally:
            app.kill()


async def _meet(app: App, browser: Browser, clerk: Clerk) -> None:
    async with (
        visiting(browser, app.url, SMALL_PHONE) as phone,
        visiting(browser, app.url, SMALL_DESKTOP) as desktop,
    ):
        page = await phone.open("/")
        await page.wait_for_load_state("networkidle")
        async with _same_visitor(app, phone.context) as citizen:
            await book(citizen)
            await page.locator(".newer").click()  # the picture shows the end of the thread
            await _shoot(page, "chat.png")
            case_id = await _talk(citizen, clerk)
        desk = await _open_desk(desktop.context, clerk, case_id)
        await _shoot(desk, "desk.png")
        phone.check()
        desktop.check()


@contextlib.asynccontextmanager
async def _same_visitor(app: App, context: Any) -> AsyncIterator[Citizen]:
    """The person at this browser, who also uses the page's requests without clicking."""
    async with visiting_citizen(app.url, "ar", cookies=await _cookies(context)) as citizen:
        yield citizen


async def _cookies(context: Any) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in await context.cookies()}


async def book(citizen: Citizen) -> None:
    """From "hello" to a booked appointment."""
    await citizen.offered("book")
    await citizen.say(QUESTION)
    await citizen.answered()
    await citizen.press("book:address_change")
    await citizen.choose("gate:address_change:moved_in:yes")
    await citizen.choose("gate:address_change:where_to:same_city")
    await citizen.choose("ready:")
    await citizen.offered("zone:here")
    await citizen.say("Manila")
    await citizen.choose("slot:")
    await citizen.choose("mail:skip")
    await citizen.choose("confirm:yes")
    await citizen.offered("here")


async def _ask_for_a_person(citizen: Citizen) -> None:
    await citizen.offered("person")
    await citizen.press("person")
    await citizen.offered("leave")


async def _talk(citizen: Citizen, clerk: Clerk) -> str:
    """Wait, be admitted, hear the clerk's first words; the case's id."""
    await citizen.press("person")
    await citizen.offered("leave")
    waiting = await clerk.waiting(3)
    case_id = await clerk.admit(next(one["id"] for one in waiting if one["language"] == "ar"))
    await clerk.say(case_id, REPLY)
    await citizen.until(lambda message: message["author"] == "clerk", "the clerk's words")
    return case_id


async def _open_desk(context: Any, clerk: Clerk, case_id: str) -> Page:
    await context.add_cookies(
        [{"name": one.name, "value": one.value, "url": clerk.url} for one in clerk.http.cookies.jar]
    )
    page: Page = await context.new_page()
    await page.goto("/desk")
    number = (await clerk.case(case_id))["number"]
    await page.locator(".row__open", has_text=str(number)).first.click()
    await page.get_by_text(REPLY[:20]).first.wait_for()
    return page


async def _shoot(page: Page, name: str) -> None:
    await page.wait_for_load_state("networkidle")
    await page.evaluate("document.fonts.ready")
    picture = await page.screenshot(animations="disabled", caret="hide")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_bytes(signed(picture, MADE_BY))
    sys.stdout.write(f"docs/pictures/{name}: {len(picture) // 1024} kB\n")


if __name__ == "__main__":
    asyncio.run(take())
