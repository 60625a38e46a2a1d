"""The page from which a talk on the web goes on in Telegram. It shows a link and changes nothing.

The link is made anew at every look, so it stands in no message, and in no address of ours.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import segno
from fastapi import APIRouter, Cookie, Request, Response
from markupsafe import Markup

from conversation.joining import Joining, NothingToJoin
from foundation.db import Database
from foundation.web import Pages

VISITOR_COOKIE = "foyer_visitor"
WEB, TELEGRAM = "web", "telegram"


@dataclass(frozen=True)
class TelegramPage:
    """`username` is the bot's public name, asked of Telegram once."""

    database: Database
    pages: Pages
    city_id: uuid.UUID
    joining: Joining
    username: Callable[[], Awaitable[str]]

    async def show(self, request: Request, visitor: str | None) -> Response:
        """Errors: NothingToJoin, and what `username` raises."""
        token = await self._token(visitor)
        link = f"https://t.me/{await self.username()}?start={token}"
        return self.pages.page(request, "citizen/telegram.html", link=link, code=_drawn(link))

    async def _token(self, visitor: str | None) -> str:
        conversations = self.joining.conversations
        async with self.database.city(self.city_id) as session:
            address = await conversations.find_address(session, WEB, visitor) if visitor else None
            if address is None:
                raise NothingToJoin
            thread = await conversations.conversation_at(session, address)
            return self.joining.token(await self.joining.begun_at(session, thread, TELEGRAM))


def router(page: TelegramPage) -> APIRouter:
    """GET /telegram."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/telegram", methods=["GET", "HEAD"], name="continue_in_telegram")
    async def show(
        request: Request, visitor: Annotated[str | None, Cookie(alias=VISITOR_COOKIE, max_length=100)] = None
    ) -> Response:
        return await page.show(request, visitor)

    return routes


def _drawn(link: str) -> Markup:
    """The link as a QR code, for whoever reads on a desktop and has Telegram on a phone."""
    code = segno.make(link, error="m", micro=False)
    drawn = code.svg_inline(scale=1, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr")
    return Markup(drawn)  # noqa: S704 - drawn by the library from our own link
