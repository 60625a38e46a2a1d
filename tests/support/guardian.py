"""Who keeps the processes of a test alive, as `foyer run` does, and has them die where the test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from tests.support.app import App, Process

Traps = dict[str, list[str]]
"""For each process the named steps at which it dies, in the order in which they are met."""


@dataclass
class Guardian:
    """Restarts what has died and lays the next trap, one a life. `deaths` are the steps that were met."""

    app: App
    traps: Traps = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def restart(self) -> None:
        """Start what does not live, each process with its next trap."""
        for process in self.app.processes:
            if not process.alive:
                steps = self.traps.get(process.name, [])
                process.start({"FOYER_CRASH_AT": steps[0]} if steps else None)
        await self.app.ready()

    async def move_time(self, now: datetime) -> None:
        """A normal restart of the office at another time of its clock."""
        async with self._busy:
            self.app.kill()
            self.app.now = now
            for process in self.app.processes:
                process.environment = self.app.environment()
            await self.restart()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            died = await self.app.wait_for_crash(seconds=3600)
            async with self._busy:
                await self._raise_again(died)

    async def _raise_again(self, died: Process) -> None:
        if not died.alive:
            if steps := self.traps.get(died.name):
                self.deaths.append(steps.pop(0))
            await self.restart()
