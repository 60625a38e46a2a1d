"""Which slots an office has: pure functions over hours, lanes and what is taken.

Opening hours are wall-clock times of the office; slots are stepped in UTC between the instants the
office opens and closes, so a clock change neither loses nor repeats one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

import holidays
from babel.dates import get_timezone_location

from foundation.i18n import Filled, Moment, Sayable, Text, TimeOfDay, Verbatim

WAKING = (time(7), time(22))
"""Hours, in the person's own zone, in which nobody has to get up for an appointment."""


@dataclass(frozen=True)
class OfficeHours:
    """When an office takes appointments.

    `weekly`: Monday is 0, spans of wall-clock time. `region`: subdivision of Germany whose public
    holidays count ("BW"), None for none. `lead`: the shortest notice. `horizon`: how far ahead.
    `waking`: the person's hours that come first. `held`: how long a hold lasts. `offered`: slots on a page.
    """

    zone: str
    weekly: Mapping[int, Sequence[tuple[time, time]]]
    region: str | None = "BW"
    closed: Collection[date] = frozenset()
    grid: timedelta = timedelta(minutes=15)
    lead: timedelta = timedelta(hours=2)
    horizon: timedelta = timedelta(days=56)
    waking: tuple[time, time] = WAKING
    held: timedelta = timedelta(minutes=10)
    offered: int = 6

    def open_on(self, day: date) -> bool:
        return day not in self.closed and day not in public_holidays(self.region, day.year)


@dataclass(frozen=True, order=True)
class Slot:
    """A time that can be had, in UTC. `lanes` are those free at that time."""

    start: datetime
    end: datetime
    lanes: tuple[UUID, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Taken:
    """A lane's busy time, in UTC."""

    lane_id: UUID
    start: datetime
    end: datetime


@lru_cache
def public_holidays(region: str | None, year: int) -> frozenset[date]:
    """Public holidays of a German state in a year."""
    if region is None:
        return frozenset()
    return frozenset(holidays.country_holidays("DE", subdiv=region, years=year))


def candidates(
    hours: OfficeHours, duration: timedelta, *, after: datetime, before: datetime
) -> Iterator[datetime]:
    """Every instant (UTC) in [after, before) at which an appointment of this length may start, soonest first."""
    zone = ZoneInfo(hours.zone)
    day, last = after.astimezone(zone).date(), before.astimezone(zone).date()
    while day <= last:
        if hours.open_on(day):
            for opens, closes in hours.weekly.get(day.weekday(), ()):
                start = datetime.combine(day, opens, zone).astimezone(UTC)
                end = datetime.combine(day, closes, zone).astimezone(UTC)
                while start + duration <= end:
                    if after <= start < before:
                        yield start
                    start += hours.grid
        day += timedelta(days=1)


def free(
    starts: Iterator[datetime], duration: timedelta, lanes: Sequence[UUID], taken: Collection[Taken]
) -> Iterator[Slot]:
    """The starts at which at least one lane is free."""
    busy: dict[UUID, list[Taken]] = {lane: [] for lane in lanes}
    for one in taken:
        busy.setdefault(one.lane_id, []).append(one)
    for start in starts:
        end = start + duration
        open_lanes = tuple(
            lane for lane in lanes if not any(one.start < end and start < one.end for one in busy[lane])
        )
        if open_lanes:
            yield Slot(start, end, open_lanes)


def awake(slot: Slot, zone: str, waking: tuple[time, time] = WAKING) -> bool:
    """Whether the whole slot lies within the person's waking hours."""
    start, end = (instant.astimezone(ZoneInfo(zone)) for instant in (slot.start, slot.end))
    return waking[0] <= start.time() and end.time() <= waking[1] and start.date() == end.date()


def ranked(slots: Sequence[Slot], hours: OfficeHours, *, zone: str, per_day: int = 2) -> list[Slot]:
    """Best first: waking hours, then soonest, at most `per_day` of a day before it is the next day's turn.

    Every slot is in the answer once, so cutting it into pages shows everything in the end.
    """
    waking = [slot for slot in slots if awake(slot, zone, hours.waking)]
    other = [slot for slot in slots if not awake(slot, zone, hours.waking)]
    return [*_spread_over_days(waking, hours.zone, per_day), *_spread_over_days(other, hours.zone, per_day)]


def _spread_over_days(slots: Sequence[Slot], zone: str, per_day: int) -> Iterator[Slot]:
    days: dict[date, list[Slot]] = {}
    for slot in sorted(slots):
        days.setdefault(slot.start.astimezone(ZoneInfo(zone)).date(), []).append(slot)
    while days:
        for day in sorted(days):
            chosen = _apart(days[day], per_day)
            yield from chosen
            days[day] = [slot for slot in days[day] if slot not in chosen]
        days = {day: rest for day, rest in days.items() if rest}


def _apart(slots: Sequence[Slot], count: int) -> list[Slot]:
    """`count` of the slots with some distance between them, the first always among them."""
    step = max(1, len(slots) // count)
    return list(slots[::step][:count])


class _CityOfZone(Mapping[str, str]):
    """The city that names a time zone, in any language, as a content text."""

    def __init__(self, zone: str) -> None:
        self._zone = zone

    def __getitem__(self, language: str) -> str:
        return get_timezone_location(self._zone, locale=language, return_city=True).rpartition("/")[2]

    def __iter__(self) -> Iterator[str]:
        yield "en"

    def __len__(self) -> int:
        return 1

    def __contains__(self, language: object) -> bool:
        return True


def city_of(zone: str) -> Sayable:
    """The city a time zone is named after, as each language writes it ("Kairo", "القاهرة")."""
    return Filled(_CityOfZone(zone))


def when_text(
    start: datetime, *, office_zone: str, office_place: str, person_zone: str, person_place: str = ""
) -> Text:
    """ "Tue 20 Oct 2026, 09:00 in Heidelberg = 15:00 for you in Manila".

    The person's date is said as well when it is another day there; their time is left out when both
    clocks show the same. `person_place` names the person's city when it is not the zone's own.
    """
    here, there = (start.astimezone(ZoneInfo(zone)) for zone in (office_zone, person_zone))
    moment, place = Moment(start, office_zone), Verbatim(office_place)
    if here.replace(tzinfo=None) == there.replace(tzinfo=None):
        return Text("booking.when_same", moment=moment, place=place)
    city = Verbatim(person_place) if person_place else city_of(person_zone)
    if here.date() == there.date():
        return Text(
            "booking.when_two", moment=moment, place=place, clock=TimeOfDay(start, person_zone), city=city
        )
    return Text(
        "booking.when_two_days", moment=moment, place=place, yours=Moment(start, person_zone), city=city
    )
