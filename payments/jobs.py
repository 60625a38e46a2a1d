"""What happens at vendors: started, fetched, ended and given back, always between two transactions.

Every task may run more than once, and side by side with another: the vendor's idempotency keys and the
forward-only states make that one payment. `reconcile` finds what any other way has lost.
"""

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from foundation.clock import Clock
from foundation.db import Database
from foundation.faults import reached
from foundation.jobs import Task
from payments.models import Fee, PaymentAttempt, WebhookEvent
from payments.ports import Order, Provider, Snapshot, VendorAway, VendorRefused
from payments.service import Fees
from payments.states import LIVE, UNDER_WAY

logger = logging.getLogger(__name__)

EVERY_MINUTE = "* * * * *"
LOOK_AGAIN: Mapping[str, timedelta] = {
    "starting": timedelta(seconds=20),
    "open": timedelta(minutes=1),
    "processing": timedelta(minutes=15),
    "paid": timedelta(minutes=1),
}
"""How long an attempt is left alone before the vendor is asked about it; a paid one only when it is to be given back."""
GIVEN_UP_AFTER = timedelta(hours=12)
MOST_TRIES = 5
"""After so many errors of the vendor's own, or so long a time, the next try goes by a new key."""
MOST_AT_ONCE = 200


@dataclass(frozen=True)
class Settlement:
    """Brings attempts to their end. No session is open while a vendor is asked."""

    database: Database
    fees: Fees
    clock: Clock

    # -- one attempt -------------------------------------------------------------------------------

    async def start(self, city_id: uuid.UUID, attempt_id: uuid.UUID) -> None:
        """Let the vendor prepare its page. Errors: VendorAway, VendorRefused (both are on the desk by then)."""
        async with self.database.city(city_id) as session:
            prepared = await self._prepare(session, attempt_id)
        if prepared is not None:
            provider, order = prepared
            seen = await self._asked(city_id, attempt_id, provider.start(order))
            reached("fee.started")
            await self._take(city_id, attempt_id, seen)

    async def look(self, city_id: uuid.UUID, attempt_id: uuid.UUID) -> None:
        """Fetch the truth. Errors: as `start`."""
        found = await self._known(city_id, attempt_id)
        if found is not None:
            provider, attempt = found
            seen = await self._asked(city_id, attempt_id, provider.fetch(attempt.vendor_id or ""))
            await self._take(city_id, attempt_id, seen)

    async def end(self, city_id: uuid.UUID, attempt_id: uuid.UUID) -> None:
        """See to it that nobody can pay any more. Errors: as `start`."""
        found = await self._known(city_id, attempt_id)
        if found is not None:
            provider, attempt = found
            seen = await self._asked(city_id, attempt_id, provider.cancel(attempt.vendor_id or ""))
            await self._take(city_id, attempt_id, seen)

    async def refund(self, city_id: uuid.UUID, attempt_id: uuid.UUID) -> None:
        """Give the money of an attempt back, once. Errors: as `start`."""
        found = await self._known(city_id, attempt_id)
        if found is None or not found[1].refund_asked or found[1].charge_id is None:
            return
        provider, attempt = found
        async with self.database.city(city_id) as session:
            fee = await self.fees.fee(session, attempt.fee_id)
        key = f"refund:{attempt.fee_id}:{attempt.number}"
        await self._asked(city_id, attempt_id, provider.refund(attempt.charge_id or "", fee.amount, key))
        await self.look(city_id, attempt_id)

    async def again(self, city_id: uuid.UUID, fee_id: uuid.UUID) -> None:
        """The person wants to pay now: look at what is under way, and begin anew if it has ended.

        Errors: VendorAway, VendorRefused.
        """
        attempt = await self._next(city_id, fee_id)
        if attempt is None:
            return
        if attempt.vendor_id is not None:
            await self.look(city_id, attempt.id)
            attempt = await self._next(city_id, fee_id)
        if attempt is not None and attempt.vendor_id is None:
            await self.start(city_id, attempt.id)

    async def check(self, city_id: uuid.UUID, fee_id: uuid.UUID) -> None:
        """Fetch every attempt of a fee whose end is not known. Errors: as `start`."""
        async with self.database.city(city_id) as session:
            fee = await self.fees.fee(session, fee_id)
            open_ones = [one for one in await self.fees.attempts(session, fee) if one.state in UNDER_WAY]
        for attempt in open_ones:
            await self.look(city_id, attempt.id)

    # -- news and the rounds -----------------------------------------------------------------------

    async def webhook(self, city_id: uuid.UUID, webhook_id: uuid.UUID) -> None:
        """Fetch what a stored webhook is about; its own words count for nothing. Errors: as `start`."""
        async with self.database.city(city_id) as session:
            row = await session.get(WebhookEvent, webhook_id)
            if row is None or row.handled_at is not None:
                return
            about = (PaymentAttempt.vendor_id == row.vendor_id) | (PaymentAttempt.charge_id == row.vendor_id)
            attempt_ids = list(await session.scalars(select(PaymentAttempt.id).where(about)))
        for attempt_id in attempt_ids:
            await self.look(city_id, attempt_id)
        async with self.database.city(city_id) as session:
            (await session.get_one(WebhookEvent, webhook_id)).handled_at = self.clock.now()

    async def reconcile(self) -> None:
        """One round: ask about every attempt whose time has come, and let fees expire."""
        now = self.clock.now()
        async with self.database.every_city() as session:
            attempts = await self._due(session, now)
            over = await session.execute(
                select(Fee.city_id, Fee.id).where(Fee.state == "open", Fee.expires_at <= now)
            )
            expired = over.all()
        steps = {"starting": self.start, "paid": self.refund}
        for city_id, attempt_id, state in attempts:
            try:
                await steps.get(state, self.look)(city_id, attempt_id)
            except (VendorAway, VendorRefused):
                continue  # noted on the attempt; the next round asks again
        for city_id, fee_id in expired:
            async with self.database.city(city_id) as session:
                await self.fees.expire(session, fee_id)

    async def _due(self, session: AsyncSession, now: datetime) -> list[tuple[uuid.UUID, uuid.UUID, str]]:
        vendors = [provider.name for provider in self.fees.providers.values() if provider.has_page]
        in_time = [
            and_(PaymentAttempt.state == state, PaymentAttempt.checked_at <= now - pause)
            for state, pause in LOOK_AGAIN.items()
        ]
        query = (
            select(PaymentAttempt)
            .where(or_(*in_time), PaymentAttempt.provider.in_(vendors))
            .where(PaymentAttempt.state.in_(UNDER_WAY) | PaymentAttempt.refund_asked)
            .order_by(PaymentAttempt.checked_at)
            .limit(MOST_AT_ONCE)
        )
        return [(one.city_id, one.id, one.state) for one in await session.scalars(query)]

    # -- steps -------------------------------------------------------------------------------------

    async def _prepare(self, session: AsyncSession, attempt_id: uuid.UUID) -> tuple[Provider, Order] | None:
        """What to ask for; None when that was done, or is left to the next attempt."""
        attempt = await session.get(PaymentAttempt, attempt_id)
        if attempt is None or attempt.state != "starting":
            return None
        fee = await self.fees.fee(session, attempt.fee_id)
        provider = self.fees.providers.get(attempt.provider)
        if provider is None or fee.state not in LIVE:
            # Nobody was ever shown the page of an attempt without an answer, so nobody can pay there.
            await self.fees.abandon(session, attempt, "cancelled")
            return None
        if attempt.tries >= MOST_TRIES or attempt.created_at + GIVEN_UP_AFTER <= self.clock.now():
            await self.fees.abandon(session, attempt, "failed")
            await self.fees.next_attempt(session, fee.id)
            return None
        return provider, await self.fees.order(session, fee, attempt)

    async def _known(
        self, city_id: uuid.UUID, attempt_id: uuid.UUID
    ) -> tuple[Provider, PaymentAttempt] | None:
        """An attempt that its vendor knows, with the vendor, if it is still switched on."""
        async with self.database.city(city_id) as session:
            attempt = await session.get(PaymentAttempt, attempt_id)
        provider = self.fees.providers.get(attempt.provider) if attempt else None
        if attempt is None or provider is None or not provider.has_page or attempt.vendor_id is None:
            return None
        return provider, attempt

    async def _next(self, city_id: uuid.UUID, fee_id: uuid.UUID) -> PaymentAttempt | None:
        async with self.database.city(city_id) as session:
            return await self.fees.next_attempt(session, fee_id)

    async def _asked(self, city_id: uuid.UUID, attempt_id: uuid.UUID, answer: Awaitable[Any]) -> Any:
        """The vendor's answer; why there is none is noted for the desk before the error goes on."""
        try:
            return await answer
        except VendorAway as away:
            await self._trouble(city_id, attempt_id, "away", tries=int(away.answered))
            raise
        except VendorRefused as refused:
            logger.error("payments: the vendor refused attempt %s (%s)", attempt_id, refused.code)
            await self._trouble(city_id, attempt_id, "refused", tries=1)
            raise

    async def _take(self, city_id: uuid.UUID, attempt_id: uuid.UUID, seen: Snapshot) -> None:
        async with self.database.city(city_id) as session:
            await self.fees.take(session, attempt_id, seen)

    async def _trouble(self, city_id: uuid.UUID, attempt_id: uuid.UUID, problem: str, *, tries: int) -> None:
        async with self.database.city(city_id) as session:
            await self.fees.trouble(session, attempt_id, problem, tries=tries)


def tasks(settlement: Settlement) -> Mapping[str, Task]:
    """The jobs by name, for the worker."""

    def of_attempt(step: Callable[[uuid.UUID, uuid.UUID], Awaitable[None]]) -> Task:
        async def run(tools: object, *, city_id: str, attempt_id: str) -> None:
            await step(uuid.UUID(city_id), uuid.UUID(attempt_id))

        return run

    async def webhook(tools: object, *, city_id: str, webhook_id: str) -> None:
        await settlement.webhook(uuid.UUID(city_id), uuid.UUID(webhook_id))

    async def reconcile(tools: object, *, timestamp: int = 0) -> None:
        await settlement.reconcile()

    return {
        "fee_start": of_attempt(settlement.start),
        "fee_end": of_attempt(settlement.end),
        "fee_refund": of_attempt(settlement.refund),
        "fee_webhook": webhook,
        "fee_reconcile": reconcile,
    }


PERIODIC: Mapping[str, str] = {"fee_reconcile": EVERY_MINUTE}
"""What runs by the clock, as cron lines."""
