"""The clerks' pages and their JSON. Every look at a case is written down."""

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response, WebSocket
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Case
from escalation.outcome import NEXT_STEPS, OUTCOMES, Closing, NextStep
from escalation.service import Escalation
from foundation import live
from foundation.db import Database
from foundation.errors import FoyerError, NotAllowed, NotFound, SignInNeeded
from foundation.i18n import Text
from foundation.web import Pages
from pages.desk.live import NOT_SIGNED_IN, DeskSocket
from pages.desk.views import Json, Views
from people.models import Staff
from people.service import (
    CONTENT_ROLES,
    COOKIE,
    SHORTEST_PASSWORD,
    People,
    SignedIn,
    SignInRefused,
    has_role,
    require_role,
)

TEMPLATES = Path(__file__).parent / "templates"
"""The folder to be given to Pages as the room "desk"."""
TEXTS = ("desk.", "outcome.", "next_step.", "error.", "queue.", "call.", "file.")
"""Key prefixes of the browser's bundle "desk"."""


class Said(BaseModel):
    """`key` is made by the desk, so that a message sent twice is one."""

    text: str = Field(max_length=8000)
    key: str = Field(min_length=8, max_length=64, pattern=r"^[\w-]+$")


class StepIn(BaseModel):
    code: str
    by: date | None = None


class ClosingIn(BaseModel):
    outcome: str
    next_steps: list[StepIn] = Field(default_factory=list, max_length=20)
    note: str = Field("", max_length=2000)

    def closing(self) -> Closing:
        return Closing(
            self.outcome, tuple(NextStep(step.code, step.by) for step in self.next_steps), self.note
        )


@dataclass(frozen=True)
class At:
    """A request of a signed-in clerk: the open transaction, who asks, and in which language."""

    session: AsyncSession
    staff: Staff
    language: str


@dataclass(frozen=True)
class Desk:
    """What the desk needs. `city_id` is the city served by this installation."""

    database: Database
    hub: live.Hub
    pages: Pages
    people: People
    escalation: Escalation
    views: Views
    city_id: uuid.UUID

    async def at(self, request: Request) -> AsyncIterator[At]:
        """The dependency of every JSON route. Errors: SignInNeeded, PasswordChangeNeeded, NotAllowed."""
        async with self.database.city(self.city_id) as session:
            staff = await self.people.clerk_of(session, request.cookies.get(COOKIE))
            yield At(session, staff, self.pages.language(request))

    async def case(self, at: At, case_id: uuid.UUID) -> Case:
        """A case of the clerk's own office. Errors: NotFound."""
        case = await at.session.get(Case, case_id)
        if case is None or case.office_id != at.staff.office_id:
            raise NotFound
        return case

    def let_in(self, opened: SignedIn, target: str) -> Response:
        response = RedirectResponse(target, status_code=303)
        response.set_cookie(
            COOKIE,
            opened.token,
            httponly=True,
            samesite="lax",
            secure=self.pages.settings.secure_cookies,
            path="/",
        )
        return response


def router(desk: Desk) -> APIRouter:
    """Sign-in, the desk itself, its JSON below /desk/api and its socket at /desk/live."""
    routes = APIRouter(prefix="/desk", include_in_schema=False)
    _pages(routes, desk)
    _lists(routes, desk)
    _acts(routes, desk)
    _socket(routes, desk)
    return routes


def _pages(routes: APIRouter, desk: Desk) -> None:
    @routes.get("", name="desk")
    async def home(request: Request) -> Response:
        try:
            async with desk.database.city(desk.city_id) as session:
                staff = await desk.people.staff_of(session, request.cookies.get(COOKIE))
        except SignInNeeded:
            return RedirectResponse("/desk/sign-in", status_code=303)
        if staff.must_change_password:
            return RedirectResponse("/desk/password", status_code=303)
        texts_too = has_role(staff, *CONTENT_ROLES)
        if texts_too and not has_role(staff, "clerk"):
            return RedirectResponse("/studio/texts", status_code=303)
        require_role(staff, "clerk")
        return desk.pages.page(request, "desk/desk.html", staff=staff, texts_too=texts_too)

    @routes.get("/sign-in", name="desk_sign_in")
    async def sign_in_page(request: Request) -> Response:
        return desk.pages.page(request, "desk/sign_in.html", problem=None, login="")

    @routes.post("/sign-in", name="desk_signs_in")
    async def sign_in(
        request: Request,
        login: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        try:
            async with desk.database.city(desk.city_id) as session:
                opened = await desk.people.sign_in(session, login, password)
            if opened is None:
                raise SignInRefused
        except FoyerError as error:
            return _again(desk, request, "desk/sign_in.html", error, login=login)
        return desk.let_in(opened, "/desk/password" if opened.staff.must_change_password else "/desk")

    @routes.get("/password", name="desk_password")
    async def password_page(request: Request) -> Response:
        try:
            async with desk.database.city(desk.city_id) as session:
                staff = await desk.people.staff_of(session, request.cookies.get(COOKIE))
        except SignInNeeded:
            return RedirectResponse("/desk/sign-in", status_code=303)
        return desk.pages.page(
            request, "desk/password.html", problem=None, staff=staff, letters=SHORTEST_PASSWORD
        )

    @routes.post("/password", name="desk_sets_password")
    async def set_password(
        request: Request,
        old: Annotated[str, Form(max_length=1000)] = "",
        new: Annotated[str, Form(max_length=1000)] = "",
        again: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        async with desk.database.city(desk.city_id) as session:
            staff = await desk.people.staff_of(session, request.cookies.get(COOKIE))
        try:
            if new != again:
                raise PasswordsDiffer
            async with desk.database.city(desk.city_id) as session:
                staff = await session.get_one(Staff, staff.id)
                opened = await desk.people.change_password(session, staff, old=old, new=new)
            if opened is None:
                raise PasswordWrong
        except FoyerError as error:
            return _again(desk, request, "desk/password.html", error, staff=staff, letters=SHORTEST_PASSWORD)
        return desk.let_in(opened, "/desk")

    @routes.post("/sign-out", name="desk_sign_out")
    async def sign_out(request: Request) -> Response:
        async with desk.database.city(desk.city_id) as session:
            await desk.people.sign_out(session, request.cookies.get(COOKIE))
        response = RedirectResponse("/desk/sign-in", status_code=303)
        response.delete_cookie(COOKIE, path="/")
        return response


def _lists(routes: APIRouter, desk: Desk) -> None:
    # The scope commits before the answer goes out: what the desk is told is then true.
    InRoom = Annotated[At, Depends(desk.at, scope="function")]

    @routes.get("/api/overview", name="desk_overview")
    async def overview(at: InRoom) -> Json:
        return await desk.views.overview(at.session, at.staff, at.language)

    @routes.get("/api/outcomes", name="desk_outcomes")
    async def outcomes(at: InRoom) -> Mapping[str, Any]:
        return {"outcomes": OUTCOMES, "next_steps": NEXT_STEPS}

    @routes.get("/api/cases/{case_id}", name="desk_case")
    async def look(at: InRoom, case_id: uuid.UUID) -> Json:
        case = await desk.case(at, case_id)
        await desk.people.audit(at.session, at.staff, "case.looked", case.id)
        return await desk.views.case(at.session, case, at.staff, at.language)

    @routes.get("/api/cases/{case_id}/thread", name="desk_thread")
    async def thread(at: InRoom, case_id: uuid.UUID) -> Json:
        case = await desk.case(at, case_id)
        if case.holder_id != at.staff.id:  # to hold a case is written down already
            await desk.people.audit(at.session, at.staff, "case.looked", case.id)
        return await desk.views.thread(at.session, case)


def _acts(routes: APIRouter, desk: Desk) -> None:
    # The scope commits before the answer goes out: what the desk is told is then true.
    InRoom = Annotated[At, Depends(desk.at, scope="function")]

    @routes.post("/api/waiting/{waiting_id}/admit", name="desk_admit")
    async def admit(at: InRoom, waiting_id: uuid.UUID) -> Json:
        case = await desk.escalation.admit(at.session, waiting_id, at.staff)
        return {"case_id": str(case.id)}

    @routes.post("/api/cases/{case_id}/take-over", name="desk_take_over")
    async def take_over(at: InRoom, case_id: uuid.UUID) -> Json:
        case = await desk.case(at, case_id)
        await desk.escalation.take_over(at.session, case, at.staff)
        return {"case_id": str(case.id)}

    @routes.post("/api/cases/{case_id}/hand-back", name="desk_hand_back")
    async def hand_back(at: InRoom, case_id: uuid.UUID) -> Json:
        case = await desk.case(at, case_id)
        await desk.escalation.hand_back(at.session, case, at.staff)
        return {"case_id": str(case.id)}

    @routes.post("/api/cases/{case_id}/say", name="desk_say")
    async def say(at: InRoom, case_id: uuid.UUID, said: Said) -> Json:
        case = await desk.case(at, case_id)
        await desk.escalation.say(at.session, case, at.staff, said.text, key=said.key)
        return {"key": said.key}

    @routes.post("/api/cases/{case_id}/summary", name="desk_summary")
    async def summary(at: InRoom, case_id: uuid.UUID, closing: ClosingIn) -> Json:
        case = await desk.case(at, case_id)
        return await desk.escalation.summary(at.session, case, at.staff, closing.closing())

    @routes.post("/api/cases/{case_id}/close", name="desk_close")
    async def close(at: InRoom, case_id: uuid.UUID, closing: ClosingIn) -> Json:
        case = await desk.case(at, case_id)
        return await desk.escalation.close(at.session, case, at.staff, closing.closing())


def _socket(routes: APIRouter, desk: Desk) -> None:
    @routes.websocket("/live", name="desk_live")
    async def follow(socket: WebSocket, after: Annotated[int, Query(ge=0)] = 0) -> None:
        token = socket.cookies.get(COOKIE) or ""
        await socket.accept()
        try:
            async with desk.database.city(desk.city_id) as session:
                staff = await desk.people.clerk_of(session, token, renew=False)
        except (SignInNeeded, NotAllowed):
            return await socket.close(NOT_SIGNED_IN)
        opened = DeskSocket(socket, desk.database, desk.hub, desk.people, desk.escalation, staff, token)
        await opened.run(after)


class PasswordsDiffer(FoyerError):
    status = 422
    key = "staff.passwords_differ"


class PasswordWrong(FoyerError):
    status = 422
    key = "staff.password_wrong"


def _again(desk: Desk, request: Request, template: str, error: FoyerError, **context: Any) -> Response:
    """The same form with what was wrong and what to do."""
    problem = Text(error.key, **error.params)
    return desk.pages.page(request, template, status=error.status, problem=problem, **context)
