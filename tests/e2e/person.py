"""The citizen's part of the walk: what every channel can do, and the browser that every citizen has."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from playwright.async_api import Error, Locator, Page, expect
from playwright.async_api import TimeoutError as TooSlow

from tests.support.browser import Visitor

PATIENCE = 90_000
CHAT = "[role=log]"
Found = TypeVar("Found")


class Person(Protocol):
    """A citizen in their messenger; `phone` is their browser, `page` its page of the call.

    What is waited for comes after what the person last did.
    """

    channel: str
    private: bool
    """Whether the office may write personal words here, or only that there are some and where."""
    first_language: str
    """In which the office greets, before the person has written."""
    deaths: list[str]
    """What has died at the house so far: as long as that goes on, the person waits on."""
    phone: Visitor
    page: Page

    async def begin(self) -> None:
        """Open the conversation."""

    async def say(self, text: str) -> None: ...

    async def hears(self, text: str) -> None: ...

    async def choose(self, label: str) -> None:
        """Take a choice as soon as it is offered."""

    async def offered(self, label: str) -> None: ...

    async def choose_slot(self, place: str) -> None:
        """Take the first slot; it is shown in the time of this place, too."""

    async def has_calendar(self) -> None:
        """The calendar file has come."""

    async def waits(self, leave: str) -> None:
        """The person is in the waiting room, and may leave it by this choice."""

    async def reads(self, *texts: str) -> None:
        """Read a message that is for the person alone, wherever the channel leads them for it."""

    async def to_call(self) -> None:
        """Go to the call page by what the office has sent."""

    async def to_pay(self) -> Page:
        """Open the page of the fee by what the office has sent, in a tab of its own; the call goes on."""

    async def leaves_the_call(self) -> None: ...

    async def keeps(self, file_name: str) -> None:
        """This file is in the thread."""

    async def thread(self) -> list[str]:
        """What the office has said, as the person can read it."""

    async def heard(self) -> int | None:
        """How many messages of the house have come by this channel; None: as many as stand in the thread."""


@dataclass
class Browsing:
    """What a citizen does in the browser, whatever their messenger."""

    phone: Visitor
    page: Page
    deaths: list[str] = field(default_factory=list, kw_only=True)

    async def hears(self, text: str) -> None:
        await self.patiently(lambda: expect(self.page.locator(CHAT)).to_contain_text(text, timeout=PATIENCE))

    async def patiently(self, look: Callable[[], Awaitable[Found]]) -> Found:
        """Look again as long as processes die and come back: how long that takes is a matter of the machine."""
        while True:
            before = len(self.deaths)
            try:
                return await look()
            except (AssertionError, TooSlow):
                if len(self.deaths) == before:
                    raise

    async def from_chat_to_call(self) -> None:
        await self.page.locator(".talk .to-call").click(timeout=PATIENCE)

    async def pay_link(self, page: Page) -> Page:
        """Follow the newest link to pay, which opens a tab of its own or is to be opened in one."""
        link = page.locator(f"{CHAT} a[href*='/pay/']").last
        address = await link.get_attribute("href", timeout=PATIENCE)
        assert address is not None
        return await self.opened(address, page_of_fee)

    async def opened(self, address: str, sign: Callable[[Page], Locator], *, here: bool = False) -> Page:
        """Open a link of the office in a new tab, or `here`: looking changes nothing, the button leads on."""
        page = self.page if here else await self.phone.context.new_page()

        async def through(timeout: float) -> None:  # noqa: ASYNC109 - milliseconds, as Playwright's own acts take them
            await page.goto(address, timeout=timeout)
            button = page.locator("form[action$='/open'] button")
            if not await sign(page).is_visible() and await button.is_visible():
                await button.click(timeout=timeout)

        await until(through, sign(page))
        return page


def page_of_fee(page: Page) -> Locator:
    return page.locator(".pay")


def chat_page(page: Page) -> Locator:
    return page.locator(CHAT)


async def until(act: Callable[..., Awaitable[object]], sign: Locator, *, gone: bool = False) -> None:
    """Act until its sign shows: what people do whose click met a server that was just gone."""
    async with asyncio.timeout(PATIENCE / 1000 * 2):
        while True:
            with contextlib.suppress(Error):
                await act(timeout=2000)
            with contextlib.suppress(AssertionError):
                if gone:
                    await expect(sign).to_be_hidden(timeout=4000)
                else:
                    await expect(sign).to_be_visible(timeout=4000)
                return
