"""Who may have an echo, and for how long. The media library is loaded with the first one: few processes need it."""

import asyncio
import contextlib
import importlib
from dataclasses import dataclass, field

from foundation.errors import FoyerError, TooMany
from web_call.ports import MediaSession

LIVES = 20.0
"""Seconds after which an echo ends by itself."""
MOST = 3
CLOSES_WITHIN = 3.0


class EchoBusy(TooMany):
    key = "call.echo_busy"


class EchoRefused(FoyerError):
    """This offer cannot be answered."""

    status = 422
    key = "call.echo_refused"


@dataclass
class Echoes:
    """The running echoes of this process."""

    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def answer(self, offer: str) -> str:
        """Answer one person's offer and end it after a while. Errors: EchoBusy, EchoRefused."""
        if "\nm=" not in offer:
            raise EchoRefused  # it offers nothing
        if len(self._running) >= MOST:
            raise EchoBusy
        echo: MediaSession = (await asyncio.to_thread(importlib.import_module, "web_call.media")).Echo()
        task = asyncio.create_task(self._end_later(echo), name="echo")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await echo.answer(offer)
        except BaseException:
            task.cancel()
            raise

    async def _end_later(self, echo: MediaSession) -> None:
        try:
            await asyncio.sleep(LIVES)
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSES_WITHIN):
                    await echo.close()

    async def close(self) -> None:
        """End them all."""
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
