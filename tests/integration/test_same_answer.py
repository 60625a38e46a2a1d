"""One question in four languages gets the same facts, each in its own; and nothing but a sentence changes the language."""

import pytest

from tests.promises.plugin import Promise
from tests.support.talk import Citizen, Office

pytestmark = pytest.mark.promise("language.same-answer")

ASKED = {
    "fee": {
        "de": "Was kostet ein Führungszeugnis?",
        "en": "How much is a certificate of conduct?",
        "tr": "Sabıka kaydı ücreti ne kadar?",
        "ar": "كم رسوم شهادة حسن السيرة والسلوك؟",
    },
    "documents": {
        "de": "Welche Unterlagen brauche ich für das Führungszeugnis?",
        "en": "Which documents do I need for the certificate of conduct?",
        "tr": "Sabıka kaydı için hangi belgeler gerekli?",
        "ar": "ما هي الأوراق المطلوبة لشهادة حسن السيرة والسلوك؟",
    },
}
SILENT = (
    "2", "٢", "17", "ok", "OK", "👍", "🙏🏽", "Maria Santos", "Mehmet Ağaoğlu",
    "Wohnungsgeberbestätigung", "Führungszeugnis", "Bürgeramt", "12.03.1990",
    "Personalausweis, Wohnungsgeberbestätigung, Führungszeugnis, Abmeldung",
)  # fmt: skip


@pytest.mark.parametrize("aspect", ASKED)
async def test_the_same_facts_in_every_language(talk_office: Office, aspect: str, promise: Promise) -> None:
    about = talk_office.house.content.service("certificate_of_conduct")
    spoken = {}
    for language, question in ASKED[aspect].items():
        citizen = Citizen(talk_office, language="de")
        await citizen.start()
        await citizen.say(question)
        expected = about.aspects[aspect][language]  # type: ignore[index]  # the names above are aspects
        assert expected in citizen.text
        spoken[language] = expected
    assert len(set(spoken.values())) == len(spoken)
    if aspect == "fee":
        assert all("13" in text for text in spoken.values())
    promise.figure(len(spoken), "languages")


@pytest.mark.parametrize("language", ["de", "en", "tr", "ar"])
async def test_what_is_no_sentence_never_switches(
    talk_office: Office, language: str, promise: Promise
) -> None:
    citizen = Citizen(talk_office, language=language)
    await citizen.start()
    for words in SILENT:
        await citizen.say(words)
        assert (await spoken_with(citizen)) == language, words
    promise.figure(len(SILENT), "messages that never switch")


async def spoken_with(citizen: Citizen) -> str:
    """The language in which this person is answered."""
    house = citizen.office.house
    async with house.database.city(citizen.office.city_id) as session:
        found = await house.conversations.find_address(session, citizen.channel, citizen.address)
    assert found is not None
    return found.language
