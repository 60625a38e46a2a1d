"""Rasa stopped, slow, broken or still training: the citizen books and reaches a clerk, and sees no error."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from foundation.clock import FixedClock
from nlu.trained import SERVER_FILE
from tests.promises.plugin import Promise
from tests.support.nlu import broken, listening, never, nonsense, nowhere
from tests.support.talk import Citizen, Office

AWAY = ("stopped", "slow", "broken", "nonsense", "training")
LONGEST_TURN = 4.0
SPOKEN = (
    "I have a new address, what do I need?",
    "and what does it cost?",
    "when are you open",
    "I need an appointment",
)


@pytest.fixture(params=AWAY)
async def away(request: pytest.FixtureRequest, talk_office: Office) -> AsyncIterator[str]:
    """How Rasa is away; while it trains its first model nothing is announced at all."""
    handlers = {"slow": never, "broken": broken, "nonsense": nonsense}
    announced = talk_office.house.settings.data_dir / "nlu" / SERVER_FILE
    async with AsyncExitStack() as stack:
        if request.param == "stopped":
            nowhere().announce(announced)
        elif request.param in handlers:
            endpoint = await stack.enter_async_context(listening(handlers[request.param]))
            endpoint.announce(announced)
        yield request.param


async def answers(citizen: Citizen) -> tuple[list[str], float]:
    """What is answered to a few questions, and how long the slowest turn took (seconds)."""
    heard, slowest = [], 0.0
    for words in SPOKEN:
        began = time.monotonic()
        await citizen.say(words)
        slowest = max(slowest, time.monotonic() - began)
        heard.append(citizen.text)
    return heard, slowest


async def books_and_waits(citizen: Citizen, clock: FixedClock) -> None:
    """From the question for an appointment to the waiting room."""
    await citizen.press("book:address_change")
    await citizen.press("gate:address_change:moved_in:yes")
    await citizen.press("gate:address_change:where_to:same_city")
    await citizen.press("ready:address_change")
    await citizen.say("Manila")
    await citizen.press("slot:")
    await citizen.press("confirm:yes")
    office = citizen.office
    case = await citizen.case()
    async with office.house.database.city(office.city_id) as session:
        appointment = await office.house.booking.of_case(session, case.id)
    assert appointment is not None
    clock.move(appointment.starts_at - clock.now() - timedelta(minutes=5))
    await citizen.press("appointments")
    await citizen.press("here")


@pytest.mark.promise("path.rasa-away")
async def test_the_office_stays_open(
    talk_office: Office, away: str, clock: FixedClock, promise: Promise
) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    heard, slowest = await answers(citizen)
    documents, fee, hours, booking = heard
    about = talk_office.house.content.service("address_change")
    assert about.aspects["documents"]["en"] in documents
    assert about.aspects["fee"]["en"] in fee
    assert "08:00" in hours or "8:00" in hours
    assert "book" in booking.lower() or citizen.last.choices
    assert not any("error" in text.lower() for text in heard)
    await citizen.press("menu")
    await citizen.press("book")
    await books_and_waits(citizen, clock)
    assert "You are next" in citizen.text
    assert slowest < LONGEST_TURN
    promise.figure(round(slowest, 1), f"s the slowest turn while Rasa is {away}")
