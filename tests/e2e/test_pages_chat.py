"""The chat page in a browser: words survive a bad line and a reload, a lost socket heals, a keyboard suffices."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, Route, WebSocketRoute, expect
from sqlalchemy import func, select

from conversation.models import Message
from conversation.reply import Attachment, Option, Reply
from conversation.reply import Page as PageLink
from foundation import live
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.i18n import FSI, PDI, Verbatim
from foundation.settings import Settings
from tests.support.browser import DESKTOP, PHONE, Visitor, visiting
from tests.support.chat import Chat, Waiting, running_chat
from tests.support.factory import SampleCity

FROZEN = 1_900_000_000
"""A moment in seconds since 1970."""


@pytest.fixture
async def chat(
    database: Database, settings: Settings, vault: Vault, clock: FixedClock, city: SampleCity
) -> AsyncIterator[Chat]:
    async with running_chat(database, settings, vault, clock, city.id) as running:
        yield running


@pytest.fixture
async def desk(browser: Browser, chat: Chat) -> AsyncIterator[Visitor]:
    async with visiting(browser, chat.url, DESKTOP) as visitor:
        yield visitor


@pytest.fixture
async def arabic(browser: Browser, chat: Chat) -> AsyncIterator[Visitor]:
    async with visiting(browser, chat.url, PHONE) as visitor:
        yield visitor


async def ready(page: Page) -> None:
    """The thread is there and connected: the log no longer says that it is busy."""
    await expect(page.get_by_role("log")).to_have_attribute("aria-busy", "false")


async def opened(visitor: Visitor, chat: Chat) -> Page:
    page = await visitor.open()
    await page.get_by_role("textbox").wait_for()
    async with page.expect_response("**/chat/messages"):
        await page.get_by_role("textbox").fill("Guten Tag")
        await page.keyboard.press("Enter")
    await ready(page)
    return page


async def stored(chat: Chat) -> int:
    async with chat.database.city(chat.city_id) as session:
        return await session.scalar(select(func.count()).select_from(Message)) or 0


async def test_words_written_on_a_dead_line_survive_a_reload_and_are_sent_once(
    chat: Chat, desk: Visitor
) -> None:
    page = await opened(desk, chat)

    async def no_line(route: Route) -> None:
        await route.abort()

    await page.route("**/chat/messages", no_line)
    for words in ("erstens", "zweitens"):
        await page.get_by_role("textbox").fill(words)
        await page.keyboard.press("Enter")
    await expect(page.get_by_text("Die Verbindung ist unterbrochen")).to_be_visible()
    await page.get_by_role("textbox").fill("noch nicht abgeschickt")
    await page.reload()
    await expect(page.get_by_text("erstens")).to_be_visible()
    await expect(page.get_by_role("textbox")).to_have_value("noch nicht abgeschickt")
    assert await stored(chat) == 1
    await page.unroute("**/chat/messages")
    await expect(page.locator(".said.mine time")).to_have_count(3, timeout=15_000)
    assert await page.locator(".said.mine .text").all_inner_texts() == ["Guten Tag", "erstens", "zweitens"]
    assert await stored(chat) == 3


async def test_a_lost_answer_doubles_nothing(chat: Chat, desk: Visitor) -> None:
    page = await opened(desk, chat)

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/chat/messages", lose_the_answer)
    await page.get_by_role("textbox").fill("einmal")
    await page.keyboard.press("Enter")
    await expect(page.locator(".said.mine time")).to_have_count(2)
    await page.reload()
    await ready(page)
    assert await page.locator(".said.mine .text").all_inner_texts() == ["Guten Tag", "einmal"]
    assert await stored(chat) == 2


async def test_a_refused_message_says_why_and_can_be_discarded(chat: Chat, desk: Visitor) -> None:
    page = await opened(desk, chat)
    field = page.get_by_role("textbox")
    await field.fill("x" * 10_001)
    await expect(page.get_by_role("alert")).to_contain_text("10.000 Zeichen")
    await page.keyboard.press("Enter")
    await expect(page.locator(".said.mine")).to_have_count(1)

    async def refuse(route: Route) -> None:
        await route.fulfill(
            status=422, json={"error": "error.invalid", "message": "Bitte prüfen Sie die Angabe."}
        )

    await page.route("**/chat/messages", refuse)
    await field.fill("seltsam")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Bitte prüfen Sie die Angabe.")).to_be_visible()
    await page.get_by_role("button", name="Verwerfen").click()
    await expect(page.get_by_text("seltsam")).to_have_count(0)


async def test_a_lost_socket_comes_back_and_shows_what_was_missed(chat: Chat, arabic: Visitor) -> None:
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page = await arabic.context.new_page()
    await page.route_web_socket("**/chat/live*", through)
    await page.goto("/")
    await ready(page)
    (thread,) = await chat.threads()
    await chat.say(thread, Reply((Verbatim("eins"),)))
    await expect(page.get_by_text("eins")).to_be_visible()
    await sockets[-1].close(code=1011)
    await chat.say(thread, Reply((Verbatim("zwei"),)))
    await expect(page.get_by_text("zwei")).to_be_visible()
    assert len(sockets) == 2
    assert sockets[1].url.endswith("after=1")
    assert await page.locator(".said .text").all_inner_texts() == ["eins", "zwei"]
    arabic.check()


async def test_what_gets_through_brings_the_socket_back_at_once(chat: Chat, desk: Visitor) -> None:
    """The page's clock stands still, so no pause between two tries ends by itself."""
    sockets: list[WebSocketRoute] = []
    refused = False

    async def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if refused:
            await socket.close(code=1011)
        else:
            socket.connect_to_server()

    page = await desk.context.new_page()
    await page.clock.install(time=FROZEN)
    await page.route_web_socket("**/chat/live*", through)
    await page.goto("/")
    await ready(page)
    await page.clock.pause_at(FROZEN + 30)
    lost = page.locator(".trouble")
    refused = True
    await sockets[-1].close(code=1011)
    await page.clock.run_for(2000)
    await expect(lost).to_be_visible()
    refused = False
    await page.get_by_role("textbox").fill("sind Sie noch da?")
    await page.keyboard.press("Enter")
    await expect(lost).to_be_hidden()
    (thread,) = await chat.threads()
    await chat.say(thread, Reply((Verbatim("gewiss"),)))
    await expect(page.get_by_text("gewiss")).to_be_visible()


async def test_the_whole_chat_by_keyboard(chat: Chat, desk: Visitor) -> None:
    page = await desk.open()
    await ready(page)
    (thread,) = await chat.threads()
    await chat.say(
        thread,
        Reply(
            (Verbatim("Womit können wir helfen?"),),
            options=(Option("a", Verbatim("Ausweis")), Option("b", Verbatim("Anmeldung"))),
            pages=(PageLink(Verbatim("Datenschutz lesen"), "/privacy"),),
            attachments=(Attachment("Termin.ics", "text/calendar", b"BEGIN:VCALENDAR"),),
        ),
    )
    await page.get_by_role("button", name="Anmeldung").wait_for()
    await page.locator("body").focus()
    order = []
    for _ in range(10):
        await page.keyboard.press("Tab")
        focused = await page.evaluate("document.activeElement.innerText || document.activeElement.id")
        order.append(focused.replace("\n", " "))
        if order[-1] == "Anmeldung":
            break
    assert order[0] == "Zum Inhalt springen"
    assert order[-4:] == ["Datenschutz lesen", "Datei herunterladen: Termin.ics", "Ausweis", "Anmeldung"]
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Anmeldung")).to_have_count(0)
    assert await page.evaluate("document.activeElement.getAttribute('role')") == "log"
    await page.keyboard.press("Tab")
    while await page.evaluate("document.activeElement.id") != "words":
        await page.keyboard.press("Tab")
    await page.keyboard.type("eine Zeile")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("noch eine")
    await page.keyboard.press("Enter")
    await expect(page.locator(".said.mine time")).to_have_count(2)
    assert await page.locator(".said.mine .text").last.inner_text() == "eine Zeile\nnoch eine"
    assert await page.evaluate("document.activeElement.id") == "words"
    desk.check()


async def test_an_enter_that_ends_a_word_in_an_input_method_does_not_send(chat: Chat, desk: Visitor) -> None:
    page = await opened(desk, chat)
    await page.get_by_role("textbox").fill("にほん")
    await page.evaluate(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true}))"
    )
    await expect(page.get_by_role("textbox")).to_have_value("にほん")
    await expect(page.locator(".said.mine")).to_have_count(1)


async def test_place_and_clerk_are_shown_and_read_out(
    chat: Chat, desk: Visitor, city: SampleCity, clock: FixedClock
) -> None:
    page = await opened(desk, chat)
    (thread,) = await chat.threads()
    chat.places[thread] = Waiting(3, 8)
    await chat.whisper(thread, kind="queue")
    card = page.get_by_role("region", name="Warteraum")
    await expect(card).to_contain_text("Sie sind Nummer 3. Etwa 8 Minuten.")
    await expect(card).to_contain_text("Sie können diese Seite schließen, Ihr Platz bleibt erhalten.")
    await page.reload()
    await expect(card).to_contain_text("Nummer 3")
    chat.places.clear()
    async with chat.database.city(city.id) as session:
        (await chat.conversations.conversation(session, thread)).holder_id = city.clerk.id
        live.publish(
            session, city_id=city.id, stream=f"conversation:{thread}", kind="case", data={}, now=clock.now()
        )
    await expect(page.get_by_role("status").first).to_contain_text("Sie sprechen mit Clerk")
    await expect(card).to_have_count(0)
    await chat.say(thread, Reply((Verbatim("Ich schaue nach."),)), author="clerk", staff_id=city.clerk.id)
    said = page.get_by_role("article").filter(has_text="Ich schaue nach.")
    await expect(said).to_contain_text("Clerk")
    desk.check()


async def test_our_texts_run_as_their_language_does_also_behind_a_german_name(
    chat: Chat, arabic: Visitor
) -> None:
    """An Arabic answer from a city's own German list; what people write runs as they write it."""
    page = await opened(arabic, chat)
    (thread,) = await chat.threads()
    name, label = f"{FSI}Parkausweis Altstadt{PDI}", Verbatim(f"{FSI}Zweitpass{PDI}: الرسوم")
    told = Reply((Verbatim(name), Verbatim("حتى 8 يونيو 2026.")), (Option("second", label),))
    await chat.say(thread, told)
    answer = page.locator(".said:not(.mine) .text").last
    await expect(answer).to_contain_text("2026")
    gaps = await answer.evaluate(
        """text => {
            const edge = text.getBoundingClientRect().right, words = text.firstChild, range = document.createRange();
            const end = words.data.indexOf("\\n");
            return [[0, end], [end + 2, words.length]].map(([from, to]) => {
                range.setStart(words, from); range.setEnd(words, to);
                return edge - range.getBoundingClientRect().right;
            });
        }"""
    )
    assert max(gaps) < 1
    for place, way in (
        (page.get_by_role("button", name="Zweitpass"), "rtl"),
        (page.locator(".mine .text"), "ltr"),
    ):
        assert await place.evaluate("one => getComputedStyle(one).direction") == way


async def test_another_language_for_the_page_is_told_to_the_assistant(chat: Chat, arabic: Visitor) -> None:
    page = await opened(arabic, chat)
    await page.locator(".languages summary").click()
    await page.get_by_role("button", name="Türkçe").click()
    await expect(page.locator("html")).to_have_attribute("lang", "tr")
    await expect(page.locator(".said.mine .text").last).to_have_text("Türkçe")
    arabic.check()
