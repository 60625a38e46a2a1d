"""The clerk's side of a call: its socket, its credentials, and the window it can be moved to."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Case
from escalation.service import NotTheHolder
from foundation import live
from foundation.errors import FoyerError, NotFound, SignInNeeded
from pages.desk.routes import At, Desk
from people.models import Staff
from people.service import COOKIE, PasswordChangeNeeded
from web_call.files import CaseFiles
from web_call.ice import Turn
from web_call.service import CLERK, Calls, call_stream
from web_call.signalling import NOT_ALLOWED, Line

Json = dict[str, Any]


@dataclass(frozen=True)
class DeskCalls:
    """What the clerk's side of a call works with."""

    desk: Desk
    calls: Calls
    turn: Turn
    files: CaseFiles

    async def held(self, session: AsyncSession, staff: Staff, case_id: uuid.UUID) -> Case:
        """A case this clerk holds. Errors: NotFound, NotTheHolder."""
        case = await session.get(Case, case_id)
        if case is None or case.office_id != staff.office_id:
            raise NotFound
        if case.holder_id != staff.id:
            raise NotTheHolder(number=case.number)
        return case

    async def standing(self, session: AsyncSession, case: Case) -> Json:
        return {}


def router(there: DeskCalls) -> APIRouter:
    """/desk/call/…"""
    routes = APIRouter(prefix="/desk/call", include_in_schema=False)
    desk = there.desk
    InRoom = Annotated[At, Depends(desk.at, scope="function")]

    @routes.get("/{case_id}", name="desk_call")
    async def window(request: Request, case_id: uuid.UUID) -> Response:
        """The call alone, for the second screen."""
        try:
            async with desk.database.city(desk.city_id) as session:
                staff = await desk.people.clerk_of(session, request.cookies.get(COOKIE))
                case = await there.held(session, staff, case_id)
        except SignInNeeded:
            return RedirectResponse("/desk/sign-in", status_code=303)
        except PasswordChangeNeeded:
            return RedirectResponse("/desk/password", status_code=303)
        return desk.pages.page(request, "desk/call.html", case=case)

    @routes.get("/{case_id}/start", name="desk_call_start")
    async def start(at: InRoom, case_id: uuid.UUID) -> Json:
        """The number of the last signal: what is older does not concern a page that is opened now."""
        case = await there.held(at.session, at.staff, case_id)
        return {"seq": await live.last_seq(at.session, call_stream(case.id)), "relay": bool(there.turn)}

    @routes.post("/{case_id}/ice", name="desk_call_ice")
    async def ice(at: InRoom, case_id: uuid.UUID) -> Mapping[str, Any]:
        case = await there.held(at.session, at.staff, case_id)
        call = await there.calls.of_case(at.session, case.id)
        return there.turn.configuration(call.id if call else case.id, CLERK)

    @routes.websocket("/{case_id}/live", name="desk_call_live")
    async def follow(socket: WebSocket, case_id: uuid.UUID, after: Annotated[int, Query(ge=0)] = 0) -> None:
        token = socket.cookies.get(COOKIE) or ""

        async def allowed(session: AsyncSession) -> Case:
            staff = await desk.people.clerk_of(session, token, renew=False)
            return await there.held(session, staff, case_id)

        await socket.accept()
        try:
            async with desk.database.city(desk.city_id) as session:
                await allowed(session)
        except FoyerError:
            return await socket.close(NOT_ALLOWED)
        line = Line(
            socket,
            desk.database,
            desk.hub,
            there.calls,
            desk.city_id,
            case_id,
            CLERK,
            allowed,
            there.standing,
        )
        try:
            await line.run(after)
        except (WebSocketDisconnect, RuntimeError):
            return None  # the browser is gone; it comes back with the last number it saw

    return routes
