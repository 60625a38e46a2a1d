"""The web application: pages, JSON endpoints and sockets, mounted on one FastAPI."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text

from booking.calendar import CalendarFiles
from bots.web import routes as chat
from bots.web.limits import Bucket
from bots.web.thread import Threads
from conversation.links import Links
from foundation.live import Hub
from foundation.web import DIST, Assets, Names, Pages, install
from foyer.wiring import House
from pages.citizen import legal
from pages.citizen import routes as citizen
from pages.desk import routes as desk
from pages.desk.views import Views

TEMPLATES = {"chat": chat.TEMPLATES, citizen.ROOM: citizen.TEMPLATES, "desk": desk.TEMPLATES}
BROWSER_TEXTS: Names = {"chat": ("chat.",), "desk": desk.TEXTS}


async def create_app(house: House) -> FastAPI:
    """The application of one city. It opens its LISTEN connection when it starts to serve."""
    hub = Hub(house.database)
    pages = _pages(house)
    app = FastAPI(
        title="Foyer",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_listening(hub),
        generate_unique_id_function=lambda route: route.name,
    )
    _add_health(app, house)
    city_id = await house.city_id()
    app.include_router(chat.router(_chat(house, hub, pages, city_id)))
    app.include_router(citizen.router(_appointments(house, pages, city_id)))
    app.include_router(legal.router(pages, house.content))
    app.include_router(desk.router(_desk(house, hub, pages, city_id)))
    install(app, pages)
    return app


def _pages(house: House) -> Pages:
    return Pages(
        settings=house.settings,
        catalogue=house.catalogue,
        languages=house.content.city.languages,
        templates=TEMPLATES,
        names=BROWSER_TEXTS,
        shared=lambda language: _shared(house, language),
        assets=Assets(DIST),
    )


def _shared(house: House, language: str) -> Mapping[str, Any]:
    city = house.content.city
    return {
        "office_name": city.office.name[language],
        "city_name": city.names[language],
        "sample": city.sample,
    }


def _chat(house: House, hub: Hub, pages: Pages, city_id: uuid.UUID) -> chat.WebChat:
    return chat.WebChat(
        database=house.database,
        hub=hub,
        threads=Threads(house.conversations, house.settings.public_url, house.escalation.place),
        pages=pages,
        city_id=city_id,
        messages=Bucket(house.clock, burst=30, per_second=1),
        visits=Bucket(house.clock, burst=120, per_second=2),
    )


def _appointments(house: House, pages: Pages, city_id: uuid.UUID) -> citizen.AppointmentPages:
    return citizen.AppointmentPages(
        database=house.database,
        pages=pages,
        city_id=city_id,
        links=Links(house.conversations),
        booking=house.booking,
        notices=house.notices,
        calendars=CalendarFiles(house.catalogue),
        content=house.content,
    )


def _desk(house: House, hub: Hub, pages: Pages, city_id: uuid.UUID) -> desk.Desk:
    views = Views(
        conversations=house.conversations,
        escalation=house.escalation,
        people=house.people,
        booking=house.booking,
        content=house.content,
        clock=house.clock,
    )
    return desk.Desk(
        database=house.database,
        hub=hub,
        pages=pages,
        people=house.people,
        escalation=house.escalation,
        views=views,
        city_id=city_id,
    )


def _listening(hub: Hub) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with hub:
            yield

    return lifespan


def _add_health(app: FastAPI, house: House) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        """Answers when the database does."""
        async with house.database.every_city() as session:
            await session.execute(text("SELECT 1"))
        return {"status": "ok"}
