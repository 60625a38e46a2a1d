"""Jobs exist with the transaction that deferred them, survive a killed worker, and hold no words."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from foundation import jobs
from foundation.clock import FixedClock
from foundation.crypto import DataKey, Forgotten, Vault
from foundation.db import Database
from foundation.events import Event, Events, Subscriptions
from tests.support.factory import Factory, SampleCity


async def waiting(database: Database) -> int:
    async with database.every_city() as session:
        return await session.scalar(text("SELECT count(*) FROM procrastinate_jobs")) or 0


@contextlib.asynccontextmanager
async def working(
    database: Database, events: Events, clock: FixedClock, **tasks: jobs.Task
) -> AsyncIterator[None]:
    worker = asyncio.create_task(jobs.run_worker(database, events, clock, tasks=tasks))
    try:
        yield
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker


async def quiet(database: Database) -> None:
    """Wait until no job is left."""
    async with await database.connect() as connection:
        while True:
            left = await connection.execute("SELECT count(*) FROM procrastinate_jobs")
            if await left.fetchone() == (0,):
                return
            await connection.execute("SELECT pg_sleep(0.05)")


def no_events() -> Events:
    return Events(Subscriptions(), jobs.defer)


async def test_a_job_is_rolled_back_with_its_transaction(database: Database) -> None:
    async def fail() -> None:
        async with database.every_city() as session:
            await jobs.defer(session, "greet", {"who": "4711"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await waiting(database) == 0


async def test_a_job_runs_after_the_commit_and_is_gone(database: Database, clock: FixedClock) -> None:
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def greet(_tools: jobs.Tools, *, who: str) -> None:
        seen.put_nowait(who)

    async with working(database, no_events(), clock, greet=greet):
        async with database.every_city() as session:
            await jobs.defer(session, "greet", {"who": "4711"})
        assert await asyncio.wait_for(seen.get(), 20) == "4711"
    assert await waiting(database) == 0


async def test_one_of_a_kind_waits_once_and_spoils_no_transaction(database: Database) -> None:
    for _ in range(2):
        async with database.every_city() as session:
            await jobs.defer(session, "greet", {"who": "4711"}, once="greet")
    assert await waiting(database) == 1


@pytest.mark.parametrize("words", ["Ich heiße Ayşe", "a b", ["x"], {"name": "x"}, "x" * 81])
async def test_words_are_no_arguments(database: Database, words: Any) -> None:
    async with database.every_city() as session:
        with pytest.raises(ValueError, match="ids and codes"):
            await jobs.defer(session, "greet", {"who": words})


async def test_an_effect_runs_once_after_the_commit(
    database: Database, clock: FixedClock, city: SampleCity
) -> None:
    heard: asyncio.Queue[uuid.UUID] = asyncio.Queue()

    async def listen(_session: Any, event: Event) -> None:
        heard.put_nowait(event.id)

    events = Events(Subscriptions(effects={"paid": {"receipt": listen}}), jobs.defer)
    async with working(database, events, clock):
        async with database.city(city.id) as session:
            event = await events.emit(session, "paid", {}, city_id=city.id, now=clock.now())
            again = {"event_id": str(event.id), "subscriber": "receipt"}
            await jobs.defer(session, "effect", again)
        assert await asyncio.wait_for(heard.get(), 20) == event.id
        await asyncio.wait_for(quiet(database), 20)
    assert heard.empty()


async def test_a_killed_workers_job_is_given_to_another(database: Database, clock: FixedClock) -> None:
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def greet(_tools: jobs.Tools, *, who: str) -> None:
        seen.put_nowait(who)

    async with database.every_city() as session:
        await jobs.defer(session, "greet", {"who": "4711"})
        dead = (
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '11 s') RETURNING id"
        )
        worker = await session.scalar(text(dead))
        taken = text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker")
        await session.execute(taken, {"worker": worker})
    async with working(database, no_events(), clock, greet=greet):
        assert await asyncio.wait_for(seen.get(), 20) == "4711"


async def test_what_is_over_is_forgotten_with_its_keys(
    database: Database, clock: FixedClock, city: SampleCity, make: Factory, vault: Vault
) -> None:
    async with database.city(city.id) as session:
        person = await make.person(session)
        place = f"person.name:{person.id}"
        sealed = await vault.seal(session, person.key_id, place, "Ayşe")
        over = person.delete_after + timedelta(seconds=1)
    async with database.every_city() as session:
        assert await jobs.forget(session, now=clock.now()) == 0
    async with database.every_city() as session:
        assert await jobs.forget(session, now=over) >= 1
    async with database.city(city.id) as session:
        assert list(await session.scalars(select(DataKey).where(DataKey.owner_id == person.id))) == []
        with pytest.raises(Forgotten):
            await vault.open(session, place, sealed)
