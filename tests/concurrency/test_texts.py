"""Two people write the same text at the same moment."""

import asyncio
import uuid

from sqlalchemy import text as sql

from foundation.clock import FixedClock
from foundation.content_edits import Key
from foundation.content_store import newest, version
from foundation.content_texts import CityTexts, TextChanged
from foundation.db import Database
from foundation.settings import ROOT
from tests.support.factory import SampleCity

TITLE = Key("legal/privacy.yaml#title", "tr")


async def somebody_waits(database: Database) -> None:
    """Until another transaction of this database waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        waiting = 0
        while not waiting:
            async with database.every_city() as session:
                waiting = await session.scalar(sql(query)) or 0


async def test_two_write_a_text_at_once_and_one_is_told(
    database: Database, city: SampleCity, clock: FixedClock
) -> None:
    texts = CityTexts(ROOT / "content", "heidelberg", clock)
    async with database.city(city.id) as session:
        seen = (await texts.one(session, TITLE.name)).mark(TITLE.language)

    async def write(words: str, author: uuid.UUID) -> int | None:
        async with database.city(city.id) as session:
            return await texts.write(session, TITLE, words, seen=seen, author_id=author)

    async with database.city(city.id) as first:
        number = await texts.write(first, TITLE, "Bir", seen=seen, author_id=city.clerk.id)
        second = asyncio.create_task(write("İki", city.second_clerk.id))
        await somebody_waits(database)
    answers = await asyncio.gather(second, return_exceptions=True)
    assert number == 1
    assert [type(one) for one in answers] == [TextChanged]
    async with database.city(city.id) as session:
        assert await version(session) == 1
        assert [edit.value for edit in await newest(session)] == ["Bir"]


async def test_many_write_a_text_at_once_and_one_version_comes_of_it(
    database: Database, city: SampleCity, clock: FixedClock
) -> None:
    texts = CityTexts(ROOT / "content", "heidelberg", clock)
    async with database.city(city.id) as session:
        seen = (await texts.one(session, TITLE.name)).mark(TITLE.language)

    async def write(words: str) -> int | None:
        async with database.city(city.id) as session:
            return await texts.write(session, TITLE, words, seen=seen, author_id=city.clerk.id)

    answers = await asyncio.gather(*(write(f"Metin {one}") for one in range(5)), return_exceptions=True)
    assert [one for one in answers if not isinstance(one, TextChanged)] == [1]
    async with database.city(city.id) as session:
        assert await version(session) == 1
