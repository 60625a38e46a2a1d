"""Fees at the desk: what may be asked for, what was, and how far it is."""

import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Case
from foundation.i18n import Money
from foundation.money import grouped
from pages.desk.routes import At, Desk
from payments.models import Fee
from payments.service import Fees, Line, Wish

Json = dict[str, Any]


class WishIn(BaseModel):
    """`key` is made by the desk, so that a request sent twice is one fee. `amount` in cents."""

    key: str = Field(min_length=8, max_length=64, pattern=r"^[\w-]+$")
    line: str = Field("usual", max_length=60)
    amount: int | None = Field(None, ge=0, le=10_000_000)
    method: str | None = Field(None, max_length=40)

    def wish(self) -> Wish:
        return Wish(self.key, self.line, self.amount, self.method)


@dataclass(frozen=True)
class DeskFees:
    """What the fee part of the desk works with."""

    desk: Desk
    fees: Fees

    async def of_case(self, session: AsyncSession, case: Case, language: str) -> Json:
        """{"free", "lines", "methods", "fees"}: the tariff of the case's service, and its fees, the latest first."""
        lines = self.fees.tariff(case.service)
        return {
            "free": case.service is not None and not lines,
            "lines": [self._line(one, language) for one in lines],
            "methods": list(self.fees.providers),
            "fees": [
                await self.shown(session, fee, language) for fee in await self.fees.of_case(session, case.id)
            ],
        }

    async def shown(self, session: AsyncSession, fee: Fee, language: str) -> Json:
        """One fee as the desk shows it; `state` open, processing, paid, cancelled, expired, refunded."""
        problem = await self.fees.problem(session, fee)
        online = self.fees.has_page(fee)
        return {
            "id": str(fee.id),
            "state": fee.state,
            "amount": self._words(fee.amount, fee.currency, language),
            "reference": grouped(fee.reference),
            "method": fee.provider,
            "preparing": await self.fees.being_prepared(session, fee),
            "problem": problem,
            "requested_at": fee.requested_at.isoformat(),
            "settled_at": fee.settled_at.isoformat() if fee.settled_at else None,
            "can_receive": not online and fee.state in ("open", "cancelled", "expired"),
            "can_cancel": fee.state == "open",
            "can_give_back": fee.state == "paid",
        }

    async def fee(self, at: At, fee_id: uuid.UUID) -> Fee:
        """A fee of the clerk's own office. Errors: NotFound."""
        fee = await self.fees.fee(at.session, fee_id)
        await self.desk.case(at, fee.case_id)
        return fee

    def _line(self, line: Line, language: str) -> Json:
        amount = None if line.amount is None else self._words(line.amount, line.currency, language)
        return {"id": line.id, "amount": amount, "who": line.who[language] if line.who else None}

    def _words(self, minor: int, currency: str, language: str) -> str:
        return self.desk.pages.catalogue.format(Money(minor, currency), language)


def router(there: DeskFees) -> APIRouter:
    """/desk/api/cases/<case>/fees and /desk/api/fees/<fee>/…"""
    routes = APIRouter(prefix="/desk/api", include_in_schema=False)
    # The scope commits before the answer goes out: what the desk is told is then true.
    InRoom = Annotated[At, Depends(there.desk.at, scope="function")]

    @routes.get("/cases/{case_id}/fees", name="desk_fees")
    async def fees(at: InRoom, case_id: uuid.UUID) -> Json:
        case = await there.desk.case(at, case_id)
        return await there.of_case(at.session, case, at.language)

    @routes.post("/cases/{case_id}/fees", name="desk_fee_request")
    async def request(at: InRoom, case_id: uuid.UUID, wish: WishIn) -> Json:
        case = await there.desk.case(at, case_id)
        thread = await there.desk.escalation.thread_of(at.session, case)
        fee = await there.fees.request(at.session, case, thread, at.staff, wish.wish())
        return await there.shown(at.session, fee, at.language)

    @routes.post("/fees/{fee_id}/received", name="desk_fee_received")
    async def received(at: InRoom, fee_id: uuid.UUID) -> Json:
        fee = await there.fee(at, fee_id)
        await there.fees.received(at.session, fee, at.staff)
        return await there.shown(at.session, fee, at.language)

    @routes.post("/fees/{fee_id}/cancel", name="desk_fee_cancel")
    async def cancel(at: InRoom, fee_id: uuid.UUID) -> Json:
        fee = await there.fee(at, fee_id)
        await there.fees.cancel(at.session, fee, at.staff)
        return await there.shown(at.session, fee, at.language)

    @routes.post("/fees/{fee_id}/give-back", name="desk_fee_give_back")
    async def give_back(at: InRoom, fee_id: uuid.UUID) -> Json:
        fee = await there.fee(at, fee_id)
        await there.fees.give_back(at.session, fee, at.staff)
        return await there.shown(at.session, fee, at.language)

    return routes
