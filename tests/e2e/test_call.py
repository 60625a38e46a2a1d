"""A call between two real browsers: nobody is seen or heard before saying yes, then both are."""

from playwright.async_api import expect

from tests.support.app import App
from tests.support.browser import Visitor
from tests.support.call import PATIENCE, Sides, statistics
from tests.support.files import pdf, picture


async def test_both_see_each_other_after_the_yes(app: App, phone: Visitor, desktop: Visitor) -> None:
    sides = await Sides.open(phone, desktop, await app.clerk())
    await sides.wait_for_clerk()
    await sides.check_devices()
    await sides.admit()
    await sides.connected()
    for page in (sides.citizen, sides.clerk):
        seen = await statistics(page)
        assert (seen["decoded"], seen["sent"]) == (0, 0), "media flowed before the person said yes"
    await sides.accept()
    seen = await sides.pictures()
    assert seen["citizen"]["samples"] > 0
    assert seen["clerk"]["samples"] > 0
    sent = [
        await sides.send_file(sides.citizen, "Ausweis.pdf", "application/pdf", pdf()),
        await sides.send_file(sides.clerk, "Merkblatt.png", "image/png", picture("PNG")),
    ]
    for page in (sides.citizen, sides.clerk):
        fetched = [await sides.fetch_file(page, number) for number in (0, 1)]
        assert fetched == [(one, one) for one in sent]
    await expect(sides.citizen.locator(".talk__facts svg")).to_be_visible(timeout=PATIENCE)
    phone.check()
    desktop.check()
