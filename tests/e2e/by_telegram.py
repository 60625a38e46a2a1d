"""A citizen at Telegram. Others can read along there, so it only says that there is something, and where."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page, expect

from tests.doubles.telegram.server import TOKEN, Shown, Telegram
from tests.e2e.person import CHAT, PATIENCE, Browsing, chat_page
from tests.support.telegram import Person

READING = re.compile(r"https?://\S+/a/[0-9a-f]{64}")


def telegram_settings(telegram: Telegram) -> dict[str, str]:
    """What switches Telegram on for the processes of a test."""
    return {"FOYER_TELEGRAM_TOKEN": TOKEN, "FOYER_TELEGRAM_API": telegram.url}


@dataclass
class TelegramPerson(Browsing):
    """`chat` is the person's own chat with the bot; its notices up to `_seen` have been followed."""

    chat: Person
    channel: str = "telegram"
    private: bool = False
    first_language: str = "ar"
    _seen: int = field(default=0)

    async def begin(self) -> None:
        await self.chat.start()

    async def say(self, text: str) -> None:
        await self.chat.say(text)

    async def hears(self, text: str) -> None:
        await self.patiently(lambda: self.chat.until(text))

    async def choose(self, label: str) -> None:
        shown = await self._with_button(lambda text, data: text == label, label)
        await self.chat.press_in(shown, next(data for text, data in shown.buttons if text == label))

    async def offered(self, label: str) -> None:
        await self._with_button(lambda text, data: text == label, label)

    async def choose_slot(self, place: str) -> None:
        shown = await self._with_button(
            lambda text, data: data.startswith("slot:") and place in text, "a slot"
        )
        await self.chat.press_in(
            shown, next(data for text, data in shown.buttons if data.startswith("slot:"))
        )

    async def _with_button(self, wanted: Callable[[str, str], bool], what: str) -> Shown:
        def there() -> Shown | None:
            fresh = self.chat.shown[self.chat.asked :]
            return next((one for one in fresh if any(wanted(*button) for button in one.buttons)), None)

        found: Shown = await self._until(there, what)
        return found

    async def _until(self, there: Callable[[], Any], what: str) -> Any:
        async def look() -> Any:
            try:
                return await self.chat.telegram.until(there)
            except TimeoutError:
                raise AssertionError(f"no {what}; the chat ends with {self.chat.shown[-3:]}") from None

        return await self.patiently(look)

    async def has_calendar(self) -> None:
        await self._until(lambda: any(shown.file for shown in self.chat.shown), "calendar file")

    async def waits(self, leave: str) -> None:
        await self.offered(leave)

    async def reads(self, *texts: str) -> None:
        """By the link of the next notice, which says nothing else."""
        page = await self.opened(await self._notice(), chat_page)
        for text in texts:
            await expect(page.locator(CHAT)).to_contain_text(text, timeout=PATIENCE)
        await page.close()

    async def _notice(self) -> str:
        def there() -> list[tuple[int, str]]:
            texts = enumerate(shown.text for shown in self.chat.shown)
            return [(n, link) for n, text in texts if n >= self._seen for link in READING.findall(text)]

        number, link = (await self._until(there, "notice"))[0]
        self._seen = number + 1
        return str(link)

    def _newest_notice(self) -> str:
        links: list[str] = [link for shown in self.chat.shown for link in READING.findall(shown.text)]
        return links[-1]

    async def to_call(self) -> None:
        await self.opened(self._newest_notice(), chat_page, here=True)
        await self.from_chat_to_call()

    async def to_pay(self) -> Page:
        thread = await self.opened(await self._notice(), chat_page)
        page = await self.pay_link(thread)
        await thread.close()
        return page

    async def leaves_the_call(self) -> None:
        await self.opened(self._newest_notice(), chat_page, here=True)

    async def keeps(self, file_name: str) -> None:
        """In the thread, never in Telegram."""
        file = self.page.locator(f"{CHAT} a[download='{file_name}']")
        await expect(file).to_be_visible(timeout=PATIENCE)

    async def thread(self) -> list[str]:
        return await self.page.locator(f"{CHAT} .said .text").all_inner_texts()

    async def heard(self) -> int | None:
        return sum(shown.file is None for shown in self.chat.shown)
