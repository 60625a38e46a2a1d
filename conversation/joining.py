"""A case that was begun on the web goes on in a messenger as well: by a link, once, and after a yes.

The link holds a token and nothing is stored for it: looking at the page, a preview, and opening the link in
the messenger change nothing. The yes joins the messenger's thread to the case. A case has at most one thread
of a channel, so whoever says yes second finds the link used up.
"""

import base64
import binascii
import hmac
import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Address, Case, Conversation, Person
from conversation.reply import Reply
from conversation.service import Conversations
from foundation.errors import FoyerError
from foundation.i18n import Text

LIVES = timedelta(minutes=15)
_CASE, _UNTIL, _PROOF = 16, 5, 18
"""Bytes of a token: 52 characters, of the 64 that a Telegram link may carry (A-Z, a-z, 0-9, _ and -)."""


class JoinOver(FoyerError):
    """The link is too old, used up, of a closed case, or none of ours."""

    status = 410
    key = "join.over"


class JoinBusy(FoyerError):
    """This thread is about another open case."""

    status = 409
    key = "join.busy"


class NothingToJoin(FoyerError):
    """The browser has no open case that could go on elsewhere."""

    status = 409
    key = "join.nothing"


@dataclass(frozen=True)
class Joining:
    """Makes tokens, and joins whoever brings one."""

    conversations: Conversations

    def token(self, case: Case) -> str:
        """A fresh token for an open case."""
        until = int((self.conversations.clock.now() + LIVES).timestamp())
        head = case.id.bytes + until.to_bytes(_UNTIL, "big")
        return base64.urlsafe_b64encode(head + self._proof(head)).decode().rstrip("=")

    async def begun_at(self, session: AsyncSession, thread: Conversation, channel: str) -> Case:
        """The thread's case, if it can go on at `channel`. Errors: NothingToJoin."""
        case = await self.conversations.case_of(session, thread)
        if case is None or case.state != "open" or await self._has_thread(session, case, channel):
            raise NothingToJoin
        return case

    async def case(self, session: AsyncSession, thread: Conversation, token: str) -> Case:
        """The case that a token would join to this thread; nothing changes. Errors: JoinOver, JoinBusy."""
        case = await session.get(Case, self._case_id(token))
        if case is None or case.state != "open":
            raise JoinOver
        if thread.case_id == case.id:
            return case
        address = await self.conversations.address_of(session, thread)
        if await self._has_thread(session, case, address.channel):
            raise JoinOver
        other = await self.conversations.case_of(session, thread)
        if other is not None and other.state == "open":
            raise JoinBusy(number=str(other.number))
        return case

    async def join(self, session: AsyncSession, thread: Conversation, token: str) -> Case:
        """Let this thread, which the caller has locked, take part in the case. Errors: JoinOver, JoinBusy."""
        await self.conversations.lock_case(session, (await self.case(session, thread, token)).id)
        case = await self.case(session, thread, token)  # somebody else may have been faster
        if thread.case_id == case.id:
            return case
        threads = await self.conversations.threads_of(session, case)
        address = await self.conversations.address_of(session, thread)
        await self._become(session, address, case)
        address.language = (await self.conversations.address_of(session, threads[0])).language
        await self.conversations.join_case(session, thread, case)
        await session.flush()
        for one in (*threads, thread):
            words = "join.done" if one.id == thread.id else "join.told"
            said = Reply((Text(words, number=str(case.number)),))
            key = f"join:{case.id}:{thread.id}:{one.id}"
            await self.conversations.say(session, one, said, key=key, author="system")
        self.conversations.tell_desk(session, case)
        return case

    async def _become(self, session: AsyncSession, address: Address, case: Case) -> None:
        """The address is the case's person's from now on, so that one wish deletes everything.

        Whoever has had cases of their own at this address stays another person: those must not be opened to
        a browser because of a link.
        """
        before = address.person_id
        if before == case.person_id or await session.scalar(select(exists().where(Case.person_id == before))):
            return
        external = await self.conversations.external_of(session, address)
        person = await session.get_one(Person, case.person_id)
        place = f"address.external:{address.id}"
        address.external = await self.conversations.vault.seal(session, person.key_id, place, external)
        address.person_id = person.id
        await session.flush()
        if not await session.scalar(select(exists().where(Address.person_id == before))):
            await self.conversations.delete_person(session, before)

    async def _has_thread(self, session: AsyncSession, case: Case, channel: str) -> bool:
        query = select(Conversation.id).join(Address, Address.id == Conversation.address_id)
        found = query.where(Conversation.case_id == case.id, Address.channel == channel)
        return await session.scalar(found.limit(1)) is not None

    def _case_id(self, token: str) -> uuid.UUID:
        """The case of a token of ours that is not too old. Errors: JoinOver."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            raise JoinOver from None
        head, proof = raw[: _CASE + _UNTIL], raw[_CASE + _UNTIL :]
        if not hmac.compare_digest(proof, self._proof(head)):
            raise JoinOver
        if int.from_bytes(head[_CASE:], "big") <= self.conversations.clock.now().timestamp():
            raise JoinOver
        return uuid.UUID(bytes=head[:_CASE])

    def _proof(self, head: bytes) -> bytes:
        return self.conversations.vault.blind_index("case.join", head.hex())[:_PROOF]
