"""Every client ends with every row, in order, whoever commits when and whoever loses the line."""

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from foundation import live
from foundation.clock import Clock, FixedClock
from foundation.db import Database
from tests.promises.plugin import Promise
from tests.support.factory import SampleCity

logger = logging.getLogger(__name__)
STREAMS = ("conversation:a", "office:b")
PATIENCE = 20  # seconds until a client that misses something is given up


class Undone(Exception):
    """A writer changes its mind."""


@dataclass
class Storm:
    """Writers and clients on one database; `seed` repeats the same holds, roll-backs and disconnections."""

    database: Database
    city: SampleCity
    clock: Clock
    seed: int
    transactions: int
    written: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in STREAMS})
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, writer: int) -> None:
        chance = random.Random(f"{self.seed} writer {writer}")
        for number in range(self.transactions):
            names = [f"{writer}-{number}-{part}" for part in range(chance.randint(1, 3))]
            streams = {name: chance.choice(STREAMS) for name in names}
            try:
                await self._commit(streams, chance)
            except Undone:
                continue
            for name, stream in streams.items():
                self.written[stream].add(name)

    async def _commit(self, streams: dict[str, str], chance: random.Random) -> None:
        async with self.database.city(self.city.id) as session:
            for name, stream in streams.items():
                publish(session, self.city, self.clock, stream, name)
            hold_before_commit(session, chance.choice((0.0, 0.002, 0.01)))
            if chance.random() < 0.1:
                raise Undone
            if chance.random() < 0.05:
                await session.execute(KILL_LISTENERS)

    async def read(self, client: int, hub: live.Hub, stream: str) -> list[live.LiveRow]:
        """Follow a stream, hanging up at random and coming back with the last number seen, until all is there."""
        chance = random.Random(f"{self.seed} client {client}")
        seen: list[live.LiveRow] = []
        while not self._complete(seen, stream):
            patience = chance.randint(1, 6)
            async with aclosing(self._follow(hub, stream, seen)) as batches:
                async for batch in batches:
                    seen += batch
                    patience -= 1
                    if not patience or self._complete(seen, stream):
                        break
        return seen

    def _follow(self, hub: live.Hub, stream: str, seen: list[live.LiveRow]) -> Any:
        after = seen[-1].seq if seen else 0
        return live.follow(hub, self.database, city_id=self.city.id, stream=stream, after=after)

    async def end(self) -> None:
        """One last row on each stream wakes those who already have the rest."""
        for stream in STREAMS:
            self.written[stream].add("end")
        async with self.database.city(self.city.id) as session:
            for stream in STREAMS:
                publish(session, self.city, self.clock, stream, "end")

    def _complete(self, seen: list[live.LiveRow], stream: str) -> bool:
        return self.done.is_set() and len(seen) >= len(self.written[stream])


KILL_LISTENERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE query LIKE 'LISTEN%' AND datname = current_database() AND pid <> pg_backend_pid()"
)


def publish(session: AsyncSession, city: SampleCity, clock: Clock, stream: str, name: str) -> None:
    live.publish(session, city_id=city.id, stream=stream, kind="test", data={"name": name}, now=clock.now())


def hold_before_commit(session: AsyncSession, seconds: float) -> None:
    """Let the transaction stand still after its rows have their numbers and before it commits."""

    def hold(sync_session: Any) -> None:
        sync_session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})

    event.listen(session.sync_session, "before_commit", hold)


@asynccontextmanager
async def wide(database_url: str) -> AsyncIterator[Database]:
    """A database with a connection for everybody."""
    database = Database(database_url, pool_size=60)
    yield database
    await database.close()


async def weather(storm: Storm, *, writers: int, clients: int) -> dict[int, tuple[str, list[live.LiveRow]]]:
    """Let it blow; what each client saw of which stream. Two hubs stand for two processes."""
    logger.info("seed %d", storm.seed)
    streams = [STREAMS[client % len(STREAMS)] for client in range(clients)]
    async with (
        live.Hub(storm.database) as first,
        live.Hub(storm.database) as second,
        asyncio.timeout(PATIENCE + 2 * storm.transactions),
        asyncio.TaskGroup() as group,
    ):
        hubs = [first, first, second, second]
        readers = [group.create_task(storm.read(n, hubs[n % 4], stream)) for n, stream in enumerate(streams)]
        await asyncio.gather(*(storm.write(writer) for writer in range(writers)))
        storm.done.set()
        await storm.end()
    return {n: (stream, readers[n].result()) for n, stream in enumerate(streams)}


async def stored(storm: Storm, stream: str) -> list[tuple[int, str]]:
    async with storm.database.city(storm.city.id) as session:
        rows = await session.scalars(select(live.LiveRow).where(live.LiveRow.stream == stream))
        return sorted((row.seq, row.data["name"]) for row in rows)


async def check_storm(storm: Storm, *, writers: int, clients: int) -> int:
    """Rows received by all clients together; each must have every row of its stream, numbered 1, 2, 3 …"""
    seen = await weather(storm, writers=writers, clients=clients)
    for client, (stream, rows) in seen.items():
        got = [(row.seq, row.data["name"]) for row in rows]
        assert {name for _, name in got} == storm.written[stream], f"client {client}, seed {storm.seed}"
        assert got == await stored(storm, stream), f"client {client}, seed {storm.seed}"
        assert [seq for seq, _ in got] == list(range(1, len(got) + 1)), f"client {client}, seed {storm.seed}"
    return sum(len(rows) for _, rows in seen.values())


async def test_a_plain_sequence_loses_a_row_that_commits_late(
    database: Database, city: SampleCity, clock: Clock
) -> None:
    """The race itself, without the guard: this is why the number is taken last and under a lock."""
    async with database.every_city() as session:
        await session.execute(text("CREATE SEQUENCE plain"))
    async with AsyncExitStack() as slow:
        late = await slow.enter_async_context(database.city(city.id))
        await _insert_with_plain_number(late, city, clock, "first")
        async with database.city(city.id) as session:
            await _insert_with_plain_number(session, city, clock, "second")
        async with database.city(city.id) as session:
            seen = await live.rows_after(session, "plain", 0)
    async with database.city(city.id) as session:
        seen += await live.rows_after(session, "plain", seen[-1].seq)
        everything = await live.rows_after(session, "plain", 0)
    assert [row.data["name"] for row in everything] == ["first", "second"]
    assert [row.data["name"] for row in seen] == ["second"]


async def _insert_with_plain_number(session: AsyncSession, city: SampleCity, clock: Clock, name: str) -> None:
    number = await session.scalar(text("SELECT nextval('plain')"))
    row = live.LiveRow(
        city_id=city.id,
        stream="plain",
        seq=number,
        kind="test",
        data={"name": name},
        at=clock.now(),
        delete_after=clock.now() + timedelta(days=1),
    )
    session.add(row)
    await session.flush()


@pytest.mark.promise("live.no-gap")
async def test_a_late_commit_never_appears_below_a_number_already_seen(
    database: Database, city: SampleCity, clock: Clock
) -> None:
    numbered, go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with database.city(city.id) as session:
            publish(session, city, clock, "office:b", "slow")
            event.listen(session.sync_session, "before_commit", lambda _: numbered.set())
            hold_before_commit(session, 0.3)

    async def fast() -> None:
        await numbered.wait()
        async with database.city(city.id) as session:
            publish(session, city, clock, "office:b", "fast")
        go.set()

    async def client() -> list[str]:
        seen: list[live.LiveRow] = []
        await go.wait()
        while len(seen) < 2:
            async with database.city(city.id) as session:
                batch = await live.rows_after(session, "office:b", seen[-1].seq if seen else 0)
            if seen and not batch and slow_task.done():
                break
            seen += batch
        return [row.data["name"] for row in seen]

    slow_task = asyncio.create_task(slow())
    _, seen = await asyncio.gather(fast(), client())
    await slow_task
    assert seen == ["slow", "fast"]


class Gated(Database):
    """A database to which new LISTEN connections get through only while the gate is open."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.gate, self.knocked = asyncio.Event(), asyncio.Event()

    async def connect(self) -> Any:
        self.knocked.set()
        await self.gate.wait()
        return await super().connect()


@pytest.mark.promise("live.no-gap")
async def test_what_was_published_while_nobody_listened_is_read_on_reconnect(
    database_url: str, database: Database, city: SampleCity, clock: Clock
) -> None:
    gated = Gated(database_url)
    gated.gate.set()
    async with live.Hub(gated) as hub, asyncio.timeout(20):
        batches: Any = live.follow(hub, database, city_id=city.id, stream="office:b", after=0)
        await _publish_one(database, city, clock, "before")
        assert [row.data["name"] for row in await anext(batches)] == ["before"]
        waiting = asyncio.ensure_future(anext(batches))
        gated.gate.clear()
        gated.knocked.clear()
        async with database.every_city() as session:
            await session.execute(KILL_LISTENERS)
        await gated.knocked.wait()
        await _publish_one(database, city, clock, "unheard")
        gated.gate.set()
        assert [row.data["name"] for row in await waiting] == ["unheard"]
        await batches.aclose()
    await gated.close()


async def _publish_one(database: Database, city: SampleCity, clock: Clock, name: str) -> None:
    async with database.city(city.id) as session:
        publish(session, city, clock, "office:b", name)


@pytest.mark.promise("live.no-gap")
async def test_every_client_ends_with_every_row_in_order(
    database_url: str, city: SampleCity, clock: Clock, promise: Promise
) -> None:
    async with wide(database_url) as database:
        storm = Storm(database, city, clock, seed=secrets.randbelow(10**6), transactions=8)
        rows = await check_storm(storm, writers=20, clients=12)
    promise.figure(rows, f"rows received by 12 clients of 20 writers (seed {storm.seed})")


@pytest.mark.long
@pytest.mark.promise("live.no-gap")
@pytest.mark.parametrize("seed", range(3))
async def test_every_client_ends_with_every_row_in_a_long_storm(
    database_url: str, city: SampleCity, clock: Clock, promise: Promise, seed: int
) -> None:
    async with wide(database_url) as database:
        storm = Storm(database, city, clock, seed=seed, transactions=40)
        rows = await check_storm(storm, writers=20, clients=40)
    promise.figure(rows, f"rows received by 40 clients (seed {seed})")


async def test_what_a_savepoint_takes_back_is_no_news(
    database: Database, city: SampleCity, clock: FixedClock
) -> None:
    """A skill that fails leaves nothing behind, not even its news; a savepoint that holds keeps it."""

    def tell(session: AsyncSession, kind: str) -> None:
        live.publish(session, city_id=city.id, stream="s", kind=kind, data={}, now=clock.now())

    async with database.city(city.id) as session:
        tell(session, "before")
        async with session.begin_nested():
            tell(session, "kept")
        with contextlib.suppress(Undone):
            async with session.begin_nested():
                tell(session, "undone")
                raise Undone
        tell(session, "after")
    async with database.city(city.id) as session:
        rows = await live.rows_after(session, "s", 0)
    assert [(row.seq, row.kind) for row in rows] == [(1, "before"), (2, "kept"), (3, "after")]
