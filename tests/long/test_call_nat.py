"""Both people behind symmetric NAT: the call comes through the relay, by each of its ways; wrong credentials are told."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.promises.plugin import Promise
from tests.support.browser import DESKTOP, PHONE, visiting
from tests.support.call import Sides, timed
from tests.support.moments import MONDAY
from tests.support.natlab import PUBLIC, Lab, LabApp, laboratory
from tests.support.smtp import Mailbox
from web_call.ice import coturn_configuration

pytestmark = pytest.mark.long

SECRET = "the lab's own secret"
WAYS = {
    "udp": f"turn:{PUBLIC}:3478?transport=udp",
    "tcp": f"turn:{PUBLIC}:3478?transport=tcp",
    "tls": f"turns:{PUBLIC}:443?transport=tcp",
}
TOLD_WITHIN = 10.0


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with laboratory(tmp_path) as built:
        yield built


@asynccontextmanager
async def on_the_way(
    lab: Lab, database_url: str, tmp_path: Path, urls: str, *, secret: str = SECRET
) -> AsyncIterator[Sides]:
    """Foyer, the relay and two browsers; the person waits with devices checked, the clerk has not admitted yet."""
    settings = {"FOYER_TURN_URLS": urls, "FOYER_TURN_SECRET": secret}
    app = LabApp(tmp_path / "app", database_url, MONDAY, settings=settings, inside=lab.prefix("public"))
    with lab.relay(coturn_configuration(urls.split(","), SECRET, app.url)):
        try:
            await app.start()
            account = await app.clerk()
            async with (
                lab.browser("citizen", app.url) as phone,
                lab.browser("clerk", app.url) as desktop,
                visiting(phone, app.url, PHONE) as person,
                visiting(desktop, app.url, DESKTOP) as clerk,
            ):
                sides = await Sides.open(person, clerk, account)
                await sides.wait_for_clerk()
                await sides.check_devices()
                yield sides
        finally:
            app.kill()


@pytest.mark.promise("call.nat")
@pytest.mark.parametrize("way", WAYS)
async def test_the_relay_is_reached_by(
    way: str, lab: Lab, database_url: str, tmp_path: Path, smtp: Mailbox, promise: Promise
) -> None:
    async with on_the_way(lab, database_url, tmp_path, WAYS[way]) as sides:
        check = sides.citizen.locator("[data-act=check]")
        await check.click()
        await expect(sides.citizen.locator("[data-verdict=good]")).to_be_attached(timeout=20_000)
        await sides.admit()
        await sides.accept()
        seconds, seen = await timed(sides.pictures())
    # One relay between the two is enough: the other side reaches it from behind its NAT.
    relayed = [one for one in seen.values() if one["pair"].startswith("relay")]
    assert relayed, seen
    assert {one["protocol"] for one in relayed} == {way}
    promise.figure(round(seconds, 1), f"s from yes to pictures by {way}")


@pytest.mark.promise("call.nat")
async def test_without_udp_the_call_finds_another_way(
    lab: Lab, database_url: str, tmp_path: Path, smtp: Mailbox
) -> None:
    lab.within("nat-citizen", "iptables-nft", "-I", "FORWARD", "1", "-p", "udp", "-j", "DROP")
    async with on_the_way(lab, database_url, tmp_path, ",".join(WAYS.values())) as sides:
        await sides.admit()
        await sides.accept()
        seen = await sides.pictures(seconds=30)
    assert seen["citizen"]["pair"].startswith("relay")
    assert seen["citizen"]["protocol"] in ("tcp", "tls")


@pytest.mark.promise("call.nat")
async def test_wrong_credentials_are_told(
    lab: Lab, database_url: str, tmp_path: Path, smtp: Mailbox, promise: Promise
) -> None:
    async with on_the_way(lab, database_url, tmp_path, WAYS["udp"], secret="another one") as sides:
        await sides.admit()
        told = sides.clerk.get_by_text("TURN-Einstellungen")
        seconds, _ = await timed(expect(told).to_be_visible(timeout=20_000))
        await expect(sides.citizen.locator(".call-band[role=alert]")).to_contain_text("TURN")
    assert seconds <= TOLD_WITHIN
    promise.figure(round(seconds, 1), "s until wrong credentials are told")
