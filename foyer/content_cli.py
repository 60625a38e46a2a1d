"""The commands `foyer content export|import`: the city's content out as YAML, and its edits in."""

import argparse
import asyncio
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.errors import OperatorError
from foundation.settings import Settings
from foyer import import_cli, supervisor

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncSession

    from foundation.content_edits import Difference, Edit, Files
    from foyer.wiring import House

Say = Callable[[str], None]


def add(commands: Any, say: Say) -> Any:
    """Hang the commands below `foyer`; what further commands on content hang below, too."""
    content = commands.add_parser("content", help="What the city says: texts, fees, dates.")
    below = content.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Settings, argparse.Namespace], None], text: str) -> Any:
        made = below.add_parser(name, help=text, description=text)
        made.set_defaults(command=run)
        return made

    out = command(
        "export", lambda settings, chosen: _export(settings, chosen, say), "Write the content as YAML files."
    )
    out.add_argument("directory", type=Path, help="a new folder")
    back = command(
        "import",
        lambda settings, chosen: _import(settings, chosen, say),
        "Take what was changed in exported files as the next version.",
    )
    back.add_argument("directory", type=Path, help="the folder of an export, edited; with --format a file")
    import_cli.add(back)
    back.add_argument("--dry-run", action="store_true", help="only show what would change")
    back.add_argument("--note", default="", help="why, for the list of versions")
    back.add_argument("--login", help="whose change it is; without it, the operator's")
    back.add_argument("--overwrite", action="store_true", help="take these files where both sides changed")
    return below


def _export(settings: Settings, chosen: argparse.Namespace, say: Say) -> None:
    with supervisor.database(settings, say) as url:
        asyncio.run(exported(settings, url, chosen.directory, say))


async def exported(settings: Settings, url: str, target: Path, say: Say) -> None:
    """Write the city's content, its edits spliced in, into a new folder. Errors: OperatorError."""
    from foundation import content_store
    from foundation.content_edits import export
    from foyer.wiring import opened

    async with (
        opened(settings, url, edits=False) as house,
        house.database.city(await house.city_id()) as session,
    ):
        files = _files(settings, await content_store.newest(session))
        export(target, files.texts)
        say(f"wrote {len(files.texts)} files of version {await content_store.version(session)} to {target}")
        _warn(files, say)


def _files(settings: Settings, edits: Iterable["Edit"]) -> "Files":
    from foundation.content_edits import laid_over, shipped_files

    return laid_over(shipped_files(settings.content_dir, settings.city), edits)


def _warn(files: "Files", say: Say) -> None:
    for edit in files.lost:
        say(f"{edit.key}: edited once, but no longer in the shipped files; the edit is kept and does nothing")
    for edit in files.outdated:
        say(f"{edit.key}: the shipped value is another one since it was edited; the edit counts, please look")


def _import(settings: Settings, chosen: argparse.Namespace, say: Say) -> None:
    if chosen.format:
        import_cli.take_over(settings, chosen, say)
        return
    with supervisor.database(settings, say) as url:
        asyncio.run(
            imported(
                settings,
                url,
                chosen.directory,
                say,
                dry_run=chosen.dry_run,
                note=chosen.note,
                login=chosen.login,
                overwrite=chosen.overwrite,
            )
        )


async def imported(
    settings: Settings,
    url: str,
    source: Path,
    say: Say,
    *,
    dry_run: bool = False,
    note: str = "",
    login: str | None = None,
    overwrite: bool = False,
) -> None:
    """Take what a folder changes as the next version, all of it or nothing. Errors: OperatorError."""
    from foundation import content_store
    from foundation.content_edits import lines, taken_in
    from foyer.wiring import opened

    async with (
        opened(settings, url, edits=False) as house,
        house.database.city(await house.city_id()) as session,
    ):
        await content_store.one_writer(session)
        found = await prepared(session, settings, source, overwrite=overwrite)
        for line in (*lines(found), *found.notes):
            say(line)
        if not found.edits or dry_run:
            say(
                f"{len(found.edits)} would change; nothing was written"
                if found.edits
                else "nothing to change"
            )
            return
        author, now = await _author(session, house, login), house.clock.now()
        number = await content_store.add(session, found.edits, author_id=author, note=note, now=now)
    taken_in(source)
    say(f"{len(found.edits)} changed; the content is version {number}")


async def prepared(
    session: "AsyncSession", settings: Settings, source: Path, *, overwrite: bool = False
) -> "Difference":
    """What a folder changes, looked through as `make check` looks at content. Errors: OperatorError with all faults."""
    from foundation import content_store
    from foundation.content_edits import difference, shipped_files

    edits = await content_store.newest(session)
    now = _files(settings, edits).texts
    found = difference(source, shipped_files(settings.content_dir, settings.city), now, overwrite=overwrite)
    _refuse("cannot be taken in", found.problems, "Correct these places and import again.")
    _refuse(
        "was changed by somebody else since the export",
        found.conflicts,
        "Export again and carry your changes over, or import with --overwrite.",
    )
    if found.edits:
        names = {edit.key.file for edit in found.edits}
        newer = {edit.key: edit for edit in (*edits, *found.edits)}.values()
        _refuse("does not fit", _new_faults(settings, edits, newer, names), "Nothing was written.")
    return found


def _new_faults(
    settings: Settings, edits: Iterable["Edit"], newer: Iterable["Edit"], names: Collection[str]
) -> list[str]:
    """What is wrong with the newer edits and was not before."""
    from foundation.content_edits import faults

    found = faults(settings.content_dir, settings.city, newer, names)
    known = (
        {one.problem for one in faults(settings.content_dir, settings.city, edits, names)} if found else ()
    )
    return [str(one) for one in found if one.problem not in known]


def _refuse(what: str, places: list[str], todo: str) -> None:
    if places:
        raise OperatorError("\n".join([f"{len(places)} × {what}:", *(f"  {one}" for one in places), todo]))


async def _author(session: "AsyncSession", house: "House", login: str | None) -> "uuid.UUID | None":
    from sqlalchemy import select

    from people.models import Staff

    if login is None:
        return None
    found = await session.scalar(select(Staff.id).where(Staff.login == login))
    if found is None:
        raise OperatorError(f"There is no account with the login {login!r}.")
    return found
