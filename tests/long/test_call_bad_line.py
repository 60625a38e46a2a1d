"""A call on a bad line: gone for 10 s and for 40 s, moved to another network; it comes back by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.long.test_call_nat import WAYS, on_the_way
from tests.promises.plugin import Promise
from tests.support.call import Sides, elapsed, timed
from tests.support.files import pdf
from tests.support.natlab import Lab, laboratory

pytestmark = pytest.mark.long

BACK_WITHIN = {10: 6.0, 40: 12.0}
"""Seconds after the line is back, by how long it was away; a short loss heals itself, a long one needs new offers."""
MOVED_WITHIN = 20.0
TYPED = "في الطريق إليكم"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with laboratory(tmp_path) as built:
        yield built


@pytest.mark.promise("call.bad-line")
@pytest.mark.parametrize("away", BACK_WITHIN)
async def test_the_line_is_gone_for(
    away: int, lab: Lab, database_url: str, tmp_path: Path, promise: Promise
) -> None:
    async with on_the_way(lab, database_url, tmp_path, ",".join(WAYS.values())) as sides:
        await in_a_call(sides)
        with lab.blackout("citizen"):
            await types_and_sends(sides)
            await elapsed(away)
        seconds, _ = await timed(sides.pictures(seconds=40, more=3))
        await everything_arrived(sides)
    promise.figure(round(seconds, 1), f"s until pictures after {away} s")
    assert seconds <= BACK_WITHIN[away]


@pytest.mark.promise("call.bad-line")
async def test_a_phone_moves_to_another_network(
    lab: Lab, database_url: str, tmp_path: Path, promise: Promise
) -> None:
    async with on_the_way(lab, database_url, tmp_path, ",".join(WAYS.values())) as sides:
        await in_a_call(sides)
        lab.move("citizen")
        await types_and_sends(sides)
        await elapsed(2)  # what was on its way is shown by now
        seconds, _ = await timed(sides.pictures(seconds=60, more=3))
        await everything_arrived(sides)
    promise.figure(round(seconds, 1), "s until pictures after a change of address")
    assert seconds <= MOVED_WITHIN


async def in_a_call(sides: Sides) -> None:
    await sides.admit()
    await sides.accept()
    await sides.pictures()


async def types_and_sends(sides: Sides) -> None:
    """While the line is dead."""
    await sides.citizen.locator("#call-words").fill(TYPED)
    await sides.citizen.locator("#call-words").press("Enter")
    await sides.citizen.locator("input[type=file]").set_input_files(
        {"name": "Ausweis.pdf", "mimeType": "application/pdf", "buffer": pdf()}
    )


async def everything_arrived(sides: Sides) -> None:
    """Once, at both sides."""
    for page, log in ((sides.citizen, ".words__log"), (sides.clerk, ".thread")):
        await expect(page.locator("[data-sha256]")).to_have_count(1, timeout=40_000)
        await expect(page.locator(log).get_by_text(TYPED, exact=True)).to_have_count(1, timeout=40_000)
