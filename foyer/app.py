"""The web application: pages, JSON endpoints and sockets, mounted on one FastAPI."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text

from booking.calendar import CalendarFiles
from bots.telegram import routes as telegram_routes
from bots.telegram.channel import TelegramChannel
from bots.telegram.intake import Intake
from bots.web import routes as chat
from bots.web.limits import Bucket
from bots.web.thread import Threads
from conversation.joining import Joining
from conversation.links import Links
from foundation.content_texts import CityTexts
from foundation.live import Hub
from foundation.web import DIST, Assets, Names, Pages, install
from foyer.wiring import House
from pages.citizen import call as citizen_call
from pages.citizen import files as citizen_files
from pages.citizen import legal, pay
from pages.citizen import routes as citizen
from pages.citizen import telegram as citizen_telegram
from pages.desk import call as desk_call
from pages.desk import fees as desk_fees
from pages.desk import files as desk_files
from pages.desk import routes as desk
from pages.desk.views import Views
from pages.studio import routes as studio
from payments import routes as webhooks
from web_call.echo import Echoes

TEMPLATES = {
    "chat": chat.TEMPLATES,
    citizen.ROOM: citizen.TEMPLATES,
    "desk": desk.TEMPLATES,
    "studio": studio.TEMPLATES,
}
BROWSER_TEXTS: Names = {"chat": ("chat.",), "call": citizen_call.TEXTS, "desk": desk.TEXTS}


async def create_app(house: House) -> FastAPI:
    """The application of one city. It opens its LISTEN connection when it starts to serve."""
    hub = Hub(house.database)
    pages = _pages(house)
    city_id = await house.city_id()
    telegram = _telegram(house, city_id)
    app = FastAPI(
        title="Foyer",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_listening(hub, house, telegram),
        generate_unique_id_function=lambda route: route.name,
    )
    _add_health(app, house)
    if telegram is not None:
        app.include_router(telegram_routes.router(telegram))
    app.include_router(chat.router(_chat(house, hub, pages, city_id)))
    appointments = _appointments(house, pages, city_id)
    app.include_router(citizen.router(appointments))
    calls = _call(house, hub, appointments)
    app.include_router(citizen_call.router(calls))
    app.include_router(citizen_files.router(calls))
    app.include_router(pay.router(_pay(house, pages, city_id)))
    app.include_router(legal.router(pages, house.content, house.switched_on()))
    if isinstance(channel := house.channels.get("telegram"), TelegramChannel):
        app.include_router(citizen_telegram.router(_to_telegram(house, pages, city_id, channel)))
    at_desk = _desk(house, hub, pages, city_id)
    app.include_router(desk.router(at_desk))
    desk_calls = desk_call.DeskCalls(at_desk, house.calls, house.turn(), house.files)
    app.include_router(desk_call.router(desk_calls))
    app.include_router(desk_files.router(desk_calls))
    app.include_router(desk_fees.router(desk_fees.DeskFees(at_desk, house.fees)))
    app.include_router(studio.router(_studio(house, pages, city_id)))
    hooks = webhooks.Webhooks(house.database, house.fees.providers, house.clock, house.fees.defer, city_id)
    app.include_router(webhooks.router(hooks))
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


def _call(house: House, hub: Hub, appointments: citizen.AppointmentPages) -> citizen_call.CallPages:
    return citizen_call.CallPages(
        database=house.database,
        hub=hub,
        pages=appointments.pages,
        city_id=appointments.city_id,
        links=appointments.links,
        escalation=house.escalation,
        calls=house.calls,
        turn=house.turn(),
        files=house.files,
        echoes=Echoes(),
        appointments=appointments,
    )


def _pay(house: House, pages: Pages, city_id: uuid.UUID) -> pay.PayPages:
    return pay.PayPages(
        database=house.database,
        pages=pages,
        city_id=city_id,
        links=Links(house.conversations),
        fees=house.fees,
        settlement=house.settlement(),
    )


def _to_telegram(
    house: House, pages: Pages, city_id: uuid.UUID, channel: TelegramChannel
) -> citizen_telegram.TelegramPage:
    return citizen_telegram.TelegramPage(
        database=house.database,
        pages=pages,
        city_id=city_id,
        joining=Joining(house.conversations),
        username=channel.username,
    )


def _desk(house: House, hub: Hub, pages: Pages, city_id: uuid.UUID) -> desk.Desk:
    views = Views(
        conversations=house.conversations,
        escalation=house.escalation,
        people=house.people,
        booking=house.booking,
        content=house.content,
        clock=house.clock,
        files=house.files,
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


def _studio(house: House, pages: Pages, city_id: uuid.UUID) -> studio.Studio:
    return studio.Studio(
        database=house.database,
        pages=pages,
        people=house.people,
        content=house.content,
        texts=CityTexts(house.settings.content_dir, house.settings.city, house.clock),
        clock=house.clock,
        city_id=city_id,
    )


def _telegram(house: House, city_id: uuid.UUID) -> telegram_routes.Webhook | None:
    """The webhook, if Telegram is to call us."""
    settings, channel = house.settings, house.channels.get("telegram")
    if settings.telegram_secret is None or not settings.telegram_by_webhook:
        return None
    if not isinstance(channel, TelegramChannel):
        return None
    intake = Intake(channel.bot, house.database, house.conversations, city_id)
    return telegram_routes.Webhook(intake, settings.telegram_secret.get_secret_value())


def _listening(hub: Hub, house: House, telegram: telegram_routes.Webhook | None) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with hub:
            tasks = [asyncio.create_task(house.contents.follow(hub), name="content")]
            if telegram:
                tasks.append(asyncio.create_task(_register(house, telegram), name="telegram webhook"))
            yield
            for task in tasks:
                task.cancel()

    return lifespan


async def _register(house: House, telegram: telegram_routes.Webhook) -> None:
    """Tell Telegram where we are, once this process listens."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(house.settings.host, house.settings.port)
            writer.close()
            break
        await asyncio.sleep(0.1)
    await telegram.register(house.settings.public_url, house.content.city.languages)


def _add_health(app: FastAPI, house: House) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        """Answers when the database does."""
        async with house.database.every_city() as session:
            await session.execute(text("SELECT 1"))
        return {"status": "ok"}
