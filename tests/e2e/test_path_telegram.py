"""The whole walk by Telegram: from "hello" through call and fee to the summary, and with the plug pulled everywhere."""

import pytest
from playwright.async_api import Browser, Page

from tests.doubles.stripe.server import StripeDouble
from tests.doubles.telegram.server import Telegram
from tests.e2e.by_telegram import TelegramPerson, telegram_settings
from tests.e2e.reckoning import nothing_lost
from tests.e2e.walk import Introduced, walking
from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.browser import Visitor
from tests.support.fees import stripe_settings
from tests.support.telegram import Person

TRAPS = {
    "telegram": ["poll.fetched", "inbox.stored", "poll.stored"],
    "worker": [
        "turn.understood",
        "turn.decided",
        "turn.committed",
        "delivery.claimed",
        "delivery.sent",
        "booking.held",
        "booking.confirmed",
        "queue.joined",
        "fee.started",
        "fee.settled",
    ],
    "serve": [
        "call.opened",
        "queue.admitted",
        "desk.said",
        "call.offered",
        "call.accepted",
        "file.received",
        "fee.requested",
        "webhook.stored",
        "case.closed",
    ],
}
"""Every named step of this path, by the process that takes it."""


@pytest.fixture
def app_settings(telegram: Telegram, stripe: StripeDouble) -> dict[str, str]:
    return {**telegram_settings(telegram), **stripe_settings(stripe)}


@pytest.fixture
def person(telegram: Telegram) -> Introduced:
    telegram.patience = 60

    def introduced(phone: Visitor, page: Page) -> TelegramPerson:
        return TelegramPerson(phone, page, Person(telegram, "ar"))

    return introduced


@pytest.mark.promise("path.telegram", "path.whole")
async def test_the_whole_path(
    app: App,
    browser: Browser,
    telegram: Telegram,
    stripe: StripeDouble,
    person: Introduced,
    database_url: str,
    promise: Promise,
) -> None:
    """Every update comes twice, which changes nothing."""
    telegram.twice = True
    async with walking(app, browser, database_url, stripe, person) as walk:
        await walk.whole()
        assert await nothing_lost(walk) == 0
        for visitor in (walk.person.phone, walk.desktop):
            visitor.check()
    assert telegram.violations == []
    promise.figure(len(telegram.requests), "requests to Telegram without a violation")


@pytest.mark.long  # two dozen restarts
@pytest.mark.promise("path.telegram", "path.kill-anywhere")
async def test_the_plug_is_pulled_at_every_step_of_one_walk(
    app: App,
    browser: Browser,
    telegram: Telegram,
    stripe: StripeDouble,
    person: Introduced,
    database_url: str,
    promise: Promise,
) -> None:
    async with walking(app, browser, database_url, stripe, person, TRAPS) as walk:
        await walk.whole()
        assert await nothing_lost(walk) <= 1
        met = walk.guardian.deaths
    assert sorted(met) == sorted(step for steps in TRAPS.values() for step in steps)
    promise.figure(len(met), "times killed with a Telegram citizen")
