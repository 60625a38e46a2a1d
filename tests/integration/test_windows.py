"""The link that opens a thread of another channel in the browser's chat page: who may, how long, and what it shows."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from conversation.models import Case, CaseBrowser, Conversation, Inbox, Window
from conversation.ports import Inbound
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.settings import Settings
from tests.support.factory import SampleCity
from tests.support.links import CitizenHouse, Errand, citizen_house


@pytest.fixture
async def house(
    database: Database, city: SampleCity, vault: Vault, clock: FixedClock, settings: Settings, tmp_path: Path
) -> CitizenHouse:
    return await citizen_house(database, city, vault, clock, settings, tmp_path / "dist")


async def reading_path(house: CitizenHouse, errand: Errand) -> str:
    async with house.database.city(house.city.id) as session:
        return house.conversations.reading_path(await session.get_one(Case, errand.case_id))


async def close(house: CitizenHouse, errand: Errand) -> None:
    async with house.database.city(house.city.id) as session:
        case = await session.get_one(Case, errand.case_id)
        await house.conversations.close_case(session, case, "done", None)


async def count(house: CitizenHouse, model: type) -> int:
    async with house.database.city(house.city.id) as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def test_looking_changes_nothing_and_the_button_opens_the_thread(house: CitizenHouse) -> None:
    errand = await house.errand(channel="telegram")
    path = await reading_path(house, errand)
    async with house.browser() as client:
        for _ in range(5):
            assert f"{path}/open" in (await client.get(path)).text
        assert (await count(house, Window), await count(house, CaseBrowser)) == (0, 0)
        assert (await client.post(f"{path}/open")).url.path == "/"
        assert (await client.get(path)).url.path == "/"
        started = (await client.post("/chat/start", json={})).json()
        said = {"id": "6f4a3f0e-4c05-4a58-9c1b-0d6a3a4a1111", "kind": "text", "text": "hello"}
        assert (await client.post("/chat/messages", json=said)).status_code == 202
    async with house.database.city(house.city.id) as session:
        thread = (
            await session.scalars(select(Conversation).where(Conversation.case_id == errand.case_id))
        ).one()
        (row,) = await session.scalars(select(Inbox))
    assert started["conversation"] == str(thread.id) == str(row.conversation_id)


async def test_it_reads_and_does_no_more(house: CitizenHouse) -> None:
    errand = await house.errand(channel="telegram")
    path = await reading_path(house, errand)
    async with house.browser() as client:
        await client.post(f"{path}/open")
        for act in ("change", "cancel"):
            answer = await client.post(f"{path}/{act}", data={"start": "20261020T0700Z"})
            assert answer.status_code == 410
        assert (await client.get(f"{path}/appointment.ics")).status_code == 410
    assert (await house.appointment(errand)).status == "booked"


async def test_it_outlives_the_case_but_not_its_deletion(house: CitizenHouse) -> None:
    errand = await house.errand(channel="telegram")
    path = await reading_path(house, errand)
    await close(house, errand)
    async with house.browser() as client:
        assert (await client.get(errand.path)).status_code == 410
        assert (await client.get(path)).status_code == 200
        assert (await client.post(f"{path}/open")).url.path == "/"
        async with house.database.city(house.city.id) as session:
            await house.conversations.delete_case(session, await session.get_one(Case, errand.case_id))
        assert (await client.get(path)).status_code == 410


async def test_a_second_browser_needs_the_code(house: CitizenHouse) -> None:
    errand = await house.errand(channel="telegram")
    path = await reading_path(house, errand)
    async with house.browser() as first, house.browser() as second:
        await first.post(f"{path}/open")
        assert (await second.post(f"{path}/open")).url.path == f"{path}/code"
        (_, body) = (await house.said(errand))[-1]
        code = next(word for word in body.text.replace(".", " ").split() if word.isdigit() and len(word) == 6)
        wrong = "000000" if code != "000000" else "111111"
        assert (await second.post(f"{path}/code", data={"code": wrong})).status_code == 422
        assert (await second.post(f"{path}/code", data={"code": code})).url.path == "/"
    assert await count(house, Window) == 2


@pytest.mark.parametrize("change", [0, 31, 40, 63])
async def test_a_guessed_link_opens_nothing(house: CitizenHouse, change: int) -> None:
    errand = await house.errand(channel="telegram")
    path = await reading_path(house, errand)
    place = len("/a/") + change
    forged = path[:place] + ("0" if path[place] != "0" else "1") + path[place + 1 :]
    async with house.browser() as client:
        for address in (forged, path[:-1], f"{path}0", path[: len("/a/") + 32]):
            assert (await client.get(address)).status_code == 410
            assert (await client.post(f"{address}/open")).status_code == 410
    assert await count(house, CaseBrowser) == 0


async def test_another_chat_of_the_same_browser_comes_back_by_its_own_link(house: CitizenHouse) -> None:
    own, other = await house.errand(), await house.errand(channel="telegram")
    async with house.browser(own.visitor) as client:
        mine = (await client.post("/chat/start", json={})).json()
        await client.post(f"{await reading_path(house, other)}/open")
        assert (await client.post("/chat/start", json={})).json() != mine
        await client.post(f"{own.path}/open")
        assert (await client.post("/chat/start", json={})).json() == mine


async def test_what_is_written_in_a_window_is_answered_in_the_thread(house: CitizenHouse) -> None:
    errand = await house.errand(channel="telegram")
    async with house.browser() as client:
        await client.post(f"{await reading_path(house, errand)}/open")
        visitor = client.cookies["foyer_visitor"]
    inbound = Inbound("web", "x", visitor, "text", "from the page")
    async with house.database.city(house.city.id) as session:
        received = await house.conversations.receive(session, house.city.id, inbound)
        thread = await house.conversations.conversation(session, received.conversation_id)
        address = await house.conversations.address_of(session, thread)
    assert address.channel == "telegram"
