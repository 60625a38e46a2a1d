"""The call room: opened with the case, accepted by the person, ended and entered again, over with the case.

What the two browsers tell each other is kept for two minutes, so that a page or a server that was away for
a moment misses nothing. The call itself runs between the browsers and does not need the server.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Case
from conversation.reply import Page
from conversation.service import Conversations
from foundation import live
from foundation.clock import Clock
from foundation.db import new_id
from foundation.errors import FoyerError, Invalid
from foundation.events import Event
from foundation.faults import reached
from foundation.i18n import Text
from web_call.models import Call, CallSignal

CITIZEN, CLERK = "citizen", "clerk"
SIGNAL_LIVES = timedelta(minutes=2)
LONGEST_SIGNAL = 60_000
LONGEST_DRAFT = 2000
Json = dict[str, Any]


class NoCall(FoyerError):
    """The clerk is not there (any more)."""

    status = 409
    key = "call.over"


def call_stream(case_id: uuid.UUID) -> str:
    """The live stream that both sides of a case's call follow."""
    return f"call:{case_id}"


async def call_page(session: AsyncSession, conversations: Conversations, case: Case) -> Page:
    """The way from a thread to the call of its case."""
    return Page(Text("call.open_page"), f"{await conversations.case_path(session, case)}/call")


@dataclass(frozen=True)
class Calls:
    """Rooms and their signals. Methods write in the caller's transaction; who may call is the edge's matter."""

    conversations: Conversations
    clock: Clock

    # -- the room ----------------------------------------------------------------------------------

    async def open(self, session: AsyncSession, case: Case, staff_id: uuid.UUID) -> Call:
        """The room of this clerk; an earlier clerk's one is over."""
        found = await self.of_case(session, case.id)
        if found is not None and found.staff_id == staff_id:
            return found
        if found is not None:
            self._turn(session, found, "over")
            await session.flush()
        now = self.clock.now()
        call = Call(
            id=new_id(),
            city_id=case.city_id,
            case_id=case.id,
            staff_id=staff_id,
            state="open",
            opened_at=now,
            delete_after=case.delete_after,
        )
        session.add(call)
        await session.flush()
        self._tell(session, call)
        reached("call.opened")
        return call

    async def of_case(self, session: AsyncSession, case_id: uuid.UUID, *, lock: bool = False) -> Call | None:
        """The room that is not over."""
        query = select(Call).where(Call.case_id == case_id, Call.state != "over")
        if lock:
            query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
        call: Call | None = await session.scalar(query)
        return call

    async def accept(self, session: AsyncSession, case_id: uuid.UUID) -> None:
        """The person says yes: from now on media may flow. Errors: NoCall."""
        call = await self._live(session, case_id)
        if call.state != "accepted":
            call.accepted_at, call.ended_at, call.ended_by = self.clock.now(), None, None
            self._turn(session, call, "accepted")

    async def hang_up(self, session: AsyncSession, case_id: uuid.UUID, role: str) -> None:
        """End the call for both; the room stays. Errors: NoCall."""
        call = await self._live(session, case_id)
        if call.state != "ended":
            call.ended_at, call.ended_by = self.clock.now(), role
            self._turn(session, call, "ended")

    async def ring_again(self, session: AsyncSession, case_id: uuid.UUID) -> None:
        """After the end the clerk calls again; the person has to accept anew. Errors: NoCall."""
        call = await self._live(session, case_id)
        if call.state == "ended":
            call.ended_at, call.ended_by = None, None
            self._turn(session, call, "open")

    async def over(self, session: AsyncSession, case_id: uuid.UUID) -> None:
        """The clerk no longer holds the case: nobody may enter any more."""
        call = await self.of_case(session, case_id, lock=True)
        if call is not None:
            self._turn(session, call, "over")
            await session.execute(delete(CallSignal).where(CallSignal.call_id == call.id))

    # -- signals -----------------------------------------------------------------------------------

    async def send(
        self, session: AsyncSession, case: Case, role: str, signal_id: uuid.UUID, body: Json
    ) -> None:
        """Pass something on to the other browser, once. Errors: NoCall, Invalid."""
        if len(str(body)) > LONGEST_SIGNAL:
            raise Invalid(field="body")
        call = await self._live(session, case.id)
        if await session.get(CallSignal, signal_id) is not None:
            return
        now = self.clock.now()
        old = delete(CallSignal).where(CallSignal.call_id == call.id, CallSignal.at < now - SIGNAL_LIVES)
        await session.execute(old)
        place = f"call_signal.body:{signal_id}"
        signal = CallSignal(
            id=signal_id,
            city_id=case.city_id,
            call_id=call.id,
            sender=role,
            body=await self.conversations.vault.seal(session, case.key_id, place, body),
            at=now,
            delete_after=now + SIGNAL_LIVES,
        )
        session.add(signal)
        await session.flush()
        self._publish(session, call, "signal", {"signal_id": str(signal_id)})

    async def frames(self, session: AsyncSession, rows: Sequence[live.LiveRow]) -> list[Json]:
        """One frame a row: signals that still live are opened, news of the room are bare."""
        ids = [uuid.UUID(row.data["signal_id"]) for row in rows if row.kind == "signal"]
        found = {
            one.id: one for one in await session.scalars(select(CallSignal).where(CallSignal.id.in_(ids)))
        }
        frames: list[Json] = []
        for row in rows:
            frame: Json = {"seq": row.seq, "kind": row.kind}
            if row.kind == "signal":
                signal = found.get(uuid.UUID(row.data["signal_id"]))
                frame |= await self._opened(session, signal) if signal else {"kind": "gone"}
            frames.append(frame)
        return frames

    async def _opened(self, session: AsyncSession, signal: CallSignal) -> Json:
        place = f"call_signal.body:{signal.id}"
        body = await self.conversations.vault.open(session, place, signal.body)
        return {"from": signal.sender, "body": body}

    # -- text, letter by letter --------------------------------------------------------------------

    async def draft(self, session: AsyncSession, case: Case, role: str, text: str) -> None:
        """Show the other side what is being typed (real-time text, EN 301 549, 6.2); nothing is kept of it."""
        vault = self.conversations.vault
        place = f"call.draft:{case.id}"
        sealed = await vault.seal_bytes(session, case.key_id, place, text[:LONGEST_DRAFT].encode())
        whisper = {"kind": "draft", "from": role, "sealed": sealed.hex()}
        await live.whisper(session, call_stream(case.id), whisper)

    async def read_draft(self, session: AsyncSession, case_id: uuid.UUID, sealed: str) -> str:
        vault = self.conversations.vault
        return (await vault.open_bytes(session, f"call.draft:{case_id}", bytes.fromhex(sealed))).decode()

    # -- news of the case --------------------------------------------------------------------------

    async def on_admitted(self, session: AsyncSession, event: Event) -> None:
        """In the same transaction: whoever is admitted has a room."""
        case = await self.conversations.case(session, uuid.UUID(event.data["case_id"]))
        await self.open(session, case, uuid.UUID(event.data["staff_id"]))

    async def on_let_go(self, session: AsyncSession, event: Event) -> None:
        await self.over(session, uuid.UUID(event.data["case_id"]))

    # -- steps -------------------------------------------------------------------------------------

    async def _live(self, session: AsyncSession, case_id: uuid.UUID) -> Call:
        call = await self.of_case(session, case_id, lock=True)
        if call is None:
            raise NoCall
        return call

    def _turn(self, session: AsyncSession, call: Call, state: str) -> None:
        call.state = state
        self._tell(session, call)

    def _tell(self, session: AsyncSession, call: Call) -> None:
        self._publish(session, call, "call", {"call_id": str(call.id)})

    def _publish(self, session: AsyncSession, call: Call, kind: str, data: Json) -> None:
        stream = call_stream(call.case_id)
        live.publish(session, city_id=call.city_id, stream=stream, kind=kind, data=data, now=self.clock.now())
