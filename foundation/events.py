"""News that travels up: an event row in the same transaction, effects after the commit.

An in-transaction *handler* sets state that must hold at once. An *effect* runs as a job after the
commit, at least once, and is made idempotent by its `delivery` row (event, subscriber).
Who listens to what is written down in foyer/wiring.py alone.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, CityRow, PersonalRow, new_id

KEEP = timedelta(days=400)


class Event(PersonalRow, Base):
    """What happened, in ids and codes only."""

    __tablename__ = "event"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    kind: Mapped[str] = mapped_column(index=True)
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class EffectDone(CityRow, Base):
    """This subscriber has dealt with this event."""

    __tablename__ = "delivery"

    event_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("event.id", ondelete="CASCADE"), primary_key=True)
    subscriber: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


Handler = Callable[[AsyncSession, Event], Awaitable[None]]
Defer = Callable[[AsyncSession, str, dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Subscriptions:
    """`handlers` run inside the transaction, `effects` after it; both by event kind, effects by name."""

    handlers: Mapping[str, Sequence[Handler]] = field(default_factory=dict)
    effects: Mapping[str, Mapping[str, Handler]] = field(default_factory=dict)


class Events:
    """Writes events down and sees to it that every subscriber hears of them."""

    def __init__(self, subscriptions: Subscriptions, defer: Defer) -> None:
        self.subscriptions = subscriptions
        self._defer = defer

    async def emit(
        self, session: AsyncSession, kind: str, data: dict[str, Any], *, city_id: uuid.UUID, now: datetime
    ) -> Event:
        """Record the event in the caller's transaction. `data` holds JSON ids and codes, no person's words."""
        event = Event(id=new_id(), city_id=city_id, kind=kind, data=data, at=now, delete_after=now + KEEP)
        session.add(event)
        await session.flush()
        for handler in self.subscriptions.handlers.get(kind, ()):
            await handler(session, event)
        for subscriber in self.subscriptions.effects.get(kind, {}):
            await self._defer(session, "effect", {"event_id": str(event.id), "subscriber": subscriber})
        return event

    async def run_effect(
        self, session: AsyncSession, event_id: uuid.UUID, subscriber: str, *, now: datetime
    ) -> None:
        """Run one effect in this transaction, unless it has run already."""
        event = await session.get(Event, event_id)
        if event is None:
            return
        done = insert(EffectDone).values(
            event_id=event_id, subscriber=subscriber, at=now, city_id=event.city_id
        )
        fresh = await session.scalar(done.on_conflict_do_nothing().returning(EffectDone.event_id))
        if fresh is not None:
            await self.subscriptions.effects[event.kind][subscriber](session, event)


async def events_of(session: AsyncSession, kind: str) -> list[Event]:
    return list(await session.scalars(select(Event).where(Event.kind == kind).order_by(Event.seq)))
