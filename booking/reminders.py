"""Reminders that a person asked for: kept sealed, sent once by a job, in the morning of where the person is then."""

import uuid
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.arrival import remind_at
from booking.models import Reminder
from booking.slots import WAKING
from conversation.models import Address, Conversation
from conversation.reply import Option, Reply
from conversation.service import Conversations
from foundation.content_models import ArrivalStep, CityContent
from foundation.crypto import Forgotten
from foundation.db import Database, new_id
from foundation.errors import NotFound
from foundation.faults import reached
from foundation.i18n import Filled, Text
from foundation.jobs import Task

SEND = "reminder_send"
KEPT_AFTER = timedelta(days=7)
LATE = timedelta(hours=1)
"""From then on a reminder counts as delayed and waits for the person's waking hours."""
STOP = Option("reminders", Text("reminder.stop"))
SHOW = Option("arrival:show", Text("arrival.show"))


class Defer(Protocol):
    def __call__(
        self, session: AsyncSession, task: str, args: Mapping[str, Any], *, at: datetime | None = None
    ) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Note:
    """One reminder: of which step, the step's day, when to send it (UTC), and the zone of that clock."""

    step: str
    day: date
    at: datetime
    zone: str


@dataclass(frozen=True)
class Reminders:
    """Sets, ends and sends reminders. A job knows a reminder's id and nothing of what it is about."""

    conversations: Conversations
    content: CityContent
    defer: Defer

    async def set(self, session: AsyncSession, thread: Conversation, notes: Sequence[Note]) -> None:
        """Remind of these, in place of what was set before in this thread."""
        await session.execute(delete(Reminder).where(Reminder.conversation_id == thread.id))
        for note in notes:
            reminder_id = new_id()
            value = {"step": note.step, "day": note.day.isoformat(), "zone": note.zone}
            place = f"reminder.body:{reminder_id}"
            row = Reminder(
                id=reminder_id,
                city_id=thread.city_id,
                conversation_id=thread.id,
                due_at=note.at,
                body=await self.conversations.vault.seal(session, thread.key_id, place, value),
                delete_after=note.at + KEPT_AFTER,
            )
            session.add(row)
            await self._plan(session, row, note.at)
        await session.flush()

    async def stop(self, session: AsyncSession, person_id: uuid.UUID) -> int:
        """End all reminders of a person; how many there were."""
        threads = select(Conversation.id).join(Address).where(Address.person_id == person_id)
        rows = list(await session.scalars(select(Reminder).where(Reminder.conversation_id.in_(threads))))
        for row in rows:
            await session.delete(row)
        await session.flush()
        return len(rows)

    async def send(self, session: AsyncSession, reminder_id: uuid.UUID) -> None:
        """Say it in the thread and to the person's mailboxes, once; nothing if it is not wanted any more."""
        query = select(Reminder).where(Reminder.id == reminder_id).with_for_update()
        row = await session.scalar(query)
        if row is None:
            return
        try:
            place = f"reminder.body:{row.id}"
            value = await self.conversations.vault.open(session, place, row.body)
            step = self._step(value["step"])
        except (Forgotten, NotFound):
            await session.delete(row)
            return
        if (later := self._morning(row, value["zone"])) is not None:
            return await self._plan(session, row, later)
        reply = _reply(step, date.fromisoformat(value["day"]))
        thread = await self.conversations.conversation(session, row.conversation_id)
        for one in (thread, *await self._mailboxes(session, thread)):
            key = f"reminder:{row.id}:{one.id}"
            await self.conversations.say(session, one, reply, key=key, author="system")
        await session.delete(row)
        reached("reminder.sent")

    def _morning(self, row: Reminder, zone: str) -> datetime | None:
        """The next morning there, if this reminder is so late that people sleep now."""
        now = self.conversations.clock.now()
        local = now.astimezone(ZoneInfo(zone))
        if now - row.due_at < LATE or WAKING[0] <= local.time() < WAKING[1]:
            return None
        today = remind_at(local.date(), zone)
        return today if today > now else remind_at(local.date() + timedelta(days=1), zone)

    async def _plan(self, session: AsyncSession, row: Reminder, at: datetime) -> None:
        await self.defer(session, SEND, {"city_id": str(row.city_id), "reminder_id": str(row.id)}, at=at)

    async def _mailboxes(self, session: AsyncSession, thread: Conversation) -> list[Conversation]:
        """Threads with the mailboxes that the person named."""
        address = await self.conversations.address_of(session, thread)
        query = select(Conversation).join(Address).where(Address.person_id == address.person_id)
        return list(await session.scalars(query.where(Address.channel == "email", Address.id != address.id)))

    def _step(self, step_id: str) -> ArrivalStep:
        """Errors: NotFound."""
        if self.content.arrival is None:
            raise NotFound(id=step_id)
        return self.content.arrival.step(step_id)


def _reply(step: ArrivalStep, day: date) -> Reply:
    """What is said where only the person reads it; others see that there is a message."""
    words = Text(f"arrival.step_{step.kind}", day=day, title=Filled(step.title), text=Filled(step.text))
    return Reply(
        (Text("reminder.due"), words),
        options=(SHOW, STOP),
        title=Text("message.neutral"),
        personal=True,
        neutral=Text("reminder.neutral"),
    )


def tasks(database: Database, reminders: Reminders) -> Mapping[str, Task]:
    """The jobs by name, for the worker."""

    async def send(tools: object, *, city_id: str, reminder_id: str) -> None:
        async with database.city(uuid.UUID(city_id)) as session:
            await reminders.send(session, uuid.UUID(reminder_id))

    return {SEND: send}
