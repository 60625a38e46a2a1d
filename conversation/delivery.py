"""From the outbox to the person: one row at a time, in order, re-reading who holds the case."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Address, Conversation, Outbox
from conversation.ports import Blocked, Channel, Outgoing, RetryLater, Undeliverable
from conversation.queues import Claim
from conversation.reply import Body
from conversation.service import Conversations
from foundation.crypto import Forgotten
from foundation.db import Database
from foundation.errors import where
from foundation.faults import reached
from people.models import Staff

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=30)
GIVE_UP_AFTER = timedelta(hours=48)


@dataclass(frozen=True)
class Delivery:
    """Sends outbox rows through their channels. A vendor is called between two transactions, never inside one."""

    database: Database
    conversations: Conversations
    channels: Mapping[str, Channel]

    async def deliver(self, claim: Claim) -> None:
        """Bring one claimed row to its end: sent, dropped, failed, or put back for a later try."""
        async with self.database.city(claim.city_id) as session:
            prepared = await self._prepare(session, claim)
        reached("delivery.claimed")
        if prepared is None:
            return
        channel, outgoing, body = prepared
        try:
            external_id = await channel.send(outgoing)
        except RetryLater as later:
            await self._put_back(claim, later.seconds)
        except Undeliverable:
            await self._end(claim, "failed")
        except Blocked:
            await self._end(claim, "failed", blocked=True)
        except Exception as error:
            # A channel's own fault must not stop the other threads.
            logger.error("delivery: channel %s failed with %s", channel.name, where(error))
            await self._put_back(claim, None)
        else:
            reached("delivery.sent")
            await self._sent(claim, body, external_id)

    async def _prepare(self, session: AsyncSession, claim: Claim) -> tuple[Channel, Outgoing, Body] | None:
        """What to send and what to show in the thread, or None when the row has come to its end here. The holder is read under lock."""
        conversation, case = await self.conversations.lock(session, claim.conversation_id)
        row = await session.get_one(Outbox, claim.row_id)
        if row.author == "bot" and (case or conversation).holder_id is not None:
            row.state = "dropped"
            return None
        address = await session.get_one(Address, conversation.address_id)
        channel = self.channels.get(address.channel)
        if channel is None or address.blocked_at is not None:
            row.state = "failed"
            return None
        row.attempts += 1
        try:
            value = await self.conversations.vault.open(session, f"outbox.body:{row.id}", row.body)
        except Forgotten:
            row.state = "failed"
            return None
        external = await self.conversations.external_of(session, address)
        body = Body.from_json(value)
        said = body if channel.private else body.guarded()
        clerk = await session.get(Staff, row.staff_id) if row.author == "clerk" and row.staff_id else None
        name = clerk.name if clerk and channel.private else None
        outgoing = Outgoing(row.key, external, row.author, row.language, said, row.attempts, name)
        return channel, outgoing, body

    async def _sent(self, claim: Claim, body: Body, external_id: str | None) -> None:
        """Show in the thread what was said, also where the person's messenger was only told that there is something."""
        async with self.database.city(claim.city_id) as session:
            conversation = await session.get_one(Conversation, claim.conversation_id)
            row = await session.get_one(Outbox, claim.row_id)
            row.state, row.sent_at, row.external_id = "sent", self.conversations.clock.now(), external_id
            await self.conversations.write_sent(session, row, conversation, body)

    async def _put_back(self, claim: Claim, seconds: float | None) -> None:
        now = self.conversations.clock.now()
        async with self.database.city(claim.city_id) as session:
            row = await session.get_one(Outbox, claim.row_id)
            pause = (
                timedelta(seconds=seconds)
                if seconds is not None
                else FIRST_PAUSE * 2 ** min(row.attempts, 12)
            )
            row.due_at = now + min(pause, LONGEST_PAUSE)
            if now - row.created_at > GIVE_UP_AFTER:
                row.state = "failed"

    async def _end(self, claim: Claim, state: str, *, blocked: bool = False) -> None:
        logger.warning("delivery: message %s could not be sent", claim.row_id)
        async with self.database.city(claim.city_id) as session:
            row = await session.get_one(Outbox, claim.row_id)
            row.state = state
            if blocked:
                conversation = await session.get_one(Conversation, claim.conversation_id)
                address = await session.get_one(Address, conversation.address_id)
                address.blocked_at = self.conversations.clock.now()
