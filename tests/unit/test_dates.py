"""Days as people write them, and what the arrival plan makes of them."""

from datetime import UTC, date, datetime

import pytest

from booking.arrival import Days, Journey, plan, remind_at, remind_zone, slot_days, working
from foundation import dates
from foundation.content import load
from foundation.content_models import Arrival
from foundation.settings import ROOT

TODAY = date(2026, 7, 1)


@pytest.fixture(scope="module")
def arrival() -> Arrival:
    found = load(ROOT / "content", "heidelberg").arrival
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("2026-12-03", "en"),
        ("3.12.2026", "de"),
        ("3.12.26", "de"),
        ("03.12.", "de"),
        ("3/12/2026", "en"),
        ("3 December", "en"),
        ("December 3rd, 2026", "en"),
        ("am 3. Dezember", "de"),
        ("3. Dez. 2026", "de"),
        ("3 Aralık 2026", "tr"),
        ("3 aralık'ta", "tr"),
        ("٣ ديسمبر ٢٠٢٦", "ar"),
        ("٣/١٢/٢٠٢٦", "ar"),
        ("3 كانون الأول", "ar"),
        ("3 décembre 2026", "fr"),
        ("3 грудня 2026", "uk"),
        ("2026年12月3日", "zh"),
        ("3. Dezember 2026", "ar"),
    ],
)
def test_a_day_is_read_in_the_ways_of_each_language(written: str, language: str) -> None:
    assert dates.read(written, language, today=TODAY) == date(2026, 12, 3)


def test_the_other_order_is_taken_where_only_it_makes_sense() -> None:
    assert dates.read("12/25/2026", "en", today=TODAY) == date(2026, 12, 25)


def test_a_year_left_out_is_the_next_or_the_one_just_past() -> None:
    assert dates.read("3 March", "en", today=TODAY) == date(2027, 3, 3)
    assert dates.read("3 June", "en", today=TODAY) == date(2026, 6, 3)
    assert dates.read("29 February", "en", today=TODAY) == date(2028, 2, 29)


@pytest.mark.parametrize("written", ["", "hello", "December", "12", "3 May or 4 June", "2026", "1 2 3 4"])
def test_what_names_no_single_day_is_not_guessed(written: str) -> None:
    with pytest.raises(dates.Unreadable):
        dates.read(written, "en", today=TODAY)


@pytest.mark.parametrize("written", ["31.2.2027", "2026-13-14", "0.5.2027", "31 June"])
def test_there_is_no_such_day(written: str) -> None:
    with pytest.raises(dates.NoSuchDay):
        dates.read(written, "en", today=TODAY)


@pytest.mark.parametrize(
    ("moves_in", "last"),
    [
        (date(2026, 10, 20), date(2026, 11, 3)),
        (date(2026, 10, 17), date(2026, 11, 2)),  # 31 October is a Saturday, 1 November All Saints' Day
        (date(2026, 12, 11), date(2026, 12, 28)),  # 25 December, then a weekend
        (date(2027, 3, 14), date(2027, 3, 30)),  # Easter Sunday and Monday; the clocks change on that Sunday
    ],
)
def test_the_last_day_is_a_working_day(arrival: Arrival, moves_in: date, last: date) -> None:
    journey = Journey("inside", moves_in)
    assert slot_days(arrival, journey, working("BW")) == Days(moves_in, last)


def test_only_ones_own_groups_steps_are_planned_soonest_first(arrival: Arrival) -> None:
    journey = Journey("visa", date(2026, 10, 20), date(2026, 10, 15))
    steps = plan(arrival, journey, working("BW"))
    assert [one.step.id for one in steps] == ["visa", "keys", "register", "tax_id", "permit_visa"]
    assert [one.day for one in steps] == sorted(one.day for one in steps)
    assert all(one.remind_on <= one.day for one in steps)


def test_every_country_belongs_to_one_group(arrival: Arrival) -> None:
    named = [code for group in arrival.groups for code in group.countries]
    assert len(named) == len(set(named))
    assert len([group for group in arrival.groups if group.others]) == 1


def test_days_hold_what_their_clock_shows_across_a_change() -> None:
    days = Days(date(2026, 10, 24), date(2026, 10, 25))
    start, end = days.bounds("Europe/Berlin")
    assert (end - start).total_seconds() == 49 * 3600
    assert days.holds(datetime(2026, 10, 25, 22, 59, tzinfo=UTC), "Europe/Berlin")
    assert not days.holds(datetime(2026, 10, 25, 23, tzinfo=UTC), "Europe/Berlin")


def test_reminders_follow_the_person_and_their_clock() -> None:
    journey = Journey("visa", date(2026, 10, 20), date(2026, 10, 15))
    zones = {"home": "Asia/Manila", "office": "Europe/Berlin"}
    assert remind_zone(journey, date(2026, 10, 14), **zones) == "Asia/Manila"
    assert remind_zone(journey, date(2026, 10, 15), **zones) == "Europe/Berlin"
    assert remind_at(date(2026, 10, 24), "Europe/Berlin") == datetime(2026, 10, 24, 7, tzinfo=UTC)
    assert remind_at(date(2026, 10, 26), "Europe/Berlin") == datetime(2026, 10, 26, 8, tzinfo=UTC)
