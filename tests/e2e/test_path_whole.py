"""From "hello" through a call with papers both ways to the outcome; and the same with the plug pulled everywhere."""

from collections import Counter

import pytest
from playwright.async_api import Browser
from sqlalchemy import func, select

from booking.models import Appointment
from conversation.models import Case, File, Inbox, Message, Outbox
from tests.e2e.call_walk import CallWalk
from tests.e2e.walk import CITIZEN_SAID, CLERK_SAID, Walk, walking
from tests.promises.plugin import Promise
from tests.support.app import App
from web_call.models import Call

TRAPS = {
    "serve": [
        "inbox.stored",
        "call.opened",
        "queue.admitted",
        "desk.said",
        "call.offered",
        "call.accepted",
        "file.received",
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
    ],
}
"""Every named step of the walk, by the process that takes it."""


@pytest.mark.promise("path.whole")
async def test_the_whole_path_of_a_web_citizen(
    app: App, browser: Browser, database_url: str, promise: Promise
) -> None:
    async with walking(app, browser, database_url, kind=CallWalk) as walk:
        await walk.whole()
        await nothing_lost(walk)
        for visitor in walk.visitors:
            visitor.check()
    promise.figure(len(walk.steps), "steps in the web")


@pytest.mark.promise("path.kill-anywhere")
async def test_the_plug_is_pulled_at_every_step(
    app: App, browser: Browser, database_url: str, promise: Promise
) -> None:
    """Each process dies at each of its steps, once a life; the call goes on or comes back by itself."""
    traps = {name: list(steps) for name, steps in TRAPS.items()}
    async with walking(app, browser, database_url, traps, CallWalk) as walk:
        await walk.whole()
        repeated = await nothing_lost(walk)
        met = walk.guardian.deaths
    assert sorted(met) == sorted(step for steps in TRAPS.values() for step in steps)
    assert repeated <= 1
    promise.figure(len(met), "times killed")


async def nothing_lost(walk: Walk) -> int:
    """Every word and file once, one slot, one call, the case closed; how many of the house's messages came twice."""
    async with walk.database.every_city() as session:
        unhandled = await session.scalar(select(func.count()).where(Inbox.handled_at.is_(None)))
        unsent = await session.scalar(select(func.count()).where(Outbox.state != "sent"))
        slots = Counter(await session.scalars(select(Appointment.status)))
        cases = Counter(await session.scalars(select(Case.state)))
        calls = Counter(await session.scalars(select(Call.state)))
        messages = Counter(await session.scalars(select(Message.author)))
        files = await session.scalar(select(func.count()).select_from(File))
        sent = await session.scalar(select(func.count()).where(Outbox.state == "sent"))
    assert (unhandled, unsent, files) == (0, 0, 2)
    assert slots["booked"] + slots["done"] == 1
    assert (cases, calls) == ({"closed": 1}, {"over": 1})
    assert messages["clerk"] == 2, "one message and one file"
    shown = await walk.texts(walk.citizen)
    for words in (*CITIZEN_SAID, CLERK_SAID):
        assert shown.count(words) == 1, f"{words!r} was shown {shown.count(words)} times"
    clerks_file = 1
    return sum(messages[author] for author in ("bot", "clerk", "system")) - (sent or 0) - clerks_file
