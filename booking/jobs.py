"""What people are told about their appointments, by mail and in their threads."""

import uuid
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from booking.calendar import CalendarFiles, Invitation, bounds
from booking.models import Appointment
from booking.slots import when_text
from conversation.models import Case, Conversation
from conversation.reply import Page, Reply
from conversation.service import Conversations
from foundation.content_models import CityContent
from foundation.events import Event
from foundation.i18n import Text

MAIL = "email"
KINDS = ("appointment.booked", "appointment.changed", "appointment.cancelled")
HEADINGS = {"booked": "booking.booked", "changed": "booking.changed", "cancelled": "booking.cancelled"}


@dataclass(frozen=True)
class Notices:
    """Puts news of an appointment into the outbox, once for each version of it and each thread."""

    conversations: Conversations
    calendars: CalendarFiles
    content: CityContent

    async def mail(self, session: AsyncSession, event: Event) -> None:
        """Handler of `KINDS`: the calendar file, or its cancellation, to every mailbox of the case."""
        appointment = await session.get_one(Appointment, uuid.UUID(event.data["appointment_id"]))
        await self._tell(session, appointment, event.kind.rpartition(".")[2], by_mail=True)

    async def chat(self, session: AsyncSession, appointment: Appointment, what: str) -> None:
        """Tell the person's chats what was done elsewhere; `what`: booked, changed or cancelled."""
        await self._tell(session, appointment, what, by_mail=False)

    async def invitation(self, session: AsyncSession, case: Case, language: str) -> Invitation:
        """What the calendar file of this case's appointment says in a language."""
        office = self.content.city.office
        path = await self.conversations.case_path(session, case)
        return Invitation(
            office_name=office.name[language],
            office_place=self.content.city.names[language],
            office_zone=office.zone,
            office_mail=office.email,
            link=self.conversations.public_url.rstrip("/") + path,
            language=language,
        )

    def when(self, appointment: Appointment, language: str) -> Text:
        """The time on both clocks."""
        return when_text(
            bounds(appointment)[0],
            office_zone=self.content.city.office.zone,
            office_place=self.content.city.names[language],
            person_zone=appointment.zone,
        )

    async def _tell(
        self, session: AsyncSession, appointment: Appointment, what: str, *, by_mail: bool
    ) -> None:
        case = await session.get_one(Case, appointment.case_id)
        for thread in await self.conversations.threads_of(session, case):
            address = await self.conversations.address_of(session, thread)
            if (address.channel == MAIL) is by_mail:
                await self._say(session, case, thread, appointment, what, address.language)

    async def _say(
        self,
        session: AsyncSession,
        case: Case,
        thread: Conversation,
        appointment: Appointment,
        what: str,
        language: str,
    ) -> None:
        invitation = await self.invitation(session, case, language)
        file = self.calendars.attachment(appointment, invitation, now=self.conversations.clock.now())
        reply = Reply(
            parts=(Text(HEADINGS[what], number=appointment.number), self.when(appointment, language)),
            pages=(Page(Text("booking.open_page"), await self.conversations.case_path(session, case)),),
            attachments=(file,),
            title=Text("booking.neutral_title", number=appointment.number),
        )
        key = f"appointment:{appointment.id}:{appointment.sequence}:{what}:{thread.id}"
        await self.conversations.say(session, thread, reply, key=key, author="system", language=language)
