"""What must be true after a walk, whatever died on the way."""

import asyncio
from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Appointment
from conversation.models import Address, Case, Conversation, File, Inbox, Message, Outbox
from tests.e2e.person import CHAT
from tests.e2e.walk import CITIZEN_SAID, CLERK_SAID, MAIL, Walk
from tests.support.fees import one_of_everything
from web_call.models import Call

PRESSES = ("can_i_book", "ready", "slot", "confirm", "here")
"""Besides one for each question of the gate."""
ONE_FILE = 1
"""From each side; it stands in the thread as a message."""


async def nothing_lost(walk: Walk) -> int:
    """Every word and file once, one slot, one call, one fee, the case closed, nothing on its way and nothing said by the bot
    beside the clerk; how many of the house's messages came twice."""
    await quiet(walk)
    async with walk.database.every_city() as session:
        unhandled = await session.scalar(select(func.count()).where(Inbox.handled_at.is_(None)))
        unsent = await session.scalar(select(func.count()).where(Outbox.state != "sent"))
        slots = Counter(await session.scalars(select(Appointment.status)))
        cases = Counter(await session.scalars(select(Case.state)))
        calls = Counter(await session.scalars(select(Call.state)))
        files = await session.scalar(select(func.count()).select_from(File))
        said = await _messages(session, walk.person.channel)
    assert (unhandled, unsent) == (0, 0)
    assert slots["booked"] + slots["done"] == 1
    assert (cases, calls) == ({"closed": 1}, {"over": 1})
    typed = len(CITIZEN_SAID) + walk.person.private
    assert said["citizen"] == typed + len(PRESSES) + len(walk.way) + ONE_FILE
    assert said["clerk"] == 1 + ONE_FILE
    assert files == 2 * ONE_FILE
    await _every_word_once(walk)
    assert len(walk.stripe.sessions) == 1, "asked for twice at the vendor"
    await one_of_everything(walk.database.url)
    sent = await sent_by(walk, walk.person.channel)
    heard = await walk.person.heard()
    shown = heard if heard is not None else said["bot"] + said["clerk"] + said["system"] - ONE_FILE
    return shown - sent


async def _messages(session: AsyncSession, channel: str) -> Counter[str]:
    """How many messages of each author stand in the citizen's thread."""
    query = select(Message.author).join(Conversation).join(Address).where(Address.channel == channel)
    return Counter(await session.scalars(query))


async def sent_by(walk: Walk, channel: str) -> int:
    """How many messages of the house went out by this channel."""
    rows = select(func.count()).select_from(Outbox).join(Conversation).join(Address)
    async with walk.database.every_city() as session:
        return await session.scalar(rows.where(Outbox.state == "sent", Address.channel == channel)) or 0


async def quiet(walk: Walk) -> None:
    """Wait until nothing is on its way any more. Errors: TimeoutError."""
    waiting = select(func.count()).select_from(Outbox).where(Outbox.state == "waiting")
    async with asyncio.timeout(60):
        while True:
            async with walk.database.every_city() as session:
                if not await session.scalar(waiting):
                    return


async def _every_word_once(walk: Walk) -> None:
    words = (*CITIZEN_SAID, *([MAIL] if walk.person.private else []))
    at_desk = await walk.clerk.locator(f"{CHAT} .said__text").all_inner_texts()
    for one in (*words, CLERK_SAID):
        assert at_desk.count(one) == 1, f"the desk shows {one!r} {at_desk.count(one)} times"
    thread = await walk.person.thread()
    assert sum(CLERK_SAID in one for one in thread) == 1
    for one in words if walk.person.channel == "web" else ():
        assert thread.count(one) == 1, f"the chat shows {one!r} {thread.count(one)} times"
