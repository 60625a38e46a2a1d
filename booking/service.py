"""Slots offered, held, booked, changed and cancelled.

What makes a double booking impossible is the exclusion constraint on `appointment`; everything read
before an insert is only there to try the likely lane first.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from psycopg import errors as pg
from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.dialects.postgresql import Range, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Appointment, Lane
from booking.ports import GateResult, Rules
from booking.slots import OfficeHours, Slot, Taken, candidates, free, ranked
from conversation.models import Case
from foundation import live
from foundation.clock import Clock
from foundation.db import new_id
from foundation.errors import FoyerError, Invalid, NotFound
from foundation.events import Events
from foundation.faults import reached
from people.models import Office

KEPT_AFTER = timedelta(days=90)
LIVE = ("held", "booked")

Within = tuple[datetime, datetime] | None
"""From when and before when (UTC) an appointment is of use; None is any time."""


class SlotTaken(FoyerError):
    """Somebody else was faster. `next_slots` are the next free ones, soonest first, at most three."""

    status = 409
    key = "booking.slot_taken"

    def __init__(self, next_slots: Sequence[Slot] = ()) -> None:
        super().__init__()
        self.next_slots = tuple(next_slots)


class NoSuchSlot(Invalid):
    """The office has no slot at this time, or it is too late for it."""

    key = "booking.no_such_slot"


class HoldExpired(FoyerError):
    """The slot was not confirmed in time and somebody else may have it."""

    status = 409
    key = "booking.hold_expired"


class NotBookable(FoyerError):
    """The gate did not say "video" for this service, so no slot is given away."""

    status = 409
    key = "booking.not_bookable"


class AlreadyBooked(FoyerError):
    """The case has an appointment; it can be changed or cancelled. `appointment` is that one."""

    status = 409
    key = "booking.already_booked"

    def __init__(self, appointment: Appointment) -> None:
        super().__init__(number=appointment.number)
        self.appointment = appointment


class Booking:
    """An office's calendar. `rules` are the city's hours and lengths."""

    def __init__(self, rules: Rules, clock: Clock, events: Events) -> None:
        self._rules = rules
        self._clock = clock
        self._events = events

    async def free_slots(
        self,
        session: AsyncSession,
        office_id: uuid.UUID,
        service: str,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        limit: int | None = None,
    ) -> list[Slot]:
        """Slots that can be had now, soonest first, inside the office's lead time and horizon."""
        hours, duration = await self._hours(session, office_id), self._rules.duration(service)
        after, before = self._window(hours, after, before)
        lanes = [lane.id for lane in await self._lanes(session, office_id, service)]
        taken = await self._taken(session, lanes, after, before + duration)
        slots = free(candidates(hours, duration, after=after, before=before), duration, lanes, taken)
        return [slot for _, slot in zip(range(limit), slots, strict=False)] if limit else list(slots)

    async def offer(
        self,
        session: AsyncSession,
        office_id: uuid.UUID,
        service: str,
        *,
        zone: str,
        page: int = 0,
        size: int | None = None,
        day: date | None = None,
        within: Within = None,
    ) -> list[Slot]:
        """A page of slots, best first for somebody who lives in `zone`: while they are awake, soon, over several days.

        `day` (of the office) and `within` limit the offer. An empty page means there are no more.
        """
        after, before = within or (None, None)
        if day is not None:
            first, last = await self._day(session, office_id, day)
            after, before = max(after or first, first), min(before or last, last)
        slots = await self.free_slots(session, office_id, service, after=after, before=before)
        hours = await self._hours(session, office_id)
        size = size or hours.offered
        return ranked(slots, hours, zone=zone)[page * size : (page + 1) * size]

    async def hold(
        self,
        session: AsyncSession,
        case: Case,
        gate: GateResult,
        start: datetime,
        zone: str,
        within: Within = None,
    ) -> Appointment:
        """Keep the slot at `start` for this case for some minutes; an older hold of the case is given up.

        `zone` is the person's; the appointment stays `within` its time, also when it is changed.
        Errors: NotBookable, AlreadyBooked, NoSuchSlot, SlotTaken.
        """
        _demand(within, start)
        if gate.kind != "video" or case.service not in (None, gate.service):
            raise NotBookable
        before = await self._live_of(session, case.id)
        if before is not None and before.status == "booked":
            raise AlreadyBooked(before)
        until = self._clock.now() + (await self._hours(session, case.office_id)).held
        async with session.begin_nested():  # without the new slot the old hold stays
            if before is not None:
                before.status = "expired"
                await session.flush()
            slot = await self._slot_at(session, case.office_id, gate.service, start)
            appointment = await self._take(session, case, gate.service, slot, zone, until, within)
        if before is not None and before.during != appointment.during:
            await self._free(session, case.city_id, freed_data(before))
        reached("booking.held")
        return appointment

    async def confirm(self, session: AsyncSession, appointment_id: uuid.UUID) -> Appointment:
        """Turn a hold into an appointment; a second call changes nothing. Errors: NotFound, HoldExpired."""
        appointment = await self._locked(session, appointment_id)
        if appointment.status == "booked":
            return appointment
        # A hold that ran out still stands while nobody else asked for its time: the slow typist gets it.
        if appointment.status != "held" or _start(appointment) <= self._clock.now():
            raise HoldExpired
        appointment.status, appointment.held_until = "booked", None
        await self._tell(session, "appointment.booked", appointment)
        reached("booking.confirmed")
        return appointment

    async def change(self, session: AsyncSession, appointment_id: uuid.UUID, start: datetime) -> Appointment:
        """Move a booked appointment to another slot in one step: it keeps its number, the old slot is kept until the
        new one is had. Errors: NotFound, HoldExpired (not booked any more), NoSuchSlot, SlotTaken.
        """
        appointment = await self._locked(session, appointment_id)
        if appointment.status != "booked":
            raise HoldExpired
        if appointment.during.lower == start.astimezone(UTC):
            return appointment
        within = within_of(appointment)
        _demand(within, start)
        slot = await self._slot_at(session, appointment.office_id, appointment.service, start)
        before = freed_data(appointment)
        if not await self._move(session, appointment, slot):
            service, office_id = appointment.service, appointment.office_id
            raise SlotTaken(await self._next_slots(session, office_id, service, slot.start, within))
        await self._tell(session, "appointment.changed", appointment)
        await self._free(session, appointment.city_id, before)
        return appointment

    async def cancel(self, session: AsyncSession, appointment_id: uuid.UUID) -> Appointment:
        """Give the slot back; a second call changes nothing. Errors: NotFound, HoldExpired (over already)."""
        appointment = await self._locked(session, appointment_id)
        if appointment.status == "cancelled":
            return appointment
        if appointment.status not in LIVE:
            raise HoldExpired
        was_booked = appointment.status == "booked"
        appointment.status, appointment.held_until = "cancelled", None
        appointment.sequence += 1
        if was_booked:
            await self._tell(session, "appointment.cancelled", appointment)
        await self._free(session, appointment.city_id, freed_data(appointment))
        return appointment

    async def of_case(self, session: AsyncSession, case_id: uuid.UUID) -> Appointment | None:
        """The case's booked appointment, else its hold that still runs, else the latest one."""
        query = select(Appointment).where(Appointment.case_id == case_id)
        rows = list(
            await session.scalars(query.order_by(Appointment.created_at.desc(), Appointment.number.desc()))
        )
        booked = [row for row in rows if row.status == "booked"]
        held = [row for row in rows if row.status == "held" and self._still(row)]
        return next(iter([*booked, *held, *rows]), None)

    async def todays(self, session: AsyncSession, office_id: uuid.UUID, day: date) -> list[Appointment]:
        """An office's appointments of a day (of the office), in order of time; holds are no appointments yet."""
        after, before = await self._day(session, office_id, day)
        query = select(Appointment).where(
            Appointment.office_id == office_id,
            Appointment.status.in_(("booked", "done", "missed")),
            Appointment.during.op("&&")(Range(after, before)),
        )
        return list(await session.scalars(query.order_by(func.lower(Appointment.during), Appointment.number)))

    async def comes_late(self, session: AsyncSession, appointment_id: uuid.UUID) -> None:
        """The person says that they will be late; the desk's list of the day shows it. Errors: NotFound."""
        appointment = await self._locked(session, appointment_id)
        if appointment.status == "booked":
            appointment.late_at = self._clock.now()
            self._publish(session, appointment)

    async def mark_done(self, session: AsyncSession, appointment_id: uuid.UUID) -> None:
        await self._mark(session, appointment_id, "done")

    async def mark_missed(self, session: AsyncSession, appointment_id: uuid.UUID) -> None:
        await self._mark(session, appointment_id, "missed")

    async def release_expired(self, session: AsyncSession) -> int:
        """Give up every hold whose time is over and tell who waits for a slot; how many there were."""
        query = select(Appointment).where(self._expired()).with_for_update(skip_locked=True)
        rows = list(await session.scalars(query))
        for row in rows:
            row.status = "expired"
            await self._free(session, row.city_id, freed_data(row))
        return len(rows)

    async def prepare_lanes(self, session: AsyncSession, office_id: uuid.UUID) -> None:
        """Give the office the lanes its rules name; others take no new appointments any more."""
        office = await session.get_one(Office, office_id)
        there = {
            lane.name: lane for lane in await session.scalars(select(Lane).where(Lane.office_id == office_id))
        }
        for lane in there.values():
            lane.active = False
        for plan in self._rules.lanes(office.slug):
            lane = there.get(plan.name) or Lane(id=new_id(), office_id=office_id, city_id=office.city_id)
            lane.name, lane.skills, lane.active = plan.name, list(plan.skills), True
            session.add(lane)
        await session.flush()

    async def _mark(self, session: AsyncSession, appointment_id: uuid.UUID, status: str) -> None:
        appointment = await self._locked(session, appointment_id)
        if appointment.status in ("booked", "done", "missed"):
            appointment.status = status
            self._publish(session, appointment)

    async def _hours(self, session: AsyncSession, office_id: uuid.UUID) -> OfficeHours:
        return self._rules.hours((await session.get_one(Office, office_id)).slug)

    def _window(
        self, hours: OfficeHours, after: datetime | None, before: datetime | None
    ) -> tuple[datetime, datetime]:
        now = self._clock.now()
        earliest, latest = now + hours.lead, now + hours.horizon
        return max(after or earliest, earliest), min(before or latest, latest)

    async def _day(self, session: AsyncSession, office_id: uuid.UUID, day: date) -> tuple[datetime, datetime]:
        zone = ZoneInfo((await self._hours(session, office_id)).zone)
        first, last = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
        return first.astimezone(UTC), last.astimezone(UTC)

    async def _lanes(self, session: AsyncSession, office_id: uuid.UUID, service: str) -> list[Lane]:
        query = select(Lane).where(Lane.office_id == office_id, Lane.active).order_by(Lane.name)
        return [lane for lane in await session.scalars(query) if not lane.skills or service in lane.skills]

    async def _taken(
        self, session: AsyncSession, lanes: Sequence[uuid.UUID], after: datetime, before: datetime
    ) -> list[Taken]:
        ends = func.lower(Appointment.during), func.upper(Appointment.during)
        query = select(Appointment.lane_id, *ends).where(
            Appointment.lane_id.in_(lanes),
            Appointment.during.op("&&")(Range(after, before)),
            Appointment.status.in_(LIVE),
            ~self._expired(),
        )
        return [Taken(lane_id, start, end) for lane_id, start, end in await session.execute(query)]

    def _expired(self) -> ColumnElement[bool]:
        return and_(Appointment.status == "held", Appointment.held_until <= self._clock.now())

    def _still(self, row: Appointment) -> bool:
        return row.held_until is not None and row.held_until > self._clock.now()

    async def _slot_at(
        self, session: AsyncSession, office_id: uuid.UUID, service: str, start: datetime
    ) -> Slot:
        """The slot at `start` with the lanes that look free first. Errors: NoSuchSlot, NotBookable."""
        hours, duration = await self._hours(session, office_id), self._rules.duration(service)
        start = start.astimezone(UTC)
        after, before = self._window(hours, start, start + timedelta(microseconds=1))
        if not list(candidates(hours, duration, after=after, before=before)):
            raise NoSuchSlot
        lanes = [lane.id for lane in await self._lanes(session, office_id, service)]
        if not lanes:
            raise NotBookable
        busy = {one.lane_id for one in await self._taken(session, lanes, start, start + duration)}
        return Slot(start, start + duration, tuple(lane for lane in lanes if lane not in busy))

    async def _take(
        self,
        session: AsyncSession,
        case: Case,
        service: str,
        slot: Slot,
        zone: str,
        until: datetime,
        within: Within,
    ) -> Appointment:
        await self._release(session, slot)
        for lane_id in slot.lanes:
            values = self._row(case, service, slot, zone, until) | {"lane_id": lane_id}
            values["within"] = Range(*within) if within else None
            # Not a plain insert: two of them that meet would wait for each other until one is shot.
            taken = insert(Appointment).values(values).on_conflict_do_nothing().returning(Appointment)
            try:
                async with session.begin_nested():
                    appointment = await session.scalar(taken)
            except DBAPIError as error:
                if not isinstance(error.orig, pg.DeadlockDetected):  # two people swap slots: one has to lose
                    raise
                appointment = None
            if appointment is not None:
                return appointment
        raise SlotTaken(await self._next_slots(session, case.office_id, service, slot.start, within))

    def _row(self, case: Case, service: str, slot: Slot, zone: str, until: datetime) -> dict[str, object]:
        return {
            "id": new_id(),
            "city_id": case.city_id,
            "office_id": case.office_id,
            "case_id": case.id,
            "service": service,
            "during": Range(slot.start, slot.end),
            "status": "held",
            "held_until": until,
            "zone": zone,
            "sequence": 0,
            "created_at": self._clock.now(),
            "delete_after": slot.end + KEPT_AFTER,
        }

    async def _release(self, session: AsyncSession, slot: Slot) -> None:
        """Holds whose time is over would still stand in the constraint's way: give up those at this time."""
        await session.execute(
            update(Appointment)
            .where(
                self._expired(),
                Appointment.lane_id.in_(slot.lanes),
                Appointment.during.op("&&")(Range(slot.start, slot.end)),
            )
            .values(status="expired")
            .execution_options(synchronize_session="fetch")
        )

    async def _move(self, session: AsyncSession, appointment: Appointment, slot: Slot) -> bool:
        await self._release(session, slot)
        # Its own present lane looks busy when the new time overlaps the old one, and is not.
        own = () if appointment.lane_id in slot.lanes else (appointment.lane_id,)
        for lane_id in (*slot.lanes, *own):
            try:
                async with session.begin_nested():
                    appointment.lane_id, appointment.during = lane_id, Range(slot.start, slot.end)
                    appointment.sequence += 1
                    appointment.late_at = None
                    appointment.delete_after = slot.end + KEPT_AFTER
                    await session.flush()
                return True
            except DBAPIError as error:
                if not isinstance(error.orig, pg.ExclusionViolation | pg.DeadlockDetected):
                    raise
                await session.refresh(appointment)
        return False

    async def _next_slots(
        self, session: AsyncSession, office_id: uuid.UUID, service: str, start: datetime, within: Within
    ) -> list[Slot]:
        after, before = within or (None, None)
        for first in (start, after):
            found = await self.free_slots(session, office_id, service, after=first, before=before, limit=3)
            if found:
                break
        return found

    async def _live_of(self, session: AsyncSession, case_id: uuid.UUID) -> Appointment | None:
        """The case's hold or appointment; the case is locked, so that two requests of one person take turns."""
        await session.execute(select(Case.id).where(Case.id == case_id).with_for_update(key_share=True))
        query = select(Appointment).where(Appointment.case_id == case_id, Appointment.status.in_(LIVE))
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
        return (await session.scalars(query.order_by(Appointment.status))).first()

    async def _locked(self, session: AsyncSession, appointment_id: uuid.UUID) -> Appointment:
        query = select(Appointment).where(Appointment.id == appointment_id).with_for_update()
        appointment = await session.scalar(query.execution_options(populate_existing=True))
        if appointment is None:
            raise NotFound
        return appointment

    async def _tell(self, session: AsyncSession, kind: str, appointment: Appointment) -> None:
        """The event and the desk's news, ids only."""
        await session.flush()
        data = {"appointment_id": str(appointment.id), "case_id": str(appointment.case_id)}
        await self._events.emit(session, kind, data, city_id=appointment.city_id, now=self._clock.now())
        self._publish(session, appointment)

    def _publish(self, session: AsyncSession, appointment: Appointment) -> None:
        live.publish(
            session,
            city_id=appointment.city_id,
            stream=f"office:{appointment.office_id}",
            kind="appointment",
            data={"appointment_id": str(appointment.id)},
            now=self._clock.now(),
        )

    async def _free(self, session: AsyncSession, city_id: uuid.UUID, data: dict[str, str]) -> None:
        await session.flush()
        await self._events.emit(session, "slot.freed", data, city_id=city_id, now=self._clock.now())


def within_of(appointment: Appointment) -> Within:
    """The time in which an appointment has to lie; None is any time."""
    within = appointment.within
    return (within.lower, within.upper) if within and within.lower and within.upper else None


def _demand(within: Within, start: datetime) -> None:
    """Errors: NoSuchSlot."""
    if within and not within[0] <= start < within[1]:
        raise NoSuchSlot


def _start(appointment: Appointment) -> datetime:
    """An appointment always has both ends; the type of a range does not know it."""
    return cast(datetime, appointment.during.lower)


def freed_data(appointment: Appointment) -> dict[str, str]:
    """What `slot.freed` says: whose office, which lane and from when to when (ISO 8601, UTC)."""
    return {
        "office_id": str(appointment.office_id),
        "lane_id": str(appointment.lane_id),
        "start": _start(appointment).isoformat(),
        "end": cast(datetime, appointment.during.upper).isoformat(),
    }
