"""`foyer content import FILE --format dldb|xzufi`: a city's own list of services becomes entries of the content."""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from foundation.errors import OperatorError
from foundation.settings import Settings
from foyer import supervisor

if TYPE_CHECKING:
    from foundation.content_edits import Edit
    from foundation.imports.merge import Importer, Report
    from foundation.imports.source import Export
    from foyer.wiring import House

FORMATS = ("dldb", "xzufi")
Say = Callable[[str], None]


def add(command: Any) -> None:
    """The options by which `foyer content import` reads another program's file."""
    command.add_argument("--format", choices=FORMATS, help="take over a city's own list of services")
    command.add_argument("--report", type=Path, help="with --format: write here what needs a person")


def take_over(settings: Settings, chosen: argparse.Namespace, say: Say) -> None:
    """Read the file before the database is asked for anything. Errors: OperatorError."""
    export = read(chosen.directory, chosen.format)
    with supervisor.database(settings, say) as url:
        report = asyncio.run(taken_over(settings, url, export, chosen))
    tell(report, chosen, say)


def read(path: Path, form: str) -> "Export":
    """The services of a file. Errors: OperatorError."""
    from foundation.imports import dldb, xzufi

    if path.is_dir():
        raise OperatorError(f"{path} is a folder; --format reads one file.")
    return dldb.read(path) if form == "dldb" else xzufi.read(path)


async def taken_over(settings: Settings, url: str, export: "Export", chosen: argparse.Namespace) -> "Report":
    """Compare with what the city edited, and write. Errors: OperatorError, and nothing is written."""
    from foundation import content_store
    from foyer.wiring import opened

    async with (
        opened(settings, url, edits=False) as house,
        house.database.city(await house.city_id()) as session,
    ):
        await content_store.one_writer(session)
        importer = _importer(house, chosen.format, await content_store.newest(session))
        return importer.run(export, chosen.directory.name, dry_run=chosen.dry_run)


def _importer(house: "House", form: str, edits: Sequence["Edit"]) -> "Importer":
    from foundation.imports.merge import Importer

    today = house.clock.now().astimezone(ZoneInfo(house.content.city.office.zone)).date()
    return Importer(house.settings.content_dir, house.settings.city, form, today, edits)


def tell(report: "Report", chosen: argparse.Namespace, say: Say) -> None:
    """The counts on the terminal, every entry in the report's file."""
    say(f"{report.read} services read{'; nothing was written' if chosen.dry_run else ''}")
    for line in report.summary():
        say(f"  {line}")
    if chosen.report:
        chosen.report.write_text("\n".join(report.lines()) + "\n", encoding="utf-8")
        say(f"which entries need a person, and why: {chosen.report}")
    else:
        say("which entries need a person: add --report FILE")
    if (report.new or report.renewed) and not chosen.dry_run:
        say(
            "people see it after the next start of Foyer; none of it can be booked until a person changes its gate"
        )
