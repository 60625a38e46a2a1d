"""The shipped content is whole, its facts agree in all languages, and its gates lead somewhere."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conversation.service import KEEP_CLOSED, KEEP_OPEN
from foundation.content import ASPECTS, CityContent, Question, Result, load
from foundation.content_check import bidi_balanced, content_findings
from foundation.content_models import Check, Gate, words_mark
from foundation.errors import NotFound, OperatorError
from foundation.settings import ROOT
from people.service import AUDIT_KEPT
from tests.promises.plugin import Promise

CONTENT = ROOT / "content"
SERVICES = (
    "residence_registration",
    "address_change",
    "deregistration_abroad",
    "certificate_of_conduct",
    "registration_certificate",
    "identity_card",
)
CATALOGUE = {
    *SERVICES,
    "childcare_voucher",
    "city_pass",
    "civil_status_certificate",
    "document_certification",
    "driving_licence_exchange",
    "formal_obligation",
    "housing_permit",
    "international_driving_permit",
    "life_certificate",
    "passport",
    "register_information",
    "residence_permit",
    "resident_parking_permit",
    "tax_id_request",
    "trade_register_extract",
    "vehicle_registration",
}
LANGUAGES = {"de", "en", "fr", "es", "it", "pl", "ro", "tr", "uk", "ru", "ar", "zh"}


@pytest.fixture(scope="module")
def content() -> CityContent:
    return load(CONTENT, "heidelberg")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Content that a test may spoil."""
    shutil.copytree(CONTENT / "cities", tmp_path / "cities")
    shutil.copy(CONTENT / "units.yaml", tmp_path)
    return tmp_path


def spoil(copy: Path, name: str, old: str, new: str) -> None:
    path = copy / "cities" / "heidelberg" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def walks(gate: Gate) -> Iterator[tuple[dict[str, str], Result]]:
    """Every way through a gate."""
    choices = [[(question.id, answer.id) for answer in question.answers] for question in gate.questions]
    for picked in itertools.product(*choices):
        answers = dict(picked)
        step = gate.next(answers)
        assert isinstance(step, Result)
        yield answers, step


@pytest.mark.promise("content.complete")
def test_the_shipped_content_is_whole() -> None:
    assert content_findings(CONTENT, "heidelberg") == []


@pytest.mark.promise("content.complete")
def test_every_service_and_topic_in_twelve_languages(content: CityContent, promise: Promise) -> None:
    assert content.city.menu == SERVICES
    assert content.city.sample
    assert set(content.city.languages) == LANGUAGES
    assert set(content.services) == CATALOGUE
    for service in content.services.values():
        assert set(service.aspects) == set(ASPECTS)
        assert all(set(words) == LANGUAGES for words in (service.names, *service.aspects.values()))
        assert all(len(service.synonyms[code]) >= 4 for code in content.city.languages), service.id
    assert all(set(topic.text) == LANGUAGES for topic in content.faq.values())
    promise.figure(len(content.services), "services")
    promise.figure(len(LANGUAGES), "languages")


def test_no_placeholder_is_left_open(content: CityContent) -> None:
    dumped = content.model_dump_json(exclude={"triggers"})
    assert "{" not in "".join(
        text
        for service in content.services.values()
        for words in service.aspects.values()
        for text in words.values()
    )
    assert "{city}" not in dumped
    assert "{deadline}" not in dumped


def test_facts_are_the_same_in_every_language(content: CityContent) -> None:
    conduct, card = content.service("certificate_of_conduct"), content.service("identity_card")
    for code in content.city.languages:
        assert "13" in conduct.aspects["fee"][code]
        assert "14" in content.service("address_change").aspects["deadline"][code]
        assert "46" in card.aspects["fee"][code]
        assert ("27.60" if code in ("en", "ar", "zh") else "27,60") in card.aspects["fee"][code]
        assert all(bidi_balanced(words[code]) for words in card.aspects.values())


def test_arabic_numbers_take_their_plural(content: CityContent) -> None:
    abroad = content.service("deregistration_abroad").aspects["deadline"]["ar"]
    assert "7 أيام" in abroad
    assert "14 يومًا" in abroad


def test_what_code_asks_a_service(content: CityContent) -> None:
    service = content.service("certificate_of_conduct")
    assert (service.fee_minor, service.currency, service.duration_minutes) == (1300, "EUR", 10)
    assert service.reduced_fee_minor("volunteer") == 0
    assert (service.proxy_allowed, service.signature, service.may_file_before_payment) == (
        False,
        "declared",
        False,
    )
    assert content.service("address_change").deadline_days == 14
    assert service.deadline_days is None
    with pytest.raises(NotFound):
        content.service("moon_permit")


def test_the_kinds_of_a_service_are_listed_in_its_answer(content: CityContent) -> None:
    service = content.service("certificate_of_conduct")
    kinds = ["private", "authority", "extended", "european", "volunteer"]
    assert [one.id for one in service.variants] == kinds
    for code in content.city.languages:
        lines = [line for line in service.overview[code].splitlines() if line.startswith("•")]
        assert len(lines) == len(kinds)
        for line, kind in zip(lines, service.variants, strict=True):
            assert line.startswith(f"• {kind.names[code]}: {kind.explain[code]}")
        assert bidi_balanced(service.overview[code])
    assert "Dafür ist nötig: Aufforderungsschreiben." in service.overview["de"]
    assert service.overview["de"].endswith("Nachweis des Ehrenamts. Gebühr: keine.")
    assert content.service("identity_card").variants == ()


def test_a_kind_with_a_fee_of_its_own_can_be_asked_for(copy: Path) -> None:
    name = "services/certificate_of_conduct.yaml"
    assert [one.id for one in load(copy, "heidelberg").service("certificate_of_conduct").priced()] == [
        "volunteer"
    ]
    spoil(copy, name, "  - id: european\n", "  - id: european\n    fact: fee_european\n")
    spoil(
        copy,
        name,
        "  duration:",
        "  fee_european: {value: 1700, unit: EUR, source: S, valid_from: 2026-01-01, decided_by: city}\n"
        "  duration:",
    )
    service = load(copy, "heidelberg").service("certificate_of_conduct")
    assert [(one.id, one.fact) for one in service.priced()] == [
        ("volunteer", "fee_volunteer"),
        ("european", "fee_european"),
    ]
    assert service.priced()[1].who["de"] == "Europäisches Führungszeugnis"
    assert "dauert deshalb länger. Gebühr: 17\xa0€." in service.overview["de"]
    assert content_findings(copy, "heidelberg") == []


@pytest.mark.parametrize(
    ("service", "answers", "kind", "bookable"),
    [
        ("trade_register_extract", {"who": "company", "seat": "here"}, "video", True),
        ("trade_register_extract", {"who": "myself", "home": "abroad"}, "other_authority", False),
        ("trade_register_extract", {"who": "other"}, "not_yet", False),
        ("register_information", {"about": "other", "where": "yes", "scope": "simple"}, "video", True),
        ("register_information", {"about": "myself"}, "form_only", False),
        ("register_information", {"about": "block"}, "in_person", False),
        ("tax_id_request", {"situation": "lost", "address": "yes"}, "form_only", False),
        ("tax_id_request", {"situation": "new", "since": "short"}, "not_yet", False),
        ("life_certificate", {"home": "here", "accepted": "yes"}, "video", True),
        ("life_certificate", {"home": "here", "accepted": "unknown"}, "not_yet", False),
        ("life_certificate", {"home": "abroad"}, "other_authority", False),
    ],
)
def test_a_register_paper_goes_its_own_way(
    content: CityContent, service: str, answers: dict[str, str], kind: str, bookable: bool
) -> None:
    end = content.service(service).gate.next(answers)
    assert isinstance(end, Result)
    assert (end.kind, end.bookable) == (kind, bookable)


def test_a_tax_id_is_never_told_in_a_call(content: CityContent) -> None:
    assert not any(result.bookable for _, result in walks(content.service("tax_id_request").gate))


def test_only_a_company_shows_its_register_extract(content: CityContent) -> None:
    service = content.service("trade_register_extract")
    papers = {who: [item.id for item in service.checklist_for({"who": who})] for who in ("myself", "company")}
    assert papers == {
        "myself": ["identity_document"],
        "company": ["identity_document", "company_register_extract"],
    }


def test_every_walk_of_every_gate_ends(content: CityContent) -> None:
    for service in content.services.values():
        ends = {result.id for _, result in walks(service.gate)}
        assert ends == {result.id for result in service.gate.results}, service.id


def test_the_gate_asks_on_until_it_knows(content: CityContent) -> None:
    gate = content.service("residence_registration").gate
    first = gate.start()
    assert isinstance(first, Question)
    assert first.id == "moved_in"
    assert gate.next({"moved_in": "perhaps"}) == first
    assert gate.next({"moved_in": "yes", "from_where": "germany"}) == gate.result("video")
    assert not gate.result("first_registration").bookable
    early = gate.next({"moved_in": "no"})
    assert isinstance(early, Result)
    assert (early.kind, early.bookable) == ("not_yet", False)


def test_an_identity_card_is_never_booked_by_video(content: CityContent) -> None:
    assert not any(result.bookable for _, result in walks(content.service("identity_card").gate))


def test_the_checklist_follows_the_answers(content: CityContent) -> None:
    service = content.service("residence_registration")
    assert "landlord_confirmation" in {item.id for item in service.checklist_for({})}
    assert "landlord_confirmation" not in {item.id for item in service.checklist_for({"moved_in": "no"})}
    later = [item.id for item in service.checklist if item.hand_in_later]
    assert later == ["civil_documents"]


def test_the_office_is_open_as_long_as_it_says(content: CityContent) -> None:
    assert content.city.office.weekly_minutes == 25.5 * 60
    assert len(content.city.lanes) == 3
    assert content.city.office.open_on(5) == ()


def test_the_privacy_notice_says_what_the_program_does(content: CityContent) -> None:
    kept = content.city.retention
    assert (kept.conversation_days, kept.case_days, kept.audit_days) == (
        KEEP_OPEN.days,
        KEEP_CLOSED.days,
        AUDIT_KEPT.days,
    )
    notice = " ".join(words["de"] for part in content.page("privacy").sections for words in part.paragraphs)
    assert all(f"{days} Tagen" in notice for days in (KEEP_OPEN.days, KEEP_CLOSED.days, AUDIT_KEPT.days))


def test_a_missing_language_falls_back(content: CityContent) -> None:
    names = content.service("address_change").names
    assert names["nl"] == names["en"]
    assert names.status("de") == "machine"


def test_a_checked_text_says_by_whom(copy: Path) -> None:
    spoil(
        copy,
        "services/address_change.yaml",
        'de: "Gebühr für die Ummeldung: {fee}."',
        'de: {text: "Gebühr für die Ummeldung: {fee}.", checked_by: "Rechtsamt", checked_at: 2026-11-02, '
        f"checked_words: '{words_mark(*['Gebühr für die Ummeldung: {fee}.'] * 2)}'}}",
    )
    fee = load(copy, "heidelberg").service("address_change").aspects["fee"]
    status = fee.status("de")
    assert isinstance(status, Check)
    assert (status.by, status.at.isoformat(), fee.status("en")) == ("Rechtsamt", "2026-11-02", "machine")
    assert fee["de"] == "Gebühr für die Ummeldung: keine."
    assert content_findings(copy, "heidelberg") == []


@pytest.mark.parametrize("mark", ["", 'checked_words: "0123456789abcdef"'])
def test_a_check_of_other_words_does_not_count(copy: Path, mark: str) -> None:
    spoil(
        copy,
        "services/address_change.yaml",
        'de: "Gebühr für die Ummeldung: {fee}."',
        'de: {text: "Gebühr für die Ummeldung: {fee}.", checked_by: "Rechtsamt", checked_at: 2026-11-02, '
        f"{mark}}}",
    )
    fee = load(copy, "heidelberg").service("address_change").aspects["fee"]
    assert fee.status("de") == "machine"
    assert fee["de"] == "Gebühr für die Ummeldung: keine."


def test_a_fact_that_changes_changes_every_sentence(copy: Path) -> None:
    spoil(copy, "services/certificate_of_conduct.yaml", "fee: {value: 1300", "fee: {value: 1550")
    fee = load(copy, "heidelberg").service("certificate_of_conduct").aspects["fee"]
    assert all("15,50" in text or "15.50" in text for text in fee.values())
    assert not any("13" in text for text in fee.values())


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("services/address_change.yaml", "{fee}.", "{price}.", "no fact is called {price}"),
        ("services/address_change.yaml", "kind: video", "kind: fax", "gate.results.0.kind"),
        (
            "services/address_change.yaml",
            "signature: {value: drawn",
            "signature: {value: spoken",
            "is one of",
        ),
        (
            "services/address_change.yaml",
            "document: landlord_confirmation",
            "document: lease",
            "not in documents.yaml",
        ),
        ("services/address_change.yaml", "tariff: {fact: fee}", "tariff: {fact: toll}", "names no amount"),
        (
            "services/certificate_of_conduct.yaml",
            "    fact: fee_volunteer\n    names",
            "    fact: toll\n    names",
            "names no amount: add toll",
        ),
        (
            "services/certificate_of_conduct.yaml",
            "    fact: fee_volunteer\n    names",
            "    fact: delivery\n    names",
            "names no amount: add delivery",
        ),
        (
            "services/address_change.yaml",
            "tariff: {fact: fee}",
            "tariff: {fact: fee}\nvariants:\n  - {id: one, names: {de: Eins}}",
            "Field required",
        ),
        (
            "services/address_change.yaml",
            "Ummeldung: {fee}.",
            "Ummeldung: {fee}. {variants}",
            "no fact is called {variants}",
        ),
        ("city.yaml", "  - identity_card", "  - moon_permit", "moon_permit has no file"),
        ("city.yaml", "slug: heidelberg", "slug: [heidelberg", "not valid YAML"),
        ("faq/faq_privacy.yaml", "intent: faq_privacy", "topic: faq_privacy", "intent"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(copy: Path, name: str, old: str, new: str, says: str) -> None:
    spoil(copy, name, old, new)
    with pytest.raises(OperatorError) as caught:
        load(copy, "heidelberg")
    where, _, _ = str(caught.value).partition(": ")
    path, _, line = where.rpartition(":")
    assert says in str(caught.value)
    assert path.endswith(name)
    assert int(line) >= 1


def test_the_named_line_is_the_line(copy: Path) -> None:
    name = "services/address_change.yaml"
    spoil(copy, name, "kind: not_yet", "kind: never")
    lines = (copy / "cities/heidelberg" / name).read_text(encoding="utf-8").splitlines()
    with pytest.raises(OperatorError, match=f"address_change.yaml:{lines.index('      kind: never') + 1}:"):
        load(copy, "heidelberg")


def test_a_city_that_is_not_there_says_what_to_do(copy: Path) -> None:
    with pytest.raises(OperatorError, match="FOYER_CITY"):
        load(copy, "atlantis")


@pytest.mark.promise("content.complete")
@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (
            "services/identity_card.yaml",
            '  tr: "Alman kimlik kartı (Personalausweis)"\n',
            "",
            "names: no text in tr",
        ),
        (
            "services/identity_card.yaml",
            '"Alman kimlik kartı (Personalausweis)"',
            '" "',
            "the text in tr is empty",
        ),
        ("faq/faq_location.yaml", "Telefon: {phone}\\nE-Mail", "Telefon\\nE-Mail", "not the same facts"),
        ("faq/faq_location.yaml", "Telefon: {phone}", "Telefon: \u2067{phone}", "direction mark in de"),
        ("services/address_change.yaml", "next: where_to", "result: video", "nothing leads to where_to"),
        ("services/address_change.yaml", "result: other_city", "result: moon", "leads to no result"),
        ("services/address_change.yaml", "next: where_to", "next: moved_in", "leads to no later question"),
        (
            "services/residence_registration.yaml",
            'moved_in: ["yes"]',
            'moved_in: ["maybe"]',
            "no such answer",
        ),
        (
            "services/certificate_of_conduct.yaml",
            "  - id: authority\n",
            "  - id: private\n",
            "private is there 2 times",
        ),
        (
            "services/address_change.yaml",
            "service: deregistration_abroad",
            "service: moon",
            "unknown service",
        ),
        ("../../units.yaml", 'few: "{n} أيام", ', "", "plural forms missing in ar: few"),
    ],
)
def test_the_check_finds_it(copy: Path, name: str, old: str, new: str, says: str) -> None:
    spoil(copy, name, old, new)
    assert any(says in str(finding) for finding in content_findings(copy, "heidelberg"))


def test_direction_marks_must_close_in_order() -> None:
    assert bidi_balanced("\u2068a\u2066b\u2069\u2069")
    assert not bidi_balanced("\u2068a")
    assert not bidi_balanced("a\u2069")
    assert not bidi_balanced("\u2068\u202aa\u2069\u202c")
