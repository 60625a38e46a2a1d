"""German names of services, glossed word by word."""

import csv
from collections import Counter

import pytest

from foundation import content
from foundation.fold import fold
from foundation.glosses import SYNONYMS, WORDS, glossed
from foundation.settings import ROOT


@pytest.mark.parametrize(
    ("name", "language", "expected"),
    [
        ("Fischereischein", "en", "fishing licence"),
        ("Fischereischein", "fr", "permis de pêche"),
        ("Saisonkennzeichen", "en", "seasonal number plate"),
        ("Schülerausweis", "it", "documento d'identità alunno"),
        ("Hundesteuer", "uk", "податок на собак"),
        ("Mietberatung", "en", "rent advice"),
        ("Beratung für die Miete", "es", "asesoramiento alquiler"),
        ("Zufahrt zum Oktoberfest", "en", "access road Oktoberfest"),
        ("Häuser", "en", "house"),
        ("Kranken- und Pflegeversicherung", "en", "health insurance long-term care insurance"),
        ("Geburts- und Sterbeurkunden", "en", "birth certificate death certificate"),
        ("An- und Abmeldung", "en", "registration deregistration"),
        ("Eheschließung mit Auslandsbezug", "en", "marriage with abroad receipt"),
        ("Eheschließung ohne Auslandsbezug", "en", "marriage without abroad receipt"),
        ("Ausweis für Bürger*innen", "en", "ID card citizen"),
        ("Ausweis für BürgerInnen", "en", "ID card citizen"),
        ("Bewohner*innenparkausweis", "en", glossed("Bewohnerparkausweis", "en")),
        ("Mittag", "en", "Mittag"),
        ("Um-", "en", "Um"),
        ("An der", "en", "An der"),
        ("Fischereischein", "de", "Fischereischein"),
        ("Fischereischein", "nl", "Fischereischein"),
    ],
)
def test_names_are_taken_apart_and_put_into_the_order_of_the_language(
    name: str, language: str, expected: str
) -> None:
    assert glossed(name, language) == expected


def test_every_stem_stands_once_and_has_a_word_in_every_language() -> None:
    with WORDS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    head, stems = rows[0], Counter(fold(row[0]) for row in rows[1:])
    assert set(head) == set(content.load(ROOT / "content", "heidelberg").city.languages)
    assert [stem for stem, times in stems.items() if times > 1] == []
    assert [row for row in rows if len(row) != len(head)] == []
    assert [
        row for row in rows if not all(word.strip() for cell in row for word in cell.split(SYNONYMS.strip()))
    ] == []


def test_every_stem_can_be_found() -> None:
    with WORDS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    said = {row["de"]: row["en"].split(SYNONYMS)[0] for row in rows}
    assert {stem: glossed(stem, "en") for stem in said} == said


def test_the_next_synonym_is_said_where_there_is_one() -> None:
    assert glossed("Gewerbe", "en") != glossed("Gewerbe", "en", synonym=1)
    assert glossed("Hund", "en", synonym=1) == "dog"
