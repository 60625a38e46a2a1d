"""The language of a message: told where it shows, and never changed by a word that says nothing."""

import pytest

from foundation.content import load
from foundation.settings import ROOT
from nlu.language import Languages


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages(load(ROOT / "content", "heidelberg"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Guten Morgen", "de"),
        ("Ich habe eine Frage zu meinem Termin", "de"),
        ("Können Sie mir bitte helfen?", "de"),
        ("hello", "en"),
        ("I have a question about my appointment", "en"),
        ("I need the Wohnungsgeberbestätigung for my Anmeldung", "en"),
        ("merhaba", "tr"),
        ("Bir sorum var, lütfen yardım edin", "tr"),
        ("Wohnungsgeberbestätigung için ne yapmam lazım", "tr"),
        ("مرحبا", "ar"),
        ("عندي سؤال عن الـ Anmeldung", "ar"),
    ],
)
def test_a_language_that_shows_is_told(languages: Languages, text: str, language: str) -> None:
    assert languages.of(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "OK!",
        "👍",
        "2",
        "٢",
        "12.03.1990",
        "Manila",
        "Maria Santos",
        "Mehmet Ağaoğlu",
        "Anmeldung",
        "Wohnungsgeberbestätigung",
        "Führungszeugnis",
        "Termin",
        "Ummeldung?",
        "anna@example.org",
        "https://example.org/die/der/das",
        "+49 6221 000000",
        "",
        "Київ",
    ],
)
def test_what_shows_no_language_changes_none(languages: Languages, text: str) -> None:
    assert languages.of(text) is None
