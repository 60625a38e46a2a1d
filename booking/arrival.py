"""The arrival plan: from the days a person names to what they have to do by when. Pure; days of the office."""

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from booking.slots import public_holidays
from foundation.content_models import Arrival, ArrivalStep, Fact

REMIND_AT = time(9)
"""Wall-clock time of reminders, where the person is on that day."""

Works = Callable[[date], bool]
"""Whether offices work on a day."""


@dataclass(frozen=True)
class Journey:
    """What a person says of themselves. `arrives` is None for those who live in Germany already."""

    group: str
    moves_in: date
    arrives: date | None = None


@dataclass(frozen=True)
class Planned:
    """A step with its day, and the day to remind of it."""

    step: ArrivalStep
    day: date
    remind_on: date


@dataclass(frozen=True)
class Days:
    """From the first to the last day, both included."""

    first: date
    last: date

    def bounds(self, zone: str) -> tuple[datetime, datetime]:
        """The instants (UTC) from which and before which these days are, in a zone."""
        start = datetime.combine(self.first, time(), ZoneInfo(zone))
        end = datetime.combine(self.last + timedelta(days=1), time(), ZoneInfo(zone))
        return start.astimezone(UTC), end.astimezone(UTC)

    def holds(self, instant: datetime, zone: str) -> bool:
        return self.first <= instant.astimezone(ZoneInfo(zone)).date() <= self.last


def plan(arrival: Arrival, journey: Journey, works: Works) -> tuple[Planned, ...]:
    """The steps of this person's group, soonest first. A step that hangs on an arrival needs one."""
    days = {"move_in": journey.moves_in}
    if journey.arrives:
        days["arrival"] = journey.arrives
    found = []
    for step in arrival.steps_of(journey.group):
        if step.anchor in days:
            days[step.id] = day = _day(arrival, step, days[step.anchor], works)
            found.append(Planned(step, day, _less(day, arrival.facts.get(step.remind or ""))))
    return tuple(sorted(found, key=lambda one: one.day))


def working(region: str | None) -> Works:
    """Whether a day is a working day: no Saturday, Sunday or public holiday of a German state."""
    return lambda day: day.weekday() < 5 and day not in public_holidays(region, day.year)


def slot_days(arrival: Arrival, journey: Journey, works: Works) -> Days | None:
    """The days in which a slot for the plan's errand is of use: from moving in to the last day; None without one."""
    last = next((one.day for one in plan(arrival, journey, works) if one.step.books), None)
    return Days(journey.moves_in, last) if last else None


def remind_zone(journey: Journey, day: date, *, home: str, office: str) -> str:
    """Where the person is on a day: at home until they travel, then where the office is."""
    return home if journey.arrives and day < journey.arrives else office


def remind_at(day: date, zone: str) -> datetime:
    """The instant (UTC) at which the clocks of a zone show the hour of reminders."""
    return datetime.combine(day, REMIND_AT, ZoneInfo(zone)).astimezone(UTC)


def _day(arrival: Arrival, step: ArrivalStep, anchor: date, works: Works) -> date:
    """The day itself does not count (§ 187 BGB) unless the step says so; a last day rolls on to a working day."""
    fact = arrival.facts.get(step.offset or "")
    day = _less(anchor, fact) if step.before else _more(anchor, fact)
    if step.first_day:
        day -= timedelta(days=1)
    while step.rolls and not works(day):
        day += timedelta(days=1)
    return day


def _more(day: date, fact: Fact | None) -> date:
    return _moved(day, fact, 1)


def _less(day: date, fact: Fact | None) -> date:
    return _moved(day, fact, -1)


def _moved(day: date, fact: Fact | None, sign: int) -> date:
    """Months end on the same day, or on their last one (§ 188 BGB)."""
    if fact is None or fact.value is None:
        return day
    count = sign * int(fact.value)
    if fact.unit != "month":
        return day + timedelta(weeks=count) if fact.unit == "week" else day + timedelta(days=count)
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
