"""Firefox on the citizen's side, Chromium on the clerk's: they meet, see each other and send papers."""

import hashlib
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.browser import Visitor
from tests.support.call import (
    FETCHED,
    PATIENCE,
    STATISTICS,
    TEXTS,
    WATCHED,
    Sides,
    sign_in,
    statistics,
    until,
)
from tests.support.files import pdf, picture
from tests.support.firefox import Firefox, running_firefox


@pytest.mark.promise("path.whole")
async def test_a_citizen_with_firefox(app: App, desktop: Visitor, tmp_path: Path, promise: Promise) -> None:
    clerk = await sign_in(desktop, await app.clerk())
    async with running_firefox(tmp_path / "firefox", "ar", WATCHED) as firefox:
        await _into_the_call(firefox, app.url, clerk)
        for page, look in (
            (firefox, partial(firefox.evaluate, f"({STATISTICS})()")),
            (clerk, partial(statistics, clerk)),
        ):
            seen = await until(look, lambda now: now["decoded"] > 10, 30)
            assert seen["samples"] > 0, page
        await _papers(firefox, clerk, tmp_path)
    desktop.check()
    promise.figure(1, "call with Firefox")


async def _into_the_call(firefox: Firefox, url: str, clerk: Page) -> None:
    await firefox.goto(url)
    await firefox.click(".choices button", TEXTS("menu.person", "ar"))
    await firefox.click(".place .to-call")
    await firefox.see("#call .place")
    await firefox.click("[data-act=begin]")
    await firefox.see("video.preview")
    await firefox.click("[data-act=ready]")
    await clerk.locator(".list--waiting .row button.act").click(timeout=PATIENCE)
    await firefox.click("[data-act=accept]")
    await firefox.see(".talk")


async def _papers(firefox: Firefox, clerk: Page, tmp_path: Path) -> None:
    """One file each way; both sides are shown the same checksum and fetch the same bytes."""
    paper = tmp_path / "Ausweis.pdf"
    paper.write_bytes(pdf())
    await firefox.upload("input[type=file]", paper)
    shown = await Sides.checksum(clerk, "Ausweis.pdf")
    await clerk.locator("input[type=file]").set_input_files(
        {"name": "Merkblatt.png", "mimeType": "image/png", "buffer": picture("PNG")}
    )
    sums = {"Ausweis.pdf": shown, "Merkblatt.png": await Sides.checksum(clerk, "Merkblatt.png")}
    for name, expected in sums.items():
        link = f'a[data-file][download="{name}"]'
        await firefox.see(link)
        url = await firefox.evaluate(f"document.querySelector('{link}').getAttribute('href')")
        data = await firefox.evaluate(f"({FETCHED})({url!r})")
        assert hashlib.sha256(bytes(data)).hexdigest() == expected
    await expect(clerk.locator(".talk__them")).to_be_visible()
