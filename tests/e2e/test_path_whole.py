"""From "hello" through a call with papers and a fee to the outcome, by the web; and with the plug pulled everywhere."""

import pytest
from playwright.async_api import Browser

from tests.doubles.stripe.server import StripeDouble
from tests.e2e.by_web import WebPerson
from tests.e2e.reckoning import nothing_lost
from tests.e2e.walk import CLERK_SAID, STEPS, Walk, walking
from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.fees import stripe_settings
from tests.support.smtp import Mailbox

TRAPS = {
    "serve": [
        "inbox.stored",
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
}
"""Every named step of the walk, by the process that takes it."""


@pytest.fixture
def app_settings(stripe: StripeDouble) -> dict[str, str]:
    return stripe_settings(stripe)


@pytest.mark.promise("path.web", "path.whole")
async def test_the_whole_path_in_two_browsers(
    app: App, browser: Browser, database_url: str, stripe: StripeDouble, smtp: Mailbox, promise: Promise
) -> None:
    async with walking(app, browser, database_url, stripe, WebPerson) as walk:
        await walk.whole()
        assert await nothing_lost(walk) == 0
        await in_both_languages(walk)
        await one_mail_with_a_calendar(smtp)
        for visitor in (walk.person.phone, walk.desktop):
            visitor.check()
    promise.figure(len(STEPS), "steps in the web")


@pytest.mark.promise("path.kill-web", "path.kill-anywhere")
async def test_the_plug_is_pulled_at_every_step(
    app: App, browser: Browser, database_url: str, stripe: StripeDouble, promise: Promise
) -> None:
    """Each process dies at each of its steps, once a life; the call goes on or comes back by itself."""
    async with walking(app, browser, database_url, stripe, WebPerson, TRAPS) as walk:
        await walk.whole()
        assert await nothing_lost(walk) <= 1
        met = walk.guardian.deaths
    assert sorted(met) == sorted(step for steps in TRAPS.values() for step in steps)
    promise.figure(len(met), "times killed")


@pytest.mark.long
@pytest.mark.promise("path.kill-web", "path.kill-anywhere")
@pytest.mark.parametrize(
    ("process", "step"), [(name, step) for name, steps in TRAPS.items() for step in steps]
)
async def test_the_plug_is_pulled_once(
    process: str, step: str, app: App, browser: Browser, database_url: str, stripe: StripeDouble
) -> None:
    async with walking(app, browser, database_url, stripe, WebPerson, {process: [step]}) as walk:
        await walk.whole()
        assert await nothing_lost(walk) <= 1
        assert walk.guardian.deaths == [step]


async def in_both_languages(walk: Walk) -> None:
    """The citizen reads Arabic with both clocks, the clerk German beside it."""
    citizen = await walk.person.thread()
    assert walk.ar("talk.notice_person") in "\n".join(citizen)
    assert any("مانيلا" in text and "هايدلبرغ" in text for text in citizen)
    assert citizen.count(CLERK_SAID) == 1
    german = "\n".join(await walk.clerk.locator(".said__german").all_inner_texts())
    for key in ("gate.have_all", "booking.choose_slot", "next_step.keep_documents"):
        assert walk.de(key) in german


async def one_mail_with_a_calendar(smtp: Mailbox) -> None:
    (mail,) = smtp.mails
    assert "text/calendar" in [part.get_content_type() for part in mail.message.walk()]
