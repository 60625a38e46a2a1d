"""A person's files, below the case's link: GET gives one out, PUT takes one in, for bound browsers only."""

import uuid
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request, Response

from conversation.links import Visit
from foundation.faults import reached
from foundation.files import cleaned, taken_in
from pages.citizen.call import CallPages
from pages.citizen.routes import Browser, Visitor
from web_call.transfer import FileName, download, file_json

Json = dict[str, Any]


def router(there: CallPages) -> APIRouter:
    """/a/<token>/files/<id>"""
    routes = APIRouter(prefix="/a/{token}/files", include_in_schema=False)

    @routes.api_route("/{file_id}", methods=["GET", "HEAD"], name="case_file")
    async def give(
        token: str, file_id: uuid.UUID, browser: Browser = None, visitor: Visitor = None
    ) -> Response:
        async with there.database.city(there.city_id) as session:
            case = await there.own(session, token, Visit(browser, visitor))
            return download(*await there.files.open(session, case, file_id))

    @routes.put("/{file_id}", name="case_file_put", status_code=201)
    async def take(
        request: Request,
        token: str,
        file_id: uuid.UUID,
        name: FileName = "",
        browser: Browser = None,
        visitor: Visitor = None,
    ) -> Json:
        visit = Visit(browser, visitor)
        async with there.database.city(there.city_id) as session:
            await there.own(session, token, visit)  # before a byte is read
        clean = await cleaned(await taken_in(request.stream()))
        async with there.database.city(there.city_id) as session:
            case = await there.own(session, token, visit)
            thread = await there.escalation.thread_of(session, case)
            kept = await there.files.take(session, case, thread, file_id, unquote(name), clean)
            reached("file.received")
        return file_json(kept, f"/a/{token}/files/{kept.id}")

    return routes
