"""The whole walk in Matrix: a real homeserver, room version 12, encrypted, and a client that gives message keys to
cross-signed devices only; with the plug pulled, with a crowd, and with words missed."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from tests.doubles.stripe.server import StripeDouble
from tests.e2e.by_matrix import MatrixPerson
from tests.e2e.reckoning import nothing_lost, quiet, sent_by
from tests.e2e.walk import STEPS, Introduced, Walk, walking
from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.browser import Visitor
from tests.support.fees import stripe_settings
from tests.support.matrix import MatrixCitizen, matrix_citizen, matrix_crowd
from tests.support.synapse import Synapse

TRAPS = {
    "worker": [
        "turn.understood",
        "turn.decided",
        "turn.committed",
        "booking.held",
        "booking.confirmed",
        "queue.joined",
        "fee.started",
        "fee.settled",
    ],
    "matrix": ["inbox.stored", "sync.taken", "delivery.claimed", "delivery.sent"],
    "serve": [
        "call.opened",
        "queue.admitted",
        "desk.said",
        "call.offered",
        "call.accepted",
        "file.received",
        "fee.requested",
        "webhook.stored",
        "case.closed",
    ],
}
CROWD = 60
MISSED = 30


@pytest.fixture
def bot(synapse: Synapse) -> str:
    return synapse.somebody()


@pytest.fixture
def app_settings(synapse: Synapse, bot: str, stripe: StripeDouble) -> dict[str, str]:
    return {
        **stripe_settings(stripe),
        "FOYER_MATRIX_HOMESERVER": synapse.url,
        "FOYER_MATRIX_USER": bot,
        "FOYER_MATRIX_PASSWORD": "secret",
        "FOYER_NLU": "words",
    }


@pytest.fixture
async def room(synapse: Synapse) -> AsyncIterator[MatrixCitizen]:
    async with matrix_citizen(synapse.url, synapse.somebody()) as citizen:
        yield citizen


@pytest.fixture
def person(room: MatrixCitizen, bot: str) -> Introduced:
    def introduced(phone: Visitor, page: Page) -> MatrixPerson:
        return MatrixPerson(phone, page, room, bot)

    return introduced


@pytest.mark.promise("path.matrix", "path.whole")
async def test_the_whole_path(
    app: App,
    browser: Browser,
    stripe: StripeDouble,
    person: Introduced,
    room: MatrixCitizen,
    database_url: str,
    promise: Promise,
) -> None:
    async with walking(app, browser, database_url, stripe, person) as walk:
        await walk.whole()
        await all_read_once(walk, room)
        await only_signed_and_encrypted(room)
        for visitor in (walk.person.phone, walk.desktop):
            visitor.check()
    promise.figure(len(STEPS), "steps in Matrix")


@pytest.mark.long  # a homeserver, three processes and twenty restarts: minutes on two cores
@pytest.mark.promise("path.matrix", "path.kill-anywhere")
async def test_the_whole_path_while_the_plug_is_pulled(
    app: App,
    browser: Browser,
    stripe: StripeDouble,
    person: Introduced,
    room: MatrixCitizen,
    database_url: str,
    promise: Promise,
) -> None:
    async with walking(app, browser, database_url, stripe, person, TRAPS) as walk:
        await walk.whole()
        met = walk.guardian.deaths
        assert sorted(met) == sorted(step for steps in TRAPS.values() for step in steps)
        await all_read_once(walk, room)
        await only_signed_and_encrypted(room)
    promise.figure(len(met), "times killed with a Matrix citizen")


async def all_read_once(walk: Walk, room: MatrixCitizen) -> None:
    """The citizen can read every message of the house, each once: a homeserver knows what it was sent before."""
    await quiet(walk)
    await room.settled(await sent_by(walk, "matrix"))
    assert await nothing_lost(walk) == 0


async def only_signed_and_encrypted(room: MatrixCitizen) -> None:
    for event in room.events:
        assert event["type"] != "undecryptable"
        assert event["encrypted"] or event["sender"] != room.bot, event["type"]
    devices = (await room.do("devices", user=room.bot))["devices"]
    assert [one["signed"] for one in devices] == [True], (
        "all those lives were one device, signed by its owner"
    )


@pytest.mark.long  # sixty clients with keys of their own: a minute of processor time
@pytest.mark.promise("path.matrix")
async def test_a_crowd_writes_while_the_bot_is_down(
    app: App, synapse: Synapse, bot: str, promise: Promise
) -> None:
    """Sixty newcomers are more than the fifty one-time keys that the bot has left at the homeserver.

    A greeting is no answer: it would come to who could not be read, too.
    """
    (matrix,) = app.bots
    async with matrix_citizen(synapse.url, synapse.somebody()) as first:
        await first.meet(bot)
        await first.hears("Bürgeramt")
    matrix.kill()
    users = [synapse.somebody() for _ in range(CROWD)]
    async with matrix_crowd(synapse.url, users) as crowd:
        await crowd.do("write", patience=300, bot=bot, text="My address has changed")
        matrix.start()
        seen = await crowd.do("answered", patience=600, words="Ummeldung", milliseconds=90_000)
    assert seen == {"answered": CROWD, "unreadable": 0}, app.logs()[-3000:]
    promise.figure(seen["answered"], f"of {CROWD} newcomers answered")


@pytest.mark.promise("path.matrix")
async def test_words_that_were_missed_are_heard(
    app: App, synapse: Synapse, bot: str, database_url: str, promise: Promise
) -> None:
    (matrix,) = app.bots
    words = [f"{number} Katzen wohnen in meiner Wohnung" for number in range(100, 100 + MISSED)]
    async with matrix_citizen(synapse.url, synapse.somebody()) as amal:
        await amal.meet(bot)
        await amal.hears("Bürgeramt")
        matrix.kill()
        for text in words:
            await amal.say(text)
        matrix.start()
        await amal.answers(MISSED)
        assert await in_the_thread(app, database_url, amal.room) == words
    promise.figure(len(words), "missed messages heard")


async def in_the_thread(app: App, database_url: str, room: str) -> list[str]:
    """What the citizen of a room has said, as the thread shows it."""
    from foyer.wiring import opened

    async with (
        opened(app.chosen(), database_url) as house,
        house.database.city(await house.city_id()) as session,
    ):
        address = await house.conversations.find_address(session, "matrix", room)
        assert address is not None
        thread = await house.conversations.conversation_at(session, address)
        shown = await house.conversations.thread(session, [thread.id])
    return [one.body.text for one in shown if one.author == "citizen"]
