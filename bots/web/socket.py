"""The visitor's live line: numbered frames without gaps, whispers beside them, dead lines cut."""

import asyncio
import contextlib
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from bots.web.thread import Frame, Threads
from conversation.service import stream_of
from foundation import live
from foundation.db import Database
from foundation.errors import NotFound
from foundation.live import Hub

SILENCE = 60.0
"""Seconds without a word (the page pings every 20) after which a line is taken for dead."""
LOOK_AGAIN = 30.0
"""Seconds after which a waiting person's estimate is computed anew."""
TYPING_PAUSE = 2.0
LONGEST_FRAME = 2000
CURRENT: Frame = {"kind": "current"}
"""All there is has been sent; what comes from now on is news."""
GOING_AWAY = 1001
NOT_SIGNED_IN = 4401
"""RFC 6455 leaves 4000-4999 to applications; the page begins anew on this one."""


@dataclass
class Line:
    """One open socket of one thread."""

    socket: WebSocket
    database: Database
    hub: Hub
    threads: Threads
    city_id: uuid.UUID
    thread_id: uuid.UUID
    _whispers: asyncio.Queue[dict[str, Any]] = field(default_factory=lambda: asyncio.Queue(maxsize=100))
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waits: bool = False
    _typed_at: float = 0.0

    async def run(self, after: int) -> None:
        """Serve the line until one side ends it."""
        with self.hub.hearing(stream_of(self.thread_id), self._hear):
            tasks = [
                asyncio.create_task(work)
                for work in (self._send_news(after), self._send_whispers(), self._listen())
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        await self._end([task.exception() for task in done])

    async def _end(self, reasons: list[BaseException | None]) -> None:
        for reason in reasons:
            if isinstance(reason, TimeoutError):
                await self.socket.close(GOING_AWAY)
            elif isinstance(reason, NotFound):  # the thread was deleted while it was read
                await self.socket.close(NOT_SIGNED_IN)
            elif reason and not isinstance(reason, WebSocketDisconnect):
                raise reason

    def _hear(self, whisper: dict[str, Any]) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._whispers.put_nowait(whisper)

    async def _send_news(self, after: int) -> None:
        stream = stream_of(self.thread_id)
        await self._send_standing()
        async with self.database.city(self.city_id) as session:
            nothing_new = await live.last_seq(session, stream) <= after
        if nothing_new:
            await self._send(CURRENT)
        news = live.follow(self.hub, self.database, city_id=self.city_id, stream=stream, after=after)
        async for rows in news:
            async with self.database.city(self.city_id) as session:
                frames = await self.threads.frames(session, self.thread_id, rows)
            await self._send(*frames)
            if any(row.kind == "case" for row in rows):
                await self._send_standing()
            await self._send(CURRENT)

    async def _send_whispers(self) -> None:
        while True:
            try:
                pause = LOOK_AGAIN if self._waits else None
                whisper = await asyncio.wait_for(self._whispers.get(), pause)
            except TimeoutError:
                whisper = {"kind": "queue"}
            if whisper.get("kind") == "queue":
                await self._send_standing()
            elif whisper.get("author") != "citizen":
                await self._send({"kind": "typing", "author": whisper.get("author")})

    async def _send_standing(self) -> None:
        """Who speaks, and the place in the waiting room, as they are now."""
        async with self.database.city(self.city_id) as session:
            speaker = await self.threads.speaker(session, self.thread_id)
            place = await self.threads.place(session, self.thread_id)
        self._waits = place["position"] is not None
        await self._send(speaker, place)

    async def _listen(self) -> None:
        while True:
            text = await asyncio.wait_for(self.socket.receive_text(), SILENCE)
            kind = _kind(text)
            if kind == "ping":
                await self._send({"kind": "pong"})
            elif kind == "typing":
                await self._whisper_typing()

    async def _whisper_typing(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._typed_at < TYPING_PAUSE:
            return
        self._typed_at = now
        async with self.database.city(self.city_id) as session:
            await live.whisper(session, stream_of(self.thread_id), {"kind": "typing", "author": "citizen"})

    async def _send(self, *frames: Frame) -> None:
        async with self._sending:
            for frame in frames:
                await self.socket.send_text(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))


def _kind(text: str) -> str:
    """What a browser's frame is about; nonsense is about nothing."""
    if len(text) > LONGEST_FRAME:
        return ""
    try:
        frame = json.loads(text)
    except ValueError:
        return ""
    return str(frame.get("kind", "")) if isinstance(frame, dict) else ""
