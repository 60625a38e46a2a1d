"""`foyer worker`: takes turns, delivers, and runs timed jobs. Any number of them may run."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Self

import psycopg

import booking.reminders
import payments.jobs
from conversation.delivery import Delivery
from conversation.queues import Claim, Queue
from dialogue.turn import Turns
from foundation import jobs
from foundation.live import Hub
from foyer.wiring import House

logger = logging.getLogger(__name__)

HANDS = {"inbox": 4, "outbox": 2}
"""How many threads of each queue one worker works on at a time."""
LOOK_AGAIN = 2.0
"""Seconds after which a queue is looked at without being woken: for rows whose time has come."""

Work = Callable[[Claim], Awaitable[None]]


@dataclass
class Answering:
    """Takes turns with the word lists of the newest content."""

    house: House
    turns: Turns

    @classmethod
    async def of(cls, house: House) -> Self:
        return cls(house, await _warmed(house))

    async def take(self, claim: Claim) -> None:
        await self.turns.take(claim)

    async def renew(self) -> None:
        """Build the word lists anew; turns go on with the old ones meanwhile."""
        self.turns = await _warmed(self.house)


async def _warmed(house: House) -> Turns:
    turns = await house.turns()
    await asyncio.to_thread(turns.warm)
    return turns


async def work(house: House) -> None:
    """Work until cancelled."""
    answering, delivery = await Answering.of(house), house.delivery()
    async with Hub(house.database) as hub, asyncio.TaskGroup() as group:
        _hire(group, house, hub, "inbox", answering.take)
        _hire(group, house, hub, "outbox", delivery.deliver, channels=delivery.channels)
        group.create_task(house.contents.follow(hub, answering.renew), name="content")
        group.create_task(_jobs(house), name="jobs")


async def _jobs(house: House) -> None:
    """Timed and heavy work of all domains."""
    tasks = {
        **payments.jobs.tasks(house.settlement()),
        **booking.reminders.tasks(house.database, house.reminders),
    }
    await jobs.run_worker(
        house.database, house.events, house.clock, tasks=tasks, periodic=payments.jobs.PERIODIC
    )


async def deliver(house: House, hub: Hub, delivery: Delivery) -> None:
    """Deliver to the channels of `delivery` alone until cancelled: for a channel with a process of its own."""
    async with asyncio.TaskGroup() as group:
        _hire(group, house, hub, "outbox", delivery.deliver, channels=delivery.channels)


def _hire(
    group: asyncio.TaskGroup,
    house: House,
    hub: Hub,
    name: str,
    task: Work,
    *,
    channels: Collection[str] | None = None,
) -> None:
    for number in range(HANDS[name]):
        group.create_task(_hand(house, hub, name, task, channels), name=f"{name} {number}")


async def _hand(house: House, hub: Hub, name: str, task: Work, channels: Collection[str] | None) -> None:
    """One pair of hands: its own connection for locks, opened again when it is lost."""
    pause = 0.05
    while True:
        try:
            connection = await house.database.connect()
            async with connection:
                pause = 0.05
                await _empty_for_ever(house, hub, Queue(name, connection, channels=channels), name, task)
        except (psycopg.Error, OSError) as error:
            logger.warning("worker: %s lost its connection (%s), trying again", name, type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)


async def _empty_for_ever(house: House, hub: Hub, queue: Queue, name: str, task: Work) -> None:
    with hub.woken_by(name) as waker:
        while True:
            waker.clear()
            while await _one(house, queue, task):
                pass
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(waker.wait(), LOOK_AGAIN)


async def _one(house: House, queue: Queue, task: Work) -> bool:
    """Work on one row; whether there was one."""
    async with queue.claim(house.clock.now()) as claim:
        if claim is None:
            return False
        await task(claim)
        return True
