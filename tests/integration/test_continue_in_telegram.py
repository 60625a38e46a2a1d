"""A case begun on the web goes on in Telegram: by a link that works once, for a while, and only after a yes."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select

from conversation.joining import LIVES, Joining
from conversation.models import Address, Case, Conversation, Message, Outbox, Person
from foundation.clock import FixedClock
from foyer.app import create_app
from tests.doubles.telegram.server import Telegram
from tests.support.talk import Citizen, Office, clerk
from tests.support.telegram import Person as Phone
from tests.support.telegraph import Telegraphist


@pytest.fixture
async def desk(talk_office: Office, telegram: Telegram) -> AsyncIterator[Telegraphist]:
    made = Telegraphist(talk_office, telegram)
    yield made
    await made.channel.close()


@pytest.fixture
async def citizen(desk: Telegraphist) -> Citizen:
    """Somebody who has left a question on the web, which is a case."""
    citizen = Citizen(desk.office, "en")
    await citizen.start()
    await citizen.say("leave a message")
    await citizen.say("When is my passport ready?")
    return citizen


async def page(citizen: Citizen) -> httpx.Response:
    """What the browser is shown behind the chat's link."""
    app = await create_app(citizen.office.house)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as http:
        http.cookies.set("foyer_visitor", citizen.address)
        return await http.get("/telegram", headers={"Accept-Language": "en"})


async def token(citizen: Citizen) -> str:
    found = re.search(r"https://t\.me/(\w+)\?start=([\w-]+)", (await page(citizen)).text)
    assert found
    assert found[1].endswith("bot")
    return found[2]


async def arrive(desk: Telegraphist, start: str) -> Phone:
    phone = Phone(desk.telegram)
    await phone.start(start)
    await desk.work()
    return phone


async def accept(desk: Telegraphist, phone: Phone) -> None:
    await phone.press("accept:")
    await desk.work()


async def joined(desk: Telegraphist) -> int:
    """How many Telegram threads take part in a case."""
    query = select(func.count()).select_from(Conversation).join(Address)
    (count,) = await desk.rows(query.where(Address.channel == "telegram", Conversation.case_id.is_not(None)))
    return int(count)


def told(phone: Phone, desk: Telegraphist, key: str, **params: str) -> bool:
    words = desk.office.house.catalogue(key, "en", **params)
    return any(words in one.text for one in phone.shown)


async def test_the_web_offers_it_only_where_something_could_go_on(
    desk: Telegraphist, citizen: Citizen
) -> None:
    await citizen.say("menu")
    await citizen.press("telegram")
    assert [link.url.endswith("/telegram") for link in citizen.last.links] == [True]
    stranger = Citizen(desk.office, "en")
    await stranger.start()
    assert "telegram" not in [one.id for one in stranger.last.choices]
    assert (await page(stranger)).status_code == 409
    phone = await arrive(desk, "")
    assert all(data != "telegram" for one in phone.shown for _, data in one.buttons)


async def test_a_yes_joins_the_case_and_looking_does_not(desk: Telegraphist, citizen: Citizen) -> None:
    for _ in range(3):
        await token(citizen)
    start = await token(citizen)
    phone = await arrive(desk, start)
    number = str((await citizen.case()).number)
    assert told(phone, desk, "join.ask", number=number)
    assert await joined(desk) == 0
    await accept(desk, phone)
    assert told(phone, desk, "join.done", number=number)
    assert await joined(desk) == 1
    assert citizen.office.house.catalogue("join.told", "en", number=number) in [
        one.body.text for one in await citizen.listen()
    ]
    await phone.say("One more thing")
    await desk.work()
    (said,) = await desk.rows(
        select(Message).order_by(Message.seq.desc()).where(Message.author == "citizen").limit(1)
    )
    assert said.case_id == (await citizen.case()).id


async def test_one_person_and_one_wish_to_be_forgotten(desk: Telegraphist, citizen: Citizen) -> None:
    phone = await arrive(desk, await token(citizen))
    await accept(desk, phone)
    case = await citizen.case()
    addresses = await desk.rows(select(Address))
    assert {one.person_id for one in addresses} == {case.person_id}
    assert len(await desk.rows(select(Person))) == 1
    house = desk.office.house
    async with house.database.city(desk.office.city_id) as session:
        await house.conversations.delete_person(session, case.person_id)
    assert await desk.rows(select(Message)) == []


async def test_a_no_leaves_everything_as_it_was(desk: Telegraphist, citizen: Citizen) -> None:
    phone = await arrive(desk, await token(citizen))
    await phone.press(desk.office.house.catalogue("join.no", "en"))
    await desk.work()
    assert await joined(desk) == 0
    assert any(data == "book" for _, data in phone.shown[-1].buttons)


async def test_the_second_to_say_yes_finds_it_used(desk: Telegraphist, citizen: Citizen) -> None:
    start = await token(citizen)
    first, second = await arrive(desk, start), await arrive(desk, start)
    await accept(desk, first)
    await accept(desk, second)
    third = await arrive(desk, start)
    assert not told(first, desk, "join.over")
    assert told(second, desk, "join.over")
    assert told(third, desk, "join.over")
    assert await joined(desk) == 1
    assert (await page(citizen)).status_code == 409


@pytest.mark.parametrize("what", ["late", "late_yes", "forged", "closed", "nonsense"])
async def test_a_link_that_is_over_joins_nothing(
    desk: Telegraphist, citizen: Citizen, clock: FixedClock, what: str
) -> None:
    start = await token(citizen)
    asked = await arrive(desk, start) if what == "late_yes" else None
    if what.startswith("late"):
        clock.move(LIVES + timedelta(seconds=1))
    elif what == "forged":
        start = ("A" if start[0] != "A" else "B") + start[1:]
    elif what == "nonsense":
        start = "x"
    else:
        house, case = desk.office.house, await citizen.case()
        async with house.database.city(desk.office.city_id) as session:
            await house.conversations.close_case(session, await session.get_one(Case, case.id), "done", None)
    if asked:
        await accept(desk, asked)
    phone = asked or await arrive(desk, start)
    assert told(phone, desk, "join.over")
    assert await joined(desk) == 0


async def test_a_chat_about_another_open_case_stays_with_it(desk: Telegraphist, citizen: Citizen) -> None:
    phone = await arrive(desk, "")
    await phone.press("person")
    await desk.work()
    await phone.press("write")
    await desk.work()
    await phone.say("When do you open?")
    await desk.work()
    assert await joined(desk) == 1
    start = await token(citizen)
    await phone.start(start)
    await desk.work()
    cases = await desk.rows(select(Case).order_by(Case.number))
    assert told(phone, desk, "join.busy", number=str(cases[-1].number))
    assert len({one.person_id for one in cases}) == 2


async def test_a_clerks_answer_follows_the_person_and_stays_neutral(
    desk: Telegraphist, citizen: Citizen
) -> None:
    phone = await arrive(desk, await token(citizen))
    await accept(desk, phone)
    await phone.say("I am here now")
    await desk.work()
    house, case = desk.office.house, await citizen.case()
    async with house.database.city(desk.office.city_id) as session:
        weber = await clerk(house, session)
        await house.escalation.take_over(session, case, weber)
        await house.escalation.say(session, case, weber, "Your passport, Amal, is ready.", key="1")
    await desk.work()
    assert "passport" not in "".join(one.text for one in phone.shown)
    assert told(phone, desk, "message.neutral_case", number=str(case.number))
    (row,) = await desk.rows(select(Outbox).where(Outbox.author == "clerk"))
    thread = (await desk.rows(select(Conversation).where(Conversation.id == row.conversation_id)))[0]
    assert row.state == "sent"
    assert thread.case_id == case.id


def test_a_token_fits_into_telegrams_link(talk_office: Office) -> None:
    joining = Joining(talk_office.house.conversations)
    case = Case(id=talk_office.city_id)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", joining.token(case))
    assert len(f"accept:{joining.token(case)}".encode()) <= 64
