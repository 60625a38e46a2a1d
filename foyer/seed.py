"""The first rows of a city: its office, its lanes, and the first clerk."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from foundation.db import new_id
from foyer.wiring import House
from people.models import City, Office, Staff

FIRST_LOGIN = "admin"


@dataclass(frozen=True)
class FirstAccount:
    """Shown once, kept nowhere."""

    login: str
    password: str


async def seed(house: House) -> FirstAccount | None:
    """Bring the database in line with the city's content. The first account, when it was made just now."""
    async with house.database.every_city() as session:
        city = await _city(session, house)
    async with house.database.city(city.id) as session:
        office = await _office(session, house)
        await house.booking.prepare_lanes(session, office.id)
        return await _first_account(session, house, office)


async def _city(session: AsyncSession, house: House) -> City:
    slug = house.content.city.slug
    city = await session.scalar(select(City).where(City.slug == slug))
    if city is None:
        city = City(id=new_id(), slug=slug, name=house.content.city.names["de"])
        session.add(city)
    return city


async def _office(session: AsyncSession, house: House) -> Office:
    wanted = house.content.city.office
    office = await session.scalar(select(Office).where(Office.slug == wanted.id))
    if office is None:
        office = Office(id=new_id(), slug=wanted.id, name=wanted.name["de"], zone=wanted.zone)
        session.add(office)
    office.name, office.zone = wanted.name["de"], wanted.zone
    await session.flush()
    return office


async def _first_account(session: AsyncSession, house: House, office: Office) -> FirstAccount | None:
    if await session.scalar(select(Staff.id).limit(1)):
        return None
    _, password = await house.people.create_staff(
        session,
        office,
        login=FIRST_LOGIN,
        name="Admin",
        roles=["admin", "clerk"],
        languages=list(house.content.city.languages),
    )
    return FirstAccount(FIRST_LOGIN, password)
