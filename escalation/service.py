"""The case's way to a person: waiting room, admit, talk, outcome and summary.

Order of the waiting room, one rule for everybody:
1. people with an appointment whose time has come (five minutes before it counts), by the later of
   appointment and arrival: whoever comes late does not overtake those who were on time;
2. people without one, by arrival;
3. people who are early for their appointment, by its time; they move up to 1 when it comes.
A clerk may admit anybody. The place is computed from the rows at every look and never stored.
"""

import heapq
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import case as sql_case
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Appointment
from booking.service import Booking
from conversation.models import Address, Case, Conversation, Message
from conversation.reply import Reply
from conversation.service import Conversations, office_stream, stream_of
from escalation.models import Waiting
from escalation.outcome import Closing, side_by_side, summary_parts
from escalation.ports import Facts
from foundation import live
from foundation.clock import Clock
from foundation.errors import FoyerError, Invalid, NotFound
from foundation.events import Events
from foundation.faults import reached
from foundation.i18n import Moment, Sayable, Text, Verbatim
from people.models import Office, Staff
from people.service import People
from web_call.service import call_page

DUE_BEFORE = timedelta(minutes=5)
CAME_EARLY = timedelta(hours=1)
LONGEST_MESSAGE = 8000


class AlreadyAdmitted(FoyerError):
    """Another clerk was faster; `name` says who."""

    status = 409
    key = "queue.already_admitted"


class NoLongerWaiting(FoyerError):
    """The person has left the waiting room."""

    status = 409
    key = "queue.no_longer_waiting"


class NotTheHolder(FoyerError):
    """Only the clerk who holds the case may do this."""

    status = 409
    key = "desk.not_the_holder"


class CaseIsClosed(FoyerError):
    status = 409
    key = "desk.case_is_closed"


@dataclass(frozen=True)
class Place:
    """Somebody's place: `position` from 1 (0: a clerk is already there), `minutes` a rough estimate.

    `clerks` is how many are on duty; with none the estimate is that of a single clerk.
    """

    position: int
    minutes: int
    people_ahead: int
    clerks: int


@dataclass(frozen=True)
class Waiter:
    """Somebody in the waiting room as a desk lists them: ids and codes, no name."""

    id: uuid.UUID
    case_id: uuid.UUID
    conversation_id: uuid.UUID
    number: int
    service: str | None
    language: str
    zone: str | None
    joined_at: datetime
    appointment_at: datetime | None
    place: Place


@dataclass(frozen=True)
class Escalation:
    """Brings people and clerks together. Methods write in the caller's transaction."""

    conversations: Conversations
    people: People
    booking: Booking
    clock: Clock
    events: Events
    facts: Facts

    # -- the waiting room --------------------------------------------------------------------------

    async def join(
        self,
        session: AsyncSession,
        case: Case,
        conversation: Conversation,
        appointment: Appointment | None = None,
    ) -> Place:
        """Take a place, or keep the one there is. Errors: CaseIsClosed."""
        case = await self.conversations.lock_case(session, case.id)
        if case.state != "open":
            raise CaseIsClosed(number=case.number)
        row = await self._live_row(session, case.id)
        if row is None:
            row = await self._new_place(session, case, conversation, appointment)
        elif row.conversation_id != conversation.id:
            row.conversation_id = conversation.id
        if appointment and row.appointment_id != appointment.id:
            row.appointment_id, row.ranked_at = appointment.id, max(_start(appointment), row.joined_at)
        await session.flush()
        places = await self._places(session, case.office_id)
        reached("queue.joined")
        return places.get(row.id) or Place(0, 0, 0, 1)

    async def leave(self, session: AsyncSession, case: Case) -> None:
        """Give the place up; nothing happens without one."""
        await self.conversations.lock_case(session, case.id)
        row = await self._live_row(session, case.id)
        if row and row.state == "waiting":
            row.state, row.ended_at = "left", self.clock.now()
            await self._tell_queue(session, case.office_id)
            await self._tell(session, case)

    async def place(self, session: AsyncSession, conversation_id: uuid.UUID) -> Place | None:
        """The place of this thread's case, None when it does not wait (any more)."""
        found = await session.execute(
            select(Waiting.id, Waiting.office_id)
            .join(Conversation, Conversation.case_id == Waiting.case_id)
            .where(Conversation.id == conversation_id, Waiting.state == "waiting")
        )
        row = found.one_or_none()
        return (await self._places(session, row.office_id)).get(row.id) if row else None

    async def waiting(self, session: AsyncSession, office_id: uuid.UUID) -> list[Waiter]:
        """The waiting room of an office in its order."""
        places = await self._places(session, office_id)
        query = (
            select(Waiting, Case, Address, Appointment)
            .join(Case, Case.id == Waiting.case_id)
            .join(Conversation, Conversation.id == Waiting.conversation_id)
            .join(Address, Address.id == Conversation.address_id)
            .outerjoin(Appointment, Appointment.id == Waiting.appointment_id)
            .where(Waiting.id.in_(places))
        )
        waiters = [
            Waiter(
                id=row.id,
                case_id=case.id,
                conversation_id=row.conversation_id,
                number=case.number,
                service=case.service,
                language=address.language,
                zone=address.zone,
                joined_at=row.joined_at,
                appointment_at=_start(appointment) if appointment else None,
                place=places[row.id],
            )
            for row, case, address, appointment in await session.execute(query)
        ]
        return sorted(waiters, key=lambda waiter: waiter.place.position)

    async def open_now(self, session: AsyncSession, office: Office) -> bool:
        """Whether somebody can be reached at once: in the hours, and with a clerk on duty."""
        if not self.facts.open_at(office, self.clock.now()):
            return False
        return bool(await self.people.clerks_on_duty(session, office.id))

    async def on_duty(self, session: AsyncSession, staff: Staff) -> None:
        """The heartbeat of an open desk; when a clerk has just come, everybody's estimate is another one."""
        known = [clerk.id for clerk in await self.people.clerks_on_duty(session, staff.office_id)]
        await self.people.stay_on_duty(session, staff.id)
        if staff.id not in known:
            await self._tell_queue(session, staff.office_id)

    # -- holding -----------------------------------------------------------------------------------

    async def admit(self, session: AsyncSession, waiting_id: uuid.UUID, staff: Staff) -> Case:
        """Fetch somebody from the waiting room. Errors: NotFound, AlreadyAdmitted, NoLongerWaiting."""
        row = await session.get(Waiting, waiting_id)
        if row is None or row.office_id != staff.office_id:
            raise NotFound
        case = await self.conversations.lock_case(session, row.case_id)
        await session.refresh(row)
        if row.state == "admitted" and row.admitted_by != staff.id:
            raise AlreadyAdmitted(name=await self._name(session, row.admitted_by))
        if row.state in ("left", "ended"):
            raise NoLongerWaiting(number=case.number)
        await self._hold(session, case, staff)
        reached("queue.admitted")
        return case

    async def take_over(self, session: AsyncSession, case: Case, staff: Staff) -> None:
        """Speak in a case from now on, waiting or not. Errors: AlreadyAdmitted, CaseIsClosed, NotFound."""
        case = await self.conversations.lock_case(session, case.id)
        if case.office_id != staff.office_id:
            raise NotFound
        if case.state != "open":
            raise CaseIsClosed(number=case.number)
        await self._hold(session, case, staff)

    async def hand_back(self, session: AsyncSession, case: Case, staff: Staff) -> None:
        """Let the bot speak again, without closing. Errors: NotTheHolder."""
        case = await self._held(session, case.id, staff)
        await self._end_waiting(session, case)
        await self._say_as_office(session, case, Reply((Text("escalation.handed_back"),)), "hand_back")
        case.holder_id = None
        await self._report(session, "case.handed_back", case, staff)
        await self._tell(session, case)

    async def say(self, session: AsyncSession, case: Case, staff: Staff, text: str, *, key: str) -> None:
        """Write to the person, where they last wrote from.

        `key` comes from the desk: a message sent again after a lost answer is still one message.
        Errors: NotTheHolder, CaseIsClosed, Invalid.
        """
        if not text.strip() or len(text) > LONGEST_MESSAGE:
            raise Invalid(field="text")
        case = await self._held(session, case.id, staff)
        thread = await self.thread_of(session, case)
        reply = Reply((Verbatim(text.strip()),))
        await self.conversations.say(
            session, thread, reply, key=f"desk:{case.id}:{key}", author="clerk", staff_id=staff.id
        )
        await self.people.audit(session, staff, "case.said", case.id)
        reached("desk.said")

    async def close(
        self, session: AsyncSession, case: Case, staff: Staff, closing: Closing
    ) -> dict[str, Any]:
        """End the case with an outcome, send the summary into the thread, give the thread to the bot.

        The summary as sent: {"language", "text": [...], "german": [...]}. Errors: NotTheHolder, CaseIsClosed, Invalid.
        """
        closing.check()
        case = await self._held(session, case.id, staff)
        summary = await self.summary(session, case, staff, closing)
        thread = await self.thread_of(session, case)
        reply = Reply(await self._summary_parts(session, case, staff, closing), personal=True)
        await self.conversations.say(
            session, thread, reply, key=f"summary:{case.id}", author="system", staff_id=staff.id
        )
        await self._end_waiting(session, case)
        await self._settle_appointments(session, case, closing)
        await self.conversations.close_case(session, case, closing.outcome, summary)
        await self._report(session, "case.closed", case, staff, outcome=closing.outcome)
        await self._tell(session, case)
        reached("case.closed")
        return summary

    async def summary(
        self, session: AsyncSession, case: Case, staff: Staff, closing: Closing
    ) -> dict[str, Any]:
        """How the summary will read, side by side; nothing is written."""
        closing.check()
        address = await self.conversations.address_of(session, await self.thread_of(session, case))
        parts = await self._summary_parts(session, case, staff, closing)
        return side_by_side(parts, self.conversations.catalogue, address.language)

    async def thread_of(self, session: AsyncSession, case: Case) -> Conversation:
        """The thread the person last wrote from; before their first word, the oldest one."""
        last = await session.scalar(
            select(Message.conversation_id)
            .join(Conversation, Conversation.id == Message.conversation_id)
            .where(Conversation.case_id == case.id, Message.author == "citizen")
            .order_by(Message.seq.desc())
            .limit(1)
        )
        if last is not None:
            return await self.conversations.conversation(session, last)
        threads = await self.conversations.threads_of(session, case)
        if not threads:
            raise NotFound
        return threads[0]

    # -- steps -------------------------------------------------------------------------------------

    async def _held(self, session: AsyncSession, case_id: uuid.UUID, staff: Staff) -> Case:
        case = await self.conversations.lock_case(session, case_id)
        if case.office_id != staff.office_id:
            raise NotFound
        if case.state != "open":
            raise CaseIsClosed(number=case.number)
        if case.holder_id != staff.id:
            raise NotTheHolder(number=case.number)
        return case

    async def _hold(self, session: AsyncSession, case: Case, staff: Staff) -> None:
        if case.holder_id == staff.id:
            return
        if case.holder_id is not None:
            raise AlreadyAdmitted(name=await self._name(session, case.holder_id))
        now, row = self.clock.now(), await self._live_row(session, case.id)
        case.holder_id = staff.id
        if row:
            row.state, row.admitted_at, row.admitted_by = "admitted", now, staff.id
        hello = Reply(
            (Text("escalation.clerk_here", name=staff.name),),
            personal=True,
            neutral=Text("escalation.somebody_here"),
            pages=(await call_page(session, self.conversations, case),),
        )
        await self._say_as_office(session, case, hello, "admitted")
        await self._report(session, "case.admitted", case, staff)
        await self._tell_queue(session, case.office_id)
        await self._tell(session, case)

    async def _new_place(
        self, session: AsyncSession, case: Case, conversation: Conversation, appointment: Appointment | None
    ) -> Waiting:
        now = self.clock.now()
        row = Waiting(
            city_id=case.city_id,
            office_id=case.office_id,
            case_id=case.id,
            conversation_id=conversation.id,
            appointment_id=appointment.id if appointment else None,
            state="waiting",
            joined_at=now,
            ranked_at=max(_start(appointment), now) if appointment else now,
            delete_after=case.delete_after,
        )
        session.add(row)
        await self._tell_queue(session, case.office_id)
        await self._tell(session, case)
        await self.events.emit(
            session, "queue.joined", {"case_id": str(case.id)}, city_id=case.city_id, now=now
        )
        return row

    async def _live_row(self, session: AsyncSession, case_id: uuid.UUID) -> Waiting | None:
        query = select(Waiting).where(Waiting.case_id == case_id, Waiting.state.in_(("waiting", "admitted")))
        return await session.scalar(query.with_for_update(key_share=True))

    async def _end_waiting(self, session: AsyncSession, case: Case) -> None:
        row = await self._live_row(session, case.id)
        if row:
            row.state, row.ended_at = "ended", self.clock.now()
        await self._tell_queue(session, case.office_id)

    async def _settle_appointments(self, session: AsyncSession, case: Case, closing: Closing) -> None:
        """An appointment whose time has come is over with its case; a later one is cancelled."""
        for appointment in await self._booked(session, case):
            if self._is_later(appointment):
                await self.booking.cancel(session, appointment.id)
            elif closing.outcome == "not_reached":
                await self.booking.mark_missed(session, appointment.id)
            else:
                await self.booking.mark_done(session, appointment.id)

    async def _booked(self, session: AsyncSession, case: Case) -> list[Appointment]:
        booked = select(Appointment).where(Appointment.case_id == case.id, Appointment.status == "booked")
        return list(await session.scalars(booked.order_by(Appointment.during)))

    def _is_later(self, appointment: Appointment) -> bool:
        return _start(appointment) > self.clock.now() + CAME_EARLY

    async def _places(self, session: AsyncSession, office_id: uuid.UUID) -> dict[uuid.UUID, Place]:
        """Everybody's place, by waiting row."""
        now = self.clock.now()
        clerks = max(1, len(await self.people.clerks_on_duty(session, office_id)))
        free = await self._free_after(session, office_id, clerks, now)
        places: dict[uuid.UUID, Place] = {}
        for ahead, (waiting_id, service) in enumerate(await self._queue(session, office_id, now)):
            wait = heapq.heappop(free)
            places[waiting_id] = Place(ahead + 1, ceil(wait / 60), ahead, clerks)
            heapq.heappush(free, wait + self.facts.duration_of(service).total_seconds())
        return places

    async def _queue(
        self, session: AsyncSession, office_id: uuid.UUID, now: datetime
    ) -> Sequence[tuple[uuid.UUID, str | None]]:
        rank = sql_case(
            (Waiting.appointment_id.is_(None), 2),
            (Waiting.ranked_at <= now + DUE_BEFORE, 1),
            else_=3,
        )
        query = (
            select(Waiting.id, Case.service)
            .join(Case, Case.id == Waiting.case_id)
            .where(Waiting.office_id == office_id, Waiting.state == "waiting")
            .order_by(rank, Waiting.ranked_at, Waiting.seq)
        )
        return [(waiting_id, service) for waiting_id, service in await session.execute(query)]

    async def _free_after(
        self, session: AsyncSession, office_id: uuid.UUID, clerks: int, now: datetime
    ) -> list[float]:
        """A heap of the seconds after which each clerk is likely to be free."""
        query = (
            select(Waiting.admitted_at, Case.service)
            .join(Case, Case.id == Waiting.case_id)
            .where(Waiting.office_id == office_id, Waiting.state == "admitted", Case.holder_id.is_not(None))
            .order_by(Waiting.admitted_at.desc())
            .limit(clerks)
        )
        free = [0.0] * clerks
        for index, (since, service) in enumerate(await session.execute(query)):
            rest = (since or now) + self.facts.duration_of(service) - now
            # A talk that takes longer than usual will still need a moment.
            free[index] = max(rest.total_seconds(), 60.0)
        heapq.heapify(free)
        return free

    async def _say_as_office(self, session: AsyncSession, case: Case, reply: Reply, occasion: str) -> None:
        thread = await self.thread_of(session, case)
        key = f"{occasion}:{case.id}:{self.clock.now().isoformat()}"
        await self.conversations.say(session, thread, reply, key=key, author="system")

    async def _report(self, session: AsyncSession, kind: str, case: Case, staff: Staff, **codes: str) -> None:
        await self.people.audit(session, staff, kind, case.id, detail=codes.get("outcome"))
        data = {"case_id": str(case.id), "staff_id": str(staff.id), **codes}
        await self.events.emit(session, kind, data, city_id=case.city_id, now=self.clock.now())

    async def _name(self, session: AsyncSession, staff_id: uuid.UUID | None) -> str:
        staff = await session.get(Staff, staff_id) if staff_id else None
        return staff.name if staff else ""

    async def _summary_parts(
        self, session: AsyncSession, case: Case, staff: Staff, closing: Closing
    ) -> tuple[Sayable, ...]:
        later = [one for one in await self._booked(session, case) if self._is_later(one)]
        return summary_parts(
            closing,
            number=case.number,
            service=self.facts.service_name(case.service),
            clerk=staff.name,
            cancelled=[Moment(_start(one), one.zone) for one in later],
        )

    async def _tell(self, session: AsyncSession, case: Case) -> None:
        """Let the desks and the person's pages know that the case has changed."""
        self.conversations.tell_desk(session, case)
        for thread in await self.conversations.threads_of(session, case):
            live.publish(
                session,
                city_id=case.city_id,
                stream=stream_of(thread.id),
                kind="case",
                data={"case_id": str(case.id)},
                now=self.clock.now(),
            )

    async def _tell_queue(self, session: AsyncSession, office_id: uuid.UUID) -> None:
        """Wake the desks by a row and everybody who waits by a whisper: their places may have changed."""
        live.publish(
            session,
            city_id=session.info["city_id"],
            stream=office_stream(office_id),
            kind="queue",
            data={},
            now=self.clock.now(),
        )
        await session.flush()
        waiting = select(Waiting.conversation_id).where(
            Waiting.office_id == office_id, Waiting.state == "waiting"
        )
        for conversation_id in await session.scalars(waiting):
            await live.whisper(session, stream_of(conversation_id), {"kind": "queue"})


def _start(appointment: Appointment) -> datetime:
    start = appointment.during.lower
    assert start is not None  # noqa: S101 - a slot always has a beginning
    return start
