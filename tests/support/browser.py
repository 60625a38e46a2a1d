"""Chromium as people hold it: an Arabic phone, a German desktop; what went wrong in a page is written down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=device-count=2,fps=30",
    "--autoplay-policy=no-user-gesture-required",
    # Chromium's own calls home would look like requests of the page.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--no-first-run",
    "--no-pings",
    "--metrics-recording-only",
    "--disable-features=OptimizationHints,MediaRouter,DialMediaRouteProvider,Translate,AutofillServerCommunication,CertificateTransparencyComponentUpdater",
)
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "locale": "ar",
    "timezone_id": "Asia/Manila",
}
DESKTOP: dict[str, Any] = {
    "viewport": {"width": 1440, "height": 900},
    "locale": "de-DE",
    "timezone_id": "Europe/Berlin",
}


@dataclass
class Visitor:
    """One person's browser. `complaints`: console errors, page errors and policy violations, with the page's
    path; `foreign`: addresses of other hosts that were asked for."""

    context: BrowserContext
    base_url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    async def open(self, path: str = "/") -> Page:
        """A new tab on `path`."""
        page = await self.context.new_page()
        await page.goto(path)
        return page

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"{_path(page.url)}: {error}"))

    def request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if (
            address.scheme not in ("data", "blob", "about")
            and address.netloc != urlsplit(self.base_url).netloc
        ):
            self.foreign.append(request.url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            page = message.page
            self.complaints.append(f"{_path(page.url) if page else ''}: {message.text}")

    def check(self) -> None:
        """Nothing may have gone wrong and nobody else may have been asked."""
        assert not self.complaints, self.complaints
        assert not self.foreign, self.foreign


def _path(url: str) -> str:
    return urlsplit(url).path


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser, base_url: str, device: dict[str, Any], **more: Any
) -> AsyncIterator[Visitor]:
    """A fresh browser profile on `device` (PHONE, DESKTOP); `more` are Playwright's context options."""
    context = await browser.new_context(**{**device, "base_url": base_url, **more})
    context.set_default_timeout(15_000)
    visitor = Visitor(context, base_url)
    context.on("page", visitor.watch)
    context.on("request", visitor.request)
    try:
        yield visitor
    finally:
        await context.close()
