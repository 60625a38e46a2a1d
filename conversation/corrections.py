"""Messages that their writer corrects or takes back before they were answered."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Conversation, Inbox, Message
from conversation.reply import Body
from conversation.service import Conversations


async def amend(
    conversations: Conversations, session: AsyncSession, channel: str, external_id: str, text: str
) -> bool:
    """Let an update that waits for its turn say `text` instead; False when it was answered already."""
    found = await _waiting(conversations, session, channel, external_id)
    if found is None:
        return False
    row, conversation = found
    vault = conversations.vault
    value = await vault.open(session, f"inbox.body:{row.id}", row.body)
    value |= {"kind": "text", "text": text, "choice": None}
    row.body = await vault.seal(session, conversation.key_id, f"inbox.body:{row.id}", value)
    message = await session.get(Message, row.message_id) if row.message_id else None
    if message is not None:
        said = Body(text=text).to_json()
        message.body = await vault.seal(session, conversation.key_id, f"message.body:{message.id}", said)
    return True


async def withdraw(
    conversations: Conversations, session: AsyncSession, channel: str, external_id: str, *, now: datetime
) -> bool:
    """Forget an update that waits for its turn; False when it was answered already."""
    found = await _waiting(conversations, session, channel, external_id)
    if found is None:
        return False
    row, _ = found
    row.handled_at = now
    message_id, row.message_id = row.message_id, None
    await session.flush()
    await session.execute(delete(Message).where(Message.id == message_id))
    return True


async def _waiting(
    conversations: Conversations, session: AsyncSession, channel: str, external_id: str
) -> tuple[Inbox, Conversation] | None:
    """The update and its thread, held against the turn that would answer it."""
    query = select(Inbox).where(Inbox.channel == channel, Inbox.external_id == external_id)
    row = await session.scalar(query)
    if row is None:
        return None
    conversation, _ = await conversations.lock(session, row.conversation_id)
    await session.refresh(row)
    return (row, conversation) if row.handled_at is None else None
