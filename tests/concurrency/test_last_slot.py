"""Fifty people want the last slot at once, through two processes."""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from booking.models import Appointment
from foundation.clock import FixedClock
from foundation.db import Database
from foundation.settings import ROOT
from tests.promises.plugin import Promise
from tests.support.booking import NINE, add_lane, gate, sample_booking
from tests.support.factory import Factory, SampleCity

CLIENTS, PROCESSES = 50, 2
NEXT_THREE = [(NINE + timedelta(minutes=minutes)).isoformat() for minutes in (30, 45, 60)]


@pytest.fixture
async def cases(database: Database, city: SampleCity, make: Factory) -> list[str]:
    """One lane, fifty people."""
    async with database.city(city.id) as session:
        await add_lane(session, city.office)
        return [str((await make.case(session)).id) for _ in range(CLIENTS)]


async def rush(database: Database, city: SampleCity, clock: FixedClock, cases: list[str]) -> list[list[Any]]:
    """Let everybody ask for nine o'clock at the same moment; their answers."""
    share = len(cases) // PROCESSES
    crowds = [cases[index * share : (index + 1) * share] for index in range(PROCESSES)]
    processes = [await _crowd() for _ in crowds]
    for process, crowd in zip(processes, crowds, strict=True):
        job = {"url": database.url, "city": str(city.id), "cases": crowd}
        job |= {"start": NINE.isoformat(), "now": clock.now().isoformat()}
        await _tell(process, json.dumps(job))
    for process in processes:
        assert await _line(process) == "ready"
    await asyncio.gather(*(_tell(process, "go") for process in processes))
    answers = [json.loads(await _line(process)) for process in processes]
    assert [await process.wait() for process in processes] == [0] * PROCESSES
    return [answer for crowd in answers for answer in crowd.values()]


async def _crowd() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.support.slot_rush")
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe, limit=1 << 20)


async def _tell(process: asyncio.subprocess.Process, line: str) -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n".encode())
    await process.stdin.drain()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


async def booked_at_nine(database: Database, city: SampleCity) -> int:
    async with database.city(city.id) as session:
        rows = await session.scalars(select(Appointment).where(Appointment.status.in_(("held", "booked"))))
        return len([row for row in rows if row.during.lower == NINE])


async def test_without_the_constraint_the_same_code_books_twice(
    database: Database, city: SampleCity, clock: FixedClock, cases: list[str]
) -> None:
    """The race is real: looking before inserting does not help."""
    async with database.every_city() as session:
        await session.execute(
            text("ALTER TABLE appointment DROP CONSTRAINT IF EXISTS appointment_no_overlap")
        )
    await rush(database, city, clock, cases)
    assert await booked_at_nine(database, city) > 1


@pytest.mark.promise("booking.last-slot")
async def test_one_has_it_and_the_others_see_the_next_three(
    database: Database, city: SampleCity, clock: FixedClock, cases: list[str], promise: Promise
) -> None:
    answers = await rush(database, city, clock, cases)
    winners = [answer for answer in answers if answer[0] == "booked"]
    promise.figure(len(winners), f"of {CLIENTS} clients has it")
    assert len(winners) == 1
    assert [answer for answer in answers if answer[0] == "taken"] == [["taken", NEXT_THREE]] * (CLIENTS - 1)
    assert await booked_at_nine(database, city) == 1


@pytest.mark.promise("booking.last-slot")
async def test_an_expired_hold_blocks_nobody_in_the_rush(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, cases: list[str]
) -> None:
    async with database.city(city.id) as session:
        await sample_booking(clock).hold(session, await make.case(session), gate(), NINE, "Asia/Manila")
    clock.move(timedelta(minutes=11))
    answers = await rush(database, city, clock, cases)
    assert sorted(answer[0] for answer in answers) == ["booked"] + ["taken"] * (CLIENTS - 1)
    assert all(answer[1] == NEXT_THREE for answer in answers if answer[0] == "taken")
