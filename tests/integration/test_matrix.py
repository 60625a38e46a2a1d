"""Manners and mishaps of the Matrix bot, with a real homeserver and a client that is not ours."""

import asyncio
import base64
import io
import shutil
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bots.matrix.signing import Identity
from conversation.models import Inbox
from conversation.ports import Inbound
from conversation.service import Conversations, Received
from foundation.clock import ShiftedClock
from foundation.settings import Settings
from foyer.bots import matrix_bot
from foyer.seed import seed
from foyer.wiring import build
from tests.support.matrix import POLL, MatrixCitizen, body, matrix_citizen
from tests.support.matrix_office import MatrixOffice, running, until
from tests.support.moments import MONDAY
from tests.support.synapse import Synapse


@pytest.fixture
async def office(
    settings: Settings, database_url: str, synapse: Synapse, tmp_path: Path
) -> AsyncIterator[MatrixOffice]:
    """On a clock that runs, because a message that could not be sent is sent a little later."""
    bot = synapse.somebody()
    chosen = settings.model_copy(
        update={
            "nlu": "words",
            "matrix_homeserver": synapse.url,
            "matrix_user": bot,
            "matrix_password": SecretStr("secret"),
            "matrix_store": tmp_path / "matrix",
        }
    )
    house = build(chosen, database_url, clock=ShiftedClock(MONDAY))
    await seed(house)
    yield MatrixOffice(house, await house.city_id(), bot)
    await house.database.close()


@pytest.fixture
async def citizen(synapse: Synapse) -> AsyncIterator[MatrixCitizen]:
    async with matrix_citizen(synapse.url, synapse.somebody()) as running:
        yield running


async def test_manners_of_a_talk(office: MatrixOffice, citizen: MatrixCitizen) -> None:
    async with office.at_work():
        await citizen.meet(office.bot, version="11")
        poll = await citizen.until(lambda one: one["type"] == POLL, "a poll")
        await a_vote_in_the_stable_form_counts_and_ends_the_poll(citizen, poll)
        await a_thread_is_answered_inside(citizen)
        await a_correction_counts_as_said_anew(citizen)
        await a_call_is_hung_up_with_a_link(office, citizen)
        await a_program_is_not_answered(office, citizen)
        await a_file_is_taken(office, citizen)


async def a_vote_in_the_stable_form_counts_and_ends_the_poll(
    citizen: MatrixCitizen, poll: dict[str, object]
) -> None:
    await citizen.vote(poll, "services", stable=True)
    await citizen.hears("1. ")
    await citizen.until(
        lambda one: one["type"].endswith("poll.end") and one["relation"]["event_id"] == poll["id"], "its end"
    )


async def a_thread_is_answered_inside(citizen: MatrixCitizen) -> None:
    root = await citizen.say("hello")
    await citizen.hears("1. ")
    await citizen.say("opening hours", thread=root)
    answer = await citizen.until(lambda one: one["type"] == "m.room.message", "an answer")
    assert answer["relation"]["rel_type"] == "m.thread"
    assert answer["relation"]["event_id"] == root


async def a_correction_counts_as_said_anew(citizen: MatrixCitizen) -> None:
    said = await citizen.say("qwertz")
    await citizen.until(lambda one: one["type"] == "m.room.message")
    citizen.mark()
    await citizen.do("edit", room=citizen.room, event=said, text="My address has changed")
    await citizen.hears("Ummeldung")


async def a_call_is_hung_up_with_a_link(office: MatrixOffice, citizen: MatrixCitizen) -> None:
    citizen.mark()
    invite = {
        "call_id": "c1",
        "party_id": "p",
        "version": "1",
        "lifetime": 60000,
        "offer": {"type": "offer", "sdp": ""},
    }
    await citizen.do("send", room=citizen.room, type="m.call.invite", content=invite)
    hangup = await citizen.until(lambda one: one["type"] == "m.call.hangup", "a hang-up")
    assert hangup["content"]["call_id"] == "c1"
    told = await citizen.hears(office.house.settings.public_url)
    assert told["content"]["msgtype"] == "m.notice"


async def a_program_is_not_answered(office: MatrixOffice, citizen: MatrixCitizen) -> None:
    before = len(await office.thread(citizen.room))
    await citizen.say("I am a program", msgtype="m.notice")
    await citizen.say("hello")
    await citizen.until(lambda one: one["type"] == POLL)
    said = await office.thread(citizen.room)
    assert [one.body.text for one in said[before:] if one.author == "citizen"] == ["hello"]


async def a_file_is_taken(office: MatrixOffice, citizen: MatrixCitizen) -> None:
    citizen.mark()
    raw = io.BytesIO()
    Image.new("RGB", (8, 8)).save(raw, "PNG")
    picture = base64.b64encode(raw.getvalue()).decode()
    await citizen.do("file", room=citizen.room, name="flat.png", mimetype="image/png", data=picture)
    await citizen.until(lambda one: one["type"] == "m.room.message", "a word about the file")


async def test_only_direct_and_encrypted_rooms(
    office: MatrixOffice, citizen: MatrixCitizen, synapse: Synapse
) -> None:
    third = synapse.somebody()
    async with office.at_work():
        citizen.bot = office.bot
        group = (await citizen.do("room", invite=[office.bot, third], encrypted=False, direct=False))["room"]
        await citizen.do("left", room=group, user=office.bot)
        assert any("direct chat" in body(one) for one in citizen.events if one["sender"] == office.bot)

        await citizen.invite(office.bot, encrypted=False)
        await citizen.do("encrypted", room=citizen.room)
        greeting = await citizen.hears("Bürgeramt")
        assert greeting["encrypted"]

        powerless = (await citizen.do("room", invite=[office.bot], encrypted=False, preset="private_chat"))[
            "room"
        ]
        await citizen.do("left", room=powerless, user=office.bot)

        await citizen.do("leave", room=citizen.room)
        token = synapse.login(office.bot)
        await until(lambda: alone(synapse, token, citizen.room), "leaving an empty room")


async def alone(synapse: Synapse, token: str, room: str) -> bool:
    joined = await asyncio.to_thread(synapse.request, "GET", "/_matrix/client/v3/joined_rooms", None, token)
    return room not in joined["joined_rooms"]


async def test_what_cannot_be_read_is_explained_once(office: MatrixOffice, citizen: MatrixCitizen) -> None:
    content = {
        "algorithm": "m.megolm.v1.aes-sha2",
        "sender_key": "a" * 43,
        "ciphertext": "AwgAEnACgAkLmt6qF84IK++J7UDH2Za1YVchHyprqTqsg",
        "session_id": "b" * 43,
        "device_id": "GONE",
    }
    async with office.at_work():
        await citizen.meet(office.bot)
        await citizen.hears("Bürgeramt")
        for _ in range(2):
            await citizen.do("send_plain", room=citizen.room, type="m.room.encrypted", content=content)
        words = office.house.catalogue("matrix.not_readable", "de")
        await citizen.hears(words)
        await citizen.say("hello")
        await citizen.until(lambda one: one["type"] == POLL)
    assert [one.body.text for one in await office.thread(citizen.room)].count(words) == 1


async def test_a_signed_out_bot_and_a_lost_store_stay_the_same_identity(
    office: MatrixOffice, citizen: MatrixCitizen, synapse: Synapse, tmp_path: Path
) -> None:
    words = office.house.catalogue("matrix.not_readable", "en")
    async with office.at_work():
        await citizen.meet(office.bot)
        await citizen.hears("Bürgeramt")
        await citizen.say("What are your opening hours?")
        await citizen.until(lambda one: one["type"] == POLL)
        _, account = await matrix_bot(office.house, office.bot)
        master = Identity.from_seeds(office.bot, account.seeds).master.public
        await asyncio.to_thread(synapse.request, "POST", "/_matrix/client/v3/logout", {}, account.token)
        await until(lambda: knows_another(citizen, account.device), "the new device")
        await citizen.say("hello")
        await citizen.until(lambda one: one["type"] == POLL)
    shutil.rmtree(tmp_path / "matrix")
    await citizen.say("hello?")  # for a device that cannot read any more
    async with office.at_work():
        await citizen.hears(words)
        await citizen.say("hello again")
        await citizen.until(lambda one: one["type"] == POLL)
        _, later = await matrix_bot(office.house, office.bot)
    assert later.device != account.device
    keys = await asyncio.to_thread(
        synapse.request,
        "POST",
        "/_matrix/client/v3/keys/query",
        {"device_keys": {office.bot: []}},
        synapse.login(office.bot),
    )
    assert list(keys["master_keys"][office.bot]["keys"].values()) == [master]
    assert Identity.from_seeds(office.bot, later.seeds).has_signed(
        keys["device_keys"][office.bot][later.device]
    )


async def knows_another(citizen: MatrixCitizen, device: str | None) -> bool:
    """Whether the citizen's client has a signed device of the bot that is not this one."""
    known = (await citizen.do("devices", user=citizen.bot))["devices"]
    return any(one["signed"] and one["device"] != device for one in known)


class Stumbling(Conversations):
    """Fails twice at one message before it takes it down."""

    async def receive(self, session: AsyncSession, city_id: object, inbound: Inbound) -> Received:
        if inbound.text == "word 7" and STUMBLES:
            STUMBLES.pop()
            raise RuntimeError("stumbled")
        return await super().receive(session, city_id, inbound)  # type: ignore[arg-type]  # widened above only


STUMBLES: list[int] = []


@pytest.mark.promise("path.matrix")
async def test_a_handler_that_fails_and_a_short_page_lose_nothing(
    office: MatrixOffice, citizen: MatrixCitizen
) -> None:
    """Thirty messages during an absence, the server shows ten of them, and one makes us fail twice."""
    async with office.at_work():
        await citizen.meet(office.bot)
        await citizen.hears("Bürgeramt")
    words = [f"word {number}" for number in range(30)]
    for text in words:
        await citizen.say(text)
    STUMBLES[:] = [1, 2]
    bot, account = await matrix_bot(office.house, office.bot)
    bot.conversations = Stumbling(
        **{one.name: getattr(bot.conversations, one.name) for one in fields(bot.conversations)}
    )
    bot.client._page = 10
    async with running(bot.run(account)):
        await until(lambda: heard(office, citizen.room, len(words)), "thirty messages")
    await bot.client.close()
    assert await office.citizen_said(citizen.room) == words
    assert not STUMBLES


async def heard(office: MatrixOffice, room: str, count: int) -> bool:
    return len(await office.citizen_said(room)) >= count


async def test_a_waiting_answer_can_be_corrected_and_taken_back(
    office: MatrixOffice, citizen: MatrixCitizen
) -> None:
    """Nobody takes turns here, so everything waits."""
    bot, account = await matrix_bot(office.house, office.bot)
    async with running(bot.run(account)):
        await citizen.meet(office.bot)
        wrong, secret = await citizen.say("Manila"), await citizen.say("my secret")
        await until(lambda: heard(office, citizen.room, 2), "both messages")
        await citizen.do("edit", room=citizen.room, event=wrong, text="Makati")
        await citizen.do("redact", room=citizen.room, event=secret)
        await until(lambda: says(office, citizen.room, ["Makati"]), "the correction")
    await bot.client.close()
    async with office.house.database.every_city() as session:
        rows = {row.external_id: row for row in await session.scalars(select(Inbox))}
    assert rows[wrong].handled_at is None
    assert rows[secret].handled_at is not None


async def says(office: MatrixOffice, room: str, words: list[str]) -> bool:
    return await office.citizen_said(room) == words
