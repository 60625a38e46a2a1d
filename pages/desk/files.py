"""Files of a case at the desk: every look at one is written down."""

import uuid
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Request, Response

from foundation.faults import reached
from foundation.files import cleaned, taken_in
from pages.desk.call import DeskCalls
from pages.desk.routes import At
from people.models import Staff
from people.service import COOKIE
from web_call.transfer import FileName, download, file_json

Json = dict[str, Any]


def router(there: DeskCalls) -> APIRouter:
    """/desk/api/cases/<case>/files/<id>"""
    routes = APIRouter(prefix="/desk/api/cases/{case_id}/files", include_in_schema=False)
    desk = there.desk
    InRoom = Annotated[At, Depends(desk.at, scope="function")]

    @routes.get("/{file_id}", name="desk_file")
    async def give(at: InRoom, case_id: uuid.UUID, file_id: uuid.UUID) -> Response:
        case = await desk.case(at, case_id)
        found, data = await there.files.open(at.session, case, file_id)
        await desk.people.audit(at.session, at.staff, "file.looked", case.id, detail=str(file_id))
        return download(found, data)

    @routes.put("/{file_id}", name="desk_file_put", status_code=201)
    async def take(request: Request, case_id: uuid.UUID, file_id: uuid.UUID, name: FileName = "") -> Json:
        """No transaction is open while the file comes in."""
        token = request.cookies.get(COOKIE)
        async with desk.database.city(desk.city_id) as session:
            staff = await desk.people.clerk_of(session, token)
            await there.held(session, staff, case_id)
        clean = await cleaned(await taken_in(request.stream()))
        async with desk.database.city(desk.city_id) as session:
            staff = await session.get_one(Staff, staff.id)
            case = await there.held(session, staff, case_id)
            thread = await desk.escalation.thread_of(session, case)
            kept = await there.files.take(session, case, thread, file_id, unquote(name), clean, staff=staff)
            await desk.people.audit(session, staff, "file.sent", case.id, detail=str(file_id))
            reached("file.received")
        return file_json(kept, f"/desk/api/cases/{case_id}/files/{kept.id}")

    return routes
