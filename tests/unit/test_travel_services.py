"""Passport, driving licences and vehicles: where each walk ends, what stands in the answers, what people type."""

import pytest

from foundation.content import CityContent, Result, load
from foundation.settings import ROOT
from nlu.service import NluService

LANGUAGES = ("de", "en", "tr", "ar")


@pytest.fixture(scope="module")
def content() -> CityContent:
    return load(ROOT / "content", "heidelberg")


@pytest.fixture(scope="module")
def nlu(content: CityContent) -> NluService:
    return NluService.from_content(content)


@pytest.mark.parametrize(
    ("service", "answers", "end", "kind"),
    [
        ("passport", {"german": "yes", "home": "here"}, "in_person", "in_person"),
        ("passport", {"german": "yes", "home": "germany"}, "other_city", "other_authority"),
        ("passport", {"german": "yes", "home": "abroad"}, "mission", "other_authority"),
        ("passport", {"german": "no"}, "not_german", "other_authority"),
        ("international_driving_permit", {"licence": "card", "home": "here"}, "in_person", "in_person"),
        ("international_driving_permit", {"licence": "paper"}, "card_first", "in_person"),
        ("international_driving_permit", {"licence": "other"}, "other_country", "other_authority"),
        ("driving_licence_exchange", {"home": "here", "country": "eu"}, "no_need", "not_yet"),
        ("driving_licence_exchange", {"home": "here", "country": "listed"}, "listed", "in_person"),
        ("driving_licence_exchange", {"home": "here", "country": "other"}, "with_tests", "in_person"),
        ("driving_licence_exchange", {"home": "abroad"}, "not_here_yet", "not_yet"),
        ("vehicle_registration", {"home": "here", "wish": "register"}, "vehicle_office", "other_authority"),
        ("vehicle_registration", {"home": "here", "wish": "advice"}, "video_advice", "video"),
        ("vehicle_registration", {"home": "not_registered"}, "register_first", "not_yet"),
    ],
)
def test_only_advice_about_vehicles_is_booked_by_video(
    content: CityContent, service: str, answers: dict[str, str], end: str, kind: str
) -> None:
    result = content.service(service).gate.next(answers)
    assert isinstance(result, Result)
    assert (result.id, result.kind, result.bookable) == (end, kind, kind == "video")


def test_the_papers_follow_the_country_and_the_wish(content: CityContent) -> None:
    exchange, vehicle = content.service("driving_licence_exchange"), content.service("vehicle_registration")
    listed = {item.id for item in exchange.checklist_for({"home": "here", "country": "listed"})}
    other = {item.id for item in exchange.checklist_for({"home": "here", "country": "other"})}
    assert other - listed == {"sight_test", "first_aid_proof"}
    advice = vehicle.checklist_for({"home": "here", "wish": "advice"})
    assert [item.id for item in advice] == ["identity_document"]


@pytest.mark.parametrize(
    ("service", "amounts"),
    [
        ("passport", ("70", "37.50", "32", "6")),
        ("international_driving_permit", ("16.30",)),
        ("driving_licence_exchange", ("37.50", "45.90")),
        ("vehicle_registration", ("17.80",)),
    ],
)
def test_the_fee_is_named_whole_in_every_language(
    content: CityContent, service: str, amounts: tuple[str, ...]
) -> None:
    for language in LANGUAGES:
        said = content.service(service).aspects["fee"][language].replace(",", ".")
        assert all(amount in said for amount in amounts), (language, said)


@pytest.mark.parametrize(
    ("language", "text", "service"),
    [
        ("de", "Mein Pass ist abgelaufen", "passport"),
        ("de", "Ich will meinen türkischen Führerschein umschreiben lassen", "driving_licence_exchange"),
        ("de", "ich brauche einen Führerschein für die USA", "international_driving_permit"),
        ("de", "mein auto abmelden", "vehicle_registration"),
        (
            "de",
            "ich bin umgezogen und muss mein Auto auf die neue Adresse ummelden",
            "vehicle_registration",
        ),
        ("de", "Ich ziehe um und will mich ummelden", "address_change"),
        ("en", "I need a new passport urgently", "passport"),
        ("en", "can I drive with my Indian licence in Germany", "driving_licence_exchange"),
        ("en", "deregister my car", "vehicle_registration"),
        ("tr", "ehliyetimi çevirmek istiyorum", "driving_licence_exchange"),
        ("tr", "uluslararası ehliyet kaç para", "international_driving_permit"),
        ("tr", "pasaportumun süresi doldu", "passport"),
        ("ar", "كيف أبدل رخصة القيادة السورية", "driving_licence_exchange"),
        ("ar", "اشتريت سيارة كيف أسجلها", "vehicle_registration"),
        ("ar", "أريد تجديد جواز السفر", "passport"),
    ],
)
async def test_what_people_type_is_understood(
    nlu: NluService, language: str, text: str, service: str
) -> None:
    assert (await nlu.understand(text, language, {})).service == service


@pytest.mark.parametrize(
    ("language", "word"),
    [("de", "Führerschein"), ("en", "driving licence"), ("tr", "ehliyet"), ("ar", "رخصة القيادة")],
)
async def test_the_plain_word_asks_which_errand_is_meant(nlu: NluService, language: str, word: str) -> None:
    found = await nlu.understand(word, language, {})
    assert {one.service for one in found.alternatives} == {
        "international_driving_permit",
        "driving_licence_exchange",
    }


async def test_a_passport_as_a_paper_does_not_hide_the_errand(nlu: NluService) -> None:
    found = await nlu.understand("Brauche ich meinen Reisepass für die Anmeldung?", "de", {})
    assert (found.service, found.aspect) == ("residence_registration", "documents")
