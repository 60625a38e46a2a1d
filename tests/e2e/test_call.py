"""A call between two real browsers: nobody is seen or heard before saying yes, then both are."""

from functools import partial

import pytest
from playwright.async_api import expect

from tests.support.app import App
from tests.support.browser import Visitor
from tests.support.call import PATIENCE, TEXTS, Sides, statistics, until
from tests.support.files import pdf, picture


@pytest.mark.promise("path.whole")
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
        fetched = [await sides.fetch_file(page, name) for name in ("Ausweis.pdf", "Merkblatt.png")]
        assert fetched == [(one, one) for one in sent]
    await expect(sides.citizen.locator(".talk__facts svg")).to_be_visible(timeout=PATIENCE)
    phone.check()
    desktop.check()


async def test_a_call_is_left_reloaded_and_entered_again(app: App, phone: Visitor, desktop: Visitor) -> None:
    """Whatever a person does to the page, the way back is one tap or none."""
    sides = await Sides.open(phone, desktop, await app.clerk())
    await sides.wait_for_clerk()
    await sides.check_devices()
    await sides.admit()
    await sides.accept()
    await sides.pictures()

    await sides.citizen.locator("#call-words").press_sequentially("Ich suche")
    await expect(sides.clerk.locator(".said__draft")).to_contain_text("Ich suche", timeout=PATIENCE)

    await sides.clerk.reload()
    await sides.clerk.locator(".talk__them").wait_for(timeout=PATIENCE)
    await sides.pictures()

    await sides.citizen.locator(".call-btn--stop").click()
    await expect(sides.clerk.locator(".desk-call")).to_contain_text(
        TEXTS("call.ended", "de"), timeout=PATIENCE
    )
    await sides.accept()
    await sides.pictures()

    other = await sides.phone.open(sides.citizen.url)
    await expect(sides.citizen.get_by_text(TEXTS("call.elsewhere", "ar"))).to_be_visible(timeout=PATIENCE)
    await other.close()
    await sides.citizen.get_by_text(TEXTS("call.here_again", "ar")).click()
    await sides.pictures(seconds=40)


async def test_without_a_camera_there_is_still_a_call(app: App, phone: Visitor, desktop: Visitor) -> None:
    """Nothing is asked of the device; the person sees and hears the clerk, and writes."""
    sides = await Sides.open(phone, desktop, await app.clerk())
    await sides.wait_for_clerk()
    await sides.admit()
    await sides.accept()
    before = (await statistics(sides.citizen))["decoded"]
    seen = await until(partial(statistics, sides.citizen), lambda now: now["decoded"] > before + 10, 30)
    assert seen["sent"] == 0
    await sides.citizen.locator("#call-words").fill("Ich habe keine Kamera")
    await sides.citizen.locator("#call-words").press("Enter")
    await expect(sides.clerk.locator(".thread")).to_contain_text("Ich habe keine Kamera", timeout=PATIENCE)
