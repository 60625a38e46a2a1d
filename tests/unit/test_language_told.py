"""In which language a message is, over the labelled messages; no model is needed for it.

Counted are messages of three words or more (in Chinese two signs make a word). The conversation is in another
language: English, for English German. Right is the language of the file alone; None, "stay with the conversation's",
counts as wrong, also where a language is typed in Latin letters and is asked for. In the languages that the city does
not speak right is None: that none of the twelve is claimed.
"""

import pytest

from foundation.content import load
from foundation.settings import ROOT
from nlu.commands import MESSAGES
from nlu.evaluation import Labelled
from nlu.language import Languages
from tests.promises.plugin import Promise

pytestmark = pytest.mark.promise("nlu.language")

CITY = load(ROOT / "content", "heidelberg")
SPOKEN = tuple(CITY.city.languages)
WORDS, ENOUGH, WORST = 3, 0.93, 0.88
SILENT = (
    "7", "٢", "१२", "12.03.1990", "ok", "OK 👍", "🙏🏽", "+49 6221 5550100", "D-69117", "€ 37,00",
    "Aylin Demir", "Jean-Pierre Lefèvre", "José María Gómez Ruiz", "Oleksandr Kovalenko", "Nguyễn Văn An",
    "Lima", "Addis Abeba", "Calle de Alcalá", "Wohnungsgeberbestätigung", "Aufenthaltstitel",
    "Personalausweis, Anmeldung, Führungszeugnis", "lena.beispiel@example.org",
)  # fmt: skip
AMONG = {
    "de": "ich habe die {} leider noch nicht bekommen",
    "en": "my landlord does not want to sign the {}",
    "fr": "mon propriétaire ne veut pas signer la {}",
    "es": "mi casero no me quiere firmar la {}",
    "it": "il padrone di casa non vuole firmare la {}",
    "pl": "właściciel mieszkania nie chce podpisać {}",
    "ro": "proprietarul nu vrea să îmi semneze {}",
    "tr": "ev sahibim {} imzalamak istemiyor",
    "uk": "власник квартири не хоче підписувати {}",
    "ru": "хозяин квартиры не хочет подписывать {}",
    "ar": "صاحب البيت لا يريد أن يوقع {}",
    "zh": "房东不愿意签{}怎么办",
}


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages(CITY)


def words(text: str) -> float:
    signs = sum(letter >= "\u2e80" for letter in text)
    return len(text.split()) + signs / 2 - (1 if signs else 0)


def messages(*, spoken: bool) -> list[Labelled]:
    every = Labelled.read(MESSAGES)
    return [one for one in every if (one.language in SPOKEN) == spoken and words(one.text) >= WORDS]


def told(languages: Languages, message: Labelled) -> str | None:
    return languages.of(message.text, "de" if message.language == "en" else "en")


def test_the_language_of_a_message_is_told(languages: Languages, promise: Promise) -> None:
    asked = messages(spoken=True)
    right = {code: [told(languages, one) == code for one in asked if one.language == code] for code in SPOKEN}
    shares = {code: sum(found) / len(found) for code, found in right.items()}
    assert sum(map(sum, right.values())) / len(asked) >= ENOUGH, shares
    assert min(shares.values()) >= WORST, shares
    promise.figure(round(100 * sum(map(sum, right.values())) / len(asked), 1), "% of languages told")
    promise.figure(round(100 * min(shares.values()), 1), "% in the worst of twelve")


def test_no_other_language_is_taken_for_one_of_the_citys(languages: Languages, promise: Promise) -> None:
    asked = messages(spoken=False)
    left = [told(languages, one) is None for one in asked]
    assert sum(left) / len(left) >= ENOUGH
    promise.figure(round(100 * sum(left) / len(left), 1), "% of other languages taken for none of ours")


@pytest.mark.parametrize("text", SILENT)
def test_what_is_no_sentence_shows_no_language(languages: Languages, text: str) -> None:
    assert {languages.of(text, spoken) for spoken in SPOKEN} == {None}


@pytest.mark.parametrize("language", SPOKEN)
@pytest.mark.parametrize("term", ["Wohnungsgeberbestätigung", "Anmeldebestätigung", "Meldebescheinigung"])
def test_a_german_term_turns_no_sentence_german(languages: Languages, language: str, term: str) -> None:
    assert languages.of(AMONG[language].format(term), "de" if language == "en" else "en") == language
