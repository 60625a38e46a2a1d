"""What escalation asks of a city's content."""

from datetime import datetime, timedelta
from typing import Protocol

from foundation.i18n import Sayable
from people.models import Office


class Facts(Protocol):
    """Names, durations and hours. `service` is an id of the catalogue, None where none is chosen yet."""

    def service_name(self, service: str | None) -> Sayable: ...

    def duration_of(self, service: str | None) -> timedelta:
        """How long a talk about this usually takes."""
        ...

    def open_at(self, office: Office, instant: datetime) -> bool:
        """Whether the office talks to people by video or chat at this instant (UTC)."""
        ...
