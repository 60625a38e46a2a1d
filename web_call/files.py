"""Files in a case's thread, both ways: each comes with a message, so both sides see it in thread and call."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Case, Conversation, File, Message
from conversation.reply import OFFICE_LANGUAGE, Body, Link, Page, Reply
from conversation.service import Conversations
from foundation.errors import Invalid, NotFound
from foundation.files import Clean, FileStore, named
from foundation.i18n import Text
from people.models import Staff
from web_call.service import call_page

WEB = "web"


@dataclass(frozen=True)
class CaseFile:
    """A file as both sides are shown it. `size` in bytes, `sha256` as hex of what is kept."""

    id: uuid.UUID
    message_id: uuid.UUID
    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True)
class CaseFiles:
    """Takes files into a case and gives them out. Who may, is the edge's matter."""

    conversations: Conversations
    store: FileStore

    async def take(
        self,
        session: AsyncSession,
        case: Case,
        thread: Conversation,
        file_id: uuid.UUID,
        name: str,
        clean: Clean,
        *,
        staff: Staff | None = None,
    ) -> CaseFile:
        """Put a file into the thread; sent again under the same id it is still one."""
        await self.conversations.lock_case(session, case.id)
        known = [one for one in await self.of_case(session, case) if one.id == file_id]
        if known:
            return known[0]
        if await session.get(File, file_id) is not None:
            raise Invalid(field="id")
        name = named(name, clean.media_type)
        message = await self._message(session, case, thread, file_id, name, staff)
        about = {
            "name": name,
            "media_type": clean.media_type,
            "size": len(clean.data),
            "sha256": clean.sha256,
        }
        vault = self.conversations.vault
        row = File(
            id=file_id,
            city_id=case.city_id,
            message_id=message.id,
            about=await vault.seal(session, case.key_id, f"file.about:{file_id}", about),
            at=message.at,
            delete_after=case.delete_after,
        )
        session.add(row)
        await session.flush()
        await self.store.put(
            session,
            file_id,
            clean.data,
            city_id=case.city_id,
            key_id=case.key_id,
            delete_after=case.delete_after,
        )
        if staff is not None:
            await self._tell_elsewhere(session, case, thread, file_id)
        return await self._opened(session, row)

    async def of_case(self, session: AsyncSession, case: Case) -> list[CaseFile]:
        """All files of a case, oldest first."""
        query = select(File).join(Message, Message.id == File.message_id).where(Message.case_id == case.id)
        return [await self._opened(session, row) for row in await session.scalars(query.order_by(File.at))]

    async def by_message(
        self, session: AsyncSession, message_ids: Iterable[uuid.UUID]
    ) -> dict[uuid.UUID, list[CaseFile]]:
        rows = await session.scalars(select(File).where(File.message_id.in_(list(message_ids))))
        found: dict[uuid.UUID, list[CaseFile]] = {}
        for row in rows:
            found.setdefault(row.message_id, []).append(await self._opened(session, row))
        return found

    async def open(self, session: AsyncSession, case: Case, file_id: uuid.UUID) -> tuple[CaseFile, bytes]:
        """A file of this case with what is in it. Errors: NotFound, Forgotten."""
        query = select(File).join(Message, Message.id == File.message_id)
        row = await session.scalar(query.where(File.id == file_id, Message.case_id == case.id))
        if row is None:
            raise NotFound
        return await self._opened(session, row), await self.store.get(session, file_id)

    async def _opened(self, session: AsyncSession, row: File) -> CaseFile:
        about = await self.conversations.vault.open(session, f"file.about:{row.id}", row.about)
        return CaseFile(
            row.id, row.message_id, about["name"], about["media_type"], about["size"], about["sha256"]
        )

    async def _message(
        self,
        session: AsyncSession,
        case: Case,
        thread: Conversation,
        file_id: uuid.UUID,
        name: str,
        staff: Staff | None,
    ) -> Message:
        language = (await self.conversations.address_of(session, thread)).language
        say = self.conversations.catalogue.render
        text = Text("file.sent")
        url = f"{self.conversations.public_url.rstrip('/')}{await self._path(session, case, file_id)}"
        body = Body(
            text=say(text, language),
            german=say(text, OFFICE_LANGUAGE) if language != OFFICE_LANGUAGE else None,
            links=(Link(name, url),),
        )
        author, staff_id = ("clerk", staff.id) if staff else ("citizen", None)
        return await self.conversations.write(session, thread, author, body, language, staff_id=staff_id)

    async def _path(self, session: AsyncSession, case: Case, file_id: uuid.UUID) -> str:
        return f"{await self.conversations.case_path(session, case)}/files/{file_id}"

    async def _tell_elsewhere(
        self, session: AsyncSession, case: Case, thread: Conversation, file_id: uuid.UUID
    ) -> None:
        """In another messenger: that there is a file and where, and nothing about it."""
        address = await self.conversations.address_of(session, thread)
        if address.channel == WEB:
            return
        page: Page = await call_page(session, self.conversations, case)
        reply = Reply((Text("file.waiting"),), pages=(page,))
        await self.conversations.say(session, thread, reply, key=f"file:{file_id}", author="system")
