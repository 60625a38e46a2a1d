"""Live updates without gaps: numbered rows, NOTIFY as the wake-up, sockets resume from the last number seen.

The number comes from `UPDATE stream SET seq = seq + 1 … RETURNING`, run as the last write before the
commit: the row lock is held until then, so a lower number can never appear after a higher one. (A plain
sequence hands out numbers before the commit, and a client that resumes from it misses the late row.)
"""

import asyncio
import contextlib
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, event, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column

from foundation.db import Base, CityRow, Database, PersonalRow
from foundation.errors import where

logger = logging.getLogger(__name__)

KEEP = timedelta(days=400)
CHANNEL = "foyer"


class Stream(CityRow, Base):
    """A named sequence of live rows, e.g. "conversation:<id>" or "office:<id>"."""

    __tablename__ = "stream"

    name: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, default=0)


class LiveRow(PersonalRow, Base):
    """One numbered piece of news. `data` holds ids and codes only, never a person's words."""

    __tablename__ = "live_row"

    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime]


def publish(
    session: AsyncSession, *, city_id: uuid.UUID, stream: str, kind: str, data: dict[str, Any], now: datetime
) -> None:
    """Append news to a stream when this transaction commits. `data` is ids and codes only."""
    news: list[LiveRow] = session.info.setdefault("news", [])
    news.append(
        LiveRow(city_id=city_id, stream=stream, kind=kind, data=data, at=now, delete_after=now + KEEP)
    )


def wake(session: AsyncSession, topic: str) -> None:
    """Wake whoever waits for `topic` (a queue's name, say) once this transaction commits."""
    session.info.setdefault("topics", set()).add(topic)


@event.listens_for(Session, "before_commit")
def _number_news(session: Session) -> None:
    if session.in_nested_transaction():
        return  # only a savepoint ends here
    session.flush()
    news: list[LiveRow] = session.info.pop("news", [])
    topics: set[str] = session.info.pop("topics", set())
    session.info.pop("news_marks", None)
    by_stream: dict[str, list[LiveRow]] = defaultdict(list)
    for row in news:
        by_stream[row.stream].append(row)
    # One order for all transactions, so that two of them never wait for each other.
    for name in sorted(by_stream):
        last = _advance(session, name, by_stream[name])
        topics.add(f"live {name} {last}")
    for topic in sorted(topics):
        session.execute(select(func.pg_notify(CHANNEL, topic)))


def _advance(session: Session, name: str, rows: Sequence[LiveRow]) -> int:
    statement = pg_insert(Stream).values(name=name, city_id=rows[0].city_id, seq=len(rows))
    last: int = session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"seq": Stream.seq + len(rows)}
        ).returning(Stream.seq)
    ).scalar_one()
    for number, row in enumerate(rows, start=last - len(rows) + 1):
        row.seq = number
    session.execute(
        insert(LiveRow.__table__),  # type: ignore[arg-type]  # a mapped class's table is a Table, whatever its stub says
        [
            {
                "stream": row.stream,
                "seq": row.seq,
                "kind": row.kind,
                "data": row.data,
                "at": row.at,
                "city_id": row.city_id,
                "delete_after": row.delete_after,
            }
            for row in rows
        ],
    )
    return last


@event.listens_for(Session, "after_transaction_create")
def _mark_news(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        marks = session.info.setdefault("news_marks", {})
        marks[transaction] = len(session.info.get("news", ()))


@event.listens_for(Session, "after_soft_rollback")
def _forget_news(session: Session, transaction: SessionTransaction) -> None:
    """What was undone is no news: a savepoint takes back its own, a whole transaction everything."""
    kept = session.info.get("news_marks", {}).pop(transaction, 0)
    del session.info.get("news", [])[kept:]


async def rows_after(session: AsyncSession, stream: str, seq: int, *, limit: int = 500) -> list[LiveRow]:
    """The rows of a stream with a number above `seq`, in order."""
    query = (
        select(LiveRow).where(LiveRow.stream == stream, LiveRow.seq > seq).order_by(LiveRow.seq).limit(limit)
    )
    return list(await session.scalars(query))


async def last_seq(session: AsyncSession, stream: str) -> int:
    return await session.scalar(select(Stream.seq).where(Stream.name == stream)) or 0


async def whisper(session: AsyncSession, stream: str, message: dict[str, Any]) -> None:
    """Send something that may be lost (typing, presence, a pointer): a notice without a row, at most 7,000 bytes."""
    payload = f"whisper {stream} {json.dumps(message, separators=(',', ':'))}"
    if len(payload.encode()) > 7000:
        raise ValueError("a whisper is at most 7,000 bytes")
    await session.execute(
        text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload}
    )


class Hub:
    """The process's one LISTEN connection, shared by all its sockets and workers.

    A lost connection is opened again and every listener is woken, because notices sent meanwhile are gone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wakers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._ears: dict[str, set[Callable[[dict[str, Any]], None]]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def __aenter__(self) -> "Hub":
        self._task = asyncio.create_task(self._listen_for_ever(), name="live hub")
        await self._listening.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @contextlib.contextmanager
    def woken_by(self, *topics: str) -> Any:
        """An asyncio.Event that is set whenever one of the topics is notified.

        Read first, then wait, then clear before reading again: nothing is missed.
        """
        waker = asyncio.Event()
        for topic in topics:
            self._wakers[topic].add(waker)
        try:
            yield waker
        finally:
            for topic in topics:
                self._wakers[topic].discard(waker)
                if not self._wakers[topic]:
                    del self._wakers[topic]

    @contextlib.contextmanager
    def hearing(self, stream: str, ear: Callable[[dict[str, Any]], None]) -> Any:
        """Hand every whisper on `stream` to `ear`."""
        self._ears[stream].add(ear)
        try:
            yield
        finally:
            self._ears[stream].discard(ear)
            if not self._ears[stream]:
                del self._ears[stream]

    async def _listen_for_ever(self) -> None:
        pause = 0.05
        while True:
            try:
                connection = await self._database.connect()
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._wake_all()
                    self._listening.set()
                    pause = 0.05
                    async for notice in connection.notifies():
                        self._dispatch(notice.payload)
            except Exception as error:
                # Without this task nobody is woken any more, so nothing may end it.
                logger.warning("live: connection lost, trying again: %s", where(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    def _dispatch(self, payload: str) -> None:
        kind, _, rest = payload.partition(" ")
        if kind == "live":
            self._wake(rest.rpartition(" ")[0])
        elif kind == "whisper":
            stream, _, body = rest.partition(" ")
            for ear in tuple(self._ears.get(stream, ())):
                ear(json.loads(body))
        else:
            self._wake(payload)

    def _wake(self, topic: str) -> None:
        for waker in self._wakers.get(topic, ()):
            waker.set()

    def _wake_all(self) -> None:
        for topic in tuple(self._wakers):
            self._wake(topic)


async def follow(
    hub: Hub, database: Database, *, city_id: uuid.UUID, stream: str, after: int
) -> AsyncIterator[list[LiveRow]]:
    """Endless batches of a stream's rows above `after`, in order and without gaps."""
    with hub.woken_by(stream) as waker:
        while True:
            waker.clear()
            async with database.city(city_id) as session:
                rows = await rows_after(session, stream, after)
            if rows:
                after = rows[-1].seq
                yield rows
            else:
                await waker.wait()
