"""The page behind a case's link: see, change and cancel the appointment. GET shows, POST acts."""

import secrets
import uuid
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from booking.calendar import CANCEL, NAME, CalendarFiles, method_of
from booking.jobs import Notices
from booking.models import Appointment
from booking.service import Booking, NoSuchSlot, SlotTaken, within_of
from booking.slots import Slot, when_text
from conversation.links import Entered, Links, Visit
from conversation.models import Case
from dialogue.state import State
from foundation.content_models import CityContent, Service
from foundation.db import Database
from foundation.errors import FoyerError
from foundation.i18n import Sayable
from foundation.web import COOKIE_SECONDS, Pages

TEMPLATES = Path(__file__).parent / "templates"
ROOM = "citizen"
BROWSER_COOKIE = "foyer_browser"
VISITOR_COOKIE = "foyer_visitor"
LATEST_PAGE = 100
STAMP = "%Y%m%dT%H%MZ"

Browser = Annotated[str | None, Cookie(alias=BROWSER_COOKIE, max_length=100)]
Visitor = Annotated[str | None, Cookie(alias=VISITOR_COOKIE, max_length=100)]


class NotOpened(Exception):
    """This browser has not opened the link yet."""


class NothingToShow(FoyerError):
    """The case has no appointment (any more) that could be changed."""

    status = 409
    key = "booking.none"


@dataclass(frozen=True)
class AppointmentPages:
    """What the pages work with."""

    database: Database
    pages: Pages
    city_id: uuid.UUID
    links: Links
    booking: Booking
    notices: Notices
    calendars: CalendarFiles
    content: CityContent

    # -- showing -----------------------------------------------------------------------------------

    async def show(self, request: Request, token: str, visit: Visit, done: str | None) -> Response:
        """The appointment for the person's browser, a neutral page with a button for any other."""
        async with self.database.city(self.city_id) as session:
            case = await self.links.case_to_open(session, token)
            if not await self.links.is_bound(session, case, visit):
                return self._page(request, "entrance", token)
            if await self.links.is_to_read(session, token):
                here = await self.links.reads_here(session, case, visit.visitor)
                return _to_chat() if here else self._page(request, "entrance", token)
            shown = await self._appointment(session, case, self.pages.language(request))
        return self._page(request, "appointment", token, done=done, **shown)

    async def ask_code(self, request: Request, token: str, problem: str | None = None) -> Response:
        async with self.database.city(self.city_id) as session:
            await self.links.case_to_open(session, token)
        return self._page(request, "code", token, status=422 if problem else 200, problem=problem)

    async def choose(self, request: Request, token: str, visit: Visit, page: int) -> Response:
        """Free slots, best first."""
        async with self.database.city(self.city_id) as session:
            case, appointment = await self._own(session, token, visit)
            slots = await self.booking.offer(
                session,
                case.office_id,
                appointment.service,
                zone=appointment.zone,
                page=page,
                within=within_of(appointment),
            )
        return self._choice(request, token, appointment, slots, page=page)

    async def ask_cancel(self, request: Request, token: str, visit: Visit) -> Response:
        async with self.database.city(self.city_id) as session:
            _, appointment = await self._own(session, token, visit)
        when = self.notices.when(appointment, self.pages.language(request))
        return self._page(request, "cancel", token, number=appointment.number, when=when)

    async def file(self, request: Request, token: str, visit: Visit) -> Response:
        """The calendar file, in the language of the request."""
        async with self.database.city(self.city_id) as session:
            case, appointment = await self._own(session, token, visit, "booked", "cancelled")
            invitation = await self.notices.invitation(session, case, self.pages.language(request))
        data = self.calendars.file(appointment, invitation, now=self.links.conversations.clock.now())
        kind = f"text/calendar; charset=utf-8; method={method_of(appointment)}"
        return Response(
            data, headers={"Content-Disposition": f'attachment; filename="{NAME}"'}, media_type=kind
        )

    # -- acting ------------------------------------------------------------------------------------

    async def open(self, token: str, visit: Visit) -> Response:
        """Bind this browser, or send it to the code that was just sent."""
        browser = secrets.token_urlsafe(32)
        async with self.database.city(self.city_id) as session:
            case = await self.links.case_to_open(session, token)
            known = await self.links.is_bound(session, case, visit)
            bound = known or await self.links.bind(session, case, browser)
            visitor = await self.links.show_thread(session, case, visit.visitor) if bound else None
        response = self._inside(token, visitor) if bound else _to(f"{token}/code")
        if not known:
            self._remember(response, BROWSER_COOKIE, browser, "/a")
        return response

    async def enter(self, request: Request, token: str, visit: Visit, code: str) -> Response:
        visitor = None
        async with self.database.city(self.city_id) as session:
            case = await self.links.case_to_open(session, token)
            entered = (
                await self.links.enter(session, case, visit.browser, code) if visit.browser else Entered.OVER
            )
            if entered is Entered.BOUND:
                visitor = await self.links.show_thread(session, case, visit.visitor)
        if entered is Entered.BOUND:
            return self._inside(token, visitor)
        return await self.ask_code(request, token, f"link.code_{entered.value}")

    async def change(self, request: Request, token: str, visit: Visit, start: str) -> Response:
        """Move the appointment, or show what is free instead."""
        try:
            async with self.database.city(self.city_id) as session:
                _, appointment = await self._own(session, token, visit)
                before = appointment.sequence
                moved = await self.booking.change(session, appointment.id, _instant(start))
                if moved.sequence != before:
                    await self.notices.chat(session, moved, "changed")
        except SlotTaken as taken:
            async with self.database.city(self.city_id) as session:
                _, appointment = await self._own(session, token, visit)
            return self._choice(request, token, appointment, taken.next_slots, problem=taken)
        return _to(f"{token}?done=changed")

    async def cancel(self, token: str, visit: Visit) -> Response:
        """Cancel; a second press finds it cancelled."""
        async with self.database.city(self.city_id) as session:
            _, appointment = await self._own(session, token, visit, "booked", "cancelled")
            cancelled = await self.booking.cancel(session, appointment.id)
            await self.notices.chat(session, cancelled, "cancelled")
        return _to(f"{token}?done=cancelled")

    def _inside(self, token: str, visitor: str | None) -> Response:
        """Back to the link, with the key to the thread in the chat page."""
        response = _to(token)
        if visitor is not None:
            self._remember(response, VISITOR_COOKIE, visitor, "/")
        return response

    def _remember(self, response: Response, name: str, value: str, path: str) -> None:
        secure = self.pages.settings.secure_cookies
        response.set_cookie(
            name,
            value,
            max_age=COOKIE_SECONDS,
            path=path,
            httponly=True,
            samesite="lax",
            secure=secure,
        )

    # -- parts -------------------------------------------------------------------------------------

    async def _own(
        self, session: AsyncSession, token: str, visit: Visit, *states: str
    ) -> tuple[Case, Appointment]:
        """The appointment of a bound browser's case, in one of `states` (none: booked).

        Errors: LinkOver, NotOpened, NothingToShow.
        """
        case = await self.links.case(session, token)
        if not await self.links.is_bound(session, case, visit):
            raise NotOpened
        appointment = await self.booking.of_case(session, case.id)
        if appointment is None or appointment.status not in (states or ("booked",)):
            raise NothingToShow
        return case, appointment

    async def _appointment(self, session: AsyncSession, case: Case, language: str) -> dict[str, Any]:
        appointment = await self.booking.of_case(session, case.id)
        shown = appointment if appointment and appointment.status in ("booked", "cancelled") else None
        service = self.content.services.get(shown.service) if shown else None
        return {
            "appointment": shown,
            "cancelled": shown is not None and method_of(shown) == CANCEL,
            "when": self.notices.when(shown, language) if shown else None,
            "service": service.names[language] if service else None,
            "papers": await self._papers(session, case, service, language) if service else [],
        }

    async def _papers(
        self, session: AsyncSession, case: Case, service: Service, language: str
    ) -> list[dict[str, str | None]]:
        """What to have at hand, by the person's own answers at the gate."""
        items = service.checklist_for(await self._answers(session, case, service.id))
        return [
            {"name": item.document.label(language), "note": item.note[language] if item.note else None}
            for item in items
        ]

    async def _answers(self, session: AsyncSession, case: Case, service: str) -> Mapping[str, str]:
        conversations, answers = self.links.conversations, dict[str, str]()
        for thread in await conversations.threads_of(session, case):
            if thread.state is not None:
                place = f"conversation.state:{thread.id}"
                state = State.from_json(await conversations.vault.open(session, place, thread.state))
                answers |= state.answers.get(service, {})
        return answers

    def _choice(
        self,
        request: Request,
        token: str,
        appointment: Appointment,
        slots: list[Slot] | tuple[Slot, ...],
        *,
        page: int = 0,
        problem: SlotTaken | None = None,
    ) -> Response:
        language = self.pages.language(request)
        return self._page(
            request,
            "change",
            token,
            status=problem.status if problem else 200,
            problem=problem.key if problem else None,
            number=appointment.number,
            when=self.notices.when(appointment, language),
            slots=[(_stamp(slot.start), self._when(slot, appointment, language)) for slot in slots],
            next_page=page + 1 if slots and page < LATEST_PAGE else None,
            first_page=page == 0,
        )

    def _when(self, slot: Slot, appointment: Appointment, language: str) -> Sayable:
        return when_text(
            slot.start,
            office_zone=self.content.city.office.zone,
            office_place=self.content.city.names[language],
            person_zone=appointment.zone,
        )

    def _page(
        self, request: Request, name: str, token: str, *, status: int = 200, **context: Any
    ) -> Response:
        return self.pages.page(request, f"{ROOM}/{name}.html", status=status, link=f"/a/{token}", **context)


async def _opened(token: str, answer: Awaitable[Response]) -> Response:
    """The answer, or the entrance for a browser that has not opened the link yet."""
    try:
        return await answer
    except NotOpened:
        return _to(token)


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(f"/a/{path}", status_code=303)


def _to_chat() -> RedirectResponse:
    return RedirectResponse("/", status_code=303)


def _stamp(start: datetime) -> str:
    return start.astimezone(UTC).strftime(STAMP)


def _instant(stamp: str) -> datetime:
    """Errors: NoSuchSlot."""
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise NoSuchSlot from None


def router(there: AppointmentPages) -> APIRouter:
    """Everything below /a/<token>."""
    routes = APIRouter(prefix="/a", include_in_schema=False)
    reading = ["GET", "HEAD"]

    @routes.api_route("/{token}", methods=reading, name="appointment")
    async def show(
        request: Request,
        token: str,
        browser: Browser = None,
        visitor: Visitor = None,
        done: Annotated[str | None, Query(pattern="^(changed|cancelled)$")] = None,
    ) -> Response:
        return await there.show(request, token, Visit(browser, visitor), done)

    @routes.post("/{token}/open", name="appointment_open")
    async def open_link(token: str, browser: Browser = None, visitor: Visitor = None) -> Response:
        return await there.open(token, Visit(browser, visitor))

    @routes.api_route("/{token}/code", methods=reading, name="appointment_code")
    async def code_page(request: Request, token: str) -> Response:
        return await there.ask_code(request, token)

    @routes.post("/{token}/code", name="appointment_enter")
    async def enter(
        request: Request,
        token: str,
        code: Annotated[str, Form(max_length=20)],
        browser: Browser = None,
        visitor: Visitor = None,
    ) -> Response:
        return await there.enter(request, token, Visit(browser, visitor), code)

    @routes.api_route("/{token}/change", methods=reading, name="appointment_choose")
    async def choose(
        request: Request,
        token: str,
        browser: Browser = None,
        visitor: Visitor = None,
        page: Annotated[int, Query(ge=0, le=LATEST_PAGE)] = 0,
    ) -> Response:
        return await _opened(token, there.choose(request, token, Visit(browser, visitor), page))

    @routes.post("/{token}/change", name="appointment_change")
    async def change(
        request: Request,
        token: str,
        start: Annotated[str, Form(max_length=20)],
        browser: Browser = None,
        visitor: Visitor = None,
    ) -> Response:
        return await _opened(token, there.change(request, token, Visit(browser, visitor), start))

    @routes.api_route("/{token}/cancel", methods=reading, name="appointment_ask_cancel")
    async def ask_cancel(
        request: Request, token: str, browser: Browser = None, visitor: Visitor = None
    ) -> Response:
        return await _opened(token, there.ask_cancel(request, token, Visit(browser, visitor)))

    @routes.post("/{token}/cancel", name="appointment_cancel")
    async def cancel(token: str, browser: Browser = None, visitor: Visitor = None) -> Response:
        return await _opened(token, there.cancel(token, Visit(browser, visitor)))

    @routes.api_route(f"/{{token}}/{NAME}", methods=reading, name="appointment_file")
    async def file(
        request: Request, token: str, browser: Browser = None, visitor: Visitor = None
    ) -> Response:
        return await _opened(token, there.file(request, token, Visit(browser, visitor)))

    return routes
