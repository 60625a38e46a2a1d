"""What booking needs to know from a city's content."""

from datetime import timedelta
from typing import Protocol

from booking.slots import OfficeHours


class Rules(Protocol):
    """Opening hours by office (slug), lengths by service (id)."""

    def hours(self, office: str) -> OfficeHours: ...

    def duration(self, service: str) -> timedelta: ...


class GateResult(Protocol):
    """What the gate of a service said about this person; only the way "video" may take a slot."""

    @property
    def service(self) -> str: ...

    @property
    def way(self) -> str: ...
