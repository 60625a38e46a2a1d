"""The facts of a city's content and calendar, as escalation asks for them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from booking.ports import Rules
from foundation.content import CityContent
from foundation.errors import NotFound
from foundation.i18n import Filled, Sayable, Text, Verbatim
from people.models import Office

UNKNOWN_LENGTH = timedelta(minutes=15)


@dataclass(frozen=True)
class CityFacts:
    """Implements escalation.ports.Facts."""

    content: CityContent
    rules: Rules

    def service_name(self, service: str | None) -> Sayable:
        if service is None:
            return Text("summary.no_service")
        try:
            return Filled(self.content.service(service).names)
        except NotFound:  # a city may drop a service while a case about it is open
            return Verbatim(service)

    def duration_of(self, service: str | None) -> timedelta:
        try:
            return self.rules.duration(service) if service else UNKNOWN_LENGTH
        except (NotFound, KeyError):
            return UNKNOWN_LENGTH

    def open_at(self, office: Office, instant: datetime) -> bool:
        hours = self.rules.hours(office.slug)
        local = instant.astimezone(ZoneInfo(hours.zone))
        spans = hours.weekly.get(local.weekday(), ()) if hours.open_on(local.date()) else ()
        return any(opens <= local.time() < closes for opens, closes in spans)
