"""Latin letters that hide a language, and those that hide none: who writes a language of the city is never asked."""

import pytest

import nlu.language
from foundation.content import load
from foundation.settings import ROOT
from nlu.language import Languages
from nlu.romanised import Hidden, romanised
from nlu.service import NluService

CITY = load(ROOT / "content", "heidelberg")
OURS = {
    "de": (
        "Ab wann kann ich die Karte abholen",
        "mein Sohn hat keine Karte",
        "Umzug mit 2kindern in 3zimmer wohnung",
        "Mein Name ist Qing Zheng",
        "Ich habe die Karte in der Wohnung von Lena verloren",
        "Wo steht denn, was darin sein soll",
        "Herr Malik wohnt ab Mai in der 2zimmer Wohnung",
        "Wach auf, der Termin ist schon um 9",
        "Fein, dann bringe ich den Wein und die Karte mit",
        "Meine Tochter Meri braucht eine Karte ab 12",
    ),
    "en": (
        "i moved 2weeks ago, 3days left",
        "my husband is Xiang Zheng",
        "the mere fact is that I have no card",
        "Mr Malik asked me to bring the card to you",
        "my wife Lena Malik and me have moved on the 3rd",
        "Salam, I need a card for me and my man",
        "do I get the 2nd card for free, hon",
        "David Hume is the name in my passport",
    ),
    "fr": (
        "le passeport de ma mere",
        "2eme enfant, 3eme etage",
        "ma mere et mon pere ont fini le dossier",
        "je vais a la mairie avec ma mere le 3eme jour",
        "mon bel appartement est au 2eme etage",
        "quel est le prix pour la carte de ma mere",
        "il faut que vous ayez le passeport de ma mere",
        "salam, je ne sais pas ou aller pour la carte",
    ),
    "es": (
        "la cita termina a las 3 y no se que mas llevar",
        "yo nado en la piscina y la tarjeta ya no vale",
        "la mera verdad es que no se donde esta la oficina",
        "hace 2anos que vivo en la calle Mana",
        "vas a decirme que papeles me faltan",
        "me llamo Moya y ya no tengo pasaporte",
    ),
    "it": (
        "il certificato di mia figlia Lena e bel lungo",
        "ho fini diversi, ma la carta non la trovo",
        "il corso termina tra 2mesi e mi serve il passaporto",
        "che bel posto, ma a che ora aprite",
        "cognome misto, mio e di mia moglie, si puo fare",
        "mi serve la carta per mia figlia Mera",
    ),
    "pl": (
        "do kogo mam isc po nowa karte",
        "buty i karte zostawilem u was, do kogo dzwonic",
        "zapis na wizyte, do kogo mam pisac",
        "ta laska nie ma dowodu, na kogo czekac",
        "za 2dni mam wizyte i nie mam zdjecia",
        "po co mi karne i karte z urzedu",
    ),
    "ro": (
        "Vreau sa schimb adresa de domiciliu",
        "nu stiu adresa de la primarie",
        "ce adresa are primaria, va rog",
        "unde pot sa schimb adresa pe buletin",
        "vreau sa stiu daca adresa mea e buna",
        "mana mea e rupta si nu pot sa scriu adresa",
        "ne-am mutat cu 2copii la adresa asta",
    ),
    "tr": (
        "randevu icin ne lazim, kimlik de lazim mi",
        "isme gore kimlik lazim, ben ne diye geleyim",
        "bel agrim var, fen lisesi karne istiyor",
        "ili yanlis yazilmis, yaka karti da lazim",
        "bu evrak ne diye lazim, gaye ne",
        "2gun sonra tasiniyorum, ne yapmam lazim",
    ),
}
"""As people write them on any keyboard: without accents, and numbers beside words."""
HIDDEN = {
    "hi": (
        "mere paas karte nahi hai",
        "mera passport kho gaya hai",
        "aap log Sunday ko khule rehte hain kya",
    ),
    "ar": (
        "3ayez a3raf bikam el jawaz",
        "bidde ghayyer maw3di la bukra",
        "shu lazem jib ma3i",
        "3andi a7la so2al",
    ),
    "fa": ("salam, passport mikham",),
    "ru": ("ya hochu zapisatsya na priem", "mne nado pomenyat adres", "skolko eto stoit"),
    "uk": ("meni treba pasport", "skilky tse koshtuye"),
    "zh": ("wo xiang yuyue", "qing wen huzhao duo shao qian"),
}


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages(CITY)


@pytest.mark.parametrize(("language", "text"), [(code, text) for code, said in OURS.items() for text in said])
def test_a_language_of_the_city_is_not_taken_for_a_hidden_one(
    languages: Languages, language: str, text: str
) -> None:
    assert languages.read(text, language)[1] is None


@pytest.mark.parametrize(
    ("language", "text"), [(code, text) for code, said in HIDDEN.items() for text in said]
)
def test_a_hidden_language_is_told(languages: Languages, language: str, text: str) -> None:
    assert languages.read(text, "de") == (None, language)


def test_the_letters_and_more_little_words_outweigh_what_looks_like_a_hidden_language(
    languages: Languages,
) -> None:
    text = "mein Freund sagt immer inshallah und habibi zu mir"
    assert romanised(text) is not None
    assert languages.read(text) == ("de", None)


async def test_a_message_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(text: str) -> Hidden | None:
        asked.append(text)
        return romanised(text)

    monkeypatch.setattr(nlu.language, "romanised", counted)
    found = await NluService.from_content(CITY).understand("mujhe Reisepass chahiye", "de", {})
    assert (found.language, found.romanised, len(asked)) == (None, "hi", 1)


def test_a_city_may_speak_a_language_that_the_identifier_does_not_know() -> None:
    spoken = [*CITY.city.languages, "so", "ti", "ckb", "kmr", "my", "ha", "uz"]
    city = CITY.city.model_copy(update={"languages": spoken})
    languages = Languages(CITY.model_copy(update={"city": city}))
    assert languages.of("Ich möchte gern wissen, was das kostet") == "de"
    assert languages.of("أريد أن أعرف كم يكلف هذا") == "ar"
    assert languages.of("ကျွန်တော် လိပ်စာ ပြောင်းချင်ပါတယ်") == "my"
