"""The translators' tool: texts by name, and a language written back."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from foundation.settings import ROOT
from foundation.words import exported, main, set_many

CITY = "heidelberg"
CARD = "services/identity_card.yaml"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A copy of the content without the training texts."""
    target = tmp_path / "content"
    shutil.copytree(ROOT / "content", target, ignore=shutil.ignore_patterns("training", "locale", ".lock"))
    return target


def texts_of(content: Path) -> dict[str, bytes]:
    return {str(path.relative_to(content)): path.read_bytes() for path in content.rglob("*.yaml")}


def test_every_text_has_a_name_that_speaks(content: Path) -> None:
    found = exported(content, CITY, "sv")
    conduct = "services/certificate_of_conduct.yaml"
    assert found[f"{conduct}#gate.questions.home.ask"] == {
        "de": "Wo sind Sie gemeldet?",
        "en": "Where are you registered?",
        "sv": None,
    }
    assert found[f"{conduct}#gate.questions.home.answers.germany.synonyms"]["en"] == [
        "Germany",
        "another city",
    ]
    assert found["units.yaml#units.day"]["de"] == {"one": "{n} Tag", "other": "{n} Tagen"}
    for name in (
        f"{conduct}#gate.results.federal_office.link.label",
        f"{conduct}#checklist.employer_letter.note",
        f"{conduct}#aspects.overview",
        f"{conduct}#tariff.reductions.volunteer.who",
        "documents.yaml#documents.identity_document.names",
        "city.yaml#offices.virtual.name",
        "legal/imprint.yaml#sections.0.paragraphs.0",
        "faq/faq_device.yaml#triggers",
        "nlu/triggers.yaml#ignore",
    ):
        assert found[name]["de"]


def test_a_whole_language_goes_in_and_nothing_else_changes(content: Path) -> None:
    before = texts_of(content)
    wanted = {key: _translated(one["de"]) for key, one in exported(content, CITY, "sv").items()}
    changed, problems = set_many(content, CITY, "sv", wanted)
    assert problems == []
    assert sum(changed.values()) == len(wanted)
    assert exported(content, CITY, "sv", missing=True) == {}
    assert {key: one["sv"] for key, one in exported(content, CITY, "sv").items()} == wanted
    for name, text in texts_of(content).items():
        old = [line.strip() for line in before[name].decode().splitlines() if "{" not in line]
        kept = iter(line.strip() for line in text.decode().splitlines())
        assert all(line in kept for line in old), name  # each line is still there, in the same order
    after = texts_of(content)
    assert set_many(content, CITY, "sv", wanted) == ({}, [])
    assert texts_of(content) == after


def _translated(value: Any) -> Any:
    if isinstance(value, str):
        return f"{value} «på svenska»\u2068!\u2069"
    if isinstance(value, list):
        return [*value, "ja tack", "nej, tack"]
    return {"one": "{n} dag", "other": "{n} dagar"}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (f"{CARD}#names.title", "Kort", "no such text"),
        ("services/moon.yaml#names", "Måne", "no such file"),
        (f"{CARD}#names", ["Kort"], "must be a text"),
        (f"{CARD}#synonyms", "kort", "must be a list"),
        (f"{CARD}#synonyms", [], "is empty"),
        (f"{CARD}#names", " ", "is empty"),
        (f"{CARD}#names", "Kort \u2067", "direction mark"),
        (f"{CARD}#names", "Kort {fee}", "must name nothing in braces, as in German, but names {fee}"),
        ("faq/faq_location.yaml#text", "Adress", "must name {address}"),
        (f"{CARD}#names", "Kort {", "brace that is not closed"),
        ("units.yaml#units.day", {"one": "{n} dag"}, "lacks the plural forms other"),
        ("units.yaml#units.day", {"one": "{n} dag", "other": "dags", "few": "{m}"}, "must name {n}"),
    ],
)
def test_what_is_refused_leaves_its_file_as_it_is(content: Path, key: str, value: Any, says: str) -> None:
    before = texts_of(content)
    file, good = key.partition("#")[0], "faq/faq_device.yaml#title"
    changed, problems = set_many(
        content, CITY, "sv", {f"{CARD}#term_of_nothing": "x", good: "Vilken enhet?", key: value}
    )
    assert any(says in one and one.startswith(key) for one in problems)
    assert changed == {"faq/faq_device.yaml": 1}
    after = texts_of(content)
    assert [name for name in before if before[name] != after[name]] == [f"cities/{CITY}/faq/faq_device.yaml"]
    assert file


def test_several_translators_at_once(content: Path) -> None:
    languages = ("sv", "da", "fi", "nl", "fa", "hu")
    key = f"{CARD}#aspects.overview"
    text = exported(content, CITY, "sv")[key]["de"]

    def write(language: str) -> list[str]:
        return set_many(content, CITY, language, {key: f"{text} {language}"})[1]

    with ThreadPoolExecutor(len(languages)) as pool:
        assert all(problems == [] for problems in pool.map(write, languages))
    for language in languages:
        assert exported(content, CITY, language)[key][language] == f"{text} {language}"


def test_the_command_line(content: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--lang", "sv", "--content", str(content)]
    assert main(["missing", *at, "--file", "faq/faq_device.yaml"]) == 0
    names = json.loads(capsys.readouterr().out)
    assert list(names) == [f"faq/faq_device.yaml#{name}" for name in ("title", "triggers", "text")]
    given = tmp_path / "sv.json"
    given.write_text(json.dumps({"faq/faq_device.yaml#title": "Vilken enhet?"}), encoding="utf-8")
    assert main(["set-many", *at, str(given)]) == 0
    assert capsys.readouterr().out == "faq/faq_device.yaml: 1 written\n"
    given.write_text(json.dumps({"faq/faq_device.yaml#nothing": "x"}), encoding="utf-8")
    assert main(["set-many", *at, str(given)]) == 1
    assert "faq/faq_device.yaml#nothing: no such text" in capsys.readouterr().out
