"""A city's own list of services becomes entries: read, cleaned, kept apart from what people edit."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from foundation.content import ASPECTS, CityContent, load
from foundation.content_check import content_findings
from foundation.content_edits import Edit, Key
from foundation.content_models import words_mark
from foundation.errors import OperatorError
from foundation.imports import dldb, xzufi
from foundation.imports.entry import fee_minor
from foundation.imports.markup import Block, blocks
from foundation.imports.merge import LAST, Importer, Report
from foundation.settings import ROOT
from foundation.yamledit import read
from nlu.retrieval import service_texts
from nlu.service import NluService
from nlu.training import TrainingData
from tests.promises.plugin import Promise

FILES = ROOT / "tests" / "data" / "import"
DLDB, XZUFI = FILES / "services.dldb.json", FILES / "services.xzufi.xml"
FIRST, SECOND = date(2026, 6, 1), date(2026, 9, 1)
TAKEN = {
    "bienenhaltung_anzeigen",
    "drehgenehmigung",
    "flohmarkt_stand_reservieren",
    "hundesteuer_anmeldung",
    "lagerfeuer_anmelden",
    "schalter_3",
    "strassenmusik",
    "baumfaellung",
    "fundrad_abholen",
}

Row = dict[str, Any]


class Folder:
    """Content that an import may write into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "cities" / "heidelberg"

    def take(
        self, file: Path = DLDB, on: date = FIRST, edits: tuple[Edit, ...] = (), **options: bool
    ) -> Report:
        read = dldb.read if file.suffix == ".json" else xzufi.read
        form = "dldb" if file.suffix == ".json" else "xzufi"
        return Importer(self.path, "heidelberg", form, on, edits).run(read(file), file.name, **options)

    def load(self) -> CityContent:
        return load(self.path, "heidelberg")

    def file(self, service: str) -> Path:
        return self.root / "services" / f"{service}.yaml"

    def edit(self, service: str, old: str, new: str) -> None:
        text = self.file(service).read_text(encoding="utf-8")
        assert old in text
        self.file(service).write_text(text.replace(old, new, 1), encoding="utf-8")

    def newer(self, change: Callable[[list[Row]], None]) -> Path:
        """The city's file, a few months later."""
        raw = json.loads(DLDB.read_text(encoding="utf-8"))
        change(raw["data"])
        path = self.path / "newer.json"
        path.write_text(json.dumps(raw), encoding="utf-8")
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    shutil.copytree(ROOT / "content", tmp_path / "content", ignore=shutil.ignore_patterns("locale", ".lock"))
    return Folder(tmp_path / "content")


def row(rows: list[Row], key: str) -> Row:
    return next(one for one in rows if isinstance(one, dict) and one.get("id") == key)


# -- reading -----------------------------------------------------------------------------------------


def test_html_becomes_plain_blocks_and_nothing_else_comes_through() -> None:
    found = blocks(
        "<p><b>Kopf</b></p><ul><li>eins<ul><li>zwei</ul><li><i>drei</i></ul><p onclick='x()'>Ende &amp;\u200b aus<br>neu"
        "<script>bad()</script><style>p{}</style><!-- still --><a href='javascript:x()'>so</a>"
    )
    assert found == [
        Block("heading", "Kopf"),
        Block("item", "eins"),
        Block("item", "zwei"),
        Block("item", "drei"),
        Block("text", "Ende & aus"),
        Block("text", "neuso"),
    ]


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("13 Euro", 1300),
        ("12,50 Euro", 1250),
        ("8 €", 800),
        ("1.250 Euro.", 125000),
        ("kostenlos", 0),
        ("Gebührenfrei", 0),
        ("ab 13 Euro", None),
        ("13 Euro\n• 5 Euro", None),
        ("nach Aufwand", None),
        ("", None),
    ],
)
def test_a_fee_is_a_fact_only_where_it_is_one_amount(text: str, minor: int | None) -> None:
    assert fee_minor(text) == minor


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "not JSON"),
        ("a.json", '{"services": []}', "no list"),
        ("a.xml", "<a>", "not well-formed"),
        ("a.xml", "<a/>", "no `leistung`"),
    ],
)
def test_what_is_no_export_is_told(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OperatorError, match=says):
        (dldb if name.endswith("json") else xzufi).read(path)


def test_an_xml_file_from_outside_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret words", encoding="utf-8")
    path = tmp_path / "a.xml"
    text = XZUFI.read_text(encoding="utf-8").replace("Zweimal im Jahr", "&leak; Zweimal")
    entity = f'<!DOCTYPE a [<!ENTITY leak SYSTEM "file://{tmp_path}/secret">]>'
    path.write_text(text.replace("?>\n", f"?>\n{entity}\n", 1), encoding="utf-8")
    assert "secret words" not in repr(xzufi.read(path))


# -- entries -----------------------------------------------------------------------------------------


@pytest.mark.promise("content.import")
def test_the_sample_becomes_entries_and_the_report_names_the_rest(folder: Folder, promise: Promise) -> None:
    report = folder.take()
    assert set(report.new) == TAKEN
    assert set(report.unusable) == {"510", "Ohne Nummer", "number 12"}
    assert set(report.own) == {"Führungszeugnis"}
    text = "\n".join(report.lines())
    assert all(name in text for name in ("510", "Ohne Nummer", "number 12", "Führungszeugnis"))
    assert "schalter_3" in report.by_reason()["the source gives only a name: write a text, or take it out"]
    assert content_findings(folder.path, "heidelberg") == []
    content = folder.load()
    for service_id in TAKEN:
        service = content.service(service_id)
        assert set(service.aspects) == set(ASPECTS)
        assert all(words[code] for words in service.aspects.values() for code in content.city.languages)
    promise.figure(len(TAKEN), "of 13 odd sample services taken over, each of the others named")


@pytest.mark.promise("content.import")
def test_nothing_imported_is_bookable_until_a_person_says_so(folder: Folder) -> None:
    folder.take()
    folder.take(XZUFI)
    imported = [one for one in folder.load().services.values() if one.imported]
    assert len(imported) == len(TAKEN) + 3
    for service in imported:
        assert not any(result.bookable for result in service.gate.results)
        assert all(
            result.reason[code] for result in service.gate.results for code in ("de", "en", "tr", "ar")
        )
    folder.edit("drehgenehmigung", "kind: in_person", "kind: video")
    folder.take(on=SECOND)
    assert folder.load().service("drehgenehmigung").gate.results[0].bookable


def test_sections_fees_papers_and_ids_are_kept(folder: Folder) -> None:
    folder.take()
    content = folder.load()
    bees = content.service("bienenhaltung_anzeigen")
    assert bees.imported is not None
    assert (bees.imported.leika, bees.imported.changed) == (("99012345678000",), date(2026, 5, 4))
    assert bees.fee_minor == 0
    assert [item.id for item in bees.checklist] == ["identity_document", "paper_lageplan_des_bienenstands"]
    assert "spätestens am ersten Tag" in bees.aspects["deadline"]["de"]
    assert "online oder per Post" in bees.aspects["channel"]["de"]
    assert "alert" not in bees.model_dump_json()
    assert content.service("drehgenehmigung").fee_minor is None
    assert "85,50 Euro" in content.service("drehgenehmigung").aspects["fee"]["tr"]
    assert content.service("flohmarkt_stand_reservieren").fee_minor == 1250
    assert content.service("hundesteuer_anmeldung").imported.leika[1:] == ("99034567890001",)  # type: ignore[union-attr]  # imported
    assert "{Noten}" in content.service("strassenmusik").overview["de"]
    bike = content.service("fundrad_abholen")
    assert bike.gate.results[0].kind == "form_only"
    assert bike.gate.results[0].link is not None
    assert "Eigentumserklärung" in bike.aspects["form"]["de"]
    assert "Datenschutz" not in bike.aspects["form"]["de"]
    assert "im Original" in bike.aspects["documents"]["de"]


def test_the_other_standard_says_the_same_things(folder: Folder) -> None:
    report = folder.take(XZUFI)
    assert set(report.unusable) == {"L4", "Leistung ohne Kennung"}
    content = folder.load()
    doves = content.service("ausnahme_vom_fuetterungsverbot_fuer_tauben")
    assert doves.fee_minor == 2500
    assert doves.imported is not None
    assert (doves.imported.key, doves.imported.leika) == ("L1", ("99011111111000",))
    assert doves.imported.source == "https://stadt.example/tauben"
    assert {"Taubenhaus", "Taubenfütterung, Ausnahme"} <= set(doves.synonyms["de"])
    assert "Vier Wochen" in doves.aspects["deadline"]["de"]
    assert "zwei Wochen" in doves.aspects["duration"]["de"]
    assert "Taubenschlag" in doves.aspects["eligibility"]["de"]
    assert doves.checklist[0].id == "identity_document"
    assert "not read yet" not in doves.model_dump_json()
    assert content.service("drachensteigen_genehmigen").fee_minor == 750
    assert content.service("sperrmuell_anmelden").gate.results[0].kind == "form_only"


def test_readers_of_other_languages_are_told_that_a_text_is_german(folder: Folder) -> None:
    folder.take()
    music = folder.load().service("strassenmusik")
    assert "Stand: 4. Mai 2026" in music.overview["de"]
    assert music.overview["en"].startswith("This text is available in German only:")
    assert "Not yet checked" in music.overview["en"]
    assert "\u2066Musik auf der Straße" in music.overview["ar"]
    assert "German only" not in music.aspects["fee"]["en"]  # free: a fact, said in every language
    assert "says nothing" in music.aspects["documents"]["en"]
    assert "video" in music.aspects["channel"]["en"]


def test_a_translation_or_a_checked_text_takes_the_place_of_the_note(folder: Folder) -> None:
    folder.take()
    old = next(line for line in folder.file("baumfaellung").read_text().splitlines() if "80 cm" in line)
    german = read(old)["de"]
    checked = old.replace("de: ", "de: {text: ") + (
        f", checked_by: Amt, checked_at: 2026-08-01, checked_words: '{words_mark(german, german)}'}}"
    )
    folder.edit("baumfaellung", old, f'{checked}\n    en: "Thick trees are protected."')
    overview = folder.load().service("baumfaellung").overview
    assert overview["de"] == german
    assert overview.status("de") != "machine"
    assert overview["en"].startswith("Thick trees are protected.")
    assert overview["tr"].startswith("Bu metin yalnızca Almanca")


def test_a_checked_translation_stands_beside_german_words_with_their_note(folder: Folder) -> None:
    folder.take()
    old = next(line for line in folder.file("baumfaellung").read_text().splitlines() if "80 cm" in line)
    own = "Kalın ağaçlar korunur."
    mark = words_mark(read(old)["de"], own)
    tree = f"tr: {{text: {own}, checked_by: Amt, checked_at: 2026-08-01, checked_words: '{mark}'}}"
    folder.edit("baumfaellung", old, f"{old}\n    {tree}")
    overview = folder.load().service("baumfaellung").overview
    assert (overview["tr"], overview.status("de")) == (own, "machine")
    assert overview.status("tr") != "machine"
    folder.edit("baumfaellung", "80 cm", "90 cm")
    overview = folder.load().service("baumfaellung").overview
    assert overview.status("tr") == "machine"
    assert overview["tr"].startswith(f"{own}\n")  # with the note where it comes from


# -- again -------------------------------------------------------------------------------------------


@pytest.mark.promise("content.import")
def test_a_second_import_changes_what_nobody_edited_and_tells_conflicts(
    folder: Folder, promise: Promise
) -> None:
    folder.take()
    folder.edit("drehgenehmigung", "# Taken over", "# Ours now\n# Taken over")
    folder.edit("drehgenehmigung", "Für Filmaufnahmen", "Für alle Filmaufnahmen")
    folder.edit("flohmarkt_stand_reservieren", "value: 1250", "value: 1500")

    def later(rows: list[Row]) -> None:
        row(rows, "502")["fees"] = "90 Euro"
        row(rows, "503")["fees"] = "14 Euro"
        row(rows, "509")["name"] = "Baumfällgenehmigung"
        rows.remove(row(rows, "508"))

    report = folder.take(folder.newer(later), SECOND)
    film, market = (
        folder.file(one).read_text(encoding="utf-8")
        for one in ("drehgenehmigung", "flohmarkt_stand_reservieren")
    )
    assert film.startswith("# Ours now")
    assert "Für alle Filmaufnahmen" in film
    assert "value: 9000" in film
    assert "value: 1500" in market
    assert [*report.conflicts] == ["drehgenehmigung", "flohmarkt_stand_reservieren"]
    assert "1500" in report.conflicts["flohmarkt_stand_reservieren"][0]
    assert report.gone == ["strassenmusik"]
    assert folder.load().service("baumfaellung").term == "Baumfällgenehmigung"
    assert folder.load().service("strassenmusik")
    again = folder.take(folder.newer(later), SECOND)
    assert (again.new, again.renewed, again.conflicts) == ([], [], {})
    promise.figure(3, "edits of the city kept through a second import")


def test_the_same_file_again_changes_no_byte(folder: Folder) -> None:
    folder.take()
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    report = folder.take(on=SECOND)
    assert (report.new, report.renewed, report.conflicts) == ([], [], {})
    after = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    assert {path for path in before if before[path] != after[path]} <= {folder.root / LAST}


def test_an_entry_that_the_city_took_out_stays_out(folder: Folder) -> None:
    folder.take()
    folder.file("schalter_3").unlink()
    assert folder.take(on=SECOND).removed == ["schalter_3"]
    assert not folder.file("schalter_3").exists()


def test_edits_laid_over_the_files_are_told_where_the_file_now_says_something_else(folder: Folder) -> None:
    folder.take()
    key = Key("services/lagerfeuer_anmelden.yaml#facts.fee.value")
    edits = (Edit(key, 1000, shipped=800),)

    def later(rows: list[Row]) -> None:
        row(rows, "505")["fees"] = "9 Euro"

    assert "lagerfeuer_anmelden" not in folder.take(edits=edits).conflicts
    report = folder.take(folder.newer(later), SECOND, edits)
    assert "facts.fee.value" in report.conflicts["lagerfeuer_anmelden"][0]


def test_a_dry_run_writes_nothing(folder: Folder) -> None:
    assert len(folder.take(dry_run=True).new) == len(TAKEN)
    assert not folder.file("drehgenehmigung").exists()
    assert not (folder.root / LAST).exists()


# -- found -------------------------------------------------------------------------------------------


async def test_german_words_find_imported_services_and_their_aspects(folder: Folder) -> None:
    folder.take()
    service = NluService.from_content(folder.load())
    for text, meant, aspect in (
        ("Was kostet eine Drehgenehmigung?", "drehgenehmigung", "fee"),
        ("Wie hoch ist die Gebühr für einen Standplatz?", "flohmarkt_stand_reservieren", "fee"),
        ("Kann ich die Bienenhaltung online anzeigen?", "bienenhaltung_anzeigen", "channel"),
        ("Muss ich für das Fundfahrrad persönlich kommen?", "fundrad_abholen", "channel"),
    ):
        found = await service.understand(text, "de", {})
        assert (found.service, found.aspect) == (meant, aspect), text


def test_an_import_asks_for_no_training(folder: Folder) -> None:
    """The model stays; retrieval alone learns the names, and bare ones draw nothing."""
    before = TrainingData.collect(folder.load(), folder.path, "")
    folder.take()
    content = folder.load()
    assert TrainingData.collect(content, folder.path, "").digest == before.digest
    named = {one.service for one in service_texts(content, before.examples)}
    assert TAKEN - named == {"schalter_3"}
