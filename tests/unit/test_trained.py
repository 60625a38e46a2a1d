"""How the model's answer, the nearest services and the word lists become one reading."""

import numpy as np
import pytest

from nlu.rasa_client import Answer, Ranked
from nlu.retrieval import ServiceIndex
from nlu.trained import combined
from nlu.understanding import Understanding

CONDUCT, CARD = "certificate_of_conduct", "identity_card"


def answer(*intents: tuple[str, float], service: tuple[str, float]) -> Answer:
    """The model's answer; its vector lies on the axis of CONDUCT, a little towards that of CARD."""
    vector = np.array([0.8, 0.6], dtype=np.float32)
    return Answer(
        tuple(Ranked(*one) for one in intents), (Ranked("fee", 0.9),), (Ranked(*service),), 0.8, "en", vector
    )


@pytest.fixture
def index() -> ServiceIndex:
    return ServiceIndex((CONDUCT, CARD), np.eye(2, dtype=np.float32))


@pytest.mark.parametrize(
    ("text", "spoken_of"),
    [
        ("and what does it cost?", CARD),
        ("那要多少钱", CARD),
        ("so what would I pay for this if I were a student", CONDUCT),
    ],
)
def test_a_short_message_without_a_name_speaks_of_the_service_spoken_of(
    index: ServiceIndex, text: str, spoken_of: str
) -> None:
    said = answer(("service_info", 0.9), service=(CONDUCT, 0.97))
    found = combined(text, said, Understanding(text), {"service": CARD}, index)
    assert found.service == spoken_of


def test_a_service_that_is_named_is_meant_although_another_was_spoken_of(index: ServiceIndex) -> None:
    said = answer(("service_info", 0.9), service=(CONDUCT, 0.97))
    named = Understanding(
        "certificate of conduct?", intent="service_info", service=CONDUCT, confidence=0.97, fallback=False
    )
    assert combined(named.text, said, named, {"service": CARD}, index).service == CONDUCT


@pytest.mark.parametrize(
    ("intent", "confidence", "sure", "expected"),
    [
        ("faq_id_needed", 0.6, 0.95, "service_info"),
        ("faq_id_needed", 0.8, 0.95, "faq_id_needed"),
        ("faq_id_needed", 0.6, 0.5, "faq_id_needed"),
        ("arrival_plan", 0.97, 0.95, "service_info"),
        ("cancel_appointment", 0.5, 0.95, "cancel_appointment"),
    ],
)
def test_a_topic_gives_way_to_an_errand_that_is_named(
    index: ServiceIndex, intent: str, confidence: float, sure: float, expected: str
) -> None:
    said = answer((intent, confidence), ("service_info", 0.1), service=(CONDUCT, sure))
    found = combined("a message of many words about it", said, Understanding("…"), {}, index)
    assert found.intent == expected
    assert found.service == (CONDUCT if expected == "service_info" else None)
