"""The link of a case: reading it changes nothing, a button binds the browser, the next one needs a code."""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import httpx
import icalendar
import pytest
from sqlalchemy import text

from conversation.links import CODES_AN_HOUR, TRIES
from conversation.models import Case
from conversation.reply import Body
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.settings import Settings
from tests.promises.plugin import Promise
from tests.support.factory import SampleCity
from tests.support.links import CitizenHouse, Errand, citizen_house

ERRAND = re.compile("conduct|Führungszeugnis", re.IGNORECASE)
FETCHES = 5

# Every kind of link that leaves the house. Whoever adds a kind adds it here.
LINKS: Mapping[str, Callable[[Errand], str]] = {
    "chat": lambda errand: "/",
    "case": lambda errand: errand.path,
    "case in a language": lambda errand: f"{errand.path}?lang=ar",
    "code": lambda errand: f"{errand.path}/code",
    "calendar file": lambda errand: f"{errand.path}/appointment.ics",
    "change": lambda errand: f"{errand.path}/change",
    "more slots": lambda errand: f"{errand.path}/change?page=1",
    "cancel": lambda errand: f"{errand.path}/cancel",
    "call": lambda errand: f"{errand.path}/call",
    "call in a language": lambda errand: f"{errand.path}/call?lang=ar",
    "what was said beside the call": lambda errand: f"{errand.path}/call/thread",
    "file": lambda errand: f"{errand.path}/files/{errand.file_id}",
    "pay": lambda errand: errand.pay,
    "pay in a language": lambda errand: f"{errand.pay}?lang=ar",
    "pay code": lambda errand: f"{errand.pay}/code",
    "back from the vendor": lambda errand: f"{errand.pay}?back=1",
    "paid": lambda errand: errand.paid,
    "receipt": lambda errand: f"{errand.paid}/receipt",
}


@pytest.fixture
async def house(
    database: Database, city: SampleCity, vault: Vault, clock: FixedClock, settings: Settings, tmp_path: Path
) -> CitizenHouse:
    return await citizen_house(database, city, vault, clock, settings, tmp_path / "dist")


async def digests(database: Database) -> dict[str, str]:
    """The content of every table, and how far every sequence has come."""
    async with database.every_city() as session:
        rows = await session.execute(
            text(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
        )
        found = {}
        for (table,) in rows.all():
            content = f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t"
            found[table] = str(await session.scalar(text(content)))
        numbers = await session.execute(text("SELECT sequencename, last_value FROM pg_sequences"))
        return found | {name: str(value) for name, value in numbers}


def codes(said: list[tuple[str, Body]]) -> list[str]:
    return [match[1] for _, body in said if (match := re.search(r": (\d{6})", body.title or ""))]


async def test_the_first_browser_is_bound_by_a_button(house: CitizenHouse) -> None:
    errand = await house.errand(channel="telegram")
    async with house.browser() as first:
        entrance = await first.get(errand.path)
        assert entrance.status_code == 200
        assert "1001" not in entrance.text
        assert not ERRAND.search(entrance.text)
        opened = await first.post(f"{errand.path}/open")
        assert "1001" in opened.text
        assert ERRAND.search(opened.text)
        assert "for you in Manila" in opened.text
        assert (await first.get(errand.path)).text == opened.text


async def test_a_second_browser_needs_the_code_from_the_thread(house: CitizenHouse) -> None:
    errand = await house.errand(channel="telegram")
    async with house.browser() as first, house.browser() as second:
        await first.post(f"{errand.path}/open")
        asked = await second.post(f"{errand.path}/open")
        assert asked.url.path == f"{errand.path}/code"
        assert "1001" not in (await second.get(errand.path)).text
        (code,) = codes(await house.said(errand))
        wrong = await second.post(f"{errand.path}/code", data={"code": f"{(int(code) + 1) % 10**6:06}"})
        assert wrong.status_code == 422
        assert 'role="alert"' in wrong.text
        assert "1001" in (await second.post(f"{errand.path}/code", data={"code": code})).text
        assert "1001" in (await first.get(errand.path)).text


async def test_two_browsers_at_once_are_not_both_the_first(house: CitizenHouse) -> None:
    errand = await house.errand(channel="telegram")
    async with house.browser() as one, house.browser() as two:
        answers = await asyncio.gather(*(client.post(f"{errand.path}/open") for client in (one, two)))
    assert sorted(answer.url.path for answer in answers) == [errand.path, f"{errand.path}/code"]


async def test_the_browser_of_the_chat_is_known_and_another_one_is_not(house: CitizenHouse) -> None:
    errand, other = await house.errand(), await house.errand()
    async with house.browser(errand.visitor) as chatting, house.browser(other.visitor) as stranger:
        assert "1001" in (await chatting.get(errand.path)).text
        assert "1001" not in (await stranger.get(errand.path)).text
        assert (await stranger.post(f"{errand.path}/open")).url.path.endswith("/code")
    ((channel, body),) = await house.said(errand)
    assert channel == "web"
    assert "15" in body.text


async def test_a_code_bears_few_tries_and_little_time(house: CitizenHouse, clock: FixedClock) -> None:
    errand = await house.errand(mail="amira@example.org")
    async with house.browser() as guesser:
        await guesser.post(f"{errand.path}/open")
        code = codes(await house.said(errand))[-1]
        guesses = [f"{(int(code) + step) % 10**6:06}" for step in range(1, TRIES + 1)]
        for guess in guesses:
            assert (await guesser.post(f"{errand.path}/code", data={"code": guess})).status_code == 422
        assert (await guesser.post(f"{errand.path}/code", data={"code": code})).status_code == 422
        await guesser.post(f"{errand.path}/open")
        late = codes(await house.said(errand))[-1]
        clock.move(timedelta(minutes=15))
        assert (await guesser.post(f"{errand.path}/code", data={"code": late})).status_code == 422
        for _ in range(CODES_AN_HOUR - 2):
            await guesser.post(f"{errand.path}/open")
        assert (await guesser.post(f"{errand.path}/open")).status_code == 429
        clock.move(timedelta(hours=1))
        await guesser.post(f"{errand.path}/open")
        good = codes(await house.said(errand))[-1]
        assert "1001" in (await guesser.post(f"{errand.path}/code", data={"code": good})).text
    assert {channel for channel, _ in await house.said(errand)} == {"web", "email"}


async def test_a_slot_is_changed_and_everybody_hears_of_it(house: CitizenHouse) -> None:
    errand = await house.errand(mail="amira@example.org")
    before = await house.appointment(errand)
    async with house.browser(errand.visitor) as client:
        offered = re.findall(r'value="(\d{8}T\d{4}Z)"', (await client.get(f"{errand.path}/change")).text)
        assert len(offered) > 2
        changed = await client.post(f"{errand.path}/change", data={"start": offered[1]})
        assert 'role="status"' in changed.text
        again = await client.post(f"{errand.path}/change", data={"start": offered[1]})
        assert again.status_code == 200
    after = await house.appointment(errand)
    assert (after.number, after.sequence) == (before.number, 1)
    assert after.during.lower != before.during.lower
    said = await house.said(errand)
    assert [channel for channel, _ in said] == ["email", "email", "web"]
    for _, body in said[1:]:
        (event,) = icalendar.Calendar.from_ical(body.attachments[0].data).walk("VEVENT")
        assert str(event["SEQUENCE"]) == "1"
        assert body.title == "Appointment 1001"


async def test_a_slot_that_is_gone_shows_the_next_ones(house: CitizenHouse) -> None:
    mine, other = await house.errand(), await house.errand()
    taken = (await house.appointment(other)).during.lower
    assert taken
    async with house.browser(mine.visitor) as client:
        answer = await client.post(f"{mine.path}/change", data={"start": f"{taken:%Y%m%dT%H%MZ}"})
        assert answer.status_code == 409
        assert 'role="alert"' in answer.text
        assert len(re.findall(r'name="start"', answer.text)) == 3
        nonsense = await client.post(f"{mine.path}/change", data={"start": "tomorrow"})
    assert nonsense.status_code == 422
    assert (await house.appointment(mine)).sequence == 0


async def test_cancelling_takes_a_second_press_and_reaches_the_mailbox(house: CitizenHouse) -> None:
    errand = await house.errand(mail="amira@example.org")
    async with house.browser(errand.visitor) as client:
        assert 'method="post"' in (await client.get(f"{errand.path}/cancel")).text
        assert (await house.appointment(errand)).status == "booked"
        assert 'role="status"' in (await client.post(f"{errand.path}/cancel")).text
        file = await client.get(f"{errand.path}/appointment.ics")
        assert b"METHOD:CANCEL" in file.content
        assert 'role="status"' in (await client.post(f"{errand.path}/cancel")).text
        assert (
            await client.post(f"{errand.path}/change", data={"start": "20261020T0700Z"})
        ).status_code == 409
    assert len(await house.said(errand)) == 3
    told = dict((await house.said(errand))[1:])
    assert set(told) == {"email", "web"}
    assert told["email"].attachments[0].media_type == "text/calendar; method=CANCEL"


async def test_without_binding_nothing_can_be_done(house: CitizenHouse) -> None:
    errand = await house.errand()
    async with house.browser() as stranger:
        for act in ("change", "cancel"):
            answer = await stranger.post(f"{errand.path}/{act}", data={"start": "20261020T0700Z"})
            assert answer.url.path == errand.path
        assert "BEGIN:VCALENDAR" not in (await stranger.get(f"{errand.path}/appointment.ics")).text
        forged = await stranger.post(f"{errand.path}/open", headers={"Origin": "https://elsewhere.example"})
        assert forged.status_code == 403
    assert (await house.appointment(errand)).status == "booked"


async def test_the_link_ends_with_the_case(house: CitizenHouse) -> None:
    errand = await house.errand()
    async with house.database.city(house.city.id) as session:
        case = await session.get_one(Case, errand.case_id)
        await house.conversations.close_case(session, case, "done", None)
    async with house.browser(errand.visitor, "tr") as client:
        for path in (errand.path, f"{errand.path}/change", "/a/never"):
            over = await client.get(path)
            assert over.status_code == 410
            assert 'lang="tr"' in over.text


@pytest.mark.parametrize(
    ("language", "direction"), [("de", "ltr"), ("en", "ltr"), ("tr", "ltr"), ("ar", "rtl")]
)
async def test_the_pages_speak_every_language(house: CitizenHouse, language: str, direction: str) -> None:
    errand = await house.errand(language=language)
    async with (
        house.browser(errand.visitor, language) as client,
        house.browser(language=language) as stranger,
    ):
        answers = [await client.get(f"{errand.path}{end}") for end in ("", "/change", "/cancel")]
        answers += [await stranger.get(f"{errand.path}{end}") for end in ("", "/code")]
    for answer in answers:
        assert answer.status_code == 200
        assert f'<html lang="{language}" dir="{direction}">' in answer.text
        assert not re.search(r">\s*(link|appointment|booking)\.\w+", answer.text)  # a key without its text


async def crawl(house: CitizenHouse, errand: Errand, visitor: str | None, browser: str | None) -> list[int]:
    """Fetch every kind of link over and over, as previews and mail scanners do."""
    seen = []
    for path in (link(errand) for link in LINKS.values()):
        for _ in range(FETCHES):
            for method in ("GET", "HEAD"):
                async with house.browser(visitor) as client:
                    if browser:
                        client.cookies.set("foyer_browser", browser)
                    answer: httpx.Response = await client.request(method, path, headers={"Origin": ""})
                    seen.append(answer.status_code)
    return seen


@pytest.mark.promise("links.prefetch")
async def test_a_crawler_changes_nothing_and_the_link_still_works(
    house: CitizenHouse, promise: Promise
) -> None:
    errand = await house.errand(channel="telegram", mail="amira@example.org", fees=True)
    before = await digests(house.database)
    seen = await crawl(house, errand, None, None) + await crawl(house, errand, "x" * 43, "y" * 43)
    promise.figure(len(seen), f"fetches of {len(LINKS)} kinds of link")
    assert await digests(house.database) == before
    assert max(seen) < 500
    async with house.browser() as person:
        assert "1001" in (await person.post(f"{errand.path}/open")).text  # bound at once: nobody came first
        assert "13.00" in (await person.get(errand.pay)).text


@pytest.mark.promise("links.prefetch")
async def test_a_preview_in_the_persons_own_browser_changes_nothing_either(house: CitizenHouse) -> None:
    errand = await house.errand(mail="amira@example.org", fees=True)
    before = await digests(house.database)
    assert set(await crawl(house, errand, errand.visitor, None)) <= {200, 405}
    assert await digests(house.database) == before
    async with house.browser(errand.visitor) as person:
        assert "BEGIN:VCALENDAR" in (await person.get(f"{errand.path}/appointment.ics")).text
        (start, *_) = re.findall(r'value="(\d{8}T\d{4}Z)"', (await person.get(f"{errand.path}/change")).text)
        assert 'role="status"' in (await person.post(f"{errand.path}/change", data={"start": start})).text
        assert 'role="status"' in (await person.post(f"{errand.path}/cancel")).text
        assert "<svg" in (await person.get(errand.pay)).text
        assert "13.00" in (await person.get(f"{errand.paid}/receipt")).text
        assert (await person.get("/")).status_code == 200
