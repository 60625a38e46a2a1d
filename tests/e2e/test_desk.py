"""A clerk's day in a browser: first password, keyboard alone, nothing typed is lost, two clerks, every width."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Route, WebSocketRoute, expect

from tests.support.app import App
from tests.support.browser import DESKTOP, Visitor, visiting
from tests.support.citizen import Citizen, visiting_citizen

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


async def accessible(page: Page) -> None:
    """Axe finds nothing, and the page does not scroll sideways."""
    options = {"runOnly": {"type": "tag", "values": TAGS}}
    violations = (await Axe().run(page, options=options)).response["violations"]
    found = [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations]
    assert found == [], f"{page.viewport_size}: {found}"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.viewport_size


@pytest.fixture
async def clerk(browser: Browser, app: App) -> AsyncIterator[Visitor]:
    """A clerk who has signed in."""
    async with visiting(browser, app.url, DESKTOP) as visitor:
        await sign_in(visitor, *await app.clerk())
        yield visitor


async def sign_in(visitor: Visitor, login: str, password: str) -> Page:
    page = await visitor.open("/desk")
    await page.get_by_label("Benutzername").fill(login)
    await page.get_by_label("Passwort").fill(password)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Warteraum")).to_be_visible()
    await expect(page.locator(".bar__duty")).not_to_be_empty()
    return page


@asynccontextmanager
async def in_the_waiting_room(app: App, language: str = "ar") -> AsyncIterator[Citizen]:
    async with visiting_citizen(app.url, language) as citizen:
        await citizen.until(lambda one: bool(one["choices"]))
        await citizen.press("person")
        await citizen.stand("queue", lambda place: bool(place.get("position")))
        yield citizen


async def test_a_case_from_waiting_room_to_summary_by_keyboard_alone(app: App, clerk: Visitor) -> None:
    page = clerk.context.pages[0]
    async with in_the_waiting_room(app) as citizen:
        await expect(page.locator(".list--waiting .row")).to_have_count(1)
        await expect(page).to_have_title("(1) Arbeitsplatz · Virtuelles Bürgeramt Heidelberg")
        await page.keyboard.press("Alt+n")
        field = page.get_by_role("textbox", name="Nachricht an die Person")
        await expect(field).to_be_focused()
        await citizen.until(lambda one: one["author"] == "system", "the clerk's arrival")
        await citizen.say("عندي سؤال")
        log = page.get_by_role("log")
        await expect(log.get_by_text("عندي سؤال")).to_be_visible()
        await expect(log.get_by_text("vom Bürgeramt ist jetzt hier")).to_be_visible()  # the German beside it
        await page.keyboard.type("Guten Tag!")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("Was möchten Sie wissen?")
        await page.keyboard.press("Enter")
        await expect(field).to_have_value("")
        said = await citizen.until(lambda one: one["author"] == "clerk", "the clerk's words")
        assert said["text"] == "Guten Tag!\nWas möchten Sie wissen?"
        await page.keyboard.press("Alt+a")
        dialog = page.get_by_role("dialog", name="abschließen")
        await dialog.get_by_role("radio", name="Beraten").focus()
        await page.keyboard.press("Space")
        await dialog.get_by_role("checkbox", name="Bitte buchen Sie").focus()
        await page.keyboard.press("Space")
        await expect(dialog.get_by_text("Ergebnis: Beraten")).to_be_visible()
        await expect(dialog.locator("[lang=ar] p").first).to_contain_text("ملخص")
        await accessible(page)
        await dialog.get_by_role("button", name="Abschließen und senden").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Dieser Vorgang ist abgeschlossen: Beraten.")).to_be_visible()
        summary = await citizen.until(lambda one: "ملخص" in one["text"], "the summary")
        assert summary["author"] == "system"
    clerk.check()


async def test_nothing_typed_is_lost(app: App, clerk: Visitor) -> None:
    page = clerk.context.pages[0]

    async def no_line(route: Route) -> None:
        await route.abort()

    async with in_the_waiting_room(app) as citizen:
        await page.get_by_role("button", name="Hereinbitten").click()
        field = page.get_by_role("textbox", name="Nachricht an die Person")
        await page.route("**/say", no_line)
        for words in ("erstens", "zweitens"):
            await field.fill(words)
            await page.keyboard.press("Enter")
        await field.fill("noch nicht gesendet")
        await page.reload()
        await expect(field).to_have_value("noch nicht gesendet")
        await expect(page.get_by_role("log").get_by_text("erstens")).to_be_visible()
        await page.unroute("**/say")
        await citizen.until(lambda one: one["text"] == "zweitens", "the second message")
        said = [one["text"] for one in citizen.messages if one["author"] == "clerk"]
        assert said == ["erstens", "zweitens"]


async def test_a_lost_socket_heals_and_shows_what_came_meanwhile(browser: Browser, app: App) -> None:
    lines: list[WebSocketRoute] = []
    async with visiting(browser, app.url, DESKTOP) as visitor:
        page = await visitor.context.new_page()

        async def count(line: WebSocketRoute) -> None:
            lines.append(line)
            line.connect_to_server()

        await page.route_web_socket("**/desk/live**", count)
        login, password = await app.clerk()
        await page.goto("/desk")
        await page.get_by_label("Benutzername").fill(login)
        await page.get_by_label("Passwort").fill(password)
        await page.keyboard.press("Enter")
        await expect(page.locator(".bar__duty")).not_to_be_empty()
        await lines[-1].close()
        async with in_the_waiting_room(app):
            await expect(page.locator(".list--waiting .row")).to_have_count(1)
            assert len(lines) > 1


async def test_the_slower_of_two_clerks_is_told_who_was_faster(
    browser: Browser, app: App, clerk: Visitor
) -> None:
    login, password = await app.clerk("demir", "Herr Demir")
    async with visiting(browser, app.url, DESKTOP) as second, in_the_waiting_room(app):
        slow, fast = clerk.context.pages[0], await sign_in(second, login, password)
        await expect(slow.locator(".list--waiting .row")).to_have_count(1)

        async def late(route: Route) -> None:
            await fast.get_by_role("button", name="Hereinbitten").click()
            await expect(fast.get_by_role("textbox", name="Nachricht an die Person")).to_be_focused()
            await route.continue_()

        await slow.route("**/admit", late)
        await slow.get_by_role("button", name="Hereinbitten").click()
        await expect(slow.get_by_role("alert")).to_contain_text("Herr Demir hat diese Person schon")
        await expect(slow.locator(".list--waiting .row")).to_have_count(0)


async def test_every_width_and_both_directions(app: App, clerk: Visitor) -> None:
    page = clerk.context.pages[0]
    async with in_the_waiting_room(app, "tr"), in_the_waiting_room(app):
        await expect(page.locator(".list--waiting .row")).to_have_count(2)
        await page.keyboard.press("Alt+n")
        await expect(page.get_by_role("log").get_by_role("article").last).to_be_visible()
        for address in ("/desk", "/desk?lang=ar"):
            await page.goto(address)
            await expect(page.get_by_role("log").get_by_role("article").last).to_be_visible()
            for width, height in ((1920, 1080), (1280, 720), (320, 640)):
                await page.set_viewport_size({"width": width, "height": height})
                await accessible(page)
                for part in await page.locator(".parts button:visible").all():
                    await part.click()
                    await accessible(page)
    clerk.check()


async def test_the_first_password_is_changed_at_the_first_sign_in(browser: Browser, app: App) -> None:
    login, password = await app.clerk("neu", "Neu", must_change=True)
    async with visiting(browser, app.url, DESKTOP) as visitor:
        page = await visitor.open("/desk")
        await accessible(page)
        await page.get_by_label("Benutzername").fill(login)
        await page.get_by_label("Passwort").fill(password)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Eigenes Passwort festlegen")).to_be_visible()
        await accessible(page)
        await page.goto("/desk")
        await page.get_by_label("Bisheriges Passwort").fill(password)
        await page.get_by_label("Neues Passwort", exact=True).fill("ein-eigenes-passwort")
        await page.get_by_label("Neues Passwort noch einmal").fill("ein-eigenes-passwort")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Warteraum")).to_be_visible()
        await page.get_by_role("button", name="Abmelden").click()
        await expect(page.get_by_role("heading", name="Anmeldung am Arbeitsplatz")).to_be_visible()
        visitor.check()
