"""The chat page and its endpoints. A visitor needs no account; a cookie holds the key to their thread."""

import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Cookie, Query, Request, Response, WebSocket
from pydantic import BaseModel, Field

from bots.web.channel import NAME
from bots.web.limits import Bucket
from bots.web.socket import NOT_SIGNED_IN, Line
from bots.web.thread import Threads, is_token, visitor_digest
from conversation.ports import Inbound
from foundation.db import Database
from foundation.errors import FoyerError, Invalid, SignInNeeded
from foundation.faults import reached
from foundation.live import Hub
from foundation.web import COOKIE_SECONDS, Pages

TEMPLATES = Path(__file__).parent / "templates"
COOKIE = "foyer_visitor"
LONGEST_TEXT = 10_000
LONGEST_CHOICE = 200


class TextTooLong(FoyerError):
    """`limit` is the number of characters that are allowed."""

    status = 413
    key = "chat.too_long"


class Start(BaseModel):
    language: str | None = None


class Said(BaseModel):
    """`id` is the browser's own; sent twice, it is still one message."""

    id: uuid.UUID
    kind: Literal["text", "choice"]
    text: str = ""
    choice: str | None = Field(default=None, max_length=LONGEST_CHOICE)

    def checked(self) -> "Said":
        """Errors: TextTooLong, Invalid."""
        self.text = self.text.replace("\x00", "").strip()
        if len(self.text) > LONGEST_TEXT:
            raise TextTooLong(limit=LONGEST_TEXT)
        if not (self.choice if self.kind == "choice" else self.text):
            raise Invalid(field="text")
        return self


@dataclass(frozen=True)
class WebChat:
    """What the chat's endpoints work with. `messages` limits a visitor, `visits` an address of the network."""

    database: Database
    hub: Hub
    threads: Threads
    pages: Pages
    city_id: uuid.UUID
    messages: Bucket
    visits: Bucket


Visitor = Annotated[str | None, Cookie(alias=COOKIE)]


def router(chat: WebChat) -> APIRouter:
    """GET / and everything below /chat."""
    routes = APIRouter()

    @routes.api_route("/", methods=["GET", "HEAD"], name="chat", include_in_schema=False)
    async def page(request: Request, visitor: Visitor = None) -> Response:
        return chat.pages.page(request, "chat/page.html", known=visitor is not None, limit=LONGEST_TEXT)

    @routes.post("/chat/start", name="start_chat")
    async def start(
        said: Start, request: Request, response: Response, visitor: Visitor = None
    ) -> dict[str, Any]:
        """Begin a thread, or come back to it; the first call gives the visitor their cookie."""
        token = visitor if is_token(visitor) else _new_visitor(chat, request, response)
        language = said.language or chat.pages.language(request)
        inbound = Inbound(NAME, f"start:{visitor_digest(token)}", token, "start", language=language)
        async with chat.database.city(chat.city_id) as session:
            received = await chat.threads.conversations.receive(session, chat.city_id, inbound)
        return {"conversation": str(received.conversation_id)}

    @routes.post("/chat/messages", name="send_message", status_code=202)
    async def say(said: Said, request: Request, visitor: Visitor = None) -> dict[str, Any]:
        """Store a message; the answer means that it will not be lost."""
        if not is_token(visitor):
            raise SignInNeeded
        chat.messages.take(visitor_digest(visitor))
        said = said.checked()
        inbound = Inbound(
            channel=NAME,
            external_id=f"{visitor_digest(visitor)}:{said.id}",
            address=visitor,
            kind=said.kind,
            text=said.text,
            choice=said.choice if said.kind == "choice" else None,
            language=chat.pages.language(request),
        )
        async with chat.database.city(chat.city_id) as session:
            await chat.threads.of_visitor(session, visitor)
            await chat.threads.conversations.receive(session, chat.city_id, inbound)
        reached("inbox.stored")
        return {"id": str(said.id)}

    @routes.websocket("/chat/live", name="chat_live")
    async def follow(
        socket: WebSocket, after: Annotated[int, Query(ge=0)] = 0, visitor: Visitor = None
    ) -> None:
        """Frames of the visitor's own thread above `after`."""
        await socket.accept()
        try:
            async with chat.database.city(chat.city_id) as session:
                thread_id = (await chat.threads.of_visitor(session, visitor)).id
        except SignInNeeded:
            await socket.close(NOT_SIGNED_IN)
            return
        await Line(socket, chat.database, chat.hub, chat.threads, chat.city_id, thread_id).run(after)

    @routes.get("/chat/files/{message_id}/{number}", name="chat_file")
    async def file(message_id: uuid.UUID, number: int, visitor: Visitor = None) -> Response:
        """A file of the visitor's own thread, to be saved."""
        async with chat.database.city(chat.city_id) as session:
            thread = await chat.threads.of_visitor(session, visitor)
            found = await chat.threads.attachment(session, thread, message_id, number)
        disposition = f"attachment; filename*=UTF-8''{quote(found.name)}"
        return Response(found.data, media_type=found.media_type, headers={"Content-Disposition": disposition})

    return routes


def _new_visitor(chat: WebChat, request: Request, response: Response) -> str:
    chat.visits.take(request.client.host if request.client else "")
    token = secrets.token_urlsafe(32)
    response.set_cookie(
        COOKIE,
        token,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=chat.pages.settings.secure_cookies,
    )
    return token
