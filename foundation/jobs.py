"""Timed and heavy work as jobs (procrastinate): deferred in the caller's transaction, run at least once.

A job carries ids and codes only. Messages have queues of their own (conversation/queues.py).
"""

import asyncio
import contextlib
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from sqlalchemy import delete, exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from foundation.clock import Clock
from foundation.crypto import OWNERS, DataKey
from foundation.db import Base, Database, PersonalRow, driver_connection
from foundation.events import Event, Events

logger = logging.getLogger(__name__)

HEARTBEAT = 2.0
STALLED_AFTER = 10.0
"""Seconds without a heartbeat after which a worker counts as killed and its jobs are run again."""
NIGHTLY = "17 2 * * *"
CODE = re.compile(r"[A-Za-z0-9_.:+-]{1,80}")
RETRY = RetryStrategy(max_attempts=12, exponential_wait=2)


@dataclass(frozen=True)
class Tools:
    """What a task is given beside its arguments."""

    database: Database
    events: Events
    clock: Clock


Task = Callable[..., Awaitable[None]]
"""async def task(tools: Tools, **ids) -> None. It may run more than once for one job."""

_names_only = App(connector=PsycopgConnector())


async def defer(
    session: AsyncSession,
    task: str,
    args: Mapping[str, Any],
    *,
    at: datetime | None = None,
    lock: str | None = None,
    once: str | None = None,
) -> None:
    """Write a job down in the session's transaction: it exists if, and only if, that commits.

    `args` are ids and codes. `at` is the earliest start; jobs with one `lock` never run side by side;
    of those with one `once` at most one waits.
    Errors: ValueError for anything that could be a person's words.
    """
    _refuse_words(args)
    connection = await driver_connection(session)
    job = _names_only.configure_task(
        task, connection=connection, schedule_at=at, lock=lock, queueing_lock=once, allow_unknown=True
    )
    if once is None:
        await job.defer_async(**args)
        return
    # A job that waits already must not spoil the caller's transaction: a savepoint, which psycopg makes
    # only inside a transaction that has begun.
    await session.execute(text("SELECT 1"))
    with contextlib.suppress(AlreadyEnqueued):
        async with connection.transaction():
            await job.defer_async(**args)


async def run_worker(
    database: Database,
    events: Events,
    clock: Clock,
    *,
    tasks: Mapping[str, Task] | None = None,
    periodic: Mapping[str, str] | None = None,
) -> None:
    """Run jobs until cancelled. `tasks` are the domains' own, by name; `effect` and `retention` are always there.

    `periodic` names tasks that run by the clock, as cron lines.
    """
    tools = Tools(database, events, clock)
    while True:
        app = _app(tools, {**TASKS, **(tasks or {})}, {**PERIODIC, **(periodic or {})})
        try:
            async with app.open_async(), asyncio.TaskGroup() as group:
                group.create_task(_rescue(app), name="jobs rescue")
                group.create_task(_work(app), name="jobs worker")
        except* ConnectorException:
            logger.warning("jobs: connection lost, trying again")
        await asyncio.sleep(1)


async def _work(app: App) -> None:
    await app.run_worker_async(
        concurrency=4,
        install_signal_handlers=False,
        delete_jobs="successful",
        fetch_job_polling_interval=5.0,
        shutdown_graceful_timeout=10.0,
        update_heartbeat_interval=HEARTBEAT,
        stalled_worker_timeout=STALLED_AFTER,
    )


async def _rescue(app: App) -> None:
    """Give the jobs of killed workers to a living one."""
    while True:
        await rescue(app)
        await asyncio.sleep(HEARTBEAT)


async def rescue(app: App) -> int:
    """Put every job whose worker shows no heartbeat back in the queue; how many there were."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER))
    for job in stalled:
        await app.job_manager.retry_job(job)
    return len(stalled)


def _app(tools: Tools, tasks: Mapping[str, Task], periodic: Mapping[str, str] | None = None) -> App:
    app = App(connector=PsycopgConnector(conninfo=tools.database.url, min_size=1, max_size=4))
    for name, task in tasks.items():
        registered = app.task(name=name, retry=RETRY)(_bound(task, tools))
        if cron := (periodic or {}).get(name):
            app.periodic(cron=cron)(registered)
    return app


def _bound(task: Task, tools: Tools) -> Callable[..., Awaitable[None]]:
    async def run(**args: Any) -> None:
        await task(tools, **args)

    return run


def _refuse_words(args: Mapping[str, Any]) -> None:
    for name, value in args.items():
        harmless = (
            value is None
            or isinstance(value, bool | int)
            or (isinstance(value, str) and CODE.fullmatch(value))
        )
        if not harmless:
            raise ValueError(f"a job carries ids and codes only; {name!r} is something else")


# The tasks that belong to no domain


async def effect(tools: Tools, *, event_id: str, subscriber: str) -> None:
    """Let one subscriber deal with one event."""
    async with tools.database.every_city() as session:
        city_id = await session.scalar(select(Event.city_id).where(Event.id == uuid.UUID(event_id)))
    if city_id is not None:
        async with tools.database.city(city_id) as session:
            await tools.events.run_effect(session, uuid.UUID(event_id), subscriber, now=tools.clock.now())


async def retention(tools: Tools, *, timestamp: int = 0) -> None:
    """Remove every personal row whose time is over, the keys of all that is gone, and old failed jobs."""
    async with tools.database.every_city() as session:
        removed = await forget(session, now=tools.clock.now())
        await session.execute(
            text(
                "DELETE FROM procrastinate_jobs WHERE status IN ('failed', 'cancelled', 'aborted') AND NOT EXISTS"
                " (SELECT 1 FROM procrastinate_events e WHERE e.job_id = procrastinate_jobs.id"
                " AND e.at > now() - interval '30 days')"
            )
        )
    logger.info("retention: %d rows removed", removed)


async def forget(session: AsyncSession, *, now: datetime) -> int:
    """Delete personal rows whose `delete_after` is over, and every key without an owner; how many rows."""
    removed = 0
    for model in personal_models():
        result = await session.execute(
            delete(model).where(model.delete_after < now).execution_options(synchronize_session=False)
        )
        removed += result.rowcount  # type: ignore[attr-defined]  # a DELETE's result has it, the stub's base type has not
    for kind in OWNERS:
        owner = Base.metadata.tables[kind]
        gone = ~exists().where(owner.c.id == DataKey.owner_id)
        await session.execute(
            delete(DataKey)
            .where(DataKey.owner_kind == kind, gone)
            .execution_options(synchronize_session=False)
        )
    return removed


def personal_models() -> list[type[PersonalRow]]:
    """Every table of personal rows, by name."""
    found = [mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, PersonalRow)]
    return sorted(found, key=lambda model: model.__name__)


TASKS: Mapping[str, Task] = {"effect": effect, "retention": retention}
PERIODIC: Mapping[str, str] = {"retention": NIGHTLY}
