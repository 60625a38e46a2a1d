"""Where vendors send their news. It is written down, acknowledged, and then looked at: nothing in it is believed."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from foundation.clock import Clock
from foundation.db import Database, new_id
from foundation.errors import NotFound
from foundation.faults import reached
from payments.models import WebhookEvent
from payments.ports import Forged, Notice, Provider
from payments.service import Defer

logger = logging.getLogger(__name__)

KEEP = timedelta(days=90)


@dataclass(frozen=True)
class Webhooks:
    """`city_id` is the city served by this installation."""

    database: Database
    providers: Mapping[str, Provider]
    clock: Clock
    defer: Defer
    city_id: uuid.UUID

    async def store(self, session: AsyncSession, source: str, notice: Notice) -> None:
        """Row and job in one transaction; a notice that is known already changes nothing."""
        now = self.clock.now()
        row = insert(WebhookEvent).values(
            id=new_id(),
            city_id=self.city_id,
            source=source,
            external_id=notice.external_id,
            kind=notice.kind,
            vendor_id=notice.vendor_id,
            received_at=now,
            delete_after=now + KEEP,
        )
        fresh = await session.scalar(row.on_conflict_do_nothing().returning(WebhookEvent.id))
        if fresh is not None:
            await self.defer(session, "fee_webhook", {"city_id": str(self.city_id), "webhook_id": str(fresh)})


def router(hooks: Webhooks) -> APIRouter:
    """/hooks/payments/<provider>. 200 means: it is written down."""
    routes = APIRouter(prefix="/hooks/payments", include_in_schema=False)

    @routes.post("/{source}", name="payment_webhook")
    async def receive(source: str, request: Request) -> Response:
        provider = hooks.providers.get(source)
        if provider is None:
            raise NotFound
        try:
            notice = provider.parse_webhook(await request.body(), request.headers)
        except Forged:
            logger.warning("payments: a webhook was not signed by %s", provider.name)
            return Response(status_code=400)
        if notice is not None:
            async with hooks.database.city(hooks.city_id) as session:
                await hooks.store(session, provider.name, notice)
            reached("webhook.stored")
        return Response(status_code=200)

    return routes
