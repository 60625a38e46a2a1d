"""A citizen at the web chat."""

from dataclasses import dataclass

from playwright.async_api import Locator, Page, expect

from tests.e2e.person import CHAT, PATIENCE, Browsing, chat_page


@dataclass
class WebPerson(Browsing):
    """Chat and call are pages of one browser."""

    channel: str = "web"
    private: bool = True
    first_language: str = "ar"

    async def begin(self) -> None:
        await self.page.goto("/")

    async def say(self, text: str) -> None:
        await self.page.locator("#words").fill(text)
        await self.page.locator("#words").press("Enter")

    async def choose(self, label: str) -> None:
        """It vanishes at once; while the server is away the press is kept and sent later."""
        await self.patiently(lambda: self._choice(label).click(timeout=PATIENCE))

    async def offered(self, label: str) -> None:
        await self.patiently(lambda: expect(self._choice(label)).to_be_visible(timeout=PATIENCE))

    def _choice(self, label: str) -> Locator:
        return self.page.locator(".choices button").get_by_text(label, exact=True)

    async def choose_slot(self, place: str) -> None:
        slots = self.page.locator(".choices button").filter(has_text=place)
        await self.patiently(lambda: slots.first.click(timeout=PATIENCE))

    async def has_calendar(self) -> None:
        file = self.page.locator("a[download]").first
        await self.patiently(lambda: expect(file).to_be_visible(timeout=PATIENCE))

    async def waits(self, leave: str) -> None:
        await self.offered(leave)
        await expect(self.page.locator(".place")).to_be_visible(timeout=PATIENCE)

    async def reads(self, *texts: str) -> None:
        for text in texts:
            await self.hears(text)

    async def to_call(self) -> None:
        await self.from_chat_to_call()

    async def to_pay(self) -> Page:
        return await self.pay_link(self.page)

    async def leaves_the_call(self) -> None:
        await self.page.goto("/")
        await expect(chat_page(self.page)).to_be_visible(timeout=PATIENCE)

    async def keeps(self, file_name: str) -> None:
        file = self.page.locator(f"{CHAT} a[download='{file_name}']")
        await expect(file).to_be_visible(timeout=PATIENCE)

    async def thread(self) -> list[str]:
        return await self.page.locator(f"{CHAT} .said .text").all_inner_texts()

    async def heard(self) -> int | None:
        return None
