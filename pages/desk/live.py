"""The desk's socket: numbered news of the office, wake-ups of the threads in hand, and the sign that a clerk is there."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect
from sqlalchemy import or_, select

from conversation.models import Case, Conversation
from conversation.service import office_stream, stream_of
from escalation.service import Escalation
from foundation import live
from foundation.db import Database
from foundation.errors import NotAllowed, SignInNeeded
from people.models import Staff
from people.service import ON_DUTY, People

NOT_SIGNED_IN = 4401
HEARTBEAT = ON_DUTY.total_seconds() / 3


@dataclass
class DeskSocket:
    """One open desk. Frames out: office news with `seq`; `thread` and `typing` with a case id; `pong`.

    Frames in: `ping`; `watch` and `typing` with a case id.
    """

    socket: WebSocket
    database: Database
    hub: live.Hub
    people: People
    escalation: Escalation
    staff: Staff
    token: str
    _watched: uuid.UUID | None = None
    _recheck: asyncio.Event = field(default_factory=asyncio.Event)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, after: int) -> None:
        """Serve the socket until either side ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (self._heartbeat(), self._office_news(after), self._threads(), self._listen()):
                    tasks.create_task(part)
        except* (SignInNeeded, NotAllowed):
            await self._close(NOT_SIGNED_IN)
        except* (WebSocketDisconnect, RuntimeError):
            pass  # the browser is gone; it comes back with the last number it saw

    async def _heartbeat(self) -> None:
        while True:
            async with self.database.city(self.staff.city_id) as session:
                staff = await self.people.clerk_of(session, self.token, renew=False)
                await self.escalation.on_duty(session, staff)
            await asyncio.sleep(HEARTBEAT)

    async def _office_news(self, after: int) -> None:
        city_id, stream = self.staff.city_id, office_stream(self.staff.office_id)
        async for rows in live.follow(self.hub, self.database, city_id=city_id, stream=stream, after=after):
            for row in rows:
                await self._send({"seq": row.seq, "kind": row.kind, **row.data})
                if row.kind == "case":
                    self._recheck.set()

    async def _threads(self) -> None:
        """Follow the threads of the cases in hand, and of the one on the screen; both change."""
        following: dict[uuid.UUID, asyncio.Task[None]] = {}
        try:
            while True:
                self._recheck.clear()
                wanted = await self._wanted()
                for conversation_id in following.keys() - wanted.keys():
                    following.pop(conversation_id).cancel()
                for conversation_id in wanted.keys() - following.keys():
                    part = self._follow_thread(conversation_id, wanted[conversation_id])
                    following[conversation_id] = asyncio.create_task(part)
                await self._recheck.wait()
        finally:
            for task in following.values():
                task.cancel()

    async def _wanted(self) -> dict[uuid.UUID, uuid.UUID]:
        """Conversation → case."""
        query = (
            select(Conversation.id, Case.id)
            .join(Case, Case.id == Conversation.case_id)
            .where(
                Case.office_id == self.staff.office_id,
                or_(Case.holder_id == self.staff.id, Case.id == self._watched),
            )
        )
        async with self.database.city(self.staff.city_id) as session:
            return {one: case_id for one, case_id in await session.execute(query)}  # noqa: C416 - rows are no pairs to mypy

    async def _follow_thread(self, conversation_id: uuid.UUID, case_id: uuid.UUID) -> None:
        stream, city_id = stream_of(conversation_id), self.staff.city_id
        with contextlib.suppress(WebSocketDisconnect, RuntimeError), self._hearing_typing(stream, case_id):
            async with self.database.city(city_id) as session:
                after = await live.last_seq(session, stream)
            # Something may have been said between the desk's look at the thread and this moment.
            await self._send({"kind": "thread", "case_id": str(case_id)})
            async for rows in live.follow(
                self.hub, self.database, city_id=city_id, stream=stream, after=after
            ):
                if any(row.kind == "message" for row in rows):
                    await self._send({"kind": "thread", "case_id": str(case_id)})

    @contextlib.contextmanager
    def _hearing_typing(self, stream: str, case_id: uuid.UUID) -> Any:
        sending: set[asyncio.Task[None]] = set()

        def ear(message: dict[str, Any]) -> None:
            if message.get("kind") == "typing" and message.get("author") == "citizen":
                task = asyncio.create_task(self._send({"kind": "typing", "case_id": str(case_id)}))
                sending.add(task)
                task.add_done_callback(_forgotten_by(sending))

        with self.hub.hearing(stream, ear):
            yield

    async def _listen(self) -> None:
        while True:
            try:
                message = json.loads(await self.socket.receive_text())
                kind, case_id = message["kind"], uuid.UUID(message.get("case_id") or str(uuid.UUID(int=0)))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # not from our page
            if kind == "ping":
                await self._send({"kind": "pong"})
            elif kind == "watch":
                self._watched = case_id
                self._recheck.set()
            elif kind == "typing":
                await self._typing(case_id)

    async def _typing(self, case_id: uuid.UUID) -> None:
        async with self.database.city(self.staff.city_id) as session:
            case = await session.get(Case, case_id)
            if case is None or case.holder_id != self.staff.id:
                return
            thread = await self.escalation.thread_of(session, case)
            await live.whisper(session, stream_of(thread.id), {"kind": "typing", "author": "clerk"})

    async def _send(self, frame: dict[str, Any]) -> None:
        async with self._one_at_a_time:
            await self.socket.send_text(json.dumps(frame, separators=(",", ":")))

    async def _close(self, code: int) -> None:
        with contextlib.suppress(RuntimeError):
            await self.socket.close(code)


def _forgotten_by(sending: set[asyncio.Task[None]]) -> Callable[[asyncio.Task[None]], None]:
    """A typing sign that could not be sent is not missed."""

    def done(task: asyncio.Task[None]) -> None:
        sending.discard(task)
        if not task.cancelled():
            task.exception()

    return done
