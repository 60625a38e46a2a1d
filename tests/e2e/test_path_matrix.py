"""From "hello" to the summary in Matrix: a real homeserver, room version 12, encrypted, and a client that gives
message keys to cross-signed devices only; with the plug pulled, with a crowd, and with words missed."""

import pytest
from sqlalchemy import func, select

from booking.models import Appointment
from conversation.models import Address, Case, Conversation, Inbox, Message, Outbox
from tests.e2e.matrix_walk import STEPS, MatrixWalk, walking_in_matrix
from tests.e2e.walk import CITIZEN_SAID, CLERK_SAID
from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.matrix import matrix_citizen, matrix_crowd
from tests.support.synapse import Synapse

TRAPS = {
    "worker": [
        "turn.understood",
        "turn.decided",
        "turn.committed",
        "booking.held",
        "booking.confirmed",
        "queue.joined",
    ],
    "matrix": ["inbox.stored", "sync.taken", "delivery.claimed", "delivery.sent"],
}
CROWD = 60
MISSED = 30


@pytest.fixture
def bot(synapse: Synapse) -> str:
    return synapse.somebody()


@pytest.fixture
def app_settings(synapse: Synapse, bot: str) -> dict[str, str]:
    return {
        "FOYER_MATRIX_HOMESERVER": synapse.url,
        "FOYER_MATRIX_USER": bot,
        "FOYER_MATRIX_PASSWORD": "secret",
        "FOYER_NLU": "words",
    }


@pytest.mark.long  # a homeserver, three processes and ten restarts: minutes on two cores
@pytest.mark.promise("path.matrix")
async def test_the_whole_path_while_the_plug_is_pulled(
    app: App, synapse: Synapse, bot: str, database_url: str, promise: Promise
) -> None:
    async with walking_in_matrix(
        app, synapse, bot, database_url, {k: list(v) for k, v in TRAPS.items()}
    ) as walk:
        await walk.whole()
        met = walk.guardian.deaths
        assert sorted(met) == sorted(step for steps in TRAPS.values() for step in steps)
        await nothing_lost(walk)
        await only_signed_and_encrypted(walk)
    promise.figure(len(STEPS), "steps")
    promise.figure(len(met), "times killed")


async def nothing_lost(walk: MatrixWalk) -> None:
    """Every word once on both sides, one slot, every queue empty, the case closed."""
    await walk.quiet()
    async with walk.database.every_city() as session:
        unhandled = await session.scalar(select(func.count()).where(Inbox.handled_at.is_(None)))
        unsent = await session.scalar(select(func.count()).where(Outbox.state.not_in(("sent", "dropped"))))
        slots = list(await session.scalars(select(Appointment.status)))
        cases = list(await session.scalars(select(Case.state)))
        said = select(func.count()).select_from(Message).join(Conversation).join(Address)
        citizen = await session.scalar(said.where(Message.author == "citizen", Address.channel == "matrix"))
        sent = select(func.count()).select_from(Outbox).join(Conversation).join(Address)
        house = await session.scalar(sent.where(Outbox.state == "sent", Address.channel == "matrix"))
    assert (unhandled, unsent) == (0, 0)
    await walk.citizen.settled(house or 0)
    assert len([status for status in slots if status in ("booked", "done")]) == 1
    assert cases == ["closed"]
    presses, numbers_and_labels = 5, 2
    assert citizen == len(CITIZEN_SAID) + presses + numbers_and_labels
    heard = [
        one for one in walk.citizen.events if one["sender"] == walk.bot and one["type"] == "m.room.message"
    ]
    texts = [one for one in heard if one["content"]["msgtype"] != "m.file"]
    assert len(texts) == house, "the citizen can read every message of the house, each once"
    assert sum(CLERK_SAID in one for one in walk.heard()) == 1


async def only_signed_and_encrypted(walk: MatrixWalk) -> None:
    for event in walk.citizen.events:
        assert event["type"] != "undecryptable"
        assert event["encrypted"] or event["sender"] != walk.bot, event["type"]
    devices = (await walk.citizen.do("devices", user=walk.bot))["devices"]
    assert [one["signed"] for one in devices] == [True], (
        "all those lives were one device, signed by its owner"
    )


@pytest.mark.long  # a homeserver, three processes and ten restarts: minutes on two cores
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
