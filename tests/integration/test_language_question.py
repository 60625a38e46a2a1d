"""Latin letters that hide a language are answered by a question, not by a guess."""

import pytest

from conversation.models import Address
from foundation.i18n import Text
from tests.promises.plugin import Promise
from tests.support.talk import Citizen, Office

pytestmark = pytest.mark.promise("nlu.language")

HIDDEN = (
    "mujhe Anmeldung karna hai, kya karna hoga",
    "main Delhi se hun, passport banwana hai",
    "Führungszeugnis kitne din me milega?",
    "aap log Sunday ko khule rehte hain kya",
    "kaif ba3mel tasjil el 3enwan bel madine",
    "shu lazem jib ma3i lal Personalausweis",
    "3ayez a3raf bikam el jawaz",
    "bidde ghayyer maw3di la bukra",
)
"""Romanised Hindi and Arabizi."""


async def language_of(citizen: Citizen) -> str:
    """The language in which this person is answered."""
    async with citizen.office.house.database.city(citizen.office.city_id) as session:
        return (await session.get_one(Address, (await citizen.thread()).address_id)).language


async def test_a_hidden_language_is_asked_for(talk_office: Office, promise: Promise) -> None:
    city, question = talk_office.house.content.city, Text("talk.which_language")
    for text in HIDDEN:
        citizen = Citizen(talk_office, language="en")
        await citizen.start()
        await citizen.say(text)
        assert citizen.text == talk_office.house.catalogue.render(question, "en"), text
        assert {one.id for one in citizen.last.choices} >= {f"language:{code}" for code in city.languages}
        assert await language_of(citizen) == "en"
    promise.figure(len(HIDDEN), "romanised messages asked back")


async def test_the_message_is_answered_in_the_language_that_was_chosen(talk_office: Office) -> None:
    citizen = Citizen(talk_office, language="de")
    await citizen.start()
    await citizen.say("Führungszeugnis kitne ka hai")
    await citizen.press("language:en")
    about = talk_office.house.content.service("certificate_of_conduct")
    assert await language_of(citizen) == "en"
    assert about.aspects["overview"]["en"] in citizen.text


async def test_who_was_asked_once_or_has_chosen_is_not_asked_again(talk_office: Office) -> None:
    asked, chose = Citizen(talk_office, language="en"), Citizen(talk_office, language="de")
    question = talk_office.house.catalogue.render(Text("talk.which_language"), "en")
    await asked.start()
    await asked.say("mujhe Reisepass chahiye")
    assert question in asked.text
    await asked.say("mujhe Reisepass chahiye")
    assert question not in asked.text
    await chose.start()
    await chose.press("language")
    await chose.press("language:en")
    await chose.say("mujhe Reisepass chahiye")
    assert question not in chose.text


async def test_help_is_never_delayed_by_the_question(talk_office: Office) -> None:
    citizen = Citizen(talk_office, language="en")
    await citizen.start()
    await citizen.say("jaldi madad karo, ghar me fire hai, emergency")
    assert talk_office.house.catalogue.render(Text("talk.emergency"), "en") in citizen.text


async def test_an_answer_to_a_question_never_switches(talk_office: Office) -> None:
    """A city, a name, a mail address: slot answers look like any language."""
    citizen = Citizen(talk_office, language="fr")
    await citizen.start()
    for words in ("rendez-vous", "Ludwigshafen am Rhein", "Wohnungsgeberbestätigung", "ok", "7", "👍"):
        await citizen.say(words)
        assert await language_of(citizen) == "fr", words
