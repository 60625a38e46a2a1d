"""Both sides of a call in real browsers: from the first word to pictures that are decoded at both ends."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from playwright.async_api import Page, expect

from foundation.i18n import Catalogue
from foundation.settings import ROOT
from tests.support.browser import Visitor

T = TypeVar("T")
PATIENCE = 30_000
TEXTS = Catalogue.load(ROOT / "content")

# Remembers every connection that a page makes, so that a test can ask them for their statistics.
WATCHED = """
(() => {
  const Real = window.RTCPeerConnection;
  window.connections = [];
  window.RTCPeerConnection = function (...given) {
    const made = new Real(...given);
    window.connections.push(made);
    return made;
  };
  window.RTCPeerConnection.prototype = Real.prototype;
})();
"""
STATISTICS = """
async () => {
  const found = {decoded: 0, sent: 0, samples: 0, states: [], pair: '', protocol: ''};
  for (const one of window.connections) {
    found.states.push(one.connectionState);
    if (one.connectionState === 'closed') continue;
    const stats = await one.getStats();
    const named = {};
    stats.forEach(x => (named[x.id] = x));
    stats.forEach(x => {
      if (x.type === 'inbound-rtp' && x.kind === 'video') found.decoded += x.framesDecoded || 0;
      if (x.type === 'inbound-rtp' && x.kind === 'audio') found.samples += x.totalSamplesReceived || 0;
      if (x.type === 'outbound-rtp') found.sent += x.bytesSent || 0;
      if (x.type === 'candidate-pair' && x.nominated && x.state === 'succeeded') {
        const [near, far] = [named[x.localCandidateId], named[x.remoteCandidateId]];
        found.pair = `${near?.candidateType}-${far?.candidateType}`;
        found.protocol = near?.relayProtocol || near?.protocol || '';
      }
    });
  }
  return found;
}
"""

FETCHED = "async url => [...new Uint8Array(await (await fetch(url)).arrayBuffer())]"


async def statistics(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(STATISTICS)
    return found


async def until(
    look: Callable[[], Awaitable[dict[str, Any]]], wanted: Callable[[dict[str, Any]], bool], seconds: float
) -> dict[str, Any]:
    """Look until it is as wanted. Errors: AssertionError with what was seen last."""
    seen: dict[str, Any] = {}
    try:
        async with asyncio.timeout(seconds):
            while True:
                seen = await look()
                if wanted(seen):
                    return seen
                await elapsed(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s; last seen: {seen}") from None


async def timed(work: Awaitable[T]) -> tuple[float, T]:
    """How many seconds it took, and what came of it."""
    start = time.monotonic()
    result = await work
    return time.monotonic() - start, result


async def elapsed(seconds: float) -> None:
    """Let time pass: how long something lasts is what is tested."""
    ended = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, ended.set)
    await ended.wait()


def _decoded(enough: int, seen: dict[str, Any]) -> bool:
    return bool(seen["decoded"] >= enough)


async def watched(visitor: Visitor) -> None:
    """This browser has camera and microphone, and remembers its connections."""
    await visitor.context.add_init_script(WATCHED)
    await visitor.context.grant_permissions(["camera", "microphone"])


async def sign_in(desktop: Visitor, account: tuple[str, str]) -> Page:
    """The desk of a clerk, ready for calls."""
    await watched(desktop)
    clerk = await desktop.open("/desk")
    await clerk.locator("#login").fill(account[0])
    await clerk.locator("#password").fill(account[1])
    await clerk.locator("form button[class*=primary]").click()
    await expect(clerk.locator(".list--waiting")).to_be_visible(timeout=PATIENCE)
    return clerk


@dataclass
class Sides:
    """A citizen's phone and a clerk's desk, on the way into a call."""

    phone: Visitor
    desktop: Visitor
    citizen: Page
    clerk: Page

    @classmethod
    async def open(cls, phone: Visitor, desktop: Visitor, account: tuple[str, str]) -> "Sides":
        """The clerk is signed in, the citizen has opened the chat."""
        await watched(phone)
        clerk = await sign_in(desktop, account)
        return cls(phone, desktop, await phone.open("/"), clerk)

    async def wait_for_clerk(self, language: str = "ar") -> None:
        """From the menu into the waiting room, and on to the call page."""
        person = self.citizen.locator(".choices button").get_by_text(
            TEXTS("menu.person", language), exact=True
        )
        await person.click(timeout=PATIENCE)
        await self.citizen.locator(".place .to-call").click(timeout=PATIENCE)
        await expect(self.citizen.locator("#call .place")).to_be_visible(timeout=PATIENCE)

    async def check_devices(self) -> None:
        await self.citizen.locator("[data-act=begin]").click()
        await expect(self.citizen.locator("video.preview")).to_be_visible(timeout=PATIENCE)
        await self.citizen.locator("[data-act=ready]").click()

    async def admit(self) -> None:
        await self.clerk.locator(".list--waiting .row button.act").click(timeout=PATIENCE)
        await expect(self.citizen.locator("[data-act=accept]")).to_be_visible(timeout=PATIENCE)

    async def accept(self) -> None:
        await self.citizen.locator("[data-act=accept]").click()
        await expect(self.citizen.locator(".talk")).to_be_visible(timeout=PATIENCE)

    async def connected(self, seconds: float = 20) -> None:
        """Both browsers have met, with or without pictures."""
        for page in (self.citizen, self.clerk):
            await until(partial(statistics, page), lambda seen: "connected" in seen["states"], seconds)

    async def pictures(self, seconds: float = 20, more: int = 10) -> dict[str, dict[str, Any]]:
        """Wait until each side has decoded `more` new frames; both sides' statistics."""
        found = {}
        for name, page in (("citizen", self.citizen), ("clerk", self.clerk)):
            enough = (await statistics(page))["decoded"] + more
            found[name] = await until(partial(statistics, page), partial(_decoded, enough), seconds)
        return found

    async def send_file(self, page: Page, name: str, media_type: str, data: bytes) -> str:
        """Send a file from one side; the checksum that this side is shown once it is kept."""
        await page.locator("input[type=file]").set_input_files(
            {"name": name, "mimeType": media_type, "buffer": data}
        )
        return await self.checksum(page, name)

    @staticmethod
    async def checksum(page: Page, name: str) -> str:
        """The checksum that this side is shown for a file; by its name, as the two lists may fill in any order."""
        sent = page.locator("li").filter(has=page.locator(f'a[data-file][download="{name}"]'))
        shown = sent.locator("[data-sha256]")
        await expect(shown).to_be_attached(timeout=PATIENCE)
        return (await shown.text_content() or "").strip()

    async def fetch_file(self, page: Page, name: str) -> tuple[str, str]:
        """Download the file of that name as this side sees it: the checksum shown, and that of the bytes."""
        shown = await self.checksum(page, name)
        url = await page.locator(f'a[data-file][download="{name}"]').get_attribute("href")
        data: list[int] = await page.evaluate(FETCHED, url)
        return shown, hashlib.sha256(bytes(data)).hexdigest()
