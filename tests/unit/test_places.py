"""City names in many languages and sentences become time zones."""

import pytest

from foundation import places


@pytest.mark.parametrize(
    ("language", "text", "zone"),
    [
        ("en", "Manila", "Asia/Manila"),
        ("en", "I'm in Manila now", "Asia/Manila"),
        ("en", "we are staying in Ho Chi Minh City", "Asia/Ho_Chi_Minh"),
        ("en", "Delhi, India", "Asia/Kolkata"),
        ("en", "San Jose, Costa Rica", "America/Costa_Rica"),
        ("en", "Paris", "Europe/Paris"),
        ("en", "Київ", "Europe/Kyiv"),
        ("de", "München", "Europe/Berlin"),
        ("de", "ich wohne noch in Wien", "Europe/Vienna"),
        ("de", "Ich bin gerade in Kairo", "Africa/Cairo"),
        ("tr", "İSTANBUL", "Europe/Istanbul"),
        ("tr", "İstanbul'dayım", "Europe/Istanbul"),
        ("tr", "şu an Berlin’deyim", "Europe/Berlin"),
        ("tr", "Kahiredeyim", "Africa/Cairo"),
        ("tr", "Londra", "Europe/London"),
        ("ar", "أنا في القاهرة", "Africa/Cairo"),
        ("ar", "القاهره", "Africa/Cairo"),
        ("ar", "بالقاهرة", "Africa/Cairo"),
        ("ar", "اسطنبول", "Europe/Istanbul"),
        ("ar", "دمشق", "Asia/Damascus"),
    ],
)
def test_a_city_gives_its_zone(language: str, text: str, zone: str) -> None:
    assert places.find(text, language)[0].zone == zone


@pytest.mark.parametrize(
    ("language", "text", "zone"),
    [
        ("en", "Philippines", "Asia/Manila"),
        ("tr", "Filipinler", "Asia/Manila"),
        ("ar", "الفلبين", "Asia/Manila"),
        ("de", "in der Türkei", "Europe/Istanbul"),
        ("ar", "أنا في مصر", "Africa/Cairo"),
        ("en", "Singapore", "Asia/Singapore"),
    ],
)
def test_a_country_with_one_clock_is_enough(language: str, text: str, zone: str) -> None:
    assert [place.zone for place in places.find(text, language)] == [zone]


def test_a_country_with_several_clocks_gives_a_choice() -> None:
    zones = [place.zone for place in places.find("USA", "en")]
    assert zones[:3] == ["America/New_York", "America/Los_Angeles", "America/Chicago"]
    assert len(places.find("Australia", "en")) > 3


def test_namesakes_are_ranked_and_one_zone_counts_once() -> None:
    found = places.find("San Jose", "en")
    assert [place.zone for place in found[:3]] == [
        "America/Los_Angeles",
        "America/Costa_Rica",
        "Asia/Manila",
    ]
    assert len({place.zone for place in found}) == len(found)
    assert [place.population for place in found] == sorted(
        (place.population for place in found), reverse=True
    )


def test_the_country_is_named_in_the_persons_language() -> None:
    assert places.find("Manila", "ar")[0].country == "الفلبين"
    assert places.find("Kahire", "tr")[0] == places.Place("Kahire", "Mısır", "Africa/Cairo", 9606916)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "hello"),
        ("en", "I do not know"),
        ("de", "weiß nicht"),
        ("de", "hier"),
        ("tr", "evdeyim"),
        ("ar", "لا أعرف"),
        ("en", ""),
        ("en", "🙂"),
        ("en", "what?"),
        ("en", "x " * 500),
    ],
)
def test_no_place_is_found_where_none_is_named(language: str, text: str) -> None:
    assert places.find(text, language) == []
