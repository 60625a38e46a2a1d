"""The house with its Matrix bot inside the test's own process: turns, bot and delivery, started when told."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from conversation.queues import Queue
from conversation.service import ShownMessage
from foundation.live import Hub
from foyer.bots import matrix
from foyer.wiring import House

PATIENCE = 60


@dataclass
class MatrixOffice:
    """`bot` is the office's Matrix id."""

    house: House
    city_id: uuid.UUID
    bot: str

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Bot, delivery and turns."""
        async with running(matrix(self.house)), running(self._turns()):
            yield

    async def _turns(self) -> None:
        turns = await self.house.turns()
        async with Hub(self.house.database) as hub, await self.house.database.connect() as connection:
            queue = Queue("inbox", connection)
            with hub.woken_by("inbox") as waker:
                while True:
                    waker.clear()
                    async with queue.claim(self.house.clock.now()) as claim:
                        if claim is not None:
                            await turns.take(claim)
                    if claim is None:
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(waker.wait(), 1)

    async def thread(self, room: str) -> list[ShownMessage]:
        """What was said in a room, as the thread shows it; empty while there is none."""
        async with self.house.database.city(self.city_id) as session:
            address = await self.house.conversations.find_address(session, "matrix", room)
            if address is None:
                return []
            thread = await self.house.conversations.conversation_at(session, address)
            return await self.house.conversations.thread(session, [thread.id])

    async def citizen_said(self, room: str) -> list[str]:
        return [one.body.text for one in await self.thread(room) if one.author == "citizen"]


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Let it run beside the block, and end it with the block. Its own error ends the block's wait, too."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(wanted: Callable[[], Awaitable[bool]], what: str) -> None:
    """Look again and again at something that cannot call us. Errors: AssertionError that says what did not come."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await wanted():
                done = asyncio.Event()
                asyncio.get_running_loop().call_later(0.05, done.set)
                await done.wait()
    except TimeoutError:
        raise AssertionError(f"{what} did not come") from None
