"""Inbox and outbox as queues: one thread at a time is worked on by one worker, in order of arrival.

A worker holds a thread by a session-level advisory lock on a connection of its own. Unlike a row lock
it needs no open transaction while the message is being understood or a vendor is being called, and
unlike a lease it is free again the moment its process dies. See docs/adr/0003-queues.md.
"""

import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

CANDIDATES = 32

_OLDEST = {
    "inbox": """
        SELECT DISTINCT ON (conversation_id) conversation_id, city_id, id, seq FROM inbox
        WHERE handled_at IS NULL ORDER BY conversation_id, seq
    """,
    # A row that waits for its next try holds back the later rows of its thread: order is kept.
    "outbox": """
        SELECT DISTINCT ON (conversation_id) conversation_id, city_id, id, seq, attempts, due_at FROM outbox
        WHERE state = 'waiting' ORDER BY conversation_id, seq
    """,
}


@dataclass(frozen=True)
class Claim:
    """The oldest unhandled row of a thread that no other worker is working on."""

    row_id: uuid.UUID
    conversation_id: uuid.UUID
    city_id: uuid.UUID


_OF_CHANNELS = """
    JOIN conversation ON conversation.id = conversation_id
    JOIN address ON address.id = address_id AND address.channel = ANY(%(channels)s)
"""


class Queue:
    """One worker's view of the inbox or the outbox.

    `channels` None is every channel; else only their threads are seen, because some channels are served by
    a process of their own, for which their messages wait.
    """

    def __init__(
        self,
        name: str,
        connection: psycopg.AsyncConnection[Any],
        *,
        channels: Collection[str] | None = None,
    ) -> None:
        self._name = name
        self._connection = connection
        self._channels = None if channels is None else sorted(channels)

    @asynccontextmanager
    async def claim(self, now: datetime) -> AsyncIterator[Claim | None]:
        """Hold one thread while the block runs; None when there is nothing to do."""
        claim = await self._take(now)
        try:
            yield claim
        finally:
            if claim:
                await self._unlock(claim.conversation_id)

    async def _take(self, now: datetime) -> Claim | None:
        for row_id, conversation_id, city_id in await self._candidates(now):
            if await self._lock(conversation_id):
                # Another worker may have handled it between our look and our lock.
                if (row_id, conversation_id, city_id) in await self._candidates(now, conversation_id):
                    return Claim(row_id, conversation_id, city_id)
                await self._unlock(conversation_id)
        return None

    async def _candidates(
        self, now: datetime, conversation_id: uuid.UUID | None = None
    ) -> list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]:
        only = "AND conversation_id = %(conversation)s" if conversation_id else ""
        # Only a second try waits for its time: the clock of another machine may be a little ahead.
        due = "WHERE attempts = 0 OR due_at <= %(now)s" if self._name == "outbox" else ""
        oldest = _OLDEST[self._name].replace("ORDER BY", f"{only} ORDER BY")
        ours = _OF_CHANNELS if self._channels is not None else ""
        query = f"SELECT oldest.id, conversation_id, oldest.city_id FROM ({oldest}) AS oldest {ours} {due} ORDER BY seq LIMIT {CANDIDATES}"  # noqa: S608 - assembled from the constants above only
        values = {"now": now, "conversation": conversation_id, "channels": self._channels}
        cursor = await self._connection.execute(query, values)
        return await cursor.fetchall()

    async def _lock(self, conversation_id: uuid.UUID) -> bool:
        cursor = await self._connection.execute(
            "SELECT pg_try_advisory_lock(%s, %s)", self._number(conversation_id)
        )
        row = await cursor.fetchone()
        return bool(row and row[0])

    async def _unlock(self, conversation_id: uuid.UUID) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock(%s, %s)", self._number(conversation_id))

    def _number(self, conversation_id: uuid.UUID) -> tuple[int, int]:
        """Two 32-bit keys; two threads that share a number merely wait for each other."""
        space = 1 if self._name == "inbox" else 2
        return space, int.from_bytes(conversation_id.bytes[:4], "big", signed=True)
