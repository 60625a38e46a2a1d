"""Calendar files read back as they were meant, and name nothing personal."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import icalendar
import pytest
from sqlalchemy.dialects.postgresql import Range

from booking.calendar import CalendarFiles, Invitation, addressed_to
from booking.models import Appointment
from foundation.i18n import Catalogue
from foundation.settings import ROOT

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
FILES = CalendarFiles(Catalogue.load(ROOT / "content"))
ID = UUID("6f4a3f0e-4c05-4a58-9c1b-0d6a3a4a1111")


def invitation(language: str) -> Invitation:
    return Invitation(
        office_name="Bürgeramt Virtuell",
        office_place="Heidelberg",
        office_zone="Europe/Berlin",
        office_mail="buergeramt@heidelberg.example",
        link="https://foyer.example/a/" + "t" * 32,
        language=language,
    )


def appointment(start: datetime, **values: object) -> Appointment:
    row = Appointment(
        id=ID,
        number=4711,
        service="certificate_of_conduct",
        during=Range(start, start + timedelta(minutes=30)),
        status="booked",
        zone="Asia/Manila",
        sequence=0,
    )
    for name, value in values.items():
        setattr(row, name, value)
    return row


def read(data: bytes) -> tuple[icalendar.Calendar, icalendar.Event]:
    calendar = icalendar.Calendar.from_ical(data)
    assert isinstance(calendar, icalendar.Calendar)
    (event,) = calendar.walk("VEVENT")
    assert isinstance(event, icalendar.Event)
    return calendar, event


@pytest.mark.parametrize("language", ["de", "en", "tr", "ar"])
@pytest.mark.parametrize(
    "start", ["2026-10-23T09:30+02:00", "2026-10-26T09:30+01:00", "2027-03-29T09:30+02:00"]
)
def test_the_file_reads_back(language: str, start: str) -> None:
    instant = datetime.fromisoformat(start)
    data = FILES.file(appointment(instant.astimezone(UTC)), invitation(language), now=NOW)
    calendar, event = read(data)
    assert (str(calendar["METHOD"]), str(event["STATUS"]), str(event["SEQUENCE"])) == (
        "PUBLISH",
        "CONFIRMED",
        "0",
    )
    assert (event.start, event.end) == (instant, instant + timedelta(minutes=30))
    assert event["DTSTART"].params["TZID"] == "Europe/Berlin"
    assert not calendar.get_missing_tzids()
    assert str(event["UID"]) == f"{ID}@foyer.example"
    assert "4711" in str(event["SUMMARY"])
    assert str(event["CLASS"]) == "PRIVATE"
    assert len(event.walk("VALARM")) == 2
    assert max(len(line) for line in data.split(b"\r\n")) <= 75


def test_the_zone_in_the_file_changes_its_clocks_when_berlin_does() -> None:
    calendar, _ = read(
        FILES.file(appointment(datetime(2026, 10, 23, 7, tzinfo=UTC)), invitation("en"), now=NOW)
    )
    (zone,) = calendar.walk("VTIMEZONE")
    rules = {part.name: part["RRULE"].to_ical() for part in zone.subcomponents}
    assert rules == {
        "DAYLIGHT": b"FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
        "STANDARD": b"FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10",
    }
    assert isinstance(zone, icalendar.Timezone)
    own = zone.to_tz()
    for text in ("2026-10-25T01:30", "2026-10-25T03:30", "2027-03-28T01:30", "2027-03-28T03:30"):
        moment = datetime.fromisoformat(text)
        assert own.utcoffset(moment) == timedelta(
            hours=2 if text in ("2026-10-25T01:30", "2027-03-28T03:30") else 1
        )


def test_both_times_and_the_link_are_inside_and_the_errand_is_not() -> None:
    start = datetime(2026, 10, 20, 7, tzinfo=UTC)
    data = FILES.file(appointment(start), invitation("en"), now=NOW)
    _, event = read(data)
    assert "09:00 in Heidelberg = 15:00 for you in Manila" in str(event["DESCRIPTION"])
    assert "https://foyer.example/a/" in str(event["DESCRIPTION"])
    assert b"conduct" not in data


def test_a_cancellation_takes_the_same_appointment_away() -> None:
    cancelled = appointment(datetime(2026, 10, 20, 7, tzinfo=UTC), status="cancelled", sequence=2)
    attachment = FILES.attachment(cancelled, invitation("de"), now=NOW)
    calendar, event = read(attachment.data)
    assert (str(calendar["METHOD"]), str(event["STATUS"]), str(event["SEQUENCE"])) == (
        "CANCEL",
        "CANCELLED",
        "2",
    )
    assert str(event["UID"]) == f"{ID}@foyer.example"
    assert attachment.media_type == "text/calendar; method=CANCEL"
    assert not event.walk("VALARM")


@pytest.mark.parametrize(("status", "expected"), [("booked", "REQUEST"), ("cancelled", "CANCEL")])
def test_a_mail_invites_its_addressee(status: str, expected: str) -> None:
    data = FILES.file(
        appointment(datetime(2026, 10, 20, 7, tzinfo=UTC), status=status), invitation("ar"), now=NOW
    )
    invited, method = addressed_to(data, "amira@example.org")
    calendar, event = read(invited)
    assert method == expected == str(calendar["METHOD"])
    assert str(event["ATTENDEE"]) == "mailto:amira@example.org"
    assert str(event["SUMMARY"]) == str(read(data)[1]["SUMMARY"])
