"""The calendar file of an appointment (RFC 5545, RFC 5546): neutral outside, both times inside.

A person's calendar is synchronised, shared and shown on locked screens, so it never names the errand.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import icalendar

from booking.models import Appointment
from booking.slots import when_text
from conversation.reply import Attachment
from foundation.i18n import Catalogue, Text

PRODUCT = "-//Foyer//Appointment//EN"
REMIND = timedelta(hours=-24), timedelta(minutes=-30)
PUBLISH, REQUEST, CANCEL = "PUBLISH", "REQUEST", "CANCEL"
NAME = "appointment.ics"


@dataclass(frozen=True)
class Invitation:
    """What a calendar file needs to know of the office and the person. `link` is the case's full address."""

    office_name: str
    office_place: str
    office_zone: str
    office_mail: str
    link: str
    language: str
    person_place: str = ""


class CalendarFiles:
    """Writes calendar files in a person's language."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def attachment(self, appointment: Appointment, invitation: Invitation, *, now: datetime) -> Attachment:
        """The file as it travels with a message; cancelled appointments make a cancellation."""
        method = method_of(appointment)
        return Attachment(
            NAME, f"text/calendar; method={method}", self.file(appointment, invitation, now=now)
        )

    def file(self, appointment: Appointment, invitation: Invitation, *, now: datetime) -> bytes:
        """The whole file, CRLF and folded. A higher SEQUENCE replaces the older one in the person's calendar."""
        method = method_of(appointment)
        calendar = icalendar.Calendar()
        for name, value in (
            ("prodid", PRODUCT),
            ("version", "2.0"),
            ("calscale", "GREGORIAN"),
            ("method", method),
        ):
            calendar.add(name, value)
        if invitation.office_zone == "Europe/Berlin":
            calendar.add_component(berlin())
        calendar.add_component(self._event(appointment, invitation, method, now))
        return bytes(calendar.to_ical())

    def _event(
        self, appointment: Appointment, invitation: Invitation, method: str, now: datetime
    ) -> icalendar.Event:
        event, zone = icalendar.Event(), ZoneInfo(invitation.office_zone)
        start, end = (instant.astimezone(zone) for instant in bounds(appointment))
        event.add("uid", uid_of(appointment.id, invitation.link))
        event.add("sequence", appointment.sequence)
        event.add("dtstamp", now.astimezone(UTC))
        event.add("dtstart", start)
        event.add("dtend", end)
        event.add("summary", self._say(Text("booking.neutral_title", number=appointment.number), invitation))
        event.add("description", self._description(appointment, invitation, method))
        event.add("url", invitation.link)
        event.add("status", "CANCELLED" if method == CANCEL else "CONFIRMED")
        event.add("class", "PRIVATE")
        event.add("transp", "TRANSPARENT" if method == CANCEL else "OPAQUE")
        organizer = icalendar.vCalAddress(f"mailto:{invitation.office_mail}")
        organizer.params["CN"] = invitation.office_name
        event.add("organizer", organizer, encode=False)
        if method != CANCEL:
            self._remind(event, str(event["summary"]))
        return event

    def _description(self, appointment: Appointment, invitation: Invitation, method: str) -> str:
        when = when_text(
            bounds(appointment)[0],
            office_zone=invitation.office_zone,
            office_place=invitation.office_place,
            person_zone=appointment.zone,
            person_place=invitation.person_place,
        )
        key = "booking.calendar_cancelled" if method == CANCEL else "booking.calendar_text"
        return "\n".join([self._say(when, invitation), self._say(Text(key), invitation), invitation.link])

    def _say(self, text: Text, invitation: Invitation) -> str:
        return self._catalogue.render(text, invitation.language)

    def _remind(self, event: icalendar.Event, summary: str) -> None:
        for before in REMIND:
            alarm = icalendar.Alarm()
            alarm.add("action", "DISPLAY")
            alarm.add("description", summary)
            alarm.add("trigger", before)
            event.add_component(alarm)


def method_of(appointment: Appointment) -> str:
    """A file to be opened is published; only a mail, which has an addressee, invites (RFC 5546, 3.2)."""
    return CANCEL if appointment.status == "cancelled" else PUBLISH


def addressed_to(data: bytes, mail_address: str) -> tuple[bytes, str]:
    """The file as an invitation to one mailbox, and its method (REQUEST or CANCEL)."""
    calendar = icalendar.Calendar.from_ical(data)
    if not isinstance(calendar, icalendar.Calendar):
        raise TypeError("not a calendar file")
    method = CANCEL if str(calendar["METHOD"]) == CANCEL else REQUEST
    del calendar["METHOD"]
    calendar.add("method", method)
    attendee = icalendar.vCalAddress(f"mailto:{mail_address}")
    state = "NEEDS-ACTION" if method == REQUEST else "DECLINED"
    attendee.params.update(
        {"CUTYPE": "INDIVIDUAL", "ROLE": "REQ-PARTICIPANT", "PARTSTAT": state, "RSVP": "FALSE"}
    )
    for event in calendar.walk("VEVENT"):
        event.add("attendee", attendee, encode=False)
    return bytes(calendar.to_ical()), method


def uid_of(appointment_id: uuid.UUID, link: str) -> str:
    """The same over all versions of one appointment, so that calendars replace and remove it."""
    return f"{appointment_id}@{urlsplit(link).hostname or 'foyer'}"


def bounds(appointment: Appointment) -> tuple[datetime, datetime]:
    """Start and end, UTC."""
    during = appointment.during
    if during.lower is None or during.upper is None:
        raise ValueError("an appointment has both ends")
    return during.lower, during.upper


def berlin() -> icalendar.Timezone:
    """Europe/Berlin as two yearly rules: what icalendar writes itself are decades of single dates."""
    zone = icalendar.Timezone()
    zone.add("tzid", "Europe/Berlin")
    for component, name, offsets, (month, day, hour) in (
        (icalendar.TimezoneDaylight(), "CEST", (1, 2), (3, 31, 2)),
        (icalendar.TimezoneStandard(), "CET", (2, 1), (10, 27, 3)),
    ):
        before, after = (timedelta(hours=hours) for hours in offsets)
        component.add("tzname", name)
        component.add("tzoffsetfrom", before)
        component.add("tzoffsetto", after)
        component.add("dtstart", datetime(1996, month, day, hour))
        component.add("rrule", {"freq": "yearly", "bymonth": month, "byday": "-1su"})
        zone.add_component(component)
    return zone
