"""What the bot keeps in mind about a room: the thread last written in, and the poll that is still open.

Nothing of it is stored: after a restart it is read back from our own rows and from the homeserver.
"""

import uuid
from dataclasses import dataclass, field

from sqlalchemy import select

from bots.matrix.client import Forbidden, MatrixClient
from bots.matrix.inbound import NAME, thread_root
from bots.matrix.render import POLL_START
from conversation.models import Inbox, Outbox
from conversation.service import Conversations
from foundation.db import Database


@dataclass
class Room:
    """`thread` and `heard` are event ids: the thread's root and the last event in it."""

    thread: str | None = None
    heard: str | None = None
    poll: str | None = None


@dataclass
class Notes:
    """One note a room, read back on first use."""

    database: Database
    conversations: Conversations
    city_id: uuid.UUID
    client: MatrixClient
    _rooms: dict[str, Room] = field(default_factory=dict)

    async def of(self, room_id: str) -> Room:
        if room_id not in self._rooms:
            self._rooms[room_id] = await self._read_back(room_id)
        return self._rooms[room_id]

    async def _read_back(self, room_id: str) -> Room:
        heard, said = await self._last_rows(room_id)
        note = Room(heard=heard)
        try:
            if heard:
                note.thread = thread_root(await self.client.event(room_id, heard))
            if said and (await self.client.event(room_id, said)).type == POLL_START:
                note.poll = said
        except Forbidden:
            pass  # the room or the event is gone; a fresh note does
        return note

    async def _last_rows(self, room_id: str) -> tuple[str | None, str | None]:
        """The event ids of what was heard last and of what was said last."""
        async with self.database.city(self.city_id) as session:
            address = await self.conversations.find_address(session, NAME, room_id)
            if address is None:
                return None, None
            thread = await self.conversations.conversation_at(session, address)
            heard = select(Inbox.external_id).where(Inbox.conversation_id == thread.id, Inbox.channel == NAME)
            said = select(Outbox.external_id).where(
                Outbox.conversation_id == thread.id, Outbox.external_id.is_not(None)
            )
            return (
                await session.scalar(heard.order_by(Inbox.seq.desc()).limit(1)),
                await session.scalar(said.order_by(Outbox.seq.desc()).limit(1)),
            )
