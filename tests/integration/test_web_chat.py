"""The web chat over HTTP and sockets: who may read what, what is stored once, what a line resumes with."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from conversation.models import Inbox, Message
from conversation.reply import Attachment, Option, Page, Reply
from foundation import live
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Base, Database
from foundation.i18n import Verbatim
from foundation.settings import Settings
from tests.support.chat import Chat, Waiting, running_chat
from tests.support.factory import SampleCity

Frames = list[dict[str, Any]]


@pytest.fixture
async def chat(
    database: Database, settings: Settings, vault: Vault, clock: FixedClock, city: SampleCity
) -> AsyncIterator[Chat]:
    async with running_chat(database, settings, vault, clock, city.id) as running:
        yield running


@asynccontextmanager
async def visitor(chat: Chat, *, started: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=chat.url) as client:
        if started:
            assert (await client.post("/chat/start", json={"language": "de"})).status_code == 200
        yield client


async def say(client: httpx.AsyncClient, text: str, **more: Any) -> httpx.Response:
    return await client.post(
        "/chat/messages", json={"id": str(uuid.uuid4()), "kind": "text", "text": text, **more}
    )


def line(chat: Chat, client: httpx.AsyncClient, after: int = 0) -> connect:
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    address = chat.url.replace("http", "ws") + f"/chat/live?after={after}"
    return connect(address, additional_headers={"Cookie": cookies}, origin=chat.url, proxy=None)  # type: ignore[arg-type]  # Origin is a NewType of str


async def until(socket: ClientConnection, kind: str, count: int = 1) -> Frames:
    """Frames up to the `count`-th of a kind, those included."""
    frames: Frames = []
    async with asyncio.timeout(10):
        while sum(frame["kind"] == kind for frame in frames) < count:
            frames.append(json.loads(await socket.recv()))
    return frames


def texts(frames: Frames) -> list[str]:
    return [frame["text"] for frame in frames if frame["kind"] == "message"]


async def rows(database: Database) -> dict[str, int]:
    async with database.every_city() as session:
        return {
            table.name: await session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


async def test_looking_at_the_page_writes_nothing_and_gives_no_key(chat: Chat, database: Database) -> None:
    before = await rows(database)
    async with visitor(chat, started=False) as client:
        for _ in range(5):
            page = await client.get("/?lang=ar")
            assert page.status_code == 200
            assert '<html lang="ar" dir="rtl">' in page.text
        assert "foyer_visitor" not in client.cookies
    assert await rows(database) == before


async def test_the_key_is_opaque_and_kept_from_scripts(chat: Chat) -> None:
    async with visitor(chat, started=False) as client:
        cookie = (await client.post("/chat/start", json={})).headers["set-cookie"]
    assert len(cookie.split("=", 1)[1].split(";")[0]) == 43
    for mark in ("HttpOnly", "SameSite=lax", f"Max-Age={400 * 24 * 3600}", "Path=/"):
        assert mark in cookie
    assert "Secure" not in cookie


async def test_starting_twice_begins_one_thread(chat: Chat, database: Database) -> None:
    async with visitor(chat) as client:
        again = await asyncio.gather(*(client.post("/chat/start", json={"language": "de"}) for _ in range(5)))
    assert len({answer.json()["conversation"] for answer in again}) == 1
    counted = await rows(database)
    assert (counted["inbox"], counted["conversation"], counted["message"]) == (1, 1, 0)


async def test_a_message_sent_again_is_stored_once(chat: Chat, database: Database) -> None:
    message = {"id": str(uuid.uuid4()), "kind": "text", "text": "Guten Tag"}
    async with visitor(chat) as client:
        answers = await asyncio.gather(*(client.post("/chat/messages", json=message) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {202}
        assert {answer.json()["id"] for answer in answers} == {message["id"]}
    async with database.every_city() as session:
        assert await session.scalar(select(func.count()).select_from(Message)) == 1
        assert (
            await session.scalar(select(func.count()).where(Inbox.external_id.contains(message["id"]))) == 1
        )


async def test_two_visitors_may_use_the_same_id(chat: Chat) -> None:
    same = str(uuid.uuid4())
    async with visitor(chat) as one, visitor(chat) as other:
        for client, text in ((one, "eins"), (other, "zwei")):
            assert (await say(client, text, id=same)).status_code == 202
            async with line(chat, client) as socket:
                assert texts(await until(socket, "message")) == [text]


async def test_a_thread_is_read_with_its_own_key_only(chat: Chat) -> None:
    async with visitor(chat) as one, visitor(chat) as other, visitor(chat, started=False) as nobody:
        await say(one, "nur für das Amt")
        (await say(other, "von jemand anderem")).raise_for_status()
        thread = (await chat.threads())[0]
        await chat.say(
            thread, Reply((Verbatim("Bitte"),), attachments=(Attachment("a.ics", "text/calendar", b"X"),))
        )
        async with line(chat, other) as socket:
            assert texts(await until(socket, "current")) == ["von jemand anderem"]
        async with line(chat, one) as socket:
            address = (await until(socket, "message", 2))[-1]["attachments"][0]["url"]
        own = await one.get(address)
        assert (own.content, own.headers["content-type"]) == (b"X", "text/calendar; charset=utf-8")
        assert own.headers["content-disposition"].startswith("attachment")
        assert (await other.get(address)).status_code == 404
        assert (await nobody.get(address)).status_code == 401
        assert (await one.get(address[:-1] + "7")).status_code == 404
        async with line(chat, nobody) as socket:
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 4401


async def test_another_sites_page_can_neither_write_nor_listen(chat: Chat) -> None:
    async with visitor(chat) as client:
        answer = await client.post("/chat/start", json={}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
        assert answer.json()["error"] == "error.wrong_origin"
        cookies = {"Cookie": f"foyer_visitor={client.cookies['foyer_visitor']}"}
        with pytest.raises(Exception, match="403"):
            await connect(
                chat.url.replace("http", "ws") + "/chat/live",
                additional_headers=cookies,
                origin="http://evil.example",  # type: ignore[arg-type]  # Origin is a NewType of str
                proxy=None,
            )


async def test_what_cannot_be_taken_says_why_in_the_persons_language(chat: Chat) -> None:
    async with visitor(chat) as client:
        client.headers["Accept-Language"] = "tr"
        long = await say(client, "x" * 10_001)
        assert long.status_code == 413
        assert "10000" in long.json()["message"].replace("\u2068", "").replace(".", "")
        assert (await say(client, "x" * 10_000)).status_code == 202
        assert (await say(client, "  \x00 ")).status_code == 422
        assert (await say(client, "", kind="choice")).status_code == 422
        assert (await say(client, "x", id="not-a-uuid")).status_code == 422
    async with visitor(chat, started=False) as stranger:
        assert (await say(stranger, "x")).status_code == 401


async def test_a_visitor_who_floods_is_slowed_down_and_nobody_else(chat: Chat, clock: FixedClock) -> None:
    async with visitor(chat) as flood, visitor(chat) as calm:
        statuses = [(await say(flood, "x")).status_code for _ in range(31)]
        assert statuses == [202] * 30 + [429]
        assert (await say(calm, "x")).status_code == 202
        clock.move(timedelta(seconds=2))
        assert (await say(flood, "x")).status_code == 202


async def test_frames_show_what_was_said_and_by_whom(chat: Chat, city: SampleCity) -> None:
    async with visitor(chat) as client:
        sent = str(uuid.uuid4())
        await say(client, "Hallo", id=sent)
        (thread,) = await chat.threads()
        reply = Reply(
            (Verbatim("Womit?"),),
            options=(Option("service:id_card", Verbatim("Ausweis")),),
            pages=(Page(Verbatim("Datenschutz"), "/privacy"),),
        )
        await chat.say(thread, reply)
        await chat.say(thread, Reply((Verbatim("Ich bin da"),)), author="clerk", staff_id=city.clerk.id)
        async with line(chat, client) as socket:
            mine, bots, clerks = [f for f in await until(socket, "message", 3) if f["kind"] == "message"]
    assert (mine["author"], mine["text"], mine["client_id"]) == ("citizen", "Hallo", sent)
    assert bots["choices"] == [{"id": "service:id_card", "label": "Ausweis"}]
    assert bots["links"] == [{"label": "Datenschutz", "url": "/privacy"}]
    assert (bots["lang"], bots["dir"], bots["name"]) == ("de", "ltr", None)
    assert (clerks["author"], clerks["name"]) == ("clerk", "Clerk")


async def test_a_line_resumes_after_the_last_number_seen(chat: Chat) -> None:
    async with visitor(chat) as client:
        for text in ("eins", "zwei"):
            await say(client, text)
        async with line(chat, client) as socket:
            seen = max(f["seq"] for f in await until(socket, "message", 2) if "seq" in f)
        for text in ("drei", "vier"):
            await say(client, text)
        async with line(chat, client, after=seen) as socket:
            assert texts(await until(socket, "message", 2)) == ["drei", "vier"]
            await say(client, "fünf")
            assert texts(await until(socket, "message")) == ["fünf"]


async def test_the_place_in_the_waiting_room_and_the_clerk_are_told(
    chat: Chat, city: SampleCity, clock: FixedClock
) -> None:
    async with visitor(chat) as client:
        (thread,) = await chat.threads()
        async with line(chat, client) as socket:
            standing = await until(socket, "queue")
            assert standing[-1]["position"] is None
            chat.places[thread] = Waiting(3, 8)
            await chat.whisper(thread, kind="queue")
            placed = (await until(socket, "queue"))[-1]
            assert (placed["position"], placed["minutes"]) == (3, 8)
            chat.places.clear()
            async with chat.database.city(city.id) as session:
                (await chat.conversations.conversation(session, thread)).holder_id = city.clerk.id
                stream = f"conversation:{thread}"
                live.publish(session, city_id=city.id, stream=stream, kind="case", data={}, now=clock.now())
            told = await until(socket, "queue")
            assert [f["clerk"] for f in told if f["kind"] == "case"] == ["Clerk", "Clerk"]
            assert told[-1]["position"] is None


async def test_typing_is_whispered_both_ways_but_not_back(chat: Chat) -> None:
    async with visitor(chat) as one:
        (thread,) = await chat.threads()
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        async with live.Hub(chat.database) as hub, line(chat, one) as socket:
            with hub.hearing(f"conversation:{thread}", heard.put_nowait):
                await until(socket, "current")
                await socket.send('{"kind": "typing"}')
                async with asyncio.timeout(10):
                    assert await heard.get() == {"kind": "typing", "author": "citizen"}
                await chat.whisper(thread, kind="typing", author="clerk")
                frames = await until(socket, "typing")
                assert frames == [{"kind": "typing", "author": "clerk"}]


async def test_a_line_answers_pings_and_bears_nonsense(chat: Chat) -> None:
    async with visitor(chat) as client, line(chat, client) as socket:
        await until(socket, "current")
        for nonsense in ("", "{", "[]", '{"kind": []}', "x" * 5000):
            await socket.send(nonsense)
        await socket.send('{"kind": "ping"}')
        assert await until(socket, "pong") == [{"kind": "pong"}]


async def test_a_message_that_was_deleted_moves_the_number_on(chat: Chat) -> None:
    async with visitor(chat) as client:
        for text in ("eins", "zwei"):
            await say(client, text)
        async with chat.database.city(chat.city_id) as session:
            first = await session.scalar(select(Message).order_by(Message.seq).limit(1))
            await session.delete(first)
        async with line(chat, client) as socket:
            frames = [f for f in await until(socket, "message") if "seq" in f]
    assert [f["kind"] for f in frames] == ["gone", "message"]
