"""Clerks who press at the same moment, and people who join twice at once."""

import asyncio

import pytest
from sqlalchemy import select

from conversation.models import Case
from escalation.models import Waiting
from escalation.service import AlreadyAdmitted
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.events import events_of
from tests.support.desk import Bureau, sample_bureau
from tests.support.factory import Factory, SampleCity


@pytest.fixture
def bureau(vault: Vault, clock: FixedClock, make: Factory) -> Bureau:
    return sample_bureau(vault, clock, make)


async def test_two_clerks_press_at_once_and_one_has_the_person(
    database: Database, city: SampleCity, bureau: Bureau
) -> None:
    clerks = (city.clerk, city.second_clerk)
    async with database.city(city.id) as session:
        cases = [await bureau.join(session, await bureau.person(session)) for _ in range(10)]
        waiting = await bureau.escalation.waiting(session, city.office.id)

    async def press(number: int, clerk: int) -> str | None:
        try:
            async with database.city(city.id) as session:
                await bureau.escalation.admit(session, waiting[number].id, clerks[clerk])
        except AlreadyAdmitted as refused:
            return str(refused.params["name"])
        return None

    answers = await asyncio.gather(*(press(number, clerk) for number in range(10) for clerk in (0, 1)))
    async with database.city(city.id) as session:
        for number, case in enumerate(cases):
            holder = (await session.get_one(Case, case.id)).holder_id
            winner = next(clerk for clerk in clerks if clerk.id == holder)
            pair = answers[2 * number : 2 * number + 2]
            assert pair[clerks.index(winner)] is None
            assert pair[1 - clerks.index(winner)] == winner.name
        assert len(await events_of(session, "case.admitted")) == 10


async def test_joining_twice_at_once_takes_one_place(
    database: Database, city: SampleCity, bureau: Bureau
) -> None:
    async with database.city(city.id) as session:
        thread = await bureau.person(session)

    async def join() -> None:
        async with database.city(city.id) as session:
            await bureau.join(session, await bureau.conversations.conversation(session, thread.id))

    await asyncio.gather(*(join() for _ in range(8)))
    async with database.city(city.id) as session:
        assert len(list(await session.scalars(select(Waiting)))) == 1
