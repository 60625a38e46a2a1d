"""The call page of a citizen, below the case's link: GET shows, POST and the socket act, for bound browsers only."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.links import Links, Visit
from conversation.models import Case
from conversation.ports import Inbound
from conversation.service import Conversations
from escalation.service import Escalation
from foundation import live
from foundation.db import Database
from foundation.errors import FoyerError
from foundation.i18n import direction
from foundation.web import Pages
from pages.citizen.routes import ROOM, AppointmentPages, Browser, Visitor
from people.models import Staff
from web_call.echo import Echoes
from web_call.files import CaseFiles
from web_call.ice import Turn
from web_call.service import CITIZEN, Calls, call_stream
from web_call.signalling import NOT_ALLOWED, Line
from web_call.transfer import file_json

Json = dict[str, Any]
TEXTS = ("call.", "file.", "error.", "chat.place", "chat.minutes")
"""Key prefixes of the browser's bundle "call"."""
NEWEST = 200
"""Messages of the thread that are shown beside the call."""


class NotYourBrowser(FoyerError):
    """This browser has not opened the link."""

    status = 403
    key = "error.not_allowed"


class Offer(BaseModel):
    sdp: str = Field(min_length=1, max_length=60_000)


class Said(BaseModel):
    """`id` is the browser's own; sent twice, it is still one message."""

    id: uuid.UUID
    text: str = Field(min_length=1, max_length=8000)


@dataclass(frozen=True)
class CallPages:
    """What the call page works with."""

    database: Database
    hub: live.Hub
    pages: Pages
    city_id: uuid.UUID
    links: Links
    escalation: Escalation
    calls: Calls
    turn: Turn
    files: CaseFiles
    echoes: Echoes
    appointments: AppointmentPages

    @property
    def conversations(self) -> Conversations:
        return self.links.conversations

    async def own(self, session: AsyncSession, token: str, visit: Visit) -> Case:
        """The open case of a bound browser. Errors: LinkOver, NotYourBrowser."""
        case = await self.links.case(session, token)
        if not await self.links.is_bound(session, case, visit):
            raise NotYourBrowser
        return case

    async def show(self, request: Request, token: str, visit: Visit) -> Response:
        """The page, or for a browser that is not bound yet a neutral one with a button."""
        async with self.database.city(self.city_id) as session:
            case = await self.links.case(session, token)
            if not await self.links.is_bound(session, case, visit):
                return self._page(request, "call_entrance", token)
            seq = await live.last_seq(session, call_stream(case.id))
        return self._page(request, "call", token, seq=seq, relay=bool(self.turn))

    async def standing(self, session: AsyncSession, case: Case) -> Json:
        """Who is there, and the place in the waiting room."""
        thread = await self.escalation.thread_of(session, case)
        place = await self.escalation.place(session, thread.id)
        clerk = await session.get(Staff, case.holder_id) if case.holder_id else None
        return {
            "clerk": clerk.name if clerk else None,
            "place": {"position": place.position, "minutes": place.minutes} if place else None,
        }

    async def thread(self, session: AsyncSession, case: Case, token: str) -> list[Json]:
        """The newest messages with their files, and the links that lead elsewhere: to pay, say."""
        here = f"/a/{token}"
        threads = [thread.id for thread in await self.conversations.threads_of(session, case)]
        messages = (await self.conversations.thread(session, threads))[-NEWEST:]
        files = await self.files.by_message(session, [one.id for one in messages])
        return [
            {
                "id": str(one.id),
                "author": one.author,
                "text": one.body.text,
                "at": one.at.isoformat(),
                "lang": one.language,
                "dir": direction(one.language),
                "links": [
                    {"label": link.label, "url": link.url} for link in one.body.links if here not in link.url
                ],
                "files": [file_json(file, f"{here}/files/{file.id}") for file in files.get(one.id, ())],
            }
            for one in messages
        ]

    async def say(self, session: AsyncSession, case: Case, said: Said) -> None:
        """Into the thread, as if written in the person's own messenger."""
        thread = await self.escalation.thread_of(session, case)
        address = await self.conversations.address_of(session, thread)
        inbound = Inbound(
            channel=address.channel,
            external_id=f"call:{case.id}:{said.id}",
            address=await self.conversations.external_of(session, address),
            kind="text",
            text=said.text.replace("\x00", "").strip(),
        )
        await self.conversations.receive(session, self.city_id, inbound)

    def _page(self, request: Request, name: str, token: str, **context: Any) -> Response:
        return self.pages.page(request, f"{ROOM}/{name}.html", link=f"/a/{token}", **context)


def router(there: CallPages) -> APIRouter:
    """Everything below /a/<token>/call."""
    routes = APIRouter(prefix="/a/{token}/call", include_in_schema=False)
    _page(routes, there)
    _acts(routes, there)
    return routes


def _page(routes: APIRouter, there: CallPages) -> None:
    @routes.api_route("", methods=["GET", "HEAD"], name="call")
    async def show(
        request: Request, token: str, browser: Browser = None, visitor: Visitor = None
    ) -> Response:
        return await there.show(request, token, Visit(browser, visitor))

    @routes.post("/open", name="call_open")
    async def open_link(token: str, browser: Browser = None, visitor: Visitor = None) -> Response:
        """Bind this browser, as at the case's page, and come back here."""
        response = await there.appointments.open(token, Visit(browser, visitor))
        if response.headers["location"] == f"/a/{token}":
            response.headers["location"] = f"/a/{token}/call"
        return response

    @routes.websocket("/live", name="call_live")
    async def follow(
        socket: WebSocket,
        token: str,
        after: Annotated[int, Query(ge=0)] = 0,
        browser: Browser = None,
        visitor: Visitor = None,
    ) -> None:
        visit = Visit(browser, visitor)

        async def allowed(session: AsyncSession) -> Case:
            return await there.own(session, token, visit)

        await socket.accept()
        try:
            async with there.database.city(there.city_id) as session:
                case_id = (await allowed(session)).id
        except FoyerError:
            return await socket.close(NOT_ALLOWED)
        line = Line(
            socket, there.database, there.hub, there.calls, there.city_id, case_id, CITIZEN, allowed,
            there.standing,
        )  # fmt: skip
        try:
            await line.run(after)
        except (WebSocketDisconnect, RuntimeError):
            return None  # the browser is gone; it comes back with the last number it saw


def _acts(routes: APIRouter, there: CallPages) -> None:
    @routes.get("/thread", name="call_thread")
    async def thread(token: str, browser: Browser = None, visitor: Visitor = None) -> Json:
        async with there.database.city(there.city_id) as session:
            case = await there.own(session, token, Visit(browser, visitor))
            return {"messages": await there.thread(session, case, token)}

    @routes.post("/messages", name="call_say", status_code=202)
    async def say(token: str, said: Said, browser: Browser = None, visitor: Visitor = None) -> Json:
        async with there.database.city(there.city_id) as session:
            case = await there.own(session, token, Visit(browser, visitor))
            await there.say(session, case, said)
        return {"id": str(said.id)}

    @routes.post("/ice", name="call_ice")
    async def ice(token: str, browser: Browser = None, visitor: Visitor = None) -> Mapping[str, Any]:
        """Fresh credentials for this person and this call."""
        async with there.database.city(there.city_id) as session:
            case = await there.own(session, token, Visit(browser, visitor))
            call = await there.calls.of_case(session, case.id)
            return there.turn.configuration(call.id if call else case.id, CITIZEN)

    @routes.post("/echo", name="call_echo")
    async def echo(token: str, offer: Offer, browser: Browser = None, visitor: Visitor = None) -> Json:
        """For who cannot meet the relay: the server answers the browser itself, for some seconds."""
        async with there.database.city(there.city_id) as session:
            await there.own(session, token, Visit(browser, visitor))
        return {"sdp": await there.echoes.answer(offer.sdp)}
