"""What the city says, kept up to date in a running process: the shipped files with the city's edits."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select

from foundation import content_store
from foundation.content_edits import Edit, read_city
from foundation.content_models import CityContent
from foundation.db import Database
from foundation.errors import OperatorError
from foundation.live import Hub
from foundation.settings import Settings
from people.models import City

logger = logging.getLogger(__name__)

LEGAL = "legal"
"""The folder of pages that say of which day they are."""
HELP = "Correct it outside: foyer content export DIR, edit, foyer content import DIR."


@dataclass
class Contents:
    """Holds the one `CityContent` of a process and renews it in place. `version`: that of the edits in it."""

    settings: Settings
    database: Database
    content: CityContent
    version: int = 0
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def refresh(self) -> bool:
        """Take in the newest edits; whether there were any. Errors: OperatorError, and the old content stays."""
        async with self._one_at_a_time:
            found = await self._newer()
            if found is None:
                return False
            version, edits, changed = found
            try:
                shipped = self.settings.content_dir, self.settings.city
                fresh = _dated(await asyncio.to_thread(read_city, *shipped, edits), changed)
            except OperatorError as error:
                raise OperatorError(
                    f"the city's edits (version {version}) do not fit: {error} {HELP}"
                ) from error
            self.content.become(fresh)
            self.version = version
            return True

    async def follow(self, hub: Hub, changed: Callable[[], Awaitable[None]] | None = None) -> None:
        """Take in every new version until cancelled; `changed` is told after each."""
        with hub.woken_by(content_store.TOPIC) as waker:
            while True:
                waker.clear()
                try:
                    if await self.refresh() and changed:
                        await changed()
                except OperatorError as error:
                    logger.error("content: version not taken over: %s", error)
                await waker.wait()

    async def _newer(self) -> tuple[int, list[Edit], Mapping[str, datetime]] | None:
        """The newest version with its edits, and when the words of each legal page were changed."""
        city_id = await self._city_id()
        if city_id is None:
            return None
        async with self.database.city(city_id) as session:
            version = await content_store.version(session)
            if version == self.version:
                return None
            changed = await content_store.words_changed(session, LEGAL)
            return version, await content_store.newest(session), changed

    async def _city_id(self) -> uuid.UUID | None:
        async with self.database.every_city() as session:
            return await session.scalar(select(City.id).where(City.slug == self.settings.city))


def _dated(content: CityContent, changed: Mapping[str, datetime]) -> CityContent:
    """Legal pages are of the day of their last change, by the office's calendar, if the files name an earlier one."""
    zone = ZoneInfo(content.city.office.zone)
    days = {file: at.astimezone(zone).date() for file, at in changed.items()}
    pages = {
        name: page.model_copy(
            update={"updated": max(page.updated, days.get(f"{LEGAL}/{name}.yaml", page.updated))}
        )
        for name, page in content.legal.items()
    }
    return content.model_copy(update={"legal": pages})
