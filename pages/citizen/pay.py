"""The page behind a pay link: what is to be paid and how. GET shows, POST acts, for the person's browsers only."""

import contextlib
import secrets
import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.links import Entered, Links, Visit
from conversation.models import Case
from foundation.db import Database
from foundation.errors import NotFound
from foundation.i18n import Moment, Money, Text
from foundation.money import decimal_amount, grouped
from foundation.web import COOKIE_SECONDS, Pages
from pages.citizen.routes import BROWSER_COOKIE, ROOM, VISITOR_COOKIE, Browser, Visitor
from payments.jobs import Settlement
from payments.models import Fee
from payments.ports import VendorAway, VendorRefused
from payments.service import Fees

PATH = "/pay"


class NotOpened(Exception):
    """This browser has not opened the link yet."""


@dataclass(frozen=True)
class PayPages:
    """What the pages work with."""

    database: Database
    pages: Pages
    city_id: uuid.UUID
    links: Links
    fees: Fees
    settlement: Settlement

    # -- showing -----------------------------------------------------------------------------------

    async def show(self, request: Request, token: str, visit: Visit, *, back: bool) -> Response:
        """The fee for the person's browser, a neutral page with a button for any other."""
        async with self.database.city(self.city_id) as session:
            fee, case = await self._of(session, token)
            if not await self.links.is_bound(session, case, visit):
                return self._page(request, "pay_entrance", token)
            shown = await self._shown(session, fee, self.pages.language(request))
        return self._page(request, "pay", token, back=back and fee.state == "open", **shown)

    async def ask_code(self, request: Request, token: str, problem: str | None = None) -> Response:
        async with self.database.city(self.city_id) as session:
            await self.fees.by_token(session, token)
        return self._page(request, "code", token, status=422 if problem else 200, problem=problem)

    async def state(self, token: str, visit: Visit) -> dict[str, str]:
        """What the open page compares to know that it is out of date."""
        async with self.database.city(self.city_id) as session:
            fee = await self._own(session, token, visit)
            ready = await self.fees.vendor_page(session, fee) is not None
        return {"state": f"{fee.state} {'ready' if ready else ''}".strip()}

    async def receipt(self, request: Request, token: str, visit: Visit) -> Response:
        """Errors: NotOpened, NotFound while nothing is paid."""
        async with self.database.city(self.city_id) as session:
            fee = await self._own(session, token, visit)
            if fee.settled_at is None:
                raise NotFound
            file = self.fees.receipt(fee, self.pages.language(request))
        disposition = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        return Response(file.data, media_type=file.media_type, headers=disposition)

    # -- acting ------------------------------------------------------------------------------------

    async def open(self, token: str, visit: Visit) -> Response:
        """Bind this browser, or send it to the code that was just sent."""
        browser = secrets.token_urlsafe(32)
        async with self.database.city(self.city_id) as session:
            _, case = await self._of(session, token)
            known = await self.links.is_bound(session, case, visit)
            bound = known or await self.links.bind(session, case, browser)
        response = _to(token if bound else f"{token}/code")
        if not known:
            self._remember(response, BROWSER_COOKIE, browser, PATH)
        return response

    async def enter(self, request: Request, token: str, visit: Visit, code: str) -> Response:
        entered, visitor = Entered.OVER, None
        async with self.database.city(self.city_id) as session:
            _, case = await self._of(session, token)
            if visit.browser:
                entered = await self.links.enter(session, case, visit.browser, code)
            if entered is Entered.BOUND:
                visitor = await self.links.show_thread(session, case, visit.visitor)
        if entered is not Entered.BOUND:
            return await self.ask_code(request, token, f"link.code_{entered.value}")
        response = _to(token)
        if visitor is not None:
            self._remember(response, VISITOR_COOKIE, visitor, "/")
        return response

    async def start(self, token: str, visit: Visit) -> Response:
        """Have the vendor's page ready; what goes wrong stands on the page."""
        async with self.database.city(self.city_id) as session:
            fee = await self._own(session, token, visit)
        with contextlib.suppress(VendorAway, VendorRefused):
            await self.settlement.again(self.city_id, fee.id)
        return _to(token)

    async def check(self, token: str, visit: Visit) -> Response:
        """Ask the vendor how far it is."""
        async with self.database.city(self.city_id) as session:
            fee = await self._own(session, token, visit)
        with contextlib.suppress(VendorAway, VendorRefused):
            await self.settlement.check(self.city_id, fee.id)
        return _to(f"{token}?back=1")

    # -- parts -------------------------------------------------------------------------------------

    async def _of(self, session: AsyncSession, token: str) -> tuple[Fee, Case]:
        """The fee of a link, also after its case was closed. Errors: FeeOver."""
        fee = await self.fees.by_token(session, token)
        return fee, await session.get_one(Case, fee.case_id)

    async def _own(self, session: AsyncSession, token: str, visit: Visit) -> Fee:
        """Errors: FeeOver, NotOpened."""
        fee, case = await self._of(session, token)
        if not await self.links.is_bound(session, case, visit):
            raise NotOpened
        return fee

    async def _shown(self, session: AsyncSession, fee: Fee, language: str) -> dict[str, Any]:
        zone = self.fees.content.city.office.zone
        online, vendor_page = self.fees.has_page(fee), await self.fees.vendor_page(session, fee)
        return {
            "fee": fee,
            "amount_shown": self.pages.catalogue.format(Money(fee.amount, fee.currency), language),
            "typed_amount": decimal_amount(fee.amount).replace(".", ","),
            "errand": self.fees.errand(fee),
            "reference": grouped(fee.reference),
            "until": Text("pay.until", until=self.fees.last_day(fee)),
            "paid": Text("pay.paid", when=Moment(fee.settled_at, zone)) if fee.settled_at else None,
            "transfer": None if online else self.fees.transfer(fee),
            "iban": grouped(self.fees.content.city.payments.iban),
            "vendor_page": vendor_page,
            "away": online and vendor_page is None and await self.fees.problem(session, fee) is not None,
            "known_state": f"{fee.state} {'ready' if vendor_page else ''}".strip(),
        }

    def _page(
        self, request: Request, name: str, token: str, *, status: int = 200, **context: Any
    ) -> Response:
        link = f"{PATH}/{token}"
        return self.pages.page(request, f"{ROOM}/{name}.html", status=status, link=link, **context)

    def _remember(self, response: Response, name: str, value: str, path: str) -> None:
        response.set_cookie(
            name,
            value,
            max_age=COOKIE_SECONDS,
            path=path,
            httponly=True,
            samesite="lax",
            secure=self.pages.settings.secure_cookies,
        )


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(f"{PATH}/{path}", status_code=303)


def router(there: PayPages) -> APIRouter:
    """Everything below /pay/<token>."""
    routes = APIRouter(prefix=PATH, include_in_schema=False)
    reading = ["GET", "HEAD"]

    @routes.api_route("/{token}", methods=reading, name="pay")
    async def show(
        request: Request,
        token: str,
        browser: Browser = None,
        visitor: Visitor = None,
        back: Annotated[bool, Query()] = False,
    ) -> Response:
        return await there.show(request, token, Visit(browser, visitor), back=back)

    @routes.post("/{token}/open", name="pay_open")
    async def open_link(token: str, browser: Browser = None, visitor: Visitor = None) -> Response:
        return await there.open(token, Visit(browser, visitor))

    @routes.api_route("/{token}/code", methods=reading, name="pay_code")
    async def code_page(request: Request, token: str) -> Response:
        return await there.ask_code(request, token)

    @routes.post("/{token}/code", name="pay_enter")
    async def enter(
        request: Request,
        token: str,
        code: Annotated[str, Form(max_length=20)],
        browser: Browser = None,
        visitor: Visitor = None,
    ) -> Response:
        return await there.enter(request, token, Visit(browser, visitor), code)

    @routes.post("/{token}/start", name="pay_start")
    async def start(token: str, browser: Browser = None, visitor: Visitor = None) -> Response:
        try:
            return await there.start(token, Visit(browser, visitor))
        except NotOpened:
            return _to(token)

    @routes.post("/{token}/check", name="pay_check")
    async def check(token: str, browser: Browser = None, visitor: Visitor = None) -> Response:
        try:
            return await there.check(token, Visit(browser, visitor))
        except NotOpened:
            return _to(token)

    @routes.api_route("/{token}/receipt", methods=reading, name="pay_receipt")
    async def receipt(
        request: Request, token: str, browser: Browser = None, visitor: Visitor = None
    ) -> Response:
        try:
            return await there.receipt(request, token, Visit(browser, visitor))
        except NotOpened:
            return _to(token)

    @routes.api_route("/{token}/state", methods=reading, name="pay_state")
    async def state(token: str, browser: Browser = None, visitor: Visitor = None) -> dict[str, str]:
        try:
            return await there.state(token, Visit(browser, visitor))
        except NotOpened:
            raise NotFound from None

    return routes
