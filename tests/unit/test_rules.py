"""What the word lists make of messages: understood in four languages, in spite of case, endings and slips."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from foundation.content import load
from foundation.settings import ROOT
from nlu.service import NluService
from nlu.understanding import Understanding
from nlu.words import fold, nearest, split, stem

MESSAGES = [
    tuple(line.split("|", 2))
    for line in (Path(__file__).parent / "data" / "messages.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
LANGUAGES = ("de", "en", "tr", "ar")


@pytest.fixture(scope="module")
def nlu() -> NluService:
    service = NluService.from_content(load(ROOT / "content", "heidelberg"))
    service.warm()
    return service


def shown(meant: Understanding) -> str:
    if meant.fallback:
        return ":".join(filter(None, ("fallback", ",".join(str(one.service) for one in meant.alternatives))))
    return ":".join(filter(None, (meant.intent, meant.service, meant.aspect, meant.choice)))


def test_there_are_enough_messages_in_every_language() -> None:
    counted = {code: sum(1 for language, _, _ in MESSAGES if language == code) for code in LANGUAGES}
    assert min(counted.values()) >= 50, counted


@pytest.mark.parametrize(("language", "meant", "text"), MESSAGES)
async def test_message_is_understood(nlu: NluService, language: str, meant: str, text: str) -> None:
    understanding = await nlu.understand(text, language, {})
    assert shown(understanding) == meant
    assert understanding.language in (language, None)
    assert understanding.text == text


@pytest.mark.parametrize(
    ("text", "context", "meant"),
    [
        ("Was kostet das?", {"service": "identity_card"}, "service_info:identity_card:fee"),
        ("ne kadar tutar?", {"service": "address_change"}, "service_info:address_change:fee"),
        ("Was kostet das?", {}, "service_info:fee"),
        ("what do I need?", {"service": "address_change"}, "service_info:address_change:documents"),
    ],
)
async def test_the_service_spoken_of_is_meant(
    nlu: NluService, text: str, context: Mapping[str, str], meant: str
) -> None:
    assert shown(await nlu.understand(text, "de", context)) == meant


@pytest.mark.parametrize("text", ["", "   ", "🙂", "?!", "x", "…" * 50, "a" * 5000, "12.3.", "\u202e\u0000"])
async def test_noise_asks_back(nlu: NluService, text: str) -> None:
    understanding = await nlu.understand(text, "tr", {})
    assert understanding.fallback
    assert understanding.language is None


@pytest.mark.parametrize(("text", "number"), [("2", "2"), ("٣", "3"), (" 4 ", "4"), ("۵", "5")])
async def test_a_number_is_a_choice(nlu: NluService, text: str, number: str) -> None:
    assert (await nlu.understand(text, "ar", {})).choice == number


async def test_two_services_ask_which(nlu: NluService) -> None:
    understanding = await nlu.understand("Meldebescheinigung oder Führungszeugnis?", "de", {})
    assert understanding.fallback
    assert [one.service for one in understanding.alternatives] == [
        "registration_certificate",
        "certificate_of_conduct",
    ]


async def test_a_german_term_is_understood_in_any_conversation(nlu: NluService) -> None:
    for language in LANGUAGES:
        understanding = await nlu.understand("Ummeldung", language, {})
        assert (understanding.service, understanding.language) == ("address_change", None)


async def test_a_model_that_is_away_is_not_missed() -> None:
    class Away:
        async def parse(self, text: str, language: str, context: Mapping[str, str]) -> Understanding | None:
            return None

    service = NluService.from_content(load(ROOT / "content", "heidelberg"), Away())
    assert (await service.understand("I moved", "en", {})).service == "address_change"


async def test_a_message_is_read_within_milliseconds(nlu: NluService) -> None:
    started = time.process_time()
    for language, _, text in MESSAGES:
        await nlu.understand(text, language, {})
    assert (time.process_time() - started) / len(MESSAGES) < 0.02


def test_case_is_turkish_where_it_must_be() -> None:
    assert fold("TAŞINDIM", "tr") == fold("taşındım", "tr") == "tasindim"
    assert fold("İSTANBUL'da", "tr") == fold("istanbul", "tr")


def test_arabic_writings_of_a_word_are_one() -> None:
    writings = ("الإقامة", "الاقامة", "الإقامه", "الإِقامَة", "الـإقـامـة")
    assert len({stem(fold(one, "ar"), "ar") for one in writings}) == 1


def test_umlauts_may_be_spelled_out() -> None:
    assert fold("Führungszeugnis", "de") == fold("Fuehrungszeugnis", "de") == fold("FUHRUNGSZEUGNIS", "de")


def test_slips_are_bounded() -> None:
    known = {"anmeldung", "abmeldung", "ummeldung"}
    assert nearest("anmeldng", known, 8) == "anmeldung"
    assert nearest("nmeldung", known, 8) is None
    assert nearest("haus", known, 4) is None
    assert nearest("amneldung", known - {"ummeldung"}, 9) == "anmeldung"
    assert nearest("auffuhrung", known, 10) is None


def test_words_keep_their_marks() -> None:
    assert split("شُكرًا جزيلًا، I'm here!") == ["شُكرًا", "جزيلًا", "I'm", "here"]
