"""A citizen in a test: says something, and reads what the house answers; no process, no browser."""

import secrets
import uuid
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Case, Conversation
from conversation.ports import Inbound
from conversation.queues import Queue
from conversation.reply import Body
from conversation.service import ShownMessage
from dialogue.turn import Turns
from foyer.wiring import House
from people.models import Office as Bureau
from people.models import Staff


@dataclass
class Office:
    """The house at work: empties its queues when told to."""

    house: House
    city_id: uuid.UUID
    _turns: Turns | None = None

    async def work(self) -> None:
        """Take every turn and deliver every message that is waiting."""
        turns, delivery = self._turns or await self.house.turns(), self.house.delivery()
        self._turns = turns
        connection = await self.house.database.connect()
        async with connection:
            for name, task in (("inbox", turns.take), ("outbox", delivery.deliver)):
                queue = Queue(name, connection)
                while True:
                    async with queue.claim(self.house.clock.now()) as claim:
                        if claim is None:
                            break
                        await task(claim)


async def clerk(house: House, session: AsyncSession, name: str = "Frau Weber") -> Staff:
    """A clerk of the office, on duty."""
    office = await session.get_one(Bureau, await house.office_id())
    staff, _ = await house.people.create_staff(
        session, office, login=secrets.token_hex(4), name=name, roles=["clerk"], languages=["de"]
    )
    await house.people.stay_on_duty(session, staff.id)
    return staff


@dataclass
class Citizen:
    """Somebody who writes by one channel. `heard` is what the last turn answered."""

    office: Office
    language: str = "en"
    channel: str = "web"
    address: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    heard: list[ShownMessage] = field(default_factory=list)
    _read: int = 0

    async def start(self) -> list[ShownMessage]:
        return await self._send("start")

    async def say(self, text: str) -> list[ShownMessage]:
        return await self._send("text", text=text)

    async def press(self, choice: str) -> list[ShownMessage]:
        """Press the choice whose id starts with `choice`, among those last offered."""
        found = [one for one in self.last.choices if one.id.startswith(choice)]
        assert found, f"{choice!r} is not offered; there are {[one.id for one in self.last.choices]}"
        return await self._send("choice", text=found[0].label, choice=found[0].id)

    @property
    def last(self) -> Body:
        """The last message of the house."""
        return self.heard[-1].body

    @property
    def text(self) -> str:
        """All that the last turn answered."""
        return "\n\n".join(message.body.text for message in self.heard)

    async def _send(self, kind: str, *, text: str = "", choice: str | None = None) -> list[ShownMessage]:
        inbound = Inbound(
            self.channel, secrets.token_hex(8), self.address, kind, text, choice, language=self.language
        )
        async with self.office.house.database.city(self.office.city_id) as session:
            await self.office.house.conversations.receive(session, self.office.city_id, inbound)
        await self.office.work()
        return await self.listen()

    async def listen(self) -> list[ShownMessage]:
        """What has been said to this person since they last listened."""
        async with self.office.house.database.city(self.office.city_id) as session:
            thread = await self.thread()
            shown = await self.office.house.conversations.thread(session, [thread.id])
        fresh, self._read = shown[self._read :], len(shown)
        self.heard = [message for message in fresh if message.author != "citizen"] or self.heard
        return self.heard

    async def thread(self) -> Conversation:
        conversations = self.office.house.conversations
        async with self.office.house.database.city(self.office.city_id) as session:
            address = await conversations.find_address(session, self.channel, self.address)
            assert address is not None
            return await conversations.conversation_at(session, address)

    async def case(self) -> Case:
        async with self.office.house.database.city(self.office.city_id) as session:
            case = await self.office.house.conversations.case_of(session, await self.thread())
        assert case is not None
        return case
