"""One process full of people who want the same slot; run as `python -m tests.support.slot_rush`.

Reads a JSON line {"url", "city", "cases", "start", "now"}, says "ready" once every client has a connection, waits
for a second line, and then writes {case: ["booked", number] | ["taken", [next starts]]} as one line.
"""

import asyncio
import json
import sys
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import text

from booking.service import SlotTaken
from conversation.models import Case
from foundation.clock import FixedClock
from foundation.db import Database
from foyer.migrations import import_models
from tests.support.booking import gate, sample_booking


async def rush(job: dict[str, Any]) -> dict[str, list[Any]]:
    import_models()
    database = Database(job["url"], pool_size=len(job["cases"]))
    everybody_connected = asyncio.Barrier(len(job["cases"]) + 1)
    go = asyncio.Event()
    clients = [
        asyncio.create_task(_client(database, job, case, everybody_connected, go)) for case in job["cases"]
    ]
    await everybody_connected.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    go.set()
    answers = await asyncio.gather(*clients)
    await database.close()
    return dict(zip(job["cases"], answers, strict=True))


async def _client(
    database: Database, job: dict[str, Any], case_id: str, connected: asyncio.Barrier, go: asyncio.Event
) -> list[Any]:
    booking = sample_booking(FixedClock(datetime.fromisoformat(job["now"])))
    city, start = uuid.UUID(job["city"]), datetime.fromisoformat(job["start"])
    async with database.city(city) as session:
        await session.execute(text("SELECT 1"))
        await connected.wait()
    await go.wait()
    try:
        async with database.city(city) as session:
            case = await session.get_one(Case, uuid.UUID(case_id))
            held = await booking.hold(session, case, gate(), start, "Asia/Manila")
    except SlotTaken as taken:
        return ["taken", [slot.start.isoformat() for slot in taken.next_slots]]
    async with database.city(city) as session:
        return ["booked", (await booking.confirm(session, held.id)).number]


if __name__ == "__main__":
    found = asyncio.run(rush(json.loads(sys.stdin.readline())))
    sys.stdout.write(json.dumps(found) + "\n")
