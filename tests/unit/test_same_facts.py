"""Amounts, days, ages and German terms are the same in every language, and are those of the fields."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from foundation.content import CityContent, Fact, load
from foundation.measures import placeholders
from foundation.settings import ROOT
from foundation.yamlfile import YamlFile
from tests.promises.plugin import Promise

pytestmark = pytest.mark.promise("content.same-facts")

CITY = ROOT / "content" / "cities" / "heidelberg"
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
THOUSANDS = re.compile(r"(?<=\d)[.,’\u00a0\u202f](?=\d{3}(?!\d))")
TERM = re.compile(r"[(（]([^()（）]+)[)）]$")
SPELT = {1, 2}
"""Written as a word or as an ending where a language does so: one week, يومين."""


@pytest.fixture(scope="module")
def content() -> CityContent:
    return load(ROOT / "content", "heidelberg")


def texts(value: Any, languages: tuple[str, ...]) -> Iterator[Mapping[str, str]]:
    """Every sentence of a file, by language, as it is written there."""
    if isinstance(value, list):
        for item in value:
            yield from texts(item, languages)
    elif isinstance(value, Mapping):
        if set(value) >= set(languages) and all(isinstance(value[code], str) for code in languages):
            yield value
        else:
            for item in value.values():
                yield from texts(item, languages)


def numbers(text: str) -> list[str]:
    """The numbers in a text, whatever digits it uses."""
    plain = "".join(str(unicodedata.digit(one)) if one.isdigit() else one for one in text)
    return NUMBER.findall(THOUSANDS.sub("", plain))


def test_no_sentence_has_a_number_of_its_own_that_others_lack(content: CityContent, promise: Promise) -> None:
    """What stands outside the placeholders (a paragraph, a class) is the same in all languages."""
    count = 0
    for path in sorted(CITY.rglob("*.yaml")):
        for text in texts(YamlFile(path).value, content.city.languages):
            bare = {code: re.sub(r"\{\w+\}", "", text[code]) for code in content.city.languages}
            found = {code: Counter(numbers(one)) for code, one in bare.items()}
            assert all(one == found["de"] for one in found.values()), f"{path.name}: {found}"
            count += len(content.city.languages)
    promise.figure(count, "sentences compared")


def test_every_fact_named_in_a_sentence_is_said_as_it_is_in_the_field(
    content: CityContent, promise: Promise
) -> None:
    count = 0
    for service in content.services.values():
        raw = YamlFile(CITY / "services" / f"{service.id}.yaml").value
        for aspect, words in service.aspects.items():
            for code in content.city.languages:
                for name in placeholders(raw["aspects"][aspect][code]) & set(service.facts):
                    said(service.facts[name], words[code], f"{service.id}.{aspect}.{code}.{name}")
                    count += 1
    promise.figure(count, "facts found again")


def said(fact: Fact, text: str, where: str) -> None:
    if isinstance(fact.value, bool) or not isinstance(fact.value, int):
        return
    if fact.unit == "EUR":
        found = {round(float(one.replace(",", ".")) * 100) for one in numbers(text) if one.count(":") == 0}
        assert fact.value in found or fact.value == 0, f"{where}: {fact.value} cents, not in {text!r}"
    else:
        assert str(fact.value) in numbers(text) or fact.value in SPELT, (
            f"{where}: {fact.value}, not in {text!r}"
        )


def test_the_german_term_stands_beside_every_name(content: CityContent, promise: Promise) -> None:
    for service in content.services.values():
        for code in content.city.languages:
            beside = TERM.search(service.names[code])
            german = (service.term, *service.synonyms["de"])
            same = beside and any(beside[1] in one or one in beside[1] for one in german)
            assert code == "de" or same, f"{service.id}: {service.names[code]}"
    for paper in content.documents.values():
        assert all(paper.term in paper.label(code) for code in content.city.languages), paper.id
    promise.figure(len(content.services) + len(content.documents), "German terms")
