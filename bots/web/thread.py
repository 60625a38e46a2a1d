"""A visitor's thread as the browser is shown it: who they are, and live rows turned into frames."""

import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bots.web.channel import NAME
from conversation.models import Case, Conversation, Inbox, Message
from conversation.reply import Attachment
from conversation.service import Conversations, ShownMessage
from foundation.errors import NotFound, SignInNeeded
from foundation.i18n import direction
from foundation.live import LiveRow
from people.models import Staff
from web_call.service import call_page

Frame = dict[str, Any]
_TOKEN = re.compile(r"[\w-]{43}")


class Place(Protocol):
    """Somebody's place in the waiting room; `minutes` is a rough estimate."""

    @property
    def position(self) -> int: ...

    @property
    def minutes(self) -> int: ...


WaitingPlace = Callable[[AsyncSession, uuid.UUID], Awaitable[Place | None]]


def is_token(value: str | None) -> TypeGuard[str]:
    """Whether a cookie can be one of ours."""
    return value is not None and _TOKEN.fullmatch(value) is not None


def visitor_digest(token: str) -> str:
    """A name for a visitor that does not open their thread: the token's SHA-256, first 128 bits."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Threads:
    """Reads threads for their visitors. The visitor's token is the only credential."""

    conversations: Conversations
    public_url: str
    waiting_place: WaitingPlace

    async def of_visitor(self, session: AsyncSession, token: str | None) -> Conversation:
        """The visitor's thread. Errors: SignInNeeded where there is none (yet, or any more)."""
        if not is_token(token):
            raise SignInNeeded
        address = await self.conversations.find_address(session, NAME, token)
        if address is None:
            raise SignInNeeded
        return await self.conversations.conversation_at(session, address)

    async def frames(
        self, session: AsyncSession, thread_id: uuid.UUID, rows: Sequence[LiveRow]
    ) -> list[Frame]:
        """One frame a row, in order; a row whose message is deleted still moves the number on."""
        ids = [uuid.UUID(row.data["message_id"]) for row in rows if row.kind == "message"]
        shown = {message.id: message for message in await self.conversations.shown(session, ids)}
        clerks = await self._names(session, {message.staff_id for message in shown.values()})
        sent_as = await self._client_ids(session, ids)
        frames: list[Frame] = []
        for row in rows:
            frame: Frame = {"seq": row.seq, "kind": row.kind}
            if row.kind == "message":
                message = shown.get(uuid.UUID(row.data["message_id"]))
                frame |= self._message(message, clerks, sent_as) if message else {"kind": "gone"}
            elif row.kind == "case":
                frame |= await self.speaker(session, thread_id)
            frames.append(frame)
        return frames

    def _message(
        self, message: ShownMessage, clerks: Mapping[uuid.UUID | None, str], sent_as: Mapping[uuid.UUID, str]
    ) -> Frame:
        body = message.body
        return {
            "id": str(message.id),
            "author": message.author,
            "name": clerks.get(message.staff_id) if message.staff_id and message.author == "clerk" else None,
            "client_id": sent_as.get(message.id),
            "text": body.text,
            "choices": [{"id": choice.id, "label": choice.label} for choice in body.choices],
            "links": [{"label": link.label, "url": self._own(link.url)} for link in body.links],
            "attachments": [
                {"name": file.name, "url": f"/chat/files/{message.id}/{number}"}
                for number, file in enumerate(body.attachments)
            ],
            "at": message.at.isoformat(),
            "lang": message.language,
            # Ours run as their language does, also those that begin with a German name; people write as they like.
            "dir": direction(message.language) if message.author in ("bot", "system") else "auto",
        }

    def _own(self, url: str) -> str:
        """A link to this house as a path, so that it stays on the address by which the visitor came."""
        root = self.public_url.rstrip("/")
        return url.removeprefix(root) if url.startswith(f"{root}/") else url

    async def speaker(self, session: AsyncSession, thread_id: uuid.UUID) -> Frame:
        """Who speaks for the office: {"clerk": name, "call": path}, None for the bot."""
        thread = await self.conversations.conversation(session, thread_id)
        case = await self.conversations.case_of(session, thread)
        holder_id = (case or thread).holder_id
        clerk = (await self._names(session, {holder_id})).get(holder_id)
        return {"kind": "case", "clerk": clerk, "call": await self._call(session, case) if clerk else None}

    async def _call(self, session: AsyncSession, case: Case | None) -> str | None:
        """Where the video talk about this case is."""
        if case is None or case.token is None:
            return None
        return (await call_page(session, self.conversations, case)).path

    async def place(self, session: AsyncSession, thread_id: uuid.UUID) -> Frame:
        """The place in the waiting room; `position` is None for who does not wait."""
        place = await self.waiting_place(session, thread_id)
        if place is None:
            return {"kind": "queue", "position": None, "minutes": None, "call": None}
        thread = await self.conversations.conversation(session, thread_id)
        call = await self._call(session, await self.conversations.case_of(session, thread))
        return {"kind": "queue", "position": place.position, "minutes": place.minutes, "call": call}

    async def attachment(
        self, session: AsyncSession, thread: Conversation, message_id: uuid.UUID, number: int
    ) -> Attachment:
        """A file of the visitor's own thread. Errors: NotFound."""
        row = await session.get(Message, message_id)
        if row is None or row.conversation_id != thread.id:
            raise NotFound
        files = (await self.conversations.open_message(session, row)).body.attachments
        if not 0 <= number < len(files):
            raise NotFound
        return files[number]

    async def _names(
        self, session: AsyncSession, staff_ids: set[uuid.UUID | None]
    ) -> dict[uuid.UUID | None, str]:
        wanted = [staff_id for staff_id in staff_ids if staff_id]
        if not wanted:
            return {}
        rows = await session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(wanted)))
        return {row.id: row.name for row in rows}

    async def _client_ids(self, session: AsyncSession, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """The browser's own ids of what it sent, so that it does not show a message twice."""
        query = select(Inbox.message_id, Inbox.external_id).where(
            Inbox.message_id.in_(ids), Inbox.channel == NAME
        )
        return {row.message_id: row.external_id.rpartition(":")[2] for row in await session.execute(query)}
