"""How a message is read: in how many parts, how often the parser is asked, and what other keys would have written."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from dialogue.choices import explained
from dialogue.keyboard import retyped
from dialogue.questions import clauses_of, parts_of
from dialogue.reading import Reader
from dialogue.state import Offered, State
from foundation.content import CityContent, load
from foundation.settings import ROOT
from nlu.service import NluService
from nlu.understanding import Understanding

JOINS = ("und", "还有", "وكم", "，")


@dataclass
class Ears:
    """A parser that knows some sentences, and keeps what it was asked and of which service was spoken."""

    known: dict[str, Understanding]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def parse(self, text: str, language: str, context: Mapping[str, str]) -> Understanding:
        self.asked.append((text, context.get("service")))
        return self.known.get(text, Understanding(text))


@pytest.fixture(scope="module")
def content() -> CityContent:
    return load(ROOT / "content", "heidelberg")


@pytest.fixture(scope="module")
def words(content: CityContent) -> NluService:
    return NluService.from_content(content)


def about(
    service: str | None, aspect: str | None, confidence: float = 0.9, intent: str = "service_info"
) -> Understanding:
    return Understanding("", None, intent, service, aspect, confidence, fallback=False)


async def heard(
    words: NluService, content: CityContent, ears: Ears, text: str, state: State | None = None
) -> list[tuple[str | None, str | None, str | None]]:
    reader = Reader(NluService(words.rules, words.languages, ears), content)
    found = await reader.read(text, "de", state or State())
    return [(one.intent, one.service, one.aspect) for one in found.meant]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Was kostet der Pass?", ()),
        ("Anmeldung und Abmeldung", ()),
        (
            "Was kostet der Pass und wie lange dauert das?",
            ("Was kostet der Pass", "und wie lange dauert das?"),
        ),
        ("Was kostet das? Wie lange dauert es?", ("Was kostet das?", "Wie lange dauert es?")),
        ("كم رسوم الجواز وكم يستغرق وقت التجهيز؟", ("كم رسوم الجواز", "وكم يستغرق وقت التجهيز؟")),
        ("办护照要多少钱还有要多久才能拿到", ("办护照要多少钱", "还有要多久才能拿到")),
        ("Eins. Zwei. Drei. Wie teuer? Wie lange?", ("Wie teuer?", "Wie lange?")),
        ("Ich. Du. Er. Sie.", ()),
        ("Was kostet das? " * 70, ()),
    ],
)
def test_a_message_is_split_where_a_sentence_ends_or_two_halves_are_joined(
    text: str, parts: tuple[str, ...]
) -> None:
    assert parts_of(text, JOINS) == parts


async def test_one_question_is_asked_once(words: NluService, content: CityContent) -> None:
    ears = Ears({"Was kostet der Pass?": about("passport", "fee")})
    assert await heard(words, content, ears, "Was kostet der Pass?") == [("service_info", "passport", "fee")]
    assert len(ears.asked) == 1


async def test_two_questions_are_asked_once_more_each_and_the_second_speaks_of_the_same(
    words: NluService, content: CityContent
) -> None:
    text = "Was kostet der Pass und wie lange dauert das?"
    ears = Ears(
        {
            text: about("passport", "fee"),
            "Was kostet der Pass": about("passport", "fee"),
            "und wie lange dauert das?": about("passport", "duration"),
        }
    )
    both = [("service_info", "passport", "fee"), ("service_info", "passport", "duration")]
    assert await heard(words, content, ears, text) == both
    assert ears.asked == [
        (text, None),
        ("Was kostet der Pass", None),
        ("und wie lange dauert das?", None),
    ]


@pytest.mark.parametrize(
    "second",
    [
        about("passport", "fee"),
        about("passport", "form", 0.4),
        Understanding("", intent="thanks", confidence=0.9, fallback=False),
    ],
)
async def test_what_is_unsure_or_the_same_again_is_no_second_question(
    words: NluService, content: CityContent, second: Understanding
) -> None:
    text = "Was kostet der Pass? Ich danke schon einmal dafür."
    ears = Ears(
        {
            text: about("passport", "fee"),
            "Was kostet der Pass?": about("passport", "fee"),
            "Ich danke schon einmal dafür.": second,
        }
    )
    assert await heard(words, content, ears, text) == [("service_info", "passport", "fee")]


async def test_what_has_to_be_done_comes_after_what_is_asked(words: NluService, content: CityContent) -> None:
    book = Understanding("", None, "book_appointment", "address_change", None, 0.9, fallback=False)
    ears = Ears(
        {
            "Ich will einen Termin zur Ummeldung.": book,
            "Was brauche ich dafür?": about("address_change", "documents"),
        }
    )
    found = await heard(words, content, ears, "Ich will einen Termin zur Ummeldung. Was brauche ich dafür?")
    assert [intent for intent, _, _ in found] == ["service_info", "book_appointment"]


@pytest.mark.parametrize("awaited", ["place", "question"])
async def test_an_answer_that_is_awaited_is_not_taken_apart(
    words: NluService, content: CityContent, awaited: str
) -> None:
    ears = Ears({})
    await heard(words, content, ears, "Das ist lang. Das ist länger.", State(expects=awaited))
    assert len(ears.asked) == 1


async def test_a_correction_keeps_what_was_asked(words: NluService, content: CityContent) -> None:
    denied = Understanding("", None, "deny", None, None, 0.9, fallback=False)
    ears = Ears({"nein, ich meinte den Reisepass": denied})
    state = State(service="identity_card", aspect="fee")
    assert await heard(words, content, ears, "nein, ich meinte den Reisepass", state) == [
        ("service_info", "passport", "fee")
    ]
    walking = State(service="identity_card", gate="identity_card")
    assert await heard(words, content, ears, "nein, ich meinte den Reisepass", walking) == [
        ("book_appointment", "passport", None)
    ]
    left = State(service="identity_card", aspect="fee", gate="residence_permit")
    assert await heard(words, content, ears, "nein, ich meinte den Reisepass", left) == [
        ("service_info", "passport", "fee")
    ]


ASKED = [
    Offered("gate:identity_card:citizen:yes", "Ja", []),
    Offered("gate:identity_card:citizen:no", "Nein", []),
]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Nein, ich habe nur einen Aufenthaltstitel", "gate:identity_card:citizen:no"),
        ("ja. seit 2010", "gate:identity_card:citizen:yes"),
        ("nein danke", None),
        ("nein,", None),
        ("vielleicht, ja", None),
    ],
)
def test_an_answer_may_be_explained(said: str, answer: str | None) -> None:
    assert explained(said, State(gate="identity_card", offered=ASKED)) == answer


async def test_a_no_to_the_question_of_a_gate_is_no_correction(
    words: NluService, content: CityContent
) -> None:
    said = "nein ich habe nur einen Reisepass"
    ears = Ears({said: Understanding(said, None, "deny", None, None, 0.9, fallback=False)})
    state = State(service="identity_card", gate="identity_card", offered=ASKED)
    assert await heard(words, content, ears, said, state) == [("deny", None, None)]


@pytest.mark.parametrize("rest", ["etwas anderes", "eine Pizza"])
async def test_what_names_no_service_after_a_no_is_no_correction(
    words: NluService, content: CityContent, rest: str
) -> None:
    denied = Understanding("", None, "deny", None, None, 0.9, fallback=False)
    lost = replace(about("passport", "overview", 0.2), fallback=True)
    ears = Ears({f"nein, {rest}": denied, rest: lost})
    state = State(service="identity_card", aspect="fee")
    assert await heard(words, content, ears, f"nein, {rest}", state) == [("deny", None, None)]


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        ("nein, was kostet der Reisepass?", about("passport", "fee")),
        ("nein, kein Termin frei für den Reisepass", about("passport", "overview", intent="no_slots")),
        (
            "nein, wo ist denn Ihr Büro?",
            Understanding("", None, "faq_location", None, None, 0.9, fallback=False),
        ),
    ],
)
async def test_what_is_asked_after_a_no_is_answered(
    words: NluService, content: CityContent, said: str, whole: Understanding
) -> None:
    ears = Ears({said: whole, said.removeprefix("nein, "): whole})
    state = State(service="identity_card", aspect="duration")
    assert await heard(words, content, ears, said, state) == [(whole.intent, whole.service, whole.aspect)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("цфы лщыеуе вук зфыы", "was kostet der pass"),
        ("crjkmrj cnjbn gfcgjhn", "сколько стоит паспорт"),
        ("crskmrb rjine' gfcgjhn", "скільки коштує паспорт"),
    ],
)
def test_the_same_keys_in_another_alphabet(typed: str, meant: str) -> None:
    assert meant in [text for _, text in retyped(typed)]


def test_what_has_no_letters_of_either_alphabet_is_not_retyped() -> None:
    assert retyped("你好 123") == ()


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Was kostet der Pass?", ()),
        ("Hallo, bin umgezogen, was kostet das und wie lange dauert es", 4),
        ("غيرت سكني، ما الأوراق وكم الرسوم؟", 3),
        ("Kostet das 12,50 Euro", ()),
        ("a, b, c, d, e, f, g", ()),
    ],
)
def test_the_smallest_pieces_lie_between_commas_and_joining_words(
    text: str, clauses: int | tuple[()]
) -> None:
    found = clauses_of(text, JOINS)
    assert (len(found) if clauses else found) == clauses


async def test_what_leads_up_to_two_questions_tells_what_they_are_about(
    words: NluService, content: CityContent
) -> None:
    ears = Ears(
        {
            "Ich habe ein neues Zuhause": about("address_change", "overview"),
            "was bringe ich mit": about(None, "documents"),
            "und was nehmt ihr dafür": about(None, "fee"),
        }
    )
    text = "Servus, Ich habe ein neues Zuhause, was bringe ich mit und was nehmt ihr dafür"
    asked = [("service_info", "address_change", "documents"), ("service_info", "address_change", "fee")]
    assert await heard(words, content, ears, text) == asked


async def test_the_clear_question_of_an_unclear_message_is_answered(
    words: NluService, content: CityContent
) -> None:
    text = "also naja, ich weiß ja nicht, was ein neuer Pass so kostet"
    unsure = replace(about("city_pass", "fee", 0.9), fallback=True)
    ears = Ears({text: unsure, "was ein neuer Pass so kostet": about("passport", "fee")})
    assert await heard(words, content, ears, text) == [("service_info", "passport", "fee")]
    strange = replace(unsure, intent="out_of_scope", service=None, aspect=None)
    assert await heard(words, content, Ears({**ears.known, text: strange}), text) == [
        ("out_of_scope", None, None)
    ]
    doubtful = Ears({text: unsure, "was ein neuer Pass so kostet": about("passport", "fee", 0.6)})
    assert await heard(words, content, doubtful, text) == [("service_info", "city_pass", "fee")]


@pytest.mark.parametrize(("sure", "expected"), [(0.9, ["emergency"]), (0.6, ["service_info"])])
async def test_an_emergency_in_any_piece_comes_first_if_it_is_clear(
    words: NluService, content: CityContent, sure: float, expected: list[str]
) -> None:
    text = "was kostet der Pass, er atmet nicht mehr"
    ears = Ears(
        {
            text: about("passport", "fee"),
            "er atmet nicht mehr": about(None, None, sure, intent="emergency"),
            "was kostet der Pass": about("passport", "fee"),
        }
    )
    assert [intent for intent, _, _ in await heard(words, content, ears, text)] == expected


async def test_two_questions_about_no_service_are_one_question_back(
    words: NluService, content: CityContent
) -> None:
    text = "Was kostet das? Wie lange dauert das?"
    ears = Ears(
        {
            text: about(None, "fee"),
            "Was kostet das?": about(None, "fee"),
            "Wie lange dauert das?": about(None, "duration"),
        }
    )
    assert await heard(words, content, ears, text) == [("service_info", None, "fee")]


async def test_who_is_late_and_asks_twice_is_heard_on_both(words: NluService, content: CityContent) -> None:
    late = Understanding("", None, "running_late", None, None, 0.9, fallback=False)
    place, hours = (replace(late, intent=one) for one in ("faq_location", "faq_opening_hours"))
    ears = Ears(
        {
            "Ich komme 20 Minuten zu spät.": late,
            "Wo ist das Bürgeramt?": place,
            "Welche Zeiten haben Sie?": hours,
        }
    )
    text = "Ich komme 20 Minuten zu spät. Wo ist das Bürgeramt? Welche Zeiten haben Sie?"
    asked = [intent for intent, _, _ in await heard(words, content, ears, text)]
    assert asked == ["faq_location", "faq_opening_hours", "running_late"]


async def test_the_pieces_are_asked_once_each_and_greetings_not_at_all(
    words: NluService, content: CityContent
) -> None:
    ears = Ears({})
    await heard(words, content, ears, "Hallo, ich bin neu hier, was kostet das, und wie lange dauert es")
    assert len(ears.asked) == len(set(ears.asked)) <= 6
    assert ("Hallo", None) not in ears.asked


@pytest.mark.parametrize(
    "text",
    [
        "Es kostet 12, 50 Euro",
        "Siehe https://www.heidelberg.de/pass",
        "Ich bin am 1. Mai umgezogen",
        "Herr Dr. Müller wohnt in der Str. Nr. 5",
        "Ich brauche z. B. einen Pass bzw. einen Ausweis",
        "mieszkam przy ul. Długiej",
        "я живу на ул. Ленина, 5",
    ],
)
def test_no_piece_ends_at_a_number_an_abbreviation_or_an_address(text: str) -> None:
    assert (parts_of(text, JOINS), clauses_of(text, JOINS)) == ((), ())


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("Guten Tag. Was kostet der Pass?", "Was kostet der Pass?"),
        ("Ich ziehe um. Was brauche ich?", "Was brauche ich?"),
        ("Schicken Sie es per SMS. Wie lange dauert es?", "Wie lange dauert es?"),
        ("Ich komme am 5.\nWas kostet das?", "Was kostet das?"),
        ("Meine Frage: was kostet das", "was kostet das"),
    ],
)
def test_a_short_word_may_end_a_sentence(text: str, second: str) -> None:
    assert clauses_of(text, JOINS)[1:] == (second,)


@pytest.mark.parametrize(
    ("language", "text", "clauses"),
    [
        ("zh", "我是中华人民共和国公民", ()),
        ("zh", "我和孩子一起办护照需要什么", ()),
        ("zh", "办护照要多少钱和需要带什么材料", ("办护照要多少钱", "和需要带什么材料")),
        ("zh", "我搬家了，和家人怎么登记", ("我搬家了", "和家人怎么登记")),
        ("ru", "сколько стоит паспорт а ещё сколько ждать", ("сколько стоит паспорт", "а ещё сколько ждать")),
        (
            "uk",
            "скільки коштує паспорт а ще скільки чекати",
            ("скільки коштує паспорт", "а ще скільки чекати"),
        ),
    ],
)
def test_a_joining_word_inside_another_word_joins_nothing(
    content: CityContent, language: str, text: str, clauses: tuple[str, ...]
) -> None:
    assert clauses_of(text, content.triggers.joins[language]) == clauses


@pytest.mark.parametrize(
    ("service", "of_whole", "of_part", "expected"),
    [
        ("passport", ("second_passport", "identity_card"), (), ("second_passport", "identity_card")),
        ("passport", ("second_passport", "passport"), ("other",), ("second_passport",)),
        ("passport", (), ("other",), ("other",)),
        ("identity_card", ("second_passport",), ("other",), ("other",)),
    ],
)
async def test_what_the_whole_may_mean_instead_is_not_lost_with_its_parts(
    words: NluService,
    content: CityContent,
    service: str,
    of_whole: tuple[str, ...],
    of_part: tuple[str, ...],
    expected: tuple[str, ...],
) -> None:
    first, second = "Mein Reisepass ist immer unterwegs.", "Was kostet ein zweiter?"
    whole = f"{first} {second}"
    ears = Ears(
        {
            whole: replace(about(service, "fee"), beside=of_whole),
            first: about("passport", "overview"),
            second: replace(about("passport", "fee"), beside=of_part),
        }
    )
    reader = Reader(NluService(words.rules, words.languages, ears), content)
    found = (await reader.read(whole, "de", State())).meant
    assert [(one.aspect, one.beside) for one in found] == [("overview", ()), ("fee", expected)]
