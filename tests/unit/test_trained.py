"""How the model's answer, the nearest services and the word lists become one reading."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from nlu.rasa_client import Answer, Ranked
from nlu.retrieval import ServiceIndex
from nlu.trained import NONE, UNSURE_ABROAD, combined
from nlu.understanding import Alternative, Understanding

CONDUCT, CARD, IMPORTED = "certificate_of_conduct", "identity_card", "dog_tax"
TOPIC = "service_info"


def answer(*intents: tuple[str, float], services: Mapping[str, float]) -> Answer:
    """The model's answer; its vector lies on the axis of CONDUCT, a little towards those of the others."""
    ranked = sorted((Ranked(*one) for one in services.items()), key=lambda one: -one.confidence)
    vector = np.array([0.8, 0.5, 0.33], dtype=np.float32)
    return Answer(tuple(Ranked(*one) for one in intents), (Ranked("fee", 0.9),), tuple(ranked), "en", vector)


def index(*services: str) -> ServiceIndex:
    return ServiceIndex(services, np.eye(3, dtype=np.float32)[: len(services)])


def named(service: str) -> Understanding:
    return Understanding("…", intent=TOPIC, service=service, confidence=0.97, fallback=False)


@pytest.mark.parametrize(
    ("shares", "spoken_of", "expected"),
    [
        ({NONE: 0.9, CONDUCT: 0.1}, CARD, CARD),
        ({NONE: 0.9, CONDUCT: 0.1}, None, None),
        ({CONDUCT: 0.8, NONE: 0.2}, CARD, CONDUCT),
    ],
)
def test_a_message_that_names_no_service_speaks_of_the_one_spoken_of(
    shares: Mapping[str, float], spoken_of: str | None, expected: str | None
) -> None:
    context = {"service": spoken_of} if spoken_of else {}
    said = answer((TOPIC, 0.9), services=shares)
    assert combined("…", said, Understanding("…"), context, index(CONDUCT, CARD)).service == expected


def test_a_name_in_the_message_counts_where_the_model_saw_none() -> None:
    said = answer((TOPIC, 0.9), services={NONE: 0.9, CONDUCT: 0.1, CARD: 0.0})
    assert combined("…", said, named(CARD), {"service": CONDUCT}, index(CONDUCT, CARD)).service == CARD


def test_the_nearest_texts_decide_where_the_model_is_torn() -> None:
    torn = answer((TOPIC, 0.9), services={CARD: 0.5, CONDUCT: 0.45})
    clear = answer((TOPIC, 0.9), services={CARD: 0.97, CONDUCT: 0.02})
    texts = index(CONDUCT, CARD)
    assert combined("…", torn, Understanding("…"), {}, texts).service == CONDUCT
    assert combined("…", clear, Understanding("…"), {}, texts).service == CARD


def test_a_service_that_no_model_learned_is_found_by_its_texts() -> None:
    said = answer((TOPIC, 0.9), services={CARD: 0.6})
    assert combined("…", said, Understanding("…"), {}, index(IMPORTED, CARD)).service == IMPORTED


def test_a_service_that_no_model_learned_is_not_out_of_scope() -> None:
    said = answer(("out_of_scope", 0.9), ("greet", 0.1), services={CARD: 0.2})
    found = combined("…", said, Understanding("…"), {}, index(IMPORTED, CARD))
    assert (found.intent, found.service, found.fallback) == (TOPIC, IMPORTED, False)


def test_a_service_that_the_model_knows_well_keeps_its_messages() -> None:
    a_little_nearer = ServiceIndex((IMPORTED, CARD), np.array([[0.7, 0, 0], [0, 1, 0]], dtype=np.float32))
    for share, expected in ((0.97, CARD), (0.3, IMPORTED)):
        said = answer((TOPIC, 0.9), services={CARD: share})
        assert combined("…", said, Understanding("…"), {}, a_little_nearer).service == expected


@pytest.mark.parametrize(
    ("nearness", "expected"), [(0.8, (TOPIC, IMPORTED)), (0.55, ("faq_church_tax", None))]
)
def test_a_service_that_lies_very_near_counts_before_a_topic(
    nearness: float, expected: tuple[str, str | None]
) -> None:
    """Leaving the church is a service; without an entry for it, it is a question about church tax."""
    texts = ServiceIndex((IMPORTED,), np.array([[nearness / 0.8, 0, 0]], dtype=np.float32))
    said = answer(("faq_church_tax", 0.98), services={CARD: 0.2})
    found = combined("…", said, Understanding("…"), {}, texts)
    assert (found.intent, found.service) == expected


def test_a_topic_that_a_service_hides_is_still_offered() -> None:
    said = answer(("faq_church_tax", 0.6), (TOPIC, 0.35), services={CARD: 0.2})
    found = combined("…", said, Understanding("…"), {}, index(IMPORTED))
    assert (found.service, found.alternatives[0].intent) == (IMPORTED, "faq_church_tax")
    assert (TOPIC, IMPORTED, "fee") not in [
        (one.intent, one.service, one.aspect) for one in found.alternatives
    ]


def test_a_service_that_no_model_learned_makes_no_other_reading_certain() -> None:
    unsure = answer(("book_appointment", 0.12), ("greet", 0.11), ("out_of_scope", 0.1), services={CARD: 0.2})
    assert combined("…", unsure, Understanding("…"), {}, index(IMPORTED)).fallback
    strange = answer(("book_appointment", 0.48), ("out_of_scope", 0.46), services={CARD: 0.2})
    assert not combined("…", strange, Understanding("…"), {}, index(IMPORTED)).fallback
    assert combined("…", strange, Understanding("…"), {}, index(CARD)).fallback


def test_what_seems_strange_is_the_service_that_makes_it_so_or_nothing() -> None:
    """The model's doubt speaks for the unlearned service; once that is found, no learned one takes its place."""
    texts = ServiceIndex((IMPORTED, CARD), np.array([[0.7, 0, 0], [0, 1.26, 0]], dtype=np.float32))
    said = answer(("out_of_scope", 0.97), services={CARD: 0.9})
    found = combined("…", said, Understanding("…"), {}, texts)
    assert (found.intent, found.service, found.fallback) == (TOPIC, IMPORTED, False)


def test_a_message_that_names_no_service_needs_a_name_that_is_very_near() -> None:
    said = answer((TOPIC, 0.9), services={NONE: 0.95, CARD: 0.02})
    for nearness, expected in ((0.6, CARD), (0.8, IMPORTED)):
        texts = ServiceIndex((IMPORTED,), np.array([[nearness / 0.8, 0, 0]], dtype=np.float32))
        assert combined("…", said, Understanding("…"), {"service": CARD}, texts).service == expected
    for literal in (CARD, IMPORTED):
        texts = ServiceIndex((IMPORTED,), np.array([[0.9, 0, 0]], dtype=np.float32))
        assert combined("…", said, named(literal), {}, texts).service == literal


def test_that_no_service_is_named_counts_only_where_the_model_is_sure_of_it() -> None:
    texts = ServiceIndex((IMPORTED,), np.array([[0.6 / 0.8, 0, 0]], dtype=np.float32))
    for share, expected in ((0.45, IMPORTED), (0.6, None)):
        said = answer((TOPIC, 0.9), services={NONE: share, CARD: 0.2})
        assert combined("…", said, Understanding("…"), {}, texts).service == expected
        assert combined("…", said, named(CARD), {}, texts).service == CARD


def test_the_overview_that_the_lists_say_by_default_is_no_word_for_it() -> None:
    said = replace(
        answer((TOPIC, 0.9), services={CARD: 0.97}), aspects=(Ranked("fee", 0.45), Ranked(NONE, 0.2))
    )
    assert (
        combined("…", said, replace(named(CARD), aspect="overview"), {}, index(CONDUCT, CARD)).aspect == "fee"
    )


def test_a_word_for_what_is_asked_decides_between_readings_that_are_nearly_alike() -> None:
    said = replace(
        answer((TOPIC, 0.9), services={CARD: 0.97}),
        aspects=(Ranked("eligibility", 0.4), Ranked("channel", 0.3), Ranked("form", 0.2)),
    )
    online = Understanding("…", intent=TOPIC, aspect="channel", confidence=0.6, fallback=False)
    found = combined("…", said, online, {}, index(CONDUCT, CARD))
    assert found.aspect == "channel"
    assert found.alternatives[0].aspect == "eligibility"
    sure = replace(said, aspects=(Ranked("eligibility", 0.8), Ranked("channel", 0.1)))
    assert combined("…", sure, online, {}, index(CONDUCT, CARD)).aspect == "eligibility"


@pytest.mark.parametrize(
    ("intents", "services", "asked_back"),
    [
        ([(TOPIC, 0.9)], {CONDUCT: 0.9}, False),
        ([(TOPIC, 0.2)], {CONDUCT: 0.9}, True),
        ([(TOPIC, 0.9)], {CONDUCT: 0.2, CARD: 0.1}, True),
        ([(TOPIC, 0.5), ("out_of_scope", 0.45)], {CONDUCT: 0.9}, True),
        ([(TOPIC, 0.5)], {CONDUCT: 0.4, CARD: 0.1}, True),
        ([("out_of_scope", 0.9)], {CONDUCT: 0.9, CARD: 0.05}, True),
        ([("greet", 0.9)], {CONDUCT: 0.1}, False),
    ],
)
def test_doubt_asks_back(
    intents: list[tuple[str, float]], services: Mapping[str, float], asked_back: bool
) -> None:
    said = answer(*intents, services=services)
    found = combined("…", said, Understanding("…"), {}, index(CONDUCT, CARD))
    assert found.fallback is asked_back


def test_what_the_word_lists_find_too_is_not_doubted() -> None:
    said = answer((TOPIC, 0.5), ("out_of_scope", 0.45), services={CARD: 0.9})
    assert not combined("…", said, named(CARD), {}, index(CONDUCT, CARD)).fallback


def test_a_doubtful_aspect_is_asked_for_among_the_aspects() -> None:
    said = replace(
        answer((TOPIC, 0.9), ("greet", 0.1), services={CARD: 0.97, CONDUCT: 0.01}),
        aspects=(Ranked("fee", 0.2), Ranked(NONE, 0.19)),
    )
    found = combined("…", said, Understanding("…"), {}, index(CONDUCT, CARD))
    assert found.fallback
    assert found.alternatives[0] == Alternative(TOPIC, CARD, "overview", 0.19)


def test_languages_without_examples_are_asked_back_less() -> None:
    said = answer((TOPIC, 0.5), services={CONDUCT: 0.3, CARD: 0.1})
    assert combined("…", said, Understanding("…"), {}, index(CONDUCT, CARD)).fallback
    assert not combined("…", said, Understanding("…"), {}, index(CONDUCT, CARD), UNSURE_ABROAD).fallback


@pytest.mark.parametrize(
    ("nearness", "beside"), [(0.5, ("dog_tax",)), (0.44, ()), (0.0, ())], ids=["nearest", "far", "none"]
)
def test_a_service_that_no_model_learned_is_offered_where_it_lies_nearest(
    nearness: float, beside: tuple[str, ...]
) -> None:
    """The model knows its own service well and keeps the answer."""
    texts = ServiceIndex((IMPORTED, CARD), np.array([[nearness / 0.8, 0, 0], [0, 0.8, 0]], dtype=np.float32))
    found = combined("…", answer((TOPIC, 0.9), services={CARD: 0.97}), Understanding("…"), {}, texts)
    assert (found.service, found.beside) == (CARD, beside)


def test_of_services_that_no_model_learned_the_next_are_offered_but_none_that_lies_behind_a_learned_one() -> (
    None
):
    rows = np.array([[1, 0, 0], [0.9, 0, 0], [0.8, 0, 0], [0.7, 0, 0], [0.75, 0, 0]], dtype=np.float32)
    near = ServiceIndex((IMPORTED, "second", "third", "behind", CARD), rows)
    found = combined("…", answer((TOPIC, 0.9), services={CARD: 0.1}), Understanding("…"), {}, near)
    assert (found.service, found.beside) == (IMPORTED, ("second", "third"))
    booking = answer(("book_appointment", 0.9), services={CARD: 0.1})
    assert combined("…", booking, Understanding("…"), {}, near).beside == ()
    nameless = answer((TOPIC, 0.9), services={NONE: 0.9, CARD: 0.1})
    a_little = ServiceIndex((IMPORTED,), np.array([[0.6 / 0.8, 0, 0]], dtype=np.float32))
    assert combined("…", nameless, Understanding("…"), {"service": CARD}, a_little).beside == ()
