"""What a desk is shown, as JSON: lists without names, one case with everything. Instants are ISO 8601 in UTC."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Appointment
from booking.service import Booking
from conversation.models import Address, Case, Conversation, Message, Outbox
from conversation.reply import Body
from conversation.service import Conversations, ShownMessage, office_stream
from dialogue.state import State
from escalation.models import Waiting
from escalation.service import Escalation, Waiter
from foundation import live
from foundation.clock import Clock
from foundation.content import CityContent, Service
from foundation.errors import NotFound
from people.models import Office, Staff
from people.service import People
from web_call.files import CaseFile, CaseFiles
from web_call.transfer import file_json

MOST_UNHELD = 50

Json = dict[str, Any]


@dataclass(frozen=True)
class Views:
    """Reads for one desk; `language` is the clerk's, in which names and facts are given."""

    conversations: Conversations
    escalation: Escalation
    people: People
    booking: Booking
    content: CityContent
    clock: Clock
    files: CaseFiles

    async def overview(self, session: AsyncSession, staff: Staff, language: str) -> Json:
        """Everything on the desk but the open case. `seq` is read first: what changes later is told after it."""
        seq = await live.last_seq(session, office_stream(staff.office_id))
        office = await session.get_one(Office, staff.office_id)
        waiting = await self.escalation.waiting(session, office.id)
        return {
            "seq": seq,
            "now": self.clock.now().isoformat(),
            "me": {"id": str(staff.id), "name": staff.name},
            "office": {"name": office.name, "zone": office.zone},
            "on_duty": [one.name for one in await self.people.clerks_on_duty(session, office.id)],
            "today": await self._today(session, office, language, {one.case_id for one in waiting}),
            "waiting": [self._waiter(one, language) for one in waiting],
            "mine": await self._mine(session, staff, language),
            "unheld": await self._unheld(session, office, language),
        }

    async def case(self, session: AsyncSession, case: Case, staff: Staff, language: str) -> Json:
        """One case with its thread, its appointment and what the person has answered so far."""
        thread, address = await self._latest_thread(session, case)
        office = await session.get_one(Office, case.office_id)
        return {
            **self._listed(case, address, language),
            "state": case.state,
            "outcome": case.outcome,
            "office_zone": office.zone,
            "holder": await self._holder(session, case, staff),
            "person": await self.conversations.name_of(session, case.person_id),
            "opened_at": case.opened_at.isoformat(),
            "closed_at": _iso(case.closed_at),
            "appointment": await self._appointment(session, case),
            "matter": self._matter(case, await self._answers(session, thread), language),
            **await self.thread(session, case),
        }

    async def thread(self, session: AsyncSession, case: Case) -> Json:
        """All messages of a case, and those that are still on their way."""
        threads = [thread.id for thread in await self.conversations.threads_of(session, case)]
        messages = await self._messages(session, case, threads)
        names = await self._names(session, messages)
        files = await self.files.by_message(session, [one.id for one in messages])
        return {
            "messages": [
                {**_message(one, names), "files": _files(case, files.get(one.id, ()))} for one in messages
            ],
            "pending": await self._pending(session, threads) if case.state == "open" else [],
        }

    # -- lists -------------------------------------------------------------------------------------

    async def _today(
        self, session: AsyncSession, office: Office, language: str, waiting: set[uuid.UUID]
    ) -> list[Json]:
        day = self.clock.now().astimezone(ZoneInfo(office.zone)).date()
        appointments = await self.booking.todays(session, office.id, day)
        cases = await self._cases(session, [one.case_id for one in appointments])
        rows = []
        for one in appointments:
            case, address, holder = cases[one.case_id]
            rows.append(
                {
                    **self._listed(case, address, language),
                    "appointment": one.number,
                    "start": _iso(one.during.lower),
                    "end": _iso(one.during.upper),
                    "state": _state(one, case, one.case_id in waiting),
                    "holder": holder,
                }
            )
        return rows

    async def _mine(self, session: AsyncSession, staff: Staff, language: str) -> list[Json]:
        query = select(Case.id).where(Case.holder_id == staff.id, Case.state == "open").order_by(Case.number)
        ids = list(await session.scalars(query))
        cases = await self._cases(session, ids)
        last = await self._last_words(session, ids)
        return [
            {**self._listed(*cases[one][:2], language), "last_from_person": _iso(last.get(one))}
            for one in ids
        ]

    async def _unheld(self, session: AsyncSession, office: Office, language: str) -> list[Json]:
        """Open cases that nobody holds and nobody waits with, the latest word first: written questions are among them."""
        waits = exists().where(Waiting.case_id == Case.id, Waiting.state.in_(("waiting", "admitted")))
        query = (
            select(Case.id)
            .join(Message, Message.case_id == Case.id)
            .where(
                Case.office_id == office.id,
                Case.state == "open",
                Case.holder_id.is_(None),
                Message.author == "citizen",
                ~waits,
            )
            .group_by(Case.id)
            .order_by(func.max(Message.seq).desc())
            .limit(MOST_UNHELD)
        )
        ids = list(await session.scalars(query))
        cases = await self._cases(session, ids)
        last = await self._last_words(session, ids)
        return [
            {**self._listed(*cases[one][:2], language), "last_from_person": _iso(last.get(one))}
            for one in ids
        ]

    async def _cases(
        self, session: AsyncSession, ids: Iterable[uuid.UUID]
    ) -> dict[uuid.UUID, tuple[Case, Address, str | None]]:
        """Cases with an address of their person and the name of the clerk who holds them."""
        query = (
            select(Case, Address, Staff.name)
            .join(Address, Address.person_id == Case.person_id)
            .outerjoin(Staff, Staff.id == Case.holder_id)
            .outerjoin(Conversation, Conversation.address_id == Address.id)
            .where(Case.id.in_(set(ids)))
            .order_by(Conversation.created_at.desc())
        )
        return {case.id: (case, address, name) for case, address, name in await session.execute(query)}

    async def _last_words(self, session: AsyncSession, ids: list[uuid.UUID]) -> dict[uuid.UUID, datetime]:
        query = (
            select(Message.case_id, func.max(Message.at))
            .where(Message.case_id.in_(ids), Message.author == "citizen")
            .group_by(Message.case_id)
        )
        return {case_id: at for case_id, at in await session.execute(query) if case_id is not None}

    def _waiter(self, one: Waiter, language: str) -> Json:
        return {
            "id": str(one.id),
            "case_id": str(one.case_id),
            "number": one.number,
            "service": self._service_name(one.service, language),
            "language": one.language,
            "language_name": _language_name(one.language, language),
            "joined_at": one.joined_at.isoformat(),
            "appointment_at": _iso(one.appointment_at),
            "position": one.place.position,
            "minutes": one.place.minutes,
        }

    def _listed(self, case: Case, address: Address, language: str) -> Json:
        return {
            "case_id": str(case.id),
            "number": case.number,
            "service": self._service_name(case.service, language),
            "language": address.language,
            "language_name": _language_name(address.language, language),
            "zone": address.zone,
        }

    # -- one case ----------------------------------------------------------------------------------

    async def _holder(self, session: AsyncSession, case: Case, staff: Staff) -> Json | None:
        holder = await session.get(Staff, case.holder_id) if case.holder_id else None
        return {"name": holder.name, "me": holder.id == staff.id} if holder else None

    async def _appointment(self, session: AsyncSession, case: Case) -> Json | None:
        found = await self.booking.of_case(session, case.id)
        if found is None:
            return None
        return {
            "number": found.number,
            "start": _iso(found.during.lower),
            "end": _iso(found.during.upper),
            "zone": found.zone,
            "status": found.status,
        }

    async def _latest_thread(self, session: AsyncSession, case: Case) -> tuple[Conversation | None, Address]:
        """Where the person last wrote from; a closed case may have no thread any more."""
        try:
            thread = await self.escalation.thread_of(session, case)
        except NotFound:
            return None, (await self._cases(session, [case.id]))[case.id][1]
        return thread, await self.conversations.address_of(session, thread)

    async def _answers(self, session: AsyncSession, thread: Conversation | None) -> State:
        if thread is None or thread.state is None:
            return State()
        place = f"conversation.state:{thread.id}"
        return State.from_json(await self.conversations.vault.open(session, place, thread.state))

    def _matter(self, case: Case, state: State, language: str) -> Json | None:
        """The service's facts, the person's answers at the gate, and the papers these answers call for."""
        service = self._service(case.service)
        if service is None:
            return None
        answers = state.answers.get(service.id, {})
        return {
            "term": service.term,
            "fee": service.aspects["fee"][language] if "fee" in service.aspects else None,
            "minutes": service.duration_minutes,
            "signature": service.signature,
            "answers": self._given(service, answers, language),
            "papers": [
                {
                    "term": item.document.term,
                    "name": item.document.names[language],
                    "required": item.required,
                    "note": item.note[language] if item.note else None,
                }
                for item in service.checklist_for(answers)
            ],
        }

    def _given(self, service: Service, answers: dict[str, str], language: str) -> list[Json]:
        given = []
        for question in service.gate.questions:
            answer = question.answer(answers.get(question.id, ""))
            if answer is not None:
                given.append({"question": question.ask[language], "answer": answer.label[language]})
        return given

    async def _messages(
        self, session: AsyncSession, case: Case, threads: list[uuid.UUID]
    ) -> list[ShownMessage]:
        """The words of an open case are those of its threads; a closed one keeps what was said until then."""
        if case.state == "open":
            return await self.conversations.thread(session, threads)
        rows = await session.scalars(select(Message).where(Message.case_id == case.id).order_by(Message.seq))
        return [await self.conversations.open_message(session, row) for row in rows]

    async def _pending(self, session: AsyncSession, threads: list[uuid.UUID]) -> list[Json]:
        query = select(Outbox).where(
            Outbox.conversation_id.in_(threads),
            Outbox.author == "clerk",
            Outbox.state.in_(("waiting", "failed")),
        )
        shown = []
        for row in await session.scalars(query.order_by(Outbox.seq)):
            body = Body.from_json(
                await self.conversations.vault.open(session, f"outbox.body:{row.id}", row.body)
            )
            key = row.key.rpartition(":")[2]
            shown.append(
                {
                    "key": key,
                    "text": body.text,
                    "at": row.created_at.isoformat(),
                    "failed": row.state == "failed",
                }
            )
        return shown

    async def _names(self, session: AsyncSession, messages: list[ShownMessage]) -> dict[uuid.UUID, str]:
        ids = {one.staff_id for one in messages if one.staff_id}
        query = select(Staff.id, Staff.name).where(Staff.id.in_(ids))
        return {staff_id: name for staff_id, name in await session.execute(query)}  # noqa: C416 - rows are no pairs to mypy

    def _service(self, service: str | None) -> Service | None:
        try:
            return self.content.service(service) if service else None
        except NotFound:  # a city may drop a service while a case about it is open
            return None

    def _service_name(self, service: str | None, language: str) -> str | None:
        found = self._service(service)
        return found.names[language] if found else service


def _message(one: ShownMessage, names: dict[uuid.UUID, str]) -> Json:
    german = one.body.german if one.body.german != one.body.text else None
    return {
        "id": str(one.id),
        "author": one.author,
        "name": names.get(one.staff_id) if one.staff_id else None,
        "text": one.body.text,
        "german": german,
        "language": one.language,
        "choices": [choice.label for choice in one.body.choices],
        "links": [link.label for link in one.body.links],
        "attachments": [attachment.name for attachment in one.body.attachments],
        "at": one.at.isoformat(),
    }


def _files(case: Case, files: Iterable[CaseFile]) -> list[Json]:
    return [file_json(one, f"/desk/api/cases/{case.id}/files/{one.id}") for one in files]


def _state(appointment: Appointment, case: Case, waits: bool) -> str:
    """booked, late, waiting, talking, done, missed: how far today's appointment is."""
    if appointment.status != "booked":
        return appointment.status
    if case.holder_id is not None:
        return "talking"
    if waits:
        return "waiting"
    return "late" if appointment.late_at else "booked"


def _language_name(code: str, language: str) -> str:
    return Locale.parse(code).get_display_name(language) or code


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
