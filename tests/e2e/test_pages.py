"""Every page of the house in both directions: own host only, strict policy, accessible, narrow, by keyboard."""

import pytest
from playwright.async_api import Browser, Page, expect

from foundation.i18n import Catalogue
from foundation.settings import ROOT
from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.audit import answered, press_choice, tab_to, too_wide, violations
from tests.support.browser import DESKTOP, PHONE, Visitor, visiting

# A page that is new to the house is added here; "{case}" is the link of a booked case.
ANYBODY = ("/imprint", "/privacy", "/accessibility", "/no-such-page", "/desk/sign-in")
CITIZEN = ("/", "{case}", "{case}/change", "{case}/cancel", "{case}/code", "{case}/call")
STRANGER = ("{case}", "{case}/call")
CLERK = ("/desk", "/desk/password")
STUDIO = (
    "/studio/texts",
    "/studio/texts?in=ar&file=legal/imprint.yaml",
    "/studio/texts/one?in=ar&key=legal/imprint.yaml%23sections.0.paragraphs.0",
)

SIDES = {"de": DESKTOP, "ar": {**PHONE, "locale": "ar"}}
MELDEBESCHEINIGUNG = 4
"""Where this errand stands among the choices; the others on the way are all the first."""
TEXTS = Catalogue.load(ROOT / "content")


async def look(visitor: Visitor, page: Page) -> list[str]:
    """Everything that is wrong with the page as it stands."""
    before = page.viewport_size
    found = [f"axe: {one}" for one in await violations(page)]
    found += [f"320 px: {one}" for one in await too_wide(page)]
    found += [f"axe at 320 px: {one}" for one in await violations(page)]
    if before:
        await page.set_viewport_size(before)
    return [f"{page.url.removeprefix(visitor.base_url)}: {one}" for one in found]


async def book_by_keyboard(page: Page) -> str:
    """From the first word to an appointment, without a pointer; the path of the case's link."""
    await page.locator(".choices button").first.wait_for()
    for number in (0, MELDEBESCHEINIGUNG, 0, 0, 0):
        await press_choice(page, number)
    said = await page.locator(".said").count()
    await tab_to(page, "e.id === 'words'")
    await page.keyboard.type("Manila")
    await page.keyboard.press("Enter")
    await answered(page, said)
    link = page.locator(".said a[href*='/a/']")
    for _ in range(6):
        if await link.count():
            break
        await press_choice(page, 0)
    path: str = await link.last.evaluate("link => new URL(link.href).pathname")
    return path


async def ask_for_a_person(page: Page, language: str) -> None:
    """From the main menu to a place in the waiting room."""
    await press_choice(page, TEXTS("menu.person", language))
    for _ in range(3):
        if await page.locator(".place").count():
            break
        await press_choice(page, 0)
    await expect(page.locator(".place")).to_be_visible()


async def sign_in_by_keyboard(page: Page, login: str, password: str) -> None:
    await tab_to(page, "e.name === 'login'")
    await page.keyboard.type(login)
    await tab_to(page, "e.name === 'password'")
    await page.keyboard.type(password)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk")


def expected(complaint: str) -> bool:
    """A browser notes a page that does not exist as an error; that is what was asked for."""
    return complaint.startswith("/no-such-page") and "404" in complaint


@pytest.mark.promise("pages.own-host")
@pytest.mark.parametrize("language", ["de", "ar"])
async def test_every_page_in_both_directions(
    app: App, browser: Browser, language: str, promise: Promise
) -> None:
    login, password = await app.clerk(roles=("clerk", "content"))
    seen, wrong = 0, list[str]()
    office = {**DESKTOP, "locale": language}
    async with (
        visiting(browser, app.url, SIDES[language]) as citizen,
        visiting(browser, app.url, office) as clerk,
        visiting(browser, app.url, office) as stranger,
    ):

        async def visit(visitor: Visitor, addresses: tuple[str, ...], case: str = "") -> None:
            nonlocal seen
            for address in addresses:
                page = await visitor.open(address.format(case=case))
                await page.wait_for_load_state("networkidle")
                wrong.extend(await look(visitor, page))
                seen += 1
                await page.close()

        desk = await clerk.open("/desk/sign-in")
        await sign_in_by_keyboard(desk, login, password)
        page = await citizen.open()
        case = await book_by_keyboard(page)
        wrong += await look(citizen, page)
        await visit(citizen, ANYBODY + CITIZEN, case)
        await visit(stranger, STRANGER, case)
        await press_choice(page, TEXTS("menu.main", language))
        await ask_for_a_person(page, language)
        wrong += await look(citizen, page)
        wrong += await look(clerk, desk)
        await desk.keyboard.press("Alt+n")
        await expect(page.locator(".talk")).to_be_visible()
        await expect(page.locator(".place")).to_be_hidden()
        wrong += await look(clerk, desk)
        wrong += await look(citizen, page)
        await visit(clerk, CLERK + STUDIO)

    everybody = (citizen, clerk, stranger)
    foreign = [address for visitor in everybody for address in visitor.foreign]
    complaints = [one for visitor in everybody for one in visitor.complaints if not expected(one)]
    assert not wrong, "\n".join(wrong)
    assert not foreign, foreign
    assert not complaints, complaints
    promise.figure(seen + 5, f"views in {language} without a violation")
