"""A real city's list of 287 services: taken over, told what is left, and found by people who never saw its words.

The list is Munich's (it-at-m/eappointment, zmscitizenapi, EUPL-1.2). It is no part of the project: MUNICH_SERVICES names
the file, else it is looked for beside the clone.
"""

import os
import shutil
import sys
from datetime import date
from pathlib import Path

import pytest

from foundation.content import ASPECTS, CityContent, load
from foundation.content_check import content_findings
from foundation.imports import dldb
from foundation.imports.merge import Importer, Report
from foundation.imports.source import Export
from foundation.settings import ROOT, Settings
from nlu import commands
from nlu.evaluation import Labelled, Result, evaluate
from tests.long.test_nlu_first import CACHE
from tests.promises.plugin import Promise

pytestmark = [pytest.mark.long, pytest.mark.promise("content.import")]

MUNICH = Path(
    os.environ.get("MUNICH_SERVICES") or ROOT.parent / "shared" / "data" / "munich_services_de.json"
)
QUESTIONS = Path(__file__).parent / "content_import"
SERVICES, USABLE, TEN = 287, 0.95, 10
OTHERS = 0.8
"""Least share of the questions on further services, among them those whose names lie near to others."""
AT_HAND = 0.45
"""Least share of questions without a service's name that lead to it, at once or by a choice beside the answer."""


@pytest.fixture(scope="module")
def munich() -> Export:
    if not MUNICH.is_file():
        pytest.fail(f"Munich's list of services is not at {MUNICH}; set MUNICH_SERVICES to its path")
    return dldb.read(MUNICH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("munich") / "content"
    shutil.copytree(ROOT / "content", target, ignore=shutil.ignore_patterns(".lock"))
    return target


@pytest.fixture(scope="module")
def report(munich: Export, folder: Path) -> Report:
    return Importer(folder, "heidelberg", "dldb", date(2026, 6, 8)).run(munich, MUNICH.name)


@pytest.fixture(scope="module")
def content(report: Report, folder: Path) -> CityContent:
    return load(folder, "heidelberg")


def usable(content: CityContent, name: str) -> bool:
    """A title, and for each aspect the source's words or "none stated", in each language of the city."""
    service = content.services.get(name)
    return (
        service is not None
        and bool(service.term)
        and all(words[code].strip() for words in service.aspects.values() for code in content.city.languages)
        and set(service.aspects) == set(ASPECTS)
        and not any(result.bookable for result in service.gate.results)
    )


def test_services_become_usable_entries_and_the_report_names_the_rest(
    munich: Export, folder: Path, report: Report, content: CityContent, promise: Promise
) -> None:
    assert report.read == SERVICES
    good = [name for name in report.new if usable(content, name)]
    assert len(good) + len(report.own) >= USABLE * SERVICES
    assert content_findings(folder, "heidelberg") == []
    named = "\n".join(report.lines())
    rest = {*report.own, *report.unusable, *(name for name in report.new if name not in good)}
    assert all(name in named for name in (*rest, *report.remarks))
    leika = [one for one in content.services.values() if one.imported and one.imported.leika]
    fees = [one for one in munich.services if one.sections.get("fee") and one.title not in report.own]
    told = [
        one
        for one in content.services.values()
        if one.imported and "fee" in _stated(one.aspects["fee"]["de"])
    ]
    assert len(told) >= len(fees)
    promise.figure(
        round(100 * (len(good) + len(report.own)) / SERVICES, 1), f"% of {SERVICES} services usable"
    )
    promise.figure(len(report.own), "of them by an entry that the city has already")
    bare = [one for one in content.services.values() if one.imported and one.imported.bare]
    promise.figure(
        len(bare), "of them with a name alone: the reader hears that nothing is stated, the report says so"
    )
    promise.figure(len(leika), "with LeiKa ids")


def _stated(text: str) -> str:
    """ "fee" where an answer about the fee is the source's own or a fact, "" where nothing is stated."""
    return "" if text.startswith("Dazu steht im Verzeichnis der Stadt nichts") else "fee"


def test_a_second_import_of_the_same_file_changes_nothing(
    munich: Export, report: Report, folder: Path
) -> None:
    again = Importer(folder, "heidelberg", "dldb", date(2026, 7, 8)).run(munich, MUNICH.name)
    assert (again.new, again.renewed, again.conflicts) == ([], [], {})
    assert len(again.same) == len(report.new)


async def test_ten_services_that_no_model_learned_are_found_and_answered(
    content: CityContent, folder: Path, promise: Promise, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Labelled.read(QUESTIONS / "ten.jsonl")
    assert len({one.service for one in asked}) == TEN
    assert {(one.language, one.aspect) for one in asked} == {
        (language, aspect) for language in ("de", "en", "uk") for aspect in ("fee", "channel")
    }
    found = await understood(folder, content, [*asked, *Labelled.read(QUESTIONS / "others.jsonl")])
    ten, others = found[: len(asked)], found[len(asked) :]
    with capsys.disabled():
        for one in found:
            if not right(one):
                sys.stdout.write(
                    f"\n{one.meant.language} {one.meant.text} → {one.found.service} {one.found.aspect}"
                )
    wrong = [one.meant.text for one in ten if not right(one)]
    assert wrong == []
    for one in ten:
        assert one.meant.service
        assert one.meant.aspect in ("fee", "channel")
        words = content.service(one.meant.service).aspects[one.meant.aspect]  # type: ignore[index]  # looked at above
        assert words[one.meant.language].strip()
    promise.figure(len(ten), "questions on ten services, all found and answered")
    share = sum(map(right, others)) / len(others)
    assert share >= OTHERS
    promise.figure(
        round(100 * share, 1), f"% of {len(others)} questions on further services, the hard ones among them"
    )


async def test_who_does_not_know_a_service_by_its_name_is_led_to_it(
    content: CityContent, folder: Path, promise: Promise
) -> None:
    """Twenty services drawn by lot, asked in the words of people who do not know what their errand is called."""
    found = await understood(folder, content, Labelled.read(QUESTIONS / "unseen.jsonl"))
    share = sum(map(at_hand, found)) / len(found)
    assert share >= AT_HAND
    promise.figure(round(100 * sum(map(right, found)) / len(found), 1), "% of questions without a name found")
    promise.figure(round(100 * share, 1), "% of them lead to the service, at once or by a choice")


def at_hand(one: Result) -> bool:
    """Whether the service is answered about, or among the choices beside the answer."""
    return one.intent and not one.found.fallback and (one.service or one.meant.service in one.found.beside)


def right(one: Result) -> bool:
    return one.intent and one.service and one.aspect and not one.found.fallback


async def understood(folder: Path, content: CityContent, asked: list[Labelled]) -> list[Result]:
    """By the model that learned the city's own services alone."""
    settings = Settings(_env_file=None, data_dir=CACHE, content_dir=folder, nlu="rasa")
    async with commands.understanding(settings, content, lambda text: None) as service:
        return await evaluate(service, asked)
