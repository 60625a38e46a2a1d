"""A citizen at a Matrix client that is not ours, in an encrypted room where personal words may be written."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import icalendar
from playwright.async_api import Locator, Page

from tests.e2e.person import Browsing, page_of_fee
from tests.support.matrix import POLL, Event, MatrixCitizen, body, is_text

ADDRESS = re.compile(r"https?://\S+")


@dataclass
class MatrixPerson(Browsing):
    """Takes choices in turn by poll, by number and by label, as people do."""

    room: MatrixCitizen
    bot: str
    channel: str = "matrix"
    private: bool = True
    first_language: str = "de"
    _ways: Iterator[str] = field(default_factory=lambda: itertools.cycle(("poll", "number", "label")))

    async def begin(self) -> None:
        self.room.signs = lambda: len(self.deaths)
        await self.room.meet(self.bot)

    async def say(self, text: str) -> None:
        await self.room.say(text)

    async def hears(self, text: str) -> None:
        await self.room.hears(text)

    async def choose(self, label: str) -> None:
        number = await self.room.position(label)
        match next(self._ways):
            case "poll":
                await self.room.press(label)
            case "number":
                await self.room.say(str(number))
            case _:
                await self.room.say(label)

    async def offered(self, label: str) -> None:
        await self.room.position(label)

    async def choose_slot(self, place: str) -> None:
        poll = await self.room.until(lambda one: bool(slots_of(one)), "a poll of slots")
        await self.room.vote(poll, slots_of(poll)[0])

    async def has_calendar(self) -> None:
        file = await self.room.until(lambda one: one["content"].get("msgtype") == "m.file", "a calendar file")
        events = icalendar.Calendar.from_ical(await self.room.fetch(file)).walk("VEVENT")
        assert len(events) == 1

    async def waits(self, leave: str) -> None:
        await self.offered(leave)

    async def reads(self, *texts: str) -> None:
        for text in texts:
            await self.room.hears(text)

    async def to_call(self) -> None:
        await self.opened(await self._link(r"/a/[\w-]+/call$"), call_page, here=True)

    async def to_pay(self) -> Page:
        return await self.opened(await self._link(r"/pay/[\w-]+$"), page_of_fee)

    async def _link(self, end: str) -> str:
        """The newest address of that kind in the room, once there is one."""

        def addresses(one: Event) -> list[str]:
            return [found for found in ADDRESS.findall(body(one)) if re.search(end, found)]

        self.room.look_back()
        return addresses(await self.room.until(lambda one: bool(addresses(one)), end))[-1]

    async def leaves_the_call(self) -> None:
        await self.page.close()

    async def keeps(self, file_name: str) -> None:
        self.room.look_back()
        file = await self.room.until(lambda one: body(one) == file_name, file_name)
        assert await self.room.fetch(file)

    async def thread(self) -> list[str]:
        return self._texts()

    async def heard(self) -> int | None:
        return len(self._texts())

    def _texts(self) -> list[str]:
        return [body(one) for one in self.room.events if one["sender"] == self.bot and is_text(one)]


def call_page(page: Page) -> Locator:
    return page.locator("#call [data-act]").first


def slots_of(event: Event) -> list[str]:
    """The slots that a poll offers."""
    answers = event.get("content", {}).get(POLL, {}).get("answers", [])
    return [one["id"] for one in answers if one["id"].startswith("slot:")]
