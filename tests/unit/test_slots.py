"""Slots across clock changes, holidays and time zones, and the words that name them."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

import pytest

from booking.slots import OfficeHours, Slot, Taken, awake, candidates, free, ranked, when_text
from foundation.i18n import Catalogue
from foundation.settings import ROOT

MORNING = {day: ((time(8), time(10)),) for day in range(7)}
HOURS = OfficeHours(zone="Europe/Berlin", weekly=MORNING, region="BW")
HALF_AN_HOUR = timedelta(minutes=30)
CATALOGUE = Catalogue.load(ROOT / "content")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def starts(hours: OfficeHours, first: str, last: str) -> list[datetime]:
    return list(candidates(hours, HALF_AN_HOUR, after=at(first), before=at(last)))


@pytest.mark.parametrize(
    ("day", "offset"),
    [("2026-10-24", "+02:00"), ("2026-10-25", "+01:00"), ("2027-03-27", "+01:00"), ("2027-03-28", "+02:00")],
)
def test_the_office_opens_at_eight_on_both_sides_of_a_clock_change(day: str, offset: str) -> None:
    found = starts(HOURS, f"{day}T00:00+00:00", f"{day}T23:59+00:00")
    assert found[0] == at(f"{day}T08:00{offset}")
    assert found[-1] == at(f"{day}T09:30{offset}")
    assert len(found) == 7


def test_an_office_open_through_the_clock_change_neither_loses_nor_repeats_a_slot() -> None:
    night = OfficeHours(zone="Europe/Berlin", weekly={6: ((time(1), time(4)),)}, region=None)
    autumn = starts(night, "2026-10-24T12:00+00:00", "2026-10-25T12:00+00:00")
    spring = starts(night, "2027-03-27T12:00+00:00", "2027-03-28T12:00+00:00")
    assert len(autumn) == len(set(autumn)) == 15  # four hours
    assert len(spring) == len(set(spring)) == 7  # two hours


def test_holidays_of_the_state_and_closed_days_have_no_slots() -> None:
    closed = OfficeHours(zone="Europe/Berlin", weekly=MORNING, closed=frozenset({date(2026, 10, 20)}))
    assert not starts(closed, "2026-10-20T00:00+02:00", "2026-10-21T00:00+02:00")
    all_saints = ("2026-11-01T00:00+01:00", "2026-11-02T00:00+01:00")
    assert not starts(HOURS, *all_saints)
    assert starts(OfficeHours(zone="Europe/Berlin", weekly=MORNING, region="BE"), *all_saints)


def test_a_slot_is_free_while_one_lane_is() -> None:
    one, two = uuid4(), uuid4()
    nine = at("2026-10-20T09:00+02:00")
    taken = [Taken(one, nine, nine + HALF_AN_HOUR)]
    again = [*taken, Taken(two, nine + timedelta(minutes=15), nine + timedelta(minutes=45))]
    assert [slot.lanes for slot in free(iter([nine]), HALF_AN_HOUR, [one, two], taken)] == [(two,)]
    assert not list(free(iter([nine]), HALF_AN_HOUR, [one, two], again))
    assert list(free(iter([nine - HALF_AN_HOUR]), HALF_AN_HOUR, [one, two], again))


def _slots(*hours: str) -> list[Slot]:
    return [Slot(at(hour), at(hour) + HALF_AN_HOUR) for hour in hours]


def test_waking_hours_come_before_sooner_slots() -> None:
    slots = _slots("2026-10-20T08:00+02:00", "2026-10-20T17:00+02:00", "2026-10-21T09:00+02:00")
    in_honolulu = ranked(slots, HOURS, zone="Pacific/Honolulu")
    assert [awake(slot, "Pacific/Honolulu") for slot in slots] == [True, False, True]
    assert in_honolulu == [slots[0], slots[2], slots[1]]
    assert ranked(slots, HOURS, zone="Asia/Manila")[0] == slots[0]


def test_the_best_slots_lie_on_several_days_and_none_is_lost() -> None:
    slots = _slots(*(f"2026-10-{day}T{hour:02}:00+02:00" for day in (20, 21, 22) for hour in range(8, 16)))
    order = ranked(slots, HOURS, zone="Europe/Berlin")
    assert len({slot.start.date() for slot in order[:6]}) == 3
    assert sorted(order) == slots


@pytest.mark.parametrize(
    ("start", "zone", "said"),
    [
        ("2026-10-20T09:00+02:00", "Asia/Manila", "09:00 in Heidelberg = 15:00 for you in Manila"),
        ("2026-10-27T09:00+01:00", "Asia/Manila", "09:00 in Heidelberg = 16:00 for you in Manila"),
        ("2027-03-26T09:00+01:00", "Asia/Manila", "09:00 in Heidelberg = 16:00 for you in Manila"),
        ("2027-03-29T09:00+02:00", "Asia/Manila", "09:00 in Heidelberg = 15:00 for you in Manila"),
        ("2026-10-20T09:00+02:00", "Asia/Kathmandu", "09:00 in Heidelberg = 12:45 for you in Kathmandu"),
        ("2026-10-27T09:00+01:00", "Asia/Kathmandu", "09:00 in Heidelberg = 13:45 for you in Kathmandu"),
        # Egypt leaves summer time on the last Thursday of October, so the distance is back to one hour.
        ("2026-10-20T09:00+02:00", "Africa/Cairo", "09:00 in Heidelberg = 10:00 for you in Cairo"),
        ("2026-10-27T09:00+01:00", "Africa/Cairo", "09:00 in Heidelberg = 11:00 for you in Cairo"),
        ("2026-10-30T09:00+01:00", "Africa/Cairo", "09:00 in Heidelberg = 10:00 for you in Cairo"),
        ("2026-10-20T09:00+02:00", "Europe/Kyiv", "09:00 in Heidelberg = 10:00 for you in Kyiv"),
        ("2027-03-29T09:00+02:00", "Europe/Kyiv", "09:00 in Heidelberg = 10:00 for you in Kyiv"),
    ],
)
def test_both_times_are_said(start: str, zone: str, said: str) -> None:
    text = when_text(at(start), office_zone="Europe/Berlin", office_place="Heidelberg", person_zone=zone)
    assert CATALOGUE.render(text, "en").endswith(said)


@pytest.mark.parametrize(
    ("start", "theirs"),
    [
        ("2026-10-20T09:00+02:00", "21:00"),
        ("2026-10-27T09:00+01:00", "22:00"),
        ("2027-03-29T09:00+02:00", "21:00"),
    ],
)
def test_another_date_there_is_said_too(start: str, theirs: str) -> None:
    text = when_text(
        at(start), office_zone="Europe/Berlin", office_place="Heidelberg", person_zone="Pacific/Honolulu"
    )
    said = CATALOGUE.render(text, "en")
    day = (at(start) - timedelta(days=1)).day
    assert said.endswith(f"{theirs} for you in Honolulu")
    assert str(day) in said.split("=")[1]


def test_one_clock_is_said_once_and_a_named_city_keeps_its_name() -> None:
    nine = at("2026-10-20T09:00+02:00")
    same = when_text(nine, office_zone="Europe/Berlin", office_place="Heidelberg", person_zone="Europe/Rome")
    cebu = when_text(
        nine,
        office_zone="Europe/Berlin",
        office_place="Heidelberg",
        person_zone="Asia/Manila",
        person_place="Cebu",
    )
    assert "=" not in CATALOGUE.render(same, "de")
    assert CATALOGUE.render(cebu, "en").endswith("15:00 for you in Cebu")


@pytest.mark.parametrize(("language", "city"), [("de", "Kairo"), ("tr", "Kahire"), ("ar", "القاهرة")])
def test_the_city_is_named_in_the_persons_language(language: str, city: str) -> None:
    nine = at("2026-10-27T09:00+01:00")
    text = when_text(nine, office_zone="Europe/Berlin", office_place="Heidelberg", person_zone="Africa/Cairo")
    assert city in CATALOGUE.render(text, language)
    assert "11:00" in CATALOGUE.render(text, language)
