"""From "hello" to the summary by Telegram, and the same with the plug pulled at every named step."""

from collections import Counter

import pytest
from sqlalchemy import func, select

from booking.models import Appointment
from conversation.models import Case, Inbox, Message, Outbox
from tests.doubles.telegram.server import Telegram
from tests.e2e.telegram_walk import CLERK_SAID, WRITTEN, TelegramWalk, settings_of, walking
from tests.promises.plugin import Promise
from tests.support.app import App

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
    ],
    "serve": ["queue.admitted", "desk.said", "case.closed"],
}
"""Every named step of this path, by the process that takes it."""


@pytest.fixture
def app_settings(telegram: Telegram) -> dict[str, str]:
    return settings_of(telegram)


@pytest.mark.promise("path.telegram")
async def test_the_whole_path(app: App, telegram: Telegram, database_url: str, promise: Promise) -> None:
    """Every update comes twice, which changes nothing."""
    telegram.twice = True
    async with walking(app, telegram, database_url) as walk:
        await walk.whole()
        assert await repeated(walk) == 0
        assert walk.read.count(CLERK_SAID) == 1
        assert WRITTEN in walk.read
    assert telegram.violations == []
    promise.figure(len(telegram.requests), "requests without a violation")


@pytest.mark.promise("path.telegram")
async def test_the_plug_is_pulled_at_every_step_of_one_walk(
    app: App, telegram: Telegram, database_url: str, promise: Promise
) -> None:
    telegram.patience = 150  # eight processes start anew on the way to the first answer
    traps = {name: list(steps) for name, steps in TRAPS.items()}
    async with walking(app, telegram, database_url, traps) as walk:
        await walk.whole()
        assert await repeated(walk) <= 1
        met = walk.guardian.deaths
    assert sorted(met) == sorted(step for steps in TRAPS.values() for step in steps)
    promise.figure(len(met), "times killed")


async def repeated(walk: TelegramWalk) -> int:
    """Nothing lost, one slot, every queue empty, the case closed; how many messages came twice."""
    async with walk.database.every_city() as session:
        unhandled = await session.scalar(select(func.count()).where(Inbox.handled_at.is_(None)))
        unsent = await session.scalar(select(func.count()).where(Outbox.state != "sent"))
        slots = Counter(await session.scalars(select(Appointment.status)))
        cases = Counter(await session.scalars(select(Case.state)))
        written = await session.scalar(select(func.count()).where(Message.author == "citizen"))
        sent = await session.scalar(select(func.count()).where(Outbox.state == "sent"))
    assert (unhandled, unsent) == (0, 0)
    assert slots["booked"] + slots["done"] == 1
    assert cases == {"closed": 1}
    typed, pressed = 5, 7
    assert written == typed + pressed
    files = sum(shown.file is not None for shown in walk.person.shown)
    assert files >= 1
    texts = len(walk.person.shown) - files
    return texts - (sent or 0)
