"""A fee as two people see it, and the same with the plug pulled at each of its steps."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, expect

from foundation.i18n import Catalogue
from foundation.settings import ROOT
from tests.doubles.stripe.server import StripeDouble, running_stripe
from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.audit import too_wide, violations
from tests.support.browser import DESKTOP, PHONE, Visitor, visiting
from tests.support.citizen import Citizen, visiting_citizen
from tests.support.clerk import Clerk, sitting_clerk
from tests.support.fees import one_of_everything, stripe_settings
from tests.support.guardian import Guardian
from tests.support.moments import MONDAY
from tests.support.smtp import Mailbox

SERVICE = "service:certificate_of_conduct"
TEXTS = Catalogue.load(ROOT / "content")
TRAPS = {"serve": ["fee.requested", "webhook.stored"], "worker": ["fee.started", "fee.settled"]}


@asynccontextmanager
async def waiting_for_a_certificate(url: str, language: str) -> AsyncIterator[Citizen]:
    """A citizen with an errand that costs something, in the waiting room."""
    async with visiting_citizen(url, language) as citizen:
        await citizen.until(lambda one: bool(one["choices"]))
        await citizen.press(SERVICE)
        await citizen.answered()
        await citizen.press("person")
        await citizen.stand("queue", lambda place: bool(place.get("position")))
        yield citizen


async def test_asked_for_at_the_desk_paid_and_seen_by_both(app: App, browser: Browser) -> None:
    login, password = await app.clerk()
    async with (
        visiting(browser, app.url, DESKTOP) as office,
        visiting(browser, app.url, PHONE) as person,
    ):
        desk = await office.open("/desk/sign-in")
        await desk.get_by_label("Benutzername").fill(login)
        await desk.get_by_label("Passwort").fill(password)
        await desk.keyboard.press("Enter")
        await expect(desk.locator(".bar__duty")).not_to_be_empty()
        async with waiting_for_a_certificate(app.url, "ar") as citizen:
            await expect(desk.locator(".list--waiting .row")).to_have_count(1)
            await desk.keyboard.press("Alt+n")
            await desk.get_by_role("button", name="Gebühr anfordern").click()
            fee = desk.locator(".fee__one")
            await expect(fee.locator(".tag")).to_have_text("offen")
            link = await pay_link(citizen)
            await remember(person, citizen, app.url)
            page = await person.open(link)
            await expect(page.locator(".pay__code svg")).to_be_visible()
            assert await violations(page) == await too_wide(page) == []
            await fee.get_by_role("button", name="Geld ist da").click()
            await fee.get_by_role("button", name="Ja, 13,00").click()
            await expect(fee.locator(".tag")).to_have_text("bezahlt")
            await expect(page.get_by_role("status")).to_be_visible(timeout=20_000)
            await expect(page.locator(".pay__code")).to_have_count(0)
            receipt = await citizen.until(lambda one: bool(one["attachments"]), "a receipt")
            assert "13" in (await citizen.http.get(receipt["attachments"][0]["url"])).text
            assert await violations(desk) == await too_wide(desk) == []
        for visitor in (office, person):
            visitor.check()


async def pay_link(citizen: Citizen) -> str:
    def asks(one: dict[str, Any]) -> bool:
        return any("/pay/" in link["url"] for link in one["links"])

    message = await citizen.until(asks, "a link to pay")
    return str(next(link["url"] for link in message["links"] if "/pay/" in link["url"]))


async def remember(person: Visitor, citizen: Citizen, url: str) -> None:
    """The page is opened in the browser in which the person chats."""
    cookie = citizen.http.cookies["foyer_visitor"]
    await person.context.add_cookies([{"name": "foyer_visitor", "value": cookie, "url": url}])


@pytest.fixture
async def stripe() -> AsyncIterator[StripeDouble]:
    async with running_stripe(lambda: MONDAY) as double:
        yield double


@pytest.fixture
async def guardian(
    database_url: str, smtp: Mailbox, tmp_path: Path, stripe: StripeDouble
) -> AsyncIterator[Guardian]:
    """Foyer with an online payment service; each process dies at each of its steps, once a life."""
    app = App(tmp_path / "app", database_url, MONDAY, smtp.url, settings=stripe_settings(stripe))
    stripe.hook = f"{app.url}/hooks/payments/stripe"
    guardian = Guardian(app, {name: list(steps) for name, steps in TRAPS.items()})
    try:
        await app.seed()
        await guardian.restart()
        async with guardian.watching():
            yield guardian
    finally:
        app.kill()


@pytest.mark.long  # the same steps die in the walk of path.kill-anywhere, which is quick
@pytest.mark.promise("pay.vendor-away")
async def test_the_plug_is_pulled_at_every_step_of_a_fee(
    guardian: Guardian, stripe: StripeDouble, database_url: str, promise: Promise
) -> None:
    app = guardian.app
    login, password = await app.clerk()
    async with (
        sitting_clerk(app.url, login, password) as clerk,
        waiting_for_a_certificate(app.url, "en") as citizen,
    ):
        (waiter,) = await clerk.waiting()
        case_id = await clerk.admit(waiter["id"])
        wish = {"key": secrets.token_hex(8)}
        await insisting(lambda: clerk.http.post(f"/desk/api/cases/{case_id}/fees", json=wish))
        await pay_link(citizen)
        (session,) = stripe.sessions
        event = stripe.pay(session["id"])
        await insisting(lambda: sent(stripe, event))
        await citizen.until(lambda one: bool(one["attachments"]), "a receipt")
        await until_paid(clerk, case_id)
    assert sorted(guardian.deaths) == sorted(step for steps in TRAPS.values() for step in steps)
    assert len(stripe.sessions) == 1
    await one_of_everything(database_url)
    promise.figure(len(guardian.deaths), "times killed while a fee was asked for and paid")


async def sent(stripe: StripeDouble, event: dict[str, Any]) -> httpx.Response:
    return httpx.Response(await stripe.send(event))


async def insisting(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask until there is an answer, as a clerk's second press and a vendor's second delivery do."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await ask()
                if answer.status_code == 200:
                    return answer
            except httpx.TransportError:
                await asyncio.to_thread(lambda: None)


async def until_paid(clerk: Clerk, case_id: str) -> None:
    async with asyncio.timeout(30):
        answer = await insisting(lambda: clerk.http.get(f"/desk/api/cases/{case_id}/fees"))
        while answer.json()["fees"][0]["state"] != "paid":
            answer = await insisting(lambda: clerk.http.get(f"/desk/api/cases/{case_id}/fees"))
