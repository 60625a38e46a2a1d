"""The web application: pages, JSON endpoints and sockets, mounted on one FastAPI."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text

from bots.web import routes as chat
from bots.web.limits import Bucket
from bots.web.thread import Threads
from foundation.live import Hub
from foundation.web import DIST, Assets, Names, Pages, install
from foyer.wiring import House
from pages.desk import routes as desk
from pages.desk.views import Views

TEMPLATES = {"chat": chat.TEMPLATES, "desk": desk.TEMPLATES}
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
    app.include_router(chat.router(await _chat(house, hub, pages)))
    app.include_router(desk.router(await _desk(house, hub, pages)))
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


async def _chat(house: House, hub: Hub, pages: Pages) -> chat.WebChat:
    return chat.WebChat(
        database=house.database,
        hub=hub,
        threads=Threads(house.conversations, house.settings.public_url, house.escalation.place),
        pages=pages,
        city_id=await house.city_id(),
        messages=Bucket(house.clock, burst=30, per_second=1),
        visits=Bucket(house.clock, burst=120, per_second=2),
    )


async def _desk(house: House, hub: Hub, pages: Pages) -> desk.Desk:
    views = Views(
        house.conversations, house.escalation, house.people, house.booking, house.content, house.clock
    )
    return desk.Desk(house.database, hub, pages, house.people, house.escalation, views, await house.city_id())


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
