"""The web chat alone, served on a free port in the test's own loop; the test itself is the office."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bots.web import routes
from bots.web.channel import WebChannel
from bots.web.limits import Bucket
from bots.web.thread import Threads
from conversation.delivery import Delivery
from conversation.models import Conversation, Outbox
from conversation.queues import Claim
from conversation.reply import Reply
from conversation.service import Conversations
from foundation import live
from foundation.clock import Clock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.i18n import Catalogue
from foundation.live import Hub
from foundation.settings import ROOT, Settings
from foundation.web import Assets, Pages, install

LANGUAGES = ("de", "en", "tr", "ar")


@dataclass
class Waiting:
    """What the test says about places in the waiting room."""

    position: int
    minutes: int


@dataclass
class Chat:
    """A served chat. `app` may be given more routes before it is opened."""

    database: Database
    conversations: Conversations
    city_id: uuid.UUID
    pages: Pages
    app: FastAPI
    url: str
    places: dict[uuid.UUID, Waiting] = field(default_factory=dict)

    async def place(self, session: AsyncSession, thread_id: uuid.UUID) -> Waiting | None:
        return self.places.get(thread_id)

    async def threads(self) -> list[uuid.UUID]:
        async with self.database.city(self.city_id) as session:
            return list(await session.scalars(select(Conversation.id).order_by(Conversation.created_at)))

    async def say(
        self, thread_id: uuid.UUID, reply: Reply, *, author: str = "bot", staff_id: uuid.UUID | None = None
    ) -> None:
        """Put a reply into the outbox and deliver it, as the worker would."""
        async with self.database.city(self.city_id) as session:
            thread = await self.conversations.conversation(session, thread_id)
            key = str(uuid.uuid4())
            await self.conversations.say(session, thread, reply, key=key, author=author, staff_id=staff_id)
        delivery = Delivery(self.database, self.conversations, {"web": WebChannel()})
        async with self.database.city(self.city_id) as session:
            rows = await session.scalars(
                select(Outbox).where(Outbox.conversation_id == thread_id, Outbox.state == "waiting")
            )
            claims = [Claim(row.id, thread_id, self.city_id) for row in rows]
        for claim in claims:
            await delivery.deliver(claim)

    async def whisper(self, thread_id: uuid.UUID, **message: str) -> None:
        async with self.database.city(self.city_id) as session:
            await live.whisper(session, f"conversation:{thread_id}", dict(message))


@asynccontextmanager
async def running_chat(
    database: Database, settings: Settings, vault: Vault, clock: Clock, city_id: uuid.UUID
) -> AsyncIterator[Chat]:
    """Serve until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    chat = _chat(database, settings.model_copy(update={"public_url": url}), vault, clock, city_id, url)
    async with Hub(database) as hub:
        _mount(chat, hub, clock)
        config = uvicorn.Config(chat.app, access_log=False, log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield chat
        finally:
            server.should_exit = server.force_exit = True
            await serving


def _chat(
    database: Database, settings: Settings, vault: Vault, clock: Clock, city_id: uuid.UUID, url: str
) -> Chat:
    catalogue = Catalogue.load(ROOT / "content")
    pages = Pages(
        settings=settings,
        catalogue=catalogue,
        languages=LANGUAGES,
        templates={"chat": routes.TEMPLATES},
        names={"chat": ("chat.",)},
        shared=lambda language: {"office_name": "Bürgeramt", "city_name": "Heidelberg", "sample": True},
        assets=Assets(),
    )
    conversations = Conversations(vault, clock, catalogue, url, LANGUAGES)
    return Chat(database, conversations, city_id, pages, FastAPI(), url)


def _mount(chat: Chat, hub: Hub, clock: Clock) -> None:
    threads = Threads(chat.conversations, chat.url, chat.place)
    buckets = {"messages": Bucket(clock, 30, 1), "visits": Bucket(clock, 100, 1)}
    chat.app.include_router(
        routes.router(routes.WebChat(chat.database, hub, threads, chat.pages, chat.city_id, **buckets))
    )
    install(chat.app, chat.pages)
