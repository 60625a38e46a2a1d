"""The case's link: who may open it. Reading never changes anything; a button binds the browser.

The first browser is bound at once. The browser in which the person chats counts as bound. Any other
one proves itself with a code that goes into the person's threads. All of it ends with the case.
"""

import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from sqlalchemy import Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Address, Case, CaseBrowser, Conversation
from conversation.reply import Reply
from conversation.service import Conversations, token_digest
from foundation.db import new_id
from foundation.errors import FoyerError, TooMany
from foundation.i18n import Text

WEB = "web"
CODE_LIVES = timedelta(minutes=15)
CODES_AN_HOUR = 5
TRIES = 5
VISITOR_LENGTH = 43
"""Characters of `token_urlsafe(32)`, which the chat page's cookie holds."""


class LinkOver(FoyerError):
    """No open case has this link (any more)."""

    status = 410
    key = "link.over"


class TooManyCodes(TooMany):
    key = "link.too_many_codes"


class Entered(Enum):
    """What became of a code."""

    BOUND = "bound"
    WRONG = "wrong"
    OVER = "over"


@dataclass(frozen=True)
class Visit:
    """Who holds the link, as cookies tell: `browser` is of this link, `visitor` of the chat page."""

    browser: str | None = None
    visitor: str | None = None


@dataclass(frozen=True)
class Links:
    """Binding of browsers to cases."""

    conversations: Conversations

    async def case(self, session: AsyncSession, token: str) -> Case:
        """The open case of a link. Errors: LinkOver."""
        query = select(Case).where(Case.token_hash == token_digest(token), Case.state == "open")
        case: Case | None = await session.scalar(query)
        if case is None:
            raise LinkOver
        return case

    async def case_to_open(self, session: AsyncSession, token: str) -> Case:
        """The case that a link opens: to act in while it is open, or to read. Errors: LinkOver."""
        return await self.conversations.case_to_read(session, token) or await self.case(session, token)

    async def is_to_read(self, session: AsyncSession, token: str) -> bool:
        """Whether this link is one that only opens the thread."""
        return await self.conversations.case_to_read(session, token) is not None

    async def reads_here(self, session: AsyncSession, case: Case, visitor: str | None) -> bool:
        """Whether the chat page of this browser shows the case's thread already."""
        address = await self.conversations.find_address(session, WEB, visitor) if visitor else None
        thread = await self.conversations.thread_to_read(session, case)
        if address is None or thread is None:
            return False
        return (await self.conversations.conversation_at(session, address)).id == thread.id

    async def show_thread(self, session: AsyncSession, case: Case, visitor: str | None) -> str | None:
        """Let a bound browser's chat page show the case's thread; the secret for its cookie.

        So words that may not go to a messenger are read and answered there.
        """
        thread = await self.conversations.thread_to_read(session, case)
        if thread is None:
            return None
        if visitor is None or len(visitor) != VISITOR_LENGTH:
            visitor = secrets.token_urlsafe(32)
        await self.conversations.open_window(session, thread, WEB, visitor)
        return visitor

    async def is_bound(self, session: AsyncSession, case: Case, visit: Visit) -> bool:
        """Whether this browser is the person's. Reads only."""
        if visit.visitor:
            address = await self.conversations.find_address(session, WEB, visit.visitor)
            if address is not None and address.person_id == case.person_id:
                return True
        if not visit.browser:
            return False
        bound = self._bound(case).where(CaseBrowser.browser_hash == token_digest(visit.browser))
        return bool(await session.scalar(select(bound.exists())))

    async def bind(self, session: AsyncSession, case: Case, browser: str) -> bool:
        """Bind a browser, or send a code when the case has one already: then False. Errors: TooManyCodes.

        `browser` is the fresh secret that its cookie will hold.
        """
        await self.conversations.lock_case(session, case.id)
        if await self._has_browser(session, case):
            await self._send_code(session, case, browser)
            return False
        self._add(session, case, browser).bound_at = self.conversations.clock.now()
        await session.flush()
        return True

    async def enter(self, session: AsyncSession, case: Case, browser: str, code: str) -> Entered:
        """Try the code. A wrong one counts, so the caller commits in any case."""
        query = select(CaseBrowser).where(
            CaseBrowser.case_id == case.id, CaseBrowser.browser_hash == token_digest(browser)
        )
        row = await session.scalar(query.order_by(CaseBrowser.asked_at.desc()).limit(1).with_for_update())
        now = self.conversations.clock.now()
        if row is None or row.code_hash is None or row.code_until is None or row.code_until <= now:
            return Entered.OVER
        row.tries += 1
        if hmac.compare_digest(row.code_hash, self._digest(row.id, code)):
            row.bound_at, row.code_hash = now, None
            return Entered.BOUND
        if row.tries >= TRIES:
            row.code_hash = None
            return Entered.OVER
        return Entered.WRONG

    async def _has_browser(self, session: AsyncSession, case: Case) -> bool:
        chats = exists().where(Address.person_id == case.person_id, Address.channel == WEB)
        return bool(await session.scalar(select(self._bound(case).exists() | chats)))

    async def _send_code(self, session: AsyncSession, case: Case, browser: str) -> None:
        now = self.conversations.clock.now()
        lately = select(func.count()).where(
            CaseBrowser.case_id == case.id, CaseBrowser.asked_at > now - timedelta(hours=1)
        )
        if (await session.scalar(lately) or 0) >= CODES_AN_HOUR:
            raise TooManyCodes
        row, code = self._add(session, case, browser), f"{secrets.randbelow(10**6):06}"
        row.code_hash, row.code_until = self._digest(row.id, code), now + CODE_LIVES
        await session.flush()
        reply = Reply((Text("link.code", code=code),), title=Text("link.code_title", code=code))
        for thread in await self._threads(session, case):
            await self.conversations.say(
                session, thread, reply, key=f"code:{row.id}:{thread.id}", author="system"
            )

    async def _threads(self, session: AsyncSession, case: Case) -> list[Conversation]:
        """Where the person can be reached; a closed case's thread may have gone on without it."""
        threads = await self.conversations.threads_of(session, case)
        last = None if threads else await self.conversations.thread_to_read(session, case)
        return threads or ([last] if last else [])

    def _add(self, session: AsyncSession, case: Case, browser: str) -> CaseBrowser:
        row = CaseBrowser(
            id=new_id(),
            city_id=case.city_id,
            case_id=case.id,
            browser_hash=token_digest(browser),
            asked_at=self.conversations.clock.now(),
            tries=0,
            delete_after=case.delete_after,
        )
        session.add(row)
        return row

    def _bound(self, case: Case) -> Select[uuid.UUID]:
        return select(CaseBrowser.id).where(CaseBrowser.case_id == case.id, CaseBrowser.bound_at.is_not(None))

    def _digest(self, row_id: uuid.UUID, code: str) -> bytes:
        return self.conversations.vault.blind_index("case_browser.code", str(row_id), code.strip())
