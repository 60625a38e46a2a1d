"""`foyer content import FILE --format`: beside the city's edits, as the operator types it."""

import json
import shutil
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from foundation import content_store
from foundation.clock import FixedClock
from foundation.content_edits import Edit, Key
from foundation.settings import ROOT, Settings
from foyer.import_cli import read, taken_over, tell
from foyer.seed import seed
from foyer.wiring import House, build

DLDB = ROOT / "tests" / "data" / "import" / "services.dldb.json"
FEE = Key("services/lagerfeuer_anmelden.yaml#facts.fee.value")


@pytest.fixture
async def house(settings: Settings, clock: FixedClock, tmp_path: Path) -> AsyncIterator[House]:
    """A city with a content folder of its own."""
    content = tmp_path / "content"
    shutil.copytree(ROOT / "content", content, ignore=shutil.ignore_patterns(".lock"))
    house = build(
        settings.model_copy(update={"content_dir": content}), str(settings.database_url), clock=clock
    )
    await seed(house)
    yield house
    await house.database.close()


async def test_an_edit_of_the_city_outlives_the_next_import(house: House, tmp_path: Path) -> None:
    chosen = Namespace(directory=DLDB, format="dldb", report=tmp_path / "report.txt", dry_run=False)
    first = await taken_over(house.settings, house.database.url, read(DLDB, "dldb"), chosen)
    said: list[str] = []
    tell(first, chosen, said.append)
    assert said[0] == "13 services read"
    assert "Schalter" not in "".join(said)
    assert "schalter_3" in (tmp_path / "report.txt").read_text(encoding="utf-8")
    async with house.database.city(await house.city_id()) as session:
        edit = Edit(FEE, 1000, shipped=800)
        await content_store.add(session, [edit], author_id=None, note="", now=house.clock.now())
    await house.contents.refresh()
    assert house.content.service("lagerfeuer_anmelden").fee_minor == 1000
    raw = json.loads(DLDB.read_text(encoding="utf-8"))
    next(one for one in raw["data"] if one["id"] == "505")["fees"] = "9 Euro"
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps(raw), encoding="utf-8")
    second = await taken_over(house.settings, house.database.url, read(newer, "dldb"), chosen)
    assert second.renewed == ["lagerfeuer_anmelden"]
    assert "facts.fee.value" in second.conflicts["lagerfeuer_anmelden"][0]
