"""What booking needs to know from a city's content, and the reading of the shipped one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, Self

from booking.slots import OfficeHours
from foundation.content_models import CityContent, Result, Service


@dataclass(frozen=True)
class GateResult:
    """What the gate of a service said about this person; only the kind "video" may take a slot."""

    service: str
    kind: str

    @classmethod
    def walked(cls, service: Service, answers: Mapping[str, str]) -> Self:
        """Walk the gate with these answers; one not walked to its end, or that names another errand, says "not_yet"."""
        step = service.gate.next(answers)
        if isinstance(step, Result) and step.service is None:
            return cls(service.id, step.kind)
        return cls(service.id, "not_yet")


@dataclass(frozen=True)
class LanePlan:
    """A lane an office should have; `skills` are service ids, empty for all."""

    name: str
    skills: Sequence[str] = ()


class Rules(Protocol):
    """Opening hours and lanes by office (slug), lengths by service (id), in a city's own words."""

    def hours(self, office: str) -> OfficeHours: ...

    def lanes(self, office: str) -> Sequence[LanePlan]: ...

    def duration(self, service: str) -> timedelta: ...


class ContentRules:
    """The rules that stand in a city's content."""

    def __init__(self, content: CityContent) -> None:
        self._content = content

    def hours(self, office: str) -> OfficeHours:
        city = self._content.city
        place = next((one for one in city.offices if one.id == office), city.office)
        return OfficeHours(
            zone=place.zone,
            weekly={day: [(span.start, span.end) for span in place.open_on(day)] for day in range(7)},
            region=city.holidays.subdivision,
            closed=frozenset(city.holidays.closed),
            grid=timedelta(minutes=city.slots.grid_minutes),
            lead=timedelta(minutes=city.slots.lead_minutes),
            horizon=timedelta(days=city.slots.horizon_days),
            waking=(city.ranking.start, city.ranking.end),
            held=timedelta(minutes=city.slots.hold_minutes),
            offered=city.slots.offered,
        )

    def lanes(self, office: str) -> Sequence[LanePlan]:
        return [LanePlan(lane.name, lane.skills) for lane in self._content.city.lanes]

    def duration(self, service: str) -> timedelta:
        return timedelta(minutes=self._content.service(service).duration_minutes)
