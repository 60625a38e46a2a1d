"""What a skill is given for one turn, and how it answers."""

import uuid
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from booking.jobs import Notices
from booking.ports import GateResult
from booking.reminders import Reminders
from booking.service import Booking
from conversation.joining import Joining
from conversation.models import Address, Case, Conversation
from conversation.reply import Attachment, Option, Page, Reply
from conversation.service import Conversations
from dialogue.state import State
from escalation.service import Escalation
from foundation.clock import Clock
from foundation.content_models import CityContent
from foundation.i18n import Catalogue, Filled, Sayable, Text, Verbatim
from nlu.understanding import Understanding
from payments.service import Fees


@dataclass(frozen=True)
class House:
    """The collaborators of all skills."""

    catalogue: Catalogue
    clock: Clock
    content: CityContent
    conversations: Conversations
    booking: Booking
    notices: Notices
    escalation: Escalation
    fees: Fees
    reminders: Reminders
    office_id: uuid.UUID
    mail_enabled: bool
    private_channels: frozenset[str] = frozenset({"web"})
    telegram: bool = False
    """Whether Telegram is switched on, so that a talk on the web may go on there."""

    @property
    def joining(self) -> Joining:
        return Joining(self.conversations)


@dataclass
class Context:
    """One turn: who speaks where, what is remembered, and the replies so far."""

    house: House
    session: AsyncSession
    conversation: Conversation
    case: Case | None
    address: Address
    state: State
    replies: list[Reply] = field(default_factory=list)

    @property
    def language(self) -> str:
        return self.address.language

    @property
    def content(self) -> CityContent:
        return self.house.content

    def say(
        self,
        *parts: Sayable,
        options: tuple[Option, ...] = (),
        pages: tuple[Page, ...] = (),
        attachments: tuple[Attachment, ...] = (),
        title: Sayable | None = None,
        personal: bool = False,
    ) -> None:
        """Add a message. What it offers replaces what was offered before."""
        self.replies.append(Reply(parts, options, pages, attachments, title, personal))
        self.state.offer(options, self.house.catalogue, self.language)

    @property
    def is_private(self) -> bool:
        """Whether personal matters may be asked for in this thread."""
        return self.address.channel in self.house.private_channels

    def office_name(self) -> Sayable:
        return Filled(self.content.city.office.name)

    def standing(self) -> tuple[Option, ...]:
        """The choices that were offered last, to be offered again."""
        return tuple(
            Option(one.id, Verbatim(one.label), tuple(one.synonyms), unlisted)
            for some, unlisted in ((self.state.offered, False), (self.state.unlisted, True))
            for one in some
        )

    def words(self, intent: str) -> tuple[str, ...]:
        """How people say an intent ("yes", "no") in all languages: what may be typed instead of a choice."""
        by_language = self.content.triggers.intents.get(intent, {})
        return tuple(word for words in by_language.values() for word in words)

    def gate(self, service: str) -> GateResult:
        """The gate's word on this person, from the answers given so far."""
        return GateResult.walked(self.content.service(service), self.state.answers_for(service))

    async def open_case(self, service: str | None) -> Case:
        self.case = await self.house.conversations.open_case(
            self.session, self.conversation, self.house.office_id, service
        )
        return self.case


@dataclass(frozen=True)
class Heard:
    """What the person did in this turn: `choice` pressed or typed, else `text` with its understanding."""

    text: str
    choice: str | None
    meant: Understanding
    retyped: str | None = None
    """What the text says if the keyboard was set to another alphabet; `meant` is the reading of that."""

    def argument(self, prefix: str) -> str | None:
        """What follows `prefix:` in the choice, None if it is another choice."""
        if self.choice and self.choice.startswith(prefix + ":"):
            return self.choice.removeprefix(prefix + ":")
        return None


MENU = Option("menu", Text("menu.main"))
PERSON = Option("person", Text("menu.person"))
