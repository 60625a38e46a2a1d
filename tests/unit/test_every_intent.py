"""Every intent of the catalogue has an answer of its own, and every topic is found by its words."""

import re
from types import SimpleNamespace
from typing import cast

import pytest

from dialogue import routing
from dialogue.context import Context, Heard
from dialogue.skills import talk
from dialogue.state import State
from foundation.content import load
from foundation.settings import ROOT
from foundation.yamlfile import YamlFile
from nlu.service import NluService
from nlu.understanding import Understanding

SERVICES = ("service_info", "book_appointment", "start_form")
APPOINTMENTS = (
    "my_appointments",
    "reschedule_appointment",
    "cancel_appointment",
    "no_slots",
    "running_late",
    "stop_reminders",
    "arrival_plan",
)
TOPICS = (
    "faq_how_it_works",
    "faq_opening_hours",
    "faq_location",
    "faq_device",
    "faq_camera_problem",
    "faq_languages",
    "faq_interpreter",
    "faq_privacy",
    "faq_id_needed",
    "faq_signature",
    "faq_payment_methods",
    "faq_refund",
    "faq_several_matters",
    "faq_power_of_attorney",
    "faq_time_zone",
    "faq_from_abroad",
    "faq_landlord_confirmation",
    "faq_lost_document",
    "faq_accessibility",
    "faq_waste_calendar",
    "faq_church_tax",
    "faq_apostille",
)
FILES = ("payment_status", "send_document")
PEOPLE = ("human_handoff", "leave_message", "complaint", "emergency")
TALK = (
    "greet",
    "goodbye",
    "thanks",
    "affirm",
    "deny",
    "help",
    "restart",
    "choose_language",
    "bot_challenge",
    "delete_my_data",
    "out_of_scope",
)
INTENTS = (*SERVICES, *APPOINTMENTS, *TOPICS, *FILES, *PEOPLE, *TALK)
LANGUAGES = ("de", "en", "tr", "ar")

CONTENT = load(ROOT / "content", "heidelberg")


@pytest.fixture(scope="module")
def nlu() -> NluService:
    service = NluService.from_content(CONTENT)
    service.warm()
    return service


def skill_for(meant: Understanding, expects: str | None = None) -> routing.Skill:
    context = cast(Context, SimpleNamespace(content=CONTENT, state=State(expects=expects), language="de"))
    return routing.choose(Heard(meant.text, None, meant), context)


@pytest.mark.parametrize("intent", INTENTS)
def test_every_intent_has_an_answer(intent: str) -> None:
    # What belongs to no office comes from the model as "not sure", and has its own answer all the same.
    meant = Understanding("", intent=intent, fallback=intent == "out_of_scope")
    assert skill_for(meant) is not talk.not_understood


def test_every_topic_of_the_content_is_one_of_the_catalogue() -> None:
    assert set(CONTENT.faq) == set(TOPICS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("topic", TOPICS)
async def test_a_topic_is_found_by_its_words(nlu: NluService, topic: str, language: str) -> None:
    missed = []
    for words in CONTENT.topic(topic).triggers[language]:
        meant = await nlu.understand(words, language, {})
        if (meant.intent, meant.fallback) != (topic, False):
            missed.append((words, meant.intent, meant.service))
    assert missed == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "intent", [one for one in INTENTS if one in CONTENT.triggers.intents and one not in TALK]
)
async def test_an_intent_is_found_by_its_words(nlu: NluService, intent: str, language: str) -> None:
    missed = []
    for words in CONTENT.triggers.intents[intent][language]:
        meant = await nlu.understand(words, language, {})
        if (meant.intent, meant.fallback) != (intent, False):
            missed.append((words, meant.intent, meant.service))
    assert missed == []


def test_whatever_is_not_a_topic_or_a_service_has_words() -> None:
    """Without a model the words are all there is; what belongs to no office has none."""
    assert set(INTENTS) - set(TOPICS) - {"service_info", "out_of_scope"} == set(CONTENT.triggers.intents)


def test_a_topic_leads_to_services_that_are_there() -> None:
    named = {one for topic in CONTENT.faq.values() for one in topic.services}
    assert named
    assert named <= CONTENT.services.keys()


@pytest.mark.parametrize("topic", TOPICS)
def test_no_number_stands_in_a_sentence_of_a_topic(topic: str) -> None:
    """Numbers are facts; only the steps of a list are counted."""
    raw = YamlFile(ROOT / "content" / "cities" / "heidelberg" / "faq" / f"{topic}.yaml").value
    for text in raw["text"].values():
        assert not re.search(r"\d", re.sub(r"(?m)^\d\. ", "", text)), text


def test_facts_of_topics_stand_in_their_sentences() -> None:
    for code in LANGUAGES:
        assert "10" in CONTENT.topic("faq_refund").text[code]
        assert "116 116" in CONTENT.topic("faq_lost_document").text[code]
