"""An office's calendar on a real database: offer, hold, confirm, change, cancel."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from booking.models import Appointment, Lane
from booking.service import AlreadyBooked, HoldExpired, NoSuchSlot, NotBookable, SlotTaken
from conversation.models import Case
from foundation.clock import FixedClock
from foundation.db import Database
from foundation.events import events_of
from foundation.live import LiveRow
from tests.support.booking import NINE, SERVICE, add_lane, gate, sample_booking
from tests.support.factory import Factory, SampleCity

MANILA = "Asia/Manila"
HALF_AN_HOUR = timedelta(minutes=30)


async def some_case(database: Database, make: Factory, service: str = SERVICE) -> Case:
    async with database.city(make.city.id) as session:
        return await make.case(session, service=service)


@pytest.fixture
async def lane(database: Database, city: SampleCity) -> None:
    async with database.city(city.id) as session:
        await add_lane(session, city.office)


async def booked(database: Database, make: Factory, clock: FixedClock, start: datetime = NINE) -> Appointment:
    case = await some_case(database, make)
    booking = sample_booking(clock)
    async with database.city(case.city_id) as session:
        held = await booking.hold(session, case, gate(), start, MANILA)
        return await booking.confirm(session, held.id)


async def test_slots_start_after_the_notice_and_are_inside_the_hours(
    database: Database, city: SampleCity, clock: FixedClock, lane: None
) -> None:
    booking = sample_booking(clock)
    async with database.city(city.id) as session:
        slots = await booking.free_slots(session, city.office.id, SERVICE, limit=3)
        page = await booking.offer(session, city.office.id, SERVICE, zone=MANILA)
        second = await booking.offer(session, city.office.id, SERVICE, zone=MANILA, page=1)
        of_the_day = await booking.offer(
            session, city.office.id, SERVICE, zone=MANILA, day=NINE.date(), size=99
        )
    assert slots[0].start == clock.now() + timedelta(hours=2)
    assert len(page) == len(second) == 6
    assert not {slot.start for slot in page} & {slot.start for slot in second}
    assert {slot.start.date() for slot in of_the_day} == {NINE.date()}


async def test_a_held_slot_is_offered_to_nobody_and_a_lane_without_the_skill_does_not_count(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking, case, other = (
        sample_booking(clock),
        await some_case(database, make),
        await some_case(database, make),
    )
    async with database.city(city.id) as session:
        await add_lane(session, city.office, "2", ("passport",))
        held = await booking.hold(session, case, gate(), NINE, MANILA)
    assert held.status == "held"
    assert held.delete_after > NINE
    async with database.city(city.id) as session:
        free = [slot.start for slot in await booking.free_slots(session, city.office.id, SERVICE)]
        assert NINE not in free
        assert NINE + timedelta(minutes=15) not in free
        assert NINE + HALF_AN_HOUR in free
        with pytest.raises(SlotTaken) as taken:
            await booking.hold(session, other, gate(), NINE, MANILA)
    assert [slot.start - NINE for slot in taken.value.next_slots] == [
        timedelta(minutes=m) for m in (30, 45, 60)
    ]


async def test_a_second_lane_takes_a_second_person(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    first = await booked(database, make, clock)
    async with database.city(city.id) as session:
        await add_lane(session, city.office, "2", (SERVICE,))
    second = await booked(database, make, clock)
    assert first.lane_id != second.lane_id


async def test_a_new_hold_replaces_the_old_one_and_a_failed_one_does_not(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking, case = sample_booking(clock), await some_case(database, make)
    await booked(database, make, clock, NINE + 4 * HALF_AN_HOUR)
    async with database.city(city.id) as session:
        await booking.hold(session, case, gate(), NINE, MANILA)
        await booking.hold(session, case, gate(), NINE + timedelta(minutes=15), MANILA)
    async with database.city(city.id) as session:
        with pytest.raises(SlotTaken):
            await booking.hold(session, case, gate(), NINE + 4 * HALF_AN_HOUR, MANILA)
    async with database.city(city.id) as session:
        rows = list(await session.scalars(select(Appointment).where(Appointment.case_id == case.id)))
    assert sorted(row.status for row in rows) == ["expired", "held"]
    assert next(row for row in rows if row.status == "held").during.lower == NINE + timedelta(minutes=15)


async def test_an_expired_hold_is_in_nobodys_way(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking, slow, quick = (
        sample_booking(clock),
        await some_case(database, make),
        await some_case(database, make),
    )
    async with database.city(city.id) as session:
        held = await booking.hold(session, slow, gate(), NINE, MANILA)
    clock.move(timedelta(minutes=10))
    async with database.city(city.id) as session:
        assert NINE in [slot.start for slot in await booking.free_slots(session, city.office.id, SERVICE)]
        assert (await booking.hold(session, quick, gate(), NINE, MANILA)).status == "held"
    async with database.city(city.id) as session:
        with pytest.raises(HoldExpired):
            await booking.confirm(session, held.id)


async def test_a_slow_confirmation_counts_while_nobody_else_wanted_the_slot(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking, case = sample_booking(clock), await some_case(database, make)
    async with database.city(city.id) as session:
        held = await booking.hold(session, case, gate(), NINE, MANILA)
    clock.move(timedelta(minutes=30))
    async with database.city(city.id) as session:
        assert (await booking.confirm(session, held.id)).status == "booked"
        assert (await booking.confirm(session, held.id)).status == "booked"
        assert len(await events_of(session, "appointment.booked")) == 1


async def test_no_slot_without_the_gates_word(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking, case = sample_booking(clock), await some_case(database, make)
    async with database.city(city.id) as session:
        for said in (gate("in_person"), gate("not_yet"), gate(service="passport")):
            with pytest.raises(NotBookable):
                await booking.hold(session, case, said, NINE, MANILA)
        for start in (NINE - timedelta(hours=3), NINE + timedelta(minutes=7), clock.now()):
            with pytest.raises(NoSuchSlot):
                await booking.hold(session, case, gate(), start, MANILA)


async def test_who_has_an_appointment_changes_it_and_keeps_its_number(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking, appointment = sample_booking(clock), await booked(database, make, clock)
    later = NINE + timedelta(minutes=15)
    async with database.city(city.id) as session:
        case = await session.get_one(Case, appointment.case_id)
        with pytest.raises(AlreadyBooked):
            await booking.hold(session, case, gate(), NINE + 2 * HALF_AN_HOUR, MANILA)
        moved = await booking.change(session, appointment.id, later)  # overlaps its own old time
    assert (moved.number, moved.sequence, moved.status) == (appointment.number, 1, "booked")
    async with database.city(city.id) as session:
        free = [slot.start for slot in await booking.free_slots(session, city.office.id, SERVICE)]
        (freed,) = await events_of(session, "slot.freed")
        assert len(await events_of(session, "appointment.changed")) == 1
    assert NINE - timedelta(minutes=15) in free
    assert later not in free
    assert freed.data["start"] == NINE.isoformat()


async def test_a_change_to_a_taken_slot_leaves_the_old_one(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking = sample_booking(clock)
    mine, other = (
        await booked(database, make, clock),
        await booked(database, make, clock, NINE + HALF_AN_HOUR),
    )
    async with database.city(city.id) as session:
        with pytest.raises(SlotTaken) as taken:
            await booking.change(session, mine.id, NINE + HALF_AN_HOUR)
    assert len(taken.value.next_slots) == 3
    async with database.city(city.id) as session:
        kept = await session.get_one(Appointment, mine.id)
        assert (kept.during.lower, kept.sequence) == (NINE, 0)
        assert (await session.get_one(Appointment, other.id)).status == "booked"


async def test_a_cancelled_slot_is_free_again(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking, appointment = sample_booking(clock), await booked(database, make, clock)
    async with database.city(city.id) as session:
        assert (await booking.cancel(session, appointment.id)).sequence == 1
        assert (await booking.cancel(session, appointment.id)).sequence == 1
    async with database.city(city.id) as session:
        assert NINE in [slot.start for slot in await booking.free_slots(session, city.office.id, SERVICE)]
        kinds = ("appointment.booked", "appointment.cancelled", "slot.freed")
        events = [event for kind in kinds for event in await events_of(session, kind)]
        news = list(await session.scalars(select(LiveRow).where(LiveRow.kind == "appointment")))
    assert [event.kind for event in events] == list(kinds)
    assert {row.stream for row in news} == {f"office:{city.office.id}"}
    await booked(database, make, clock)


async def test_the_days_list_and_its_marks(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking = sample_booking(clock)
    second = await booked(database, make, clock, NINE + HALF_AN_HOUR)
    first = await booked(database, make, clock)
    await booked(database, make, clock, NINE + timedelta(days=1))
    async with database.city(city.id) as session:
        await booking.mark_done(session, first.id)
        await booking.mark_missed(session, second.id)
    async with database.city(city.id) as session:
        rows = await booking.todays(session, city.office.id, NINE.date())
        of_case = await booking.of_case(session, first.case_id)
    assert [(row.id, row.status) for row in rows] == [(first.id, "done"), (second.id, "missed")]
    assert of_case is not None
    assert of_case.id == first.id


async def test_the_nightly_round_gives_up_old_holds(
    database: Database, city: SampleCity, make: Factory, clock: FixedClock, lane: None
) -> None:
    booking, case = sample_booking(clock), await some_case(database, make)
    async with database.city(city.id) as session:
        await booking.hold(session, case, gate(), NINE, MANILA)
        assert await booking.release_expired(session) == 0
    clock.move(timedelta(minutes=11))
    async with database.city(city.id) as session:
        assert await booking.release_expired(session) == 1
        assert len(await events_of(session, "slot.freed")) == 1


async def test_the_lanes_follow_the_rules(database: Database, city: SampleCity, clock: FixedClock) -> None:
    booking = sample_booking(clock)
    async with database.city(city.id) as session:
        await add_lane(session, city.office, "gone")
        await booking.prepare_lanes(session, city.office.id)
        await booking.prepare_lanes(session, city.office.id)
    async with database.city(city.id) as session:
        lanes = list(await session.scalars(select(Lane).order_by(Lane.name)))
    assert [(lane.name, lane.active) for lane in lanes] == [("1", True), ("gone", False)]
