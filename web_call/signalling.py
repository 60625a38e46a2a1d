"""One side's line to the call: numbered signals without gaps, acknowledged acts, a heartbeat, drafts by the letter.

Frames in, each with the sender's own `id` (a UUID), acknowledged by `ack` once written down, and sent again by
the page until then: `signal` (with `body`), `accept`, `hang_up`, `again`. Without an id: `ping`, `draft`.
Frames out: `signal` and `call` with `seq`; `standing` (how things are), `thread` (read the thread again),
`draft`, `ack`, `refused`, `pong`.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Case
from conversation.service import stream_of
from foundation import live
from foundation.db import Database
from foundation.errors import FoyerError
from foundation.faults import reached
from foundation.live import Hub
from web_call.service import CITIZEN, CLERK, Calls, call_stream

Json = dict[str, Any]
SILENCE = 30.0
"""Seconds without a word (the page pings every 1.5) after which a line is taken for dead."""
LOOK_AGAIN = 20.0
"""Seconds after which the standing, and the right to be here, is read anew."""
LONGEST_FRAME = 80_000
GOING_AWAY = 1001
NOT_ALLOWED = 4403

Standing = Callable[[AsyncSession, Case], Awaitable[Json]]


class Socket(Protocol):
    """What is used of a WebSocket."""

    async def receive_text(self) -> str: ...
    async def send_text(self, data: str) -> None: ...
    async def close(self, code: int = 1000) -> None: ...


@dataclass
class Line:
    """One open page of one side. `allowed` gives the case if this page may (still) be here, else a FoyerError;
    `standing` says how things are for it, beside the call itself."""

    socket: Socket
    database: Database
    hub: Hub
    calls: Calls
    city_id: uuid.UUID
    case_id: uuid.UUID
    role: str
    allowed: Callable[[AsyncSession], Awaitable[Case]]
    standing: Standing
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _whispers: asyncio.Queue[Json] = field(default_factory=lambda: asyncio.Queue(maxsize=100))

    async def run(self, after: int) -> None:
        """Serve the line until one side ends it."""
        stream = call_stream(self.case_id)
        with contextlib.ExitStack() as ears:
            ears.enter_context(self.hub.hearing(stream, self._hear))
            async with self.database.city(self.city_id) as session:
                case = await self.allowed(session)
                threads = [
                    stream_of(one.id) for one in await self.calls.conversations.threads_of(session, case)
                ]
            for thread in threads:
                ears.enter_context(self.hub.hearing(thread, self._hear))
            work = [self._news(after), self._listen(), self._whispering(), self._looking()]
            work += [self._thread(thread) for thread in threads]
            await self._until_first_ends(work)

    async def _until_first_ends(self, work: list[Any]) -> None:
        tasks = [asyncio.create_task(part) for part in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for reason in [task.exception() for task in done]:
            if isinstance(reason, FoyerError):
                await self.socket.close(NOT_ALLOWED)
            elif isinstance(reason, TimeoutError):
                await self.socket.close(GOING_AWAY)
            elif reason is not None:
                raise reason

    # -- out ---------------------------------------------------------------------------------------

    async def _news(self, after: int) -> None:
        stream = call_stream(self.case_id)
        rows_of = live.follow(self.hub, self.database, city_id=self.city_id, stream=stream, after=after)
        await self._send_standing()
        async for rows in rows_of:
            async with self.database.city(self.city_id) as session:
                frames = await self.calls.frames(session, rows)
            await self._send(*frames)
            if any(row.kind == "call" for row in rows):
                await self._send_standing()

    async def _thread(self, stream: str) -> None:
        async with self.database.city(self.city_id) as session:
            after = await live.last_seq(session, stream)
        await self._send({"kind": "thread"})
        async for rows in live.follow(
            self.hub, self.database, city_id=self.city_id, stream=stream, after=after
        ):
            kinds = {row.kind for row in rows}
            if "case" in kinds:
                await self._send_standing()
            if kinds - {"case"}:
                await self._send({"kind": "thread"})

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            await self._send_standing()

    async def _send_standing(self) -> None:
        async with self.database.city(self.city_id) as session:
            case = await self.allowed(session)
            call = await self.calls.of_case(session, self.case_id)
            frame = {
                "kind": "standing",
                "call": {"id": str(call.id), "state": call.state, "ended_by": call.ended_by}
                if call
                else None,
                **await self.standing(session, case),
            }
        await self._send(frame)

    def _hear(self, whisper: Json) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._whispers.put_nowait(whisper)

    async def _whispering(self) -> None:
        while True:
            whisper = await self._whispers.get()
            if whisper.get("kind") == "queue":
                await self._send_standing()
            elif whisper.get("kind") == "draft" and whisper.get("from") != self.role:
                async with self.database.city(self.city_id) as session:
                    text = await self.calls.read_draft(session, self.case_id, whisper["sealed"])
                await self._send({"kind": "draft", "text": text})

    async def _send(self, *frames: Json) -> None:
        async with self._sending:
            for frame in frames:
                await self.socket.send_text(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    # -- in ----------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            frame = _parsed(await asyncio.wait_for(self.socket.receive_text(), SILENCE))
            if frame.get("kind") == "ping":
                await self._send({"kind": "pong"})
            elif frame.get("kind") == "draft":
                async with self.database.city(self.city_id) as session:
                    case = await self.allowed(session)
                    await self.calls.draft(session, case, self.role, str(frame.get("text", "")))
            elif _is_id(frame.get("id")):
                await self._act(frame)

    async def _act(self, frame: Json) -> None:
        """Do it and say so; what is refused is not sent again."""
        try:
            async with self.database.city(self.city_id) as session:
                case = await self.allowed(session)
                step = await self._do(session, case, frame)
                if step is not None:
                    await session.flush()
                    reached(step)
        except FoyerError as error:
            await self._send({"kind": "refused", "id": frame["id"], "error": error.key})
            return
        await self._send({"kind": "ack", "id": frame["id"]})

    async def _do(self, session: AsyncSession, case: Case, frame: Json) -> str | None:
        """Write one act down; the named step it has reached, if it is one."""
        kind, body = frame.get("kind"), frame.get("body")
        if kind == "signal" and isinstance(body, dict):
            await self.calls.send(session, case, self.role, uuid.UUID(frame["id"]), body)
            return "call.offered" if body.get("type") == "offer" else None
        if kind == "accept" and self.role == CITIZEN:
            await self.calls.accept(session, case.id)
            return "call.accepted"
        if kind == "again" and self.role == CLERK:
            await self.calls.ring_again(session, case.id)
        elif kind == "hang_up":
            await self.calls.hang_up(session, case.id, self.role)
        return None


def _parsed(text: str) -> Json:
    """A browser's frame; nonsense is about nothing."""
    if len(text) > LONGEST_FRAME:
        return {}
    try:
        frame = json.loads(text)
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False
