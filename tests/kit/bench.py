"""A channel on the bench: somebody who writes and reads by it, and the house that answers when told to work.

A new channel joins the kit with a `Bench` of its own in BENCHES.
"""

import abc
import asyncio
import base64
import html
import re
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import select

from booking.calendar import NAME as CALENDAR_FILE
from bots.email.channel import MailChannel
from conversation.models import Address, Conversation, Inbox, Message, Outbox
from conversation.reply import Reply
from conversation.service import ShownMessage
from foundation.clock import FixedClock
from foyer.app import create_app
from foyer.bots import matrix_bot
from tests.doubles.telegram.server import Telegram
from tests.support.matrix import POLL, Event, body, matrix_citizen
from tests.support.matrix_office import running, until
from tests.support.smtp import Mailbox
from tests.support.synapse import Synapse
from tests.support.talk import Citizen, Office, clerk
from tests.support.telegram import Person
from tests.support.telegraph import Telegraphist


@dataclass(frozen=True)
class Seen:
    """A message as its reader is shown it."""

    text: str
    choices: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass
class World:
    """What benches are made of."""

    office: Office
    clock: FixedClock
    telegram: Telegram
    smtp: Mailbox
    synapse: Callable[[], Synapse]
    """Starts the homeserver if nobody has needed it yet."""


class Bench(abc.ABC):
    """One person at one channel."""

    channel: str
    hears = True
    """Whether people can write by this channel."""
    takes_files = False
    private = True
    can_be_blocked = False
    can_be_hurried = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.office = world.office

    async def open(self) -> None:
        """Begin the thread."""
        await self.say("/start")

    async def close(self) -> None:
        """Give back what was opened."""
        return None

    @abc.abstractmethod
    async def say(self, text: str) -> None:
        """The person writes; nothing is answered yet."""

    @abc.abstractmethod
    async def press(self, number: int) -> None:
        """The person presses a choice of the last message that has some; the first is 1."""

    @abc.abstractmethod
    async def again(self) -> None:
        """The vendor (or the browser) delivers the last update a second time."""

    async def send_file(self, name: str, media_type: str, data: bytes) -> None:
        raise NotImplementedError

    @abc.abstractmethod
    async def seen(self) -> list[Seen]:
        """What the person has been shown, oldest first, without their own words."""

    async def work(self) -> None:
        """Everything that waits is answered and sent, as far as the channel lets it."""
        await self.office.work()

    async def block(self) -> None:
        raise NotImplementedError

    async def hurry(self) -> None:
        """The vendor refuses the next message: later."""
        raise NotImplementedError

    async def restart(self) -> None:
        """The process that served the channel is another one now."""
        self.office._turns = None

    async def later(self) -> None:
        """Some time passes, and everything that is due is sent."""
        for _ in range(8):
            self.world.clock.move(timedelta(seconds=20))
            await self.work()

    # -- looking inside ------------------------------------------------------------------------------

    async def thread(self) -> Conversation:
        async with self.office.house.database.city(self.office.city_id) as session:
            query = select(Conversation).join(Address).where(Address.channel == self.channel)
            return (await session.scalars(query)).one()

    async def tell(self, reply: Reply, *, author: str = "bot", name: str | None = None) -> None:
        """The house says something, a clerk of this `name` maybe; nothing is sent yet."""
        conversations = self.office.house.conversations
        async with self.office.house.database.city(self.office.city_id) as session:
            staff_id = (await clerk(self.office.house, session, name)).id if name else None
            query = select(Conversation).join(Address).where(Address.channel == self.channel)
            thread = (await session.scalars(query)).one()
            await conversations.say(
                session, thread, reply, key=secrets.token_hex(8), author=author, staff_id=staff_id
            )

    async def heard(self) -> list[str]:
        """The person's own words in the thread."""
        async with self.office.house.database.city(self.office.city_id) as session:
            rows = select(Message).where(Message.author == "citizen").order_by(Message.seq)
            opened = [
                await self.office.house.conversations.open_message(session, row)
                for row in await session.scalars(rows)
            ]
        return [one.body.text for one in opened]

    async def states(self) -> list[str]:
        """The outbox of the thread."""
        thread = await self.thread()
        async with self.office.house.database.city(self.office.city_id) as session:
            rows = select(Outbox.state).where(Outbox.conversation_id == thread.id).order_by(Outbox.seq)
            return list(await session.scalars(rows))


class WebBench(Bench):
    """A browser's own requests, and its thread."""

    channel = "web"

    async def open(self) -> None:
        app = await create_app(self.office.house)
        transport = httpx.ASGITransport(app=app)
        self.http = httpx.AsyncClient(transport=transport, base_url=self.office.house.settings.public_url)
        self.http.headers["Accept-Language"] = "en"
        (await self.http.post("/chat/start", json={})).raise_for_status()

    async def close(self) -> None:
        await self.http.aclose()

    async def say(self, text: str) -> None:
        await self._send({"id": _uuid(), "kind": "text", "text": text})

    async def press(self, number: int) -> None:
        messages = [one for one in await self._thread() if one.body.choices]
        chosen = messages[-1].body.choices[number - 1]
        await self._send({"id": _uuid(), "kind": "choice", "choice": chosen.id, "text": chosen.label})

    async def again(self) -> None:
        await self._send(self._last)

    async def _send(self, message: dict[str, str]) -> None:
        self._last = message
        (await self.http.post("/chat/messages", json=message)).raise_for_status()

    async def _thread(self) -> list[ShownMessage]:
        thread = await self.thread()
        async with self.office.house.database.city(self.office.city_id) as session:
            shown = await self.office.house.conversations.thread(session, [thread.id])
        return [one for one in shown if one.author != "citizen"]

    async def seen(self) -> list[Seen]:
        return [
            Seen(
                one.body.text,
                tuple(choice.label for choice in one.body.choices),
                tuple(file.name for file in one.body.attachments),
            )
            for one in await self._thread()
        ]


class TelegramBench(Bench):
    """A private chat with the bot, by the double of Telegram."""

    channel = "telegram"
    takes_files = True
    private = False
    can_be_blocked = True
    can_be_hurried = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.telegraphist = Telegraphist(world.office, world.telegram)
        self.person = Person(world.telegram)

    async def close(self) -> None:
        await self.telegraphist.channel.close()

    async def say(self, text: str) -> None:
        await self.person.say(text)

    async def press(self, number: int) -> None:
        shown = [one for one in self.person.shown if one.buttons][-1]
        await self.person.press_in(shown, shown.buttons[number - 1][1])

    async def again(self) -> None:
        self.telegraphist.offset = None  # what was not confirmed comes again

    async def send_file(self, name: str, media_type: str, data: bytes) -> None:
        await self.person.send_document(name, media_type, data)

    async def seen(self) -> list[Seen]:
        return [
            Seen(one.text, tuple(label for label, _ in one.buttons), (one.file.name,) if one.file else ())
            for one in self.person.shown
        ]

    async def work(self) -> None:
        await self.telegraphist.work()

    async def block(self) -> None:
        await self.person.block()

    async def hurry(self) -> None:
        self.world.telegram.hurried[self.person.chat] = 3

    async def restart(self) -> None:
        await super().restart()
        self.telegraphist = Telegraphist(self.world.office, self.world.telegram)


class MailBench(Bench):
    """A mailbox, which only hears."""

    channel = "email"
    hears = False
    private = False
    can_be_hurried = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._open_channel()

    def _open_channel(self) -> None:
        house = self.office.house
        assert isinstance(house.channels, dict)
        house.channels["email"] = MailChannel(
            self.world.smtp.url,
            sender="office@example.org",
            office_name=house.content.city.office.name["de"],
            catalogue=house.catalogue,
            clock=house.clock,
        )

    async def open(self) -> None:
        """Somebody who chats has named their mailbox."""
        citizen, house = Citizen(self.office, "en"), self.office.house
        await citizen.start()
        async with house.database.city(self.office.city_id) as session:
            thread = await citizen.thread()
            thread = await house.conversations.conversation(session, thread.id)
            case = await house.conversations.open_case(session, thread, await house.office_id(), None)
            mailbox = await house.conversations.own_address(
                session, case, "email", "somebody@example.org", language="en", zone=None
            )
            await house.conversations.join_case(
                session, await house.conversations.conversation_at(session, mailbox), case
            )

    async def say(self, text: str) -> None:
        raise NotImplementedError

    async def press(self, number: int) -> None:
        raise NotImplementedError

    async def again(self) -> None:
        raise NotImplementedError

    async def seen(self) -> list[Seen]:
        found = []
        for mail in self.world.smtp.mails:
            body = mail.message.get_body(("plain",))
            names = [part.get_filename() for part in mail.message.walk()]
            files = tuple(str(name) for name in names if name == CALENDAR_FILE)
            found.append(Seen(f"{mail.message['Subject']}\n{body.get_content() if body else ''}", (), files))
        return found

    async def hurry(self) -> None:
        self.world.smtp.answer = "451 try again later"

    async def later(self) -> None:
        self.world.smtp.answer = None
        await super().later()

    async def restart(self) -> None:
        await super().restart()
        self._open_channel()


class MatrixBench(Bench):
    """An encrypted direct room on a real homeserver, with a client that is not ours."""

    channel = "matrix"
    takes_files = True
    can_be_blocked = True
    can_be_hurried = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.synapse = world.synapse()
        self._sent: list[str] = []
        self._gone = False

    async def open(self) -> None:
        """A room is opened and the greeting read; then the person writes in the kit's language."""
        self.bot_id = self.synapse.somebody()
        self.office.house = replace(
            self.office.house,
            settings=self.office.house.settings.model_copy(
                update={
                    "matrix_homeserver": self.synapse.url,
                    "matrix_user": self.bot_id,
                    "matrix_password": SecretStr("secret"),
                }
            ),
        )
        self._around, self._process = AsyncExitStack(), AsyncExitStack()
        self.citizen = await self._around.enter_async_context(
            matrix_citizen(self.synapse.url, self.synapse.somebody())
        )
        await self._serve()
        await self.citizen.meet(self.bot_id)
        await until(self._has_begun, "the beginning of the talk")
        await self.work()
        await self.say("I would like to know which services there are")

    async def close(self) -> None:
        await self._process.aclose()
        await self._around.aclose()

    async def _serve(self, since: str | None = None) -> None:
        """The bot as a process has it: new, with what an earlier life has written down; `since` is where it stopped."""
        self.bot, self.account = await matrix_bot(self.office.house, self.bot_id)
        self.account.since = since or self.account.since
        assert isinstance(self.office.house.channels, dict)
        self.office.house.channels["matrix"] = self.bot.channel
        self._process.push_async_callback(self.bot.client.close)
        await self._process.enter_async_context(running(self.bot.run(self.account)))
        async with asyncio.timeout(60):
            await self.bot.ready.wait()

    async def say(self, text: str) -> None:
        await self._note(self.citizen.say(text))

    async def press(self, number: int) -> None:
        """In a poll; where the choices are too many for one there is nothing to press, so by their number."""
        listed = next(one for one in reversed(self._theirs()) if _listed(one))
        polls = [one for one in self._theirs()[self._theirs().index(listed) :] if one["type"] == POLL]
        if not polls:
            return await self.say(str(number))
        await self._note(
            self.citizen.vote(polls[-1], polls[-1]["content"][POLL]["answers"][number - 1]["id"])
        )

    async def send_file(self, name: str, media_type: str, data: bytes) -> None:
        given = base64.b64encode(data).decode()
        room = self.citizen.room
        await self._note(self.citizen.do("file", room=room, name=name, mimetype=media_type, data=given))

    async def _note(self, sending: Awaitable[Any]) -> None:
        """Remember what was sent, and up to where the bot had read before."""
        self._before = self.account.since
        event = await sending
        self._sent.append(event if isinstance(event, str) else event["id"])

    async def again(self) -> None:
        """The process died before it had written down how far it had read."""
        await self._process.aclose()
        await self._serve(self._before)

    async def seen(self) -> list[Seen]:
        return [_as_read(one) for one in self._theirs() if one["type"] == "m.room.message"]

    def _theirs(self) -> list[Event]:
        return [one for one in self.citizen.events if one["sender"] == self.bot_id]

    async def work(self) -> None:
        await until(self._all_heard, "the person's words in the inbox")
        await self.office.work()
        await until(self._all_readable, "the house's words in the room")

    async def _has_begun(self) -> bool:
        query = select(Inbox.id).where(Inbox.channel == self.channel)
        async with self.office.house.database.city(self.office.city_id) as session:
            return await session.scalar(query) is not None

    async def _all_heard(self) -> bool:
        query = select(Inbox.external_id).where(Inbox.channel == self.channel)
        async with self.office.house.database.city(self.office.city_id) as session:
            return set(self._sent) <= set(await session.scalars(query))

    async def _all_readable(self) -> bool:
        if self._gone:
            return True
        query = select(Outbox.external_id).where(Outbox.state == "sent", Outbox.external_id.is_not(None))
        async with self.office.house.database.city(self.office.city_id) as session:
            return set(await session.scalars(query)) <= {one["id"] for one in self._theirs()}

    async def block(self) -> None:
        """Who has had enough leaves the room."""
        self._gone = True
        await self.citizen.do("leave", room=self.citizen.room)
        await until(self._bot_has_left, "the bot's departure")

    async def _bot_has_left(self) -> bool:
        return self.citizen.room not in self.bot.client.rooms

    async def hurry(self) -> None:
        self.synapse.limit(self.bot_id)

    async def later(self) -> None:
        self.synapse.unlimit(self.bot_id)
        await super().later()

    async def restart(self) -> None:
        await super().restart()
        await self._process.aclose()
        await self._serve()


def _listed(event: Event) -> tuple[str, ...]:
    """The numbered choices of a message."""
    formatted = str(event.get("content", {}).get("formatted_body", ""))
    return tuple(html.unescape(one) for one in re.findall(r"<li>(.*?)</li>", formatted))


def _as_read(event: Event) -> Seen:
    if event["content"]["msgtype"] == "m.file":
        return Seen("", (), (event["content"]["filename"],))
    choices = _listed(event)
    listed = "\n".join(f"{number}. {label}" for number, label in enumerate(choices, 1))
    return Seen(body(event).replace(listed, "").strip() if listed else body(event), choices)


BENCHES: dict[str, type[Bench]] = {
    "web": WebBench,
    "telegram": TelegramBench,
    "matrix": MatrixBench,
    "email": MailBench,
}


def those(**wanted: bool) -> list[str]:
    """The channels of which all this is true."""
    return [
        name
        for name, one in BENCHES.items()
        if all(getattr(one, what) is yes for what, yes in wanted.items())
    ]


@asynccontextmanager
async def on_the_bench(name: str, world: World) -> AsyncIterator[Bench]:
    """A person whose thread has begun and who has read what there is."""
    bench = BENCHES[name](world)
    await bench.open()
    await bench.work()
    await bench.later()
    try:
        yield bench
    finally:
        await bench.close()


def _uuid() -> str:
    return str(uuid.uuid4())
