"""From "hello" to the summary, by web chat and desk; and the same with the plug pulled at every named step."""

from collections import Counter

import pytest
from playwright.async_api import Browser
from sqlalchemy import func, select

from booking.models import Appointment
from conversation.models import Case, Inbox, Message, Outbox
from tests.e2e.walk import CITIZEN_SAID, CLERK_SAID, Walk, walking
from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.smtp import Mailbox

TRAPS = {
    "serve": ["inbox.stored", "queue.admitted", "desk.said", "case.closed"],
    "worker": [
        "turn.understood",
        "turn.decided",
        "turn.committed",
        "delivery.claimed",
        "delivery.sent",
        "booking.held",
        "booking.confirmed",
        "queue.joined",
    ],
}
"""Every named step of the path, by the process that takes it."""


@pytest.mark.promise("path.web")
async def test_the_whole_path_in_two_browsers(
    app: App, browser: Browser, database_url: str, smtp: Mailbox, promise: Promise
) -> None:
    async with walking(app, browser, database_url) as walk:
        await walk.whole()
        citizen, clerk = await walk.texts(walk.citizen), await walk.texts(walk.clerk)
        for words in CITIZEN_SAID:
            assert citizen.count(words) == 1
        assert citizen.count(CLERK_SAID) == 1
        assert walk.ar("talk.notice_person") in "\n".join(citizen)
        assert any("مانيلا" in text and "هايدلبرغ" in text for text in citizen)
        assert clerk.count(CLERK_SAID) == clerk.count(CITIZEN_SAID[3]) == 1
        german = "\n".join(await walk.clerk.locator(".said__german").all_inner_texts())
        assert "Haben Sie alles?" in german
        assert "Bitte wählen Sie einen Termin" in german
        assert walk.catalogue("next_step.keep_documents", "de") in german
        await nothing_lost(walk)
        await one_mail_with_a_calendar(smtp)
        for visitor in walk.visitors:
            visitor.check()
    promise.figure(len(walk.steps), "steps")


@pytest.mark.promise("path.kill-web")
async def test_the_plug_is_pulled_at_every_step_of_one_walk(
    app: App, browser: Browser, database_url: str, promise: Promise
) -> None:
    """Each process dies at each of its steps, once a life; the two people just carry on."""
    traps = {name: list(steps) for name, steps in TRAPS.items()}
    async with walking(app, browser, database_url, traps) as walk:
        await walk.whole()
        repeated = await nothing_lost(walk)
        met = walk.guardian.deaths
    assert sorted(met) == sorted(step for steps in TRAPS.values() for step in steps)
    assert repeated <= 1
    promise.figure(len(met), "times killed")


@pytest.mark.long
@pytest.mark.promise("path.kill-web")
@pytest.mark.parametrize(
    ("process", "step"), [(name, step) for name, steps in TRAPS.items() for step in steps]
)
async def test_the_plug_is_pulled_once(
    process: str, step: str, app: App, browser: Browser, database_url: str
) -> None:
    async with walking(app, browser, database_url, {process: [step]}) as walk:
        await walk.whole()
        assert await nothing_lost(walk) <= 1
        assert walk.guardian.deaths == [step]


async def nothing_lost(walk: Walk) -> int:
    """Every word once, one slot, every queue empty, the case closed; how many of the house's messages came twice."""
    async with walk.database.every_city() as session:
        unhandled = await session.scalar(select(func.count()).where(Inbox.handled_at.is_(None)))
        unsent = await session.scalar(select(func.count()).where(Outbox.state != "sent"))
        slots = Counter(await session.scalars(select(Appointment.status)))
        cases = Counter(await session.scalars(select(Case.state)))
        messages = Counter(await session.scalars(select(Message.author)))
        sent = await session.scalar(select(func.count()).where(Outbox.state == "sent"))
    assert (unhandled, unsent) == (0, 0)
    assert slots["booked"] + slots["done"] == 1
    assert cases == {"closed": 1}
    # The citizen typed five things; each press of a choice is a message of theirs as well.
    presses = 7
    assert messages["citizen"] == len(CITIZEN_SAID) + presses
    assert messages["clerk"] == 1
    shown = await walk.texts(walk.citizen)
    for words in (*CITIZEN_SAID, CLERK_SAID):
        assert shown.count(words) == 1, f"{words!r} was shown {shown.count(words)} times"
    return sum(messages[author] for author in ("bot", "clerk", "system")) - (sent or 0)


async def one_mail_with_a_calendar(smtp: Mailbox) -> None:
    (mail,) = smtp.mails
    assert "text/calendar" in [part.get_content_type() for part in mail.message.walk()]
