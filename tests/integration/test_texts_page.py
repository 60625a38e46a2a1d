"""The page "Texts": who may see it, what it says of each text, and how a text is changed, checked and brought back."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from foundation import content_store
from foundation.clock import FixedClock
from foundation.content_edits import Edit, Key, read_city
from foundation.content_models import words_mark
from foundation.content_store import ContentEdit, newest, version
from foundation.content_texts import CityText, CityTexts, tidy
from foundation.i18n import Catalogue
from foundation.settings import ROOT, Settings
from foyer.app import create_app
from foyer.content_cli import exported, imported
from foyer.seed import seed
from foyer.wiring import House, build
from people.models import Audit, Office, Staff, StaffSession

FEE = "services/certificate_of_conduct.yaml#aspects.fee"
TITLE = "legal/privacy.yaml#title"
SAY = Catalogue.load(ROOT / "content")


@dataclass(frozen=True)
class Served:
    """The whole application without a network, and the house below it."""

    app: FastAPI
    house: House

    @asynccontextmanager
    async def browser(self, language: str = "de") -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app=self.app)
        headers = {"Accept-Language": language, "Accept": "text/html"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost:8080", headers=headers
        ) as http:
            yield http

    @asynccontextmanager
    async def signed_in(
        self, login: str, *roles: str, language: str = "de"
    ) -> AsyncIterator[httpx.AsyncClient]:
        async with self.house.database.city(await self.house.city_id()) as session:
            office = await session.get_one(Office, await self.house.office_id())
            staff, password = await self.house.people.create_staff(
                session,
                office,
                login=login,
                name=f"Frau {login.title()}",
                roles=list(roles),
                languages=["de"],
            )
            staff.must_change_password = False
        async with self.browser(language) as http:
            await http.post("/desk/sign-in", data={"login": login, "password": password})
            yield http

    async def rows(self) -> list[ContentEdit]:
        async with self.house.database.city(await self.house.city_id()) as session:
            return list(await session.scalars(select(ContentEdit).order_by(ContentEdit.version)))

    async def add(self, *edits: Edit) -> None:
        """A version that came another way than by the page."""
        async with self.house.database.city(await self.house.city_id()) as session:
            await content_store.add(session, edits, author_id=None, note="", now=self.house.clock.now())
        await self.house.contents.refresh()

    async def sign_everybody_out(self) -> None:
        async with self.house.database.city(await self.house.city_id()) as session:
            await session.execute(update(StaffSession).values(expires_at=self.house.clock.now()))


@pytest.fixture
async def served(settings: Settings, clock: FixedClock) -> AsyncIterator[Served]:
    house = build(settings, str(settings.database_url), clock=clock)
    await seed(house)
    yield Served(await create_app(house), house)
    await house.database.close()


def address(key: str, language: str) -> str:
    return "/studio/texts/one?" + urlencode({"key": key, "in": language})


def mark_of(page: str) -> str:
    """What the page says the person has before them."""
    found = re.search(r'name="seen" value="(\w+)"', page)
    assert found
    return found[1]


def typed_in(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.S)
    assert found
    return unescape(found[1])


async def send(http: httpx.AsyncClient, key: str, language: str, do: str, **fields: str) -> httpx.Response:
    """Look at a text, then press one of its buttons; without a text the one that stands there is meant."""
    page = (await http.get(address(key, language))).text
    data = {"key": key, "in": language, "do": do, "seen": mark_of(page), "text": typed_in(page), **fields}
    return await http.post("/studio/texts/one", data=data)


async def test_texts_are_for_content_staff(served: Served) -> None:
    async with served.browser() as nobody:
        answer = await nobody.get("/studio/texts")
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in")
    async with served.signed_in("weber", "clerk") as clerk:
        assert (await clerk.get("/studio/texts")).status_code == 403
        assert (await clerk.get(address(FEE, "tr"))).status_code == 403
        data = {"key": FEE, "in": "tr", "do": "check"}
        assert (await clerk.post("/studio/texts/one", data=data)).status_code == 403
        assert "/studio/texts" not in (await clerk.get("/desk")).text
    async with served.signed_in("maria", "content") as content:
        assert (await content.get("/desk")).headers["location"] == "/studio/texts"
        assert (await content.get("/studio/texts")).status_code == 200
    async with served.signed_in("beide", "clerk", "admin") as both:
        assert 'href="/studio/texts"' in (await both.get("/desk")).text
        foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        data = {"key": FEE, "in": "tr", "do": "check"}
        assert (await both.post("/studio/texts/one", data=data, headers=foreign)).status_code == 403
    assert await served.rows() == []


async def test_every_entry_and_every_text_is_there(served: Served) -> None:
    content = served.house.content
    async with served.signed_in("maria", "content") as http:
        page = unescape((await http.get("/studio/texts")).text)
        names = [service.names["de"] for service in content.services.values()]
        names += [topic.title["de"] for topic in content.faq.values()]
        names += [legal.title["de"] for legal in content.legal.values()]
        assert [name for name in names if name not in page] == []
        some = unescape(
            (await http.get("/studio/texts?in=ar&file=services/certificate_of_conduct.yaml")).text
        )
        assert '<p class="words__text" lang="ar" dir="rtl">شهادة حسن السيرة والسلوك (Führungszeugnis)' in some
        assert '<p class="words__text" lang="de" dir="ltr">Führungszeugnis</p>' in some
        found = unescape((await http.get("/studio/texts?in=tr&q=GIZLILIK+bildirimi")).text)
        assert "Gizlilik bildirimi" in found
        assert "Führungszeugnis" not in re.findall(r'<ol class="texts">(.*)</ol>', found, re.S)[0]
        second = (await http.get("/studio/texts?in=tr&open=1&page=2")).text
        assert "Seite 2 von" in second


async def test_a_text_is_changed_checked_and_brought_back(served: Served, clock: FixedClock) -> None:
    async with served.signed_in("maria", "content") as http:
        was = typed_in((await http.get(address(TITLE, "tr"))).text)
        saved = await send(http, TITLE, "tr", "save", text="Kişisel verileriniz\r\n")
        assert saved.status_code == 303
        page = (await http.get(saved.headers["location"])).text
        assert "Gespeichert als Version 1." in page
        assert typed_in(page) == "Kişisel verileriniz"
        assert "von der Stadt geändert, nicht geprüft" in page
        assert (await send(http, TITLE, "tr", "check")).status_code == 303
        page = (await http.get(address(TITLE, "tr"))).text
        assert f"geprüft von Frau Maria, {clock.now().day}." in page
        assert (await send(http, TITLE, "tr", "restore", version="0")).status_code == 303
        page = (await http.get(address(TITLE, "tr"))).text
        assert typed_in(page) == was
        assert "maschinell, nicht geprüft" in page
        nothing = await send(http, TITLE, "tr", "save", text=was)
        assert "saved" not in nothing.headers["location"]
        await send(http, TITLE, "tr", "restore", version="2")
    rows = await served.rows()
    assert [(row.version, row.value, row.withdrawn) for row in rows] == [
        (1, "Kişisel verileriniz", False),
        (
            2,
            {
                "text": "Kişisel verileriniz",
                "checked_by": "Frau Maria",
                "checked_at": clock.now().date().isoformat(),
                "checked_words": words_mark("Datenschutzhinweise", "Kişisel verileriniz"),
            },
            False,
        ),
        (3, None, True),
        (4, "Kişisel verileriniz", False),  # brought back, and to be checked anew
    ]
    assert all(row.author_id and row.shipped == was for row in rows)
    async with served.house.database.city(await served.house.city_id()) as session:
        actions = list(
            await session.execute(
                select(Audit.action, Audit.detail).where(Audit.action.like("content.%")).order_by(Audit.seq)
            )
        )
    assert [tuple(one) for one in actions] == [
        ("content.changed", f"1 {TITLE} tr"),
        ("content.checked", f"2 {TITLE} tr"),
        ("content.restored", f"3 {TITLE} tr"),
        ("content.restored", f"4 {TITLE} tr"),
    ]
    await served.house.contents.refresh()
    assert served.house.content.page("privacy").title["tr"] == "Kişisel verileriniz"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Der Text ist leer"),
        ("Ücret: 13 €", "Es fehlt: {fee}"),
        ("Ücret: {fee} {price}", "Hier nicht bekannt: {price}"),
        ("Ücret: {fee} {fee!r}", "Hier nicht bekannt: {fee!r}"),
        ("Ücret: {fee} {", "Eine geschweifte Klammer"),
        ("Ücret: {fee} \u2067x", "Ein unsichtbares Zeichen"),
        ("Ücret: {fee} " + "x" * 8000, "Der Text ist zu lang"),
    ],
)
async def test_what_does_not_fit_is_told_and_what_was_typed_stays(
    served: Served, text: str, says: str
) -> None:
    async with served.signed_in("maria", "content") as http:
        refused = await send(http, FEE, "tr", "save", text=text)
    assert refused.status_code == 422
    assert says in unescape(refused.text)
    assert 'aria-invalid="true"' in refused.text
    assert 'action="/language"' not in refused.text  # another language would lose what was typed
    assert typed_in(refused.text) == text
    assert await served.rows() == []


async def test_what_somebody_else_changed_is_shown_and_what_was_typed_stays(served: Served) -> None:
    async with served.signed_in("maria", "content") as maria, served.signed_in("omar", "admin") as omar:
        seen = mark_of((await maria.get(address(TITLE, "tr"))).text)
        await send(omar, TITLE, "tr", "save", text="Omar'ın metni")
        mine = {"key": TITLE, "in": "tr", "do": "save", "text": "Benim metnim", "seen": seen}
        wrong = await maria.post("/studio/texts/one", data={**mine, "text": "{x}"})
        assert (wrong.status_code, mark_of(wrong.text)) == (422, seen)
        late = await maria.post("/studio/texts/one", data=mine)
        assert late.status_code == 409
        assert "Omar'ın metni" in unescape(late.text)
        assert typed_in(late.text) == "Benim metnim"
        assert "aria-invalid" not in late.text
        assert 'action="/language"' not in late.text
        again = await maria.post("/studio/texts/one", data={**mine, "seen": mark_of(late.text)})
        assert again.status_code == 303
        checks = {"key": TITLE, "in": "ar", "do": "check", "stands": "1"}
        seen = mark_of((await maria.get(address(TITLE, "ar"))).text)
        await send(omar, TITLE, "de", "save", text="Ihre Daten")
        late = await maria.post("/studio/texts/one", data={**checks, "seen": seen})
        assert late.status_code == 409  # the German text beside it is no longer the one she has read
    assert [row.value for row in await served.rows()] == ["Omar'ın metni", "Benim metnim", "Ihre Daten"]


async def test_a_new_german_text_takes_the_checks_of_its_translations(served: Served) -> None:
    async with served.signed_in("maria", "content") as http:
        for language in ("de", "tr", "ar"):
            await send(http, TITLE, language, "check")
        await send(http, TITLE, "tr", "check")  # pressed twice is one check
        await send(http, TITLE, "de", "check", text="Ihre Daten")
        page = (await http.get("/studio/texts?in=de&file=legal/privacy.yaml")).text
        assert page.count("geprüft von Frau Maria") == 1
        page = (await http.get("/studio/texts?in=tr&file=legal/privacy.yaml")).text
        assert page.count("geprüft von Frau Maria") == 1  # the German one
    async with served.house.database.city(await served.house.city_id()) as session:
        assert await version(session) == 4
        assert {edit.key.language: edit.withdrawn for edit in await newest(session)} == {
            "de": False,
            "tr": True,
            "ar": True,
        }


async def test_what_was_typed_outlives_the_session(served: Served) -> None:
    async with served.signed_in("maria", "content") as http:
        seen = mark_of((await http.get(address(TITLE, "tr"))).text)
        await served.sign_everybody_out()
        data = {"key": TITLE, "in": "tr", "do": "save", "text": "Verileriniz", "seen": seen}
        answer = await http.post("/studio/texts/one", data=data)
        assert answer.status_code == 401
        assert typed_in(answer.text) == "Verileriniz"
        assert mark_of(answer.text) == seen
        assert 'href="/desk/sign-in"' in answer.text
    assert await served.rows() == []


async def test_what_was_typed_outlives_a_reset_of_the_password(served: Served) -> None:
    async with served.signed_in("maria", "content") as http:
        seen = mark_of((await http.get(address(TITLE, "tr"))).text)
        async with served.house.database.city(await served.house.city_id()) as session:
            await session.execute(update(Staff).values(must_change_password=True))
        data = {"key": TITLE, "in": "tr", "do": "save", "text": "Verileriniz", "seen": seen}
        answer = await http.post("/studio/texts/one", data=data)
    assert answer.status_code == 403
    assert typed_in(answer.text) == "Verileriniz"
    assert mark_of(answer.text) == seen
    assert 'href="/desk/password"' in answer.text
    assert "Bitte wählen Sie zuerst ein eigenes Passwort. Ihr Text steht noch unten." in answer.text
    assert await served.rows() == []


def checked(text: CityText, language: str) -> Edit:
    words = text.said[language].text
    mark = words_mark(text.said["de"].text, words)
    value = {
        "text": words,
        "checked_by": "Rechtsamt",
        "checked_at": "2026-11-02",
        "checked_words": mark,
    }
    return Edit(Key(text.key, language), value, shipped=text.shipped[language])


async def every_text(house: House) -> list[CityText]:
    texts = CityTexts(house.settings.content_dir, house.settings.city, house.clock)
    async with house.database.city(await house.city_id()) as session:
        return await texts.all(session)


async def check_file(house: House, file: str, language: str) -> None:
    """Somebody has read a whole entry in a language."""
    edits = [checked(text, language) for text in await every_text(house) if text.file == file]
    async with house.database.city(await house.city_id()) as session:
        await content_store.add(session, edits, author_id=None, note="", now=house.clock.now())
    await house.contents.refresh()


async def states(house: House, key: str, *languages: str) -> list[str]:
    """What the page says of a text, in each of these languages."""
    text = next(text for text in await every_text(house) if text.key == key)
    return [text.status(language) for language in languages]


@pytest.mark.parametrize("words", ["tr", "de"])
async def test_a_check_does_not_outlive_its_words_in_an_import(
    served: Served, tmp_path: Path, words: str
) -> None:
    """Somebody corrects an exported file and leaves the note of who checked it where it stands."""
    house = served.house
    for language in ("de", "tr", "ar"):
        await check_file(house, "legal/privacy.yaml", language)
    url = str(house.settings.database_url)
    await exported(house.settings, url, tmp_path / "out", lambda line: None)
    shutil.copytree(tmp_path / "out", tmp_path / "again")
    await imported(house.settings, url, tmp_path / "again", lambda line: None)
    assert await states(house, TITLE, "de", "tr", "ar") == ["checked"] * 3
    file = tmp_path / "out" / "legal" / "privacy.yaml"
    was = house.content.page("privacy").title[words]
    file.write_bytes(file.read_bytes().replace(was.encode(), b"Neu", 1))
    await imported(house.settings, url, tmp_path / "out", lambda line: None)
    await house.contents.refresh()
    page = house.content.page("privacy")
    assert page.title[words] == "Neu"
    left = {"tr": ["checked", "edited", "checked"], "de": ["edited"] * 3}[words]
    assert await states(house, TITLE, "de", "tr", "ar") == left
    assert [page.is_checked(code, ()) for code in ("de", "tr", "ar")] == [one == "checked" for one in left]


async def test_a_check_does_not_outlive_a_new_shipped_german_text(settings: Settings, tmp_path: Path) -> None:
    content = tmp_path / "content"
    shutil.copytree(ROOT / "content", content, ignore=shutil.ignore_patterns(".lock"))
    own = settings.model_copy(update={"content_dir": content})
    house = build(own, str(settings.database_url))
    await seed(house)
    await check_file(house, "legal/privacy.yaml", "tr")
    assert house.content.page("privacy").is_checked("tr", ())
    file = content / "cities" / own.city / "legal" / "privacy.yaml"
    file.write_bytes(file.read_bytes().replace(b'de: "Datenschutzhinweise"', b'de: "Ihre Daten"'))
    assert await states(house, TITLE, "tr") == ["edited"]
    house.contents.version = 0  # as at the start of the new release
    await house.contents.refresh()
    assert not house.content.page("privacy").is_checked("tr", ())
    await house.database.close()


async def test_a_check_without_its_words_does_not_count(served: Served) -> None:
    title = next(text for text in await every_text(served.house) if text.key == TITLE)
    edit = checked(title, "de")
    del edit.value["checked_words"]
    await served.add(edit)
    assert await states(served.house, TITLE, "de") == ["edited"]
    assert served.house.content.page("privacy").title.status("de") == "machine"
    async with served.signed_in("maria", "content") as http:
        assert "geprüft von Rechtsamt" not in (await http.get(address(TITLE, "de"))).text
        await send(http, TITLE, "de", "check")
    assert await states(served.house, TITLE, "de") == ["checked"]


async def test_a_long_search_in_chinese_leads_to_a_text_and_back(served: Served) -> None:
    back = "/studio/texts?" + urlencode({"in": "zh", "q": "请" * 200})
    async with served.signed_in("maria", "content") as http:
        page = await http.get(address(TITLE, "zh") + f"&back={quote(back, safe='')}")
        assert page.status_code == 200
        assert f'href="{back}"' in unescape(page.text)
        data = {"key": TITLE, "in": "zh", "do": "check", "stands": "1", "back": f"{back}#t1"}
        answer = await http.post("/studio/texts/one", data={**data, "seen": mark_of(page.text)})
    assert answer.headers["location"] == f"{back}&saved=1#t1"


async def test_a_saved_check_is_told_in_the_list(served: Served) -> None:
    back = "/studio/texts?in=tr&file=legal/privacy.yaml"
    async with served.signed_in("maria", "content") as http:
        assert 'role="status"' not in (await http.get(back)).text
        seen = mark_of((await http.get(address(TITLE, "tr"))).text)
        data = {"key": TITLE, "in": "tr", "do": "check", "stands": "1", "seen": seen, "back": back}
        answer = await http.post("/studio/texts/one", data=data)
        page = (await http.get(answer.headers["location"])).text
    assert '<p class="done" role="status">Gespeichert als Version 1.</p>' in page


async def test_links_and_buttons_of_a_list_have_names_of_their_own(served: Served) -> None:
    async with served.signed_in("maria", "content") as http:
        page = (await http.get("/studio/texts?in=tr&file=services/certificate_of_conduct.yaml")).text
        await send(http, TITLE, "tr", "save", text="Verileriniz")
        one = (await http.get(address(TITLE, "tr"))).text
    listed = re.findall(r'<ol class="texts">(.*)</ol>', page, re.S)[0]
    names = [
        " ".join(re.findall(rf'id="{part}"[^>]*>([^<]*)<', listed)[0] for part in parts.split())
        for parts in re.findall(r'aria-labelledby="([^"]*)"', listed)
    ]
    assert len(names) == listed.count("<a ") + listed.count("<button ") > 10
    assert len(set(names)) == len(names)
    assert "Als geprüft markieren Antwort aspects.fee" in names
    assert "aria-describedby" not in listed
    assert 'aria-labelledby="restore-0 version-0"' in one
    assert 'id="version-0"' in one


async def test_spaces_and_line_ends_are_as_a_person_meant_them() -> None:
    assert tidy("\t a\tb\r\nc\rd\ve\ff\x85g\u2028h\u2029i\x00\x1b\x1c \u200fj\n\x07") == (
        "a b\nc\nd\ne\nf\ng\nh\ni \u200fj"
    )


async def test_a_taken_back_version_is_shown_as_it_was(served: Served) -> None:
    """Since then the city has got another shipped text, which no earlier version ever said."""
    text = next(text for text in await every_text(served.house) if text.key == TITLE)
    key = Key(TITLE, "tr")
    await served.add(Edit(key, "Bir", shipped="Eski"))
    await served.add(Edit(key, withdrawn=True, shipped="Eski"))
    await served.add(Edit(key, "İki", shipped="Eski"))
    async with served.signed_in("maria", "content") as http:
        page = unescape((await http.get(address(TITLE, "tr"))).text)
        versions = re.findall(r'<ol class="versions">(.*)</ol>', page, re.S)[0]
        shown = re.findall(r'<p class="words__text"[^>]*>(.*?)</p>', versions)
        assert shown == ["İki", "Eski", "Bir", text.shipped["tr"]]
        await send(http, TITLE, "tr", "restore", version="2")
        assert typed_in((await http.get(address(TITLE, "tr"))).text) == "Eski"
        again = await send(http, TITLE, "tr", "restore", version="2")  # it says so already
        assert "saved" not in again.headers["location"]
    assert (await served.rows())[-1].version == 4


async def test_a_check_taken_away_leaves_the_news_of_another_shipped_text(served: Served) -> None:
    text = next(text for text in await every_text(served.house) if text.key == TITLE)
    mark = words_mark(text.shipped["de"], "Verileriniz")
    by = {"checked_by": "Rechtsamt", "checked_at": "2026-11-02", "checked_words": mark}
    await served.add(Edit(Key(TITLE, "tr"), {"text": "Verileriniz", **by}, shipped="Eski"))
    async with served.signed_in("maria", "content") as http:
        assert "Der mitgelieferte Text ist jetzt ein anderer" in (await http.get(address(TITLE, "tr"))).text
        await send(http, TITLE, "de", "save", text="Ihre Daten")
        page = (await http.get(address(TITLE, "tr"))).text
    assert "Der mitgelieferte Text ist jetzt ein anderer" in page
    versions = re.findall(r'<ol class="versions">(.*)</ol>', page, re.S)[0]
    assert versions.count("geprüft von Rechtsamt") == 1  # it was true once
    assert await states(served.house, TITLE, "tr") == ["edited"]
    assert [row.shipped for row in await served.rows() if row.language == "tr"] == ["Eski", "Eski"]


async def test_a_legal_page_is_of_the_day_of_its_last_change(served: Served, clock: FixedClock) -> None:
    house = served.house
    shipped = house.content.page("privacy").updated
    late = clock.now().replace(month=12, day=30, hour=23, minute=30)  # it is the 31st in the office
    clock.move(late - clock.now())
    await check_file(house, "legal/privacy.yaml", "de")
    assert house.content.page("privacy").updated == shipped
    async with served.signed_in("maria", "content") as http:
        await send(http, TITLE, "de", "save", text="Ihre Daten")
    await house.contents.refresh()
    day = (clock.now() + timedelta(days=1)).date()
    assert house.content.page("privacy").updated == day
    assert house.content.page("imprint").updated != day
    async with served.browser() as reader:
        assert f"31. Dezember {day.year}" in (await reader.get("/privacy")).text


async def test_every_text_can_be_checked(served: Served) -> None:
    """The files with a check on every text are read as before, and say so."""
    settings = served.house.settings
    edits = [checked(text, code) for text in await every_text(served.house) for code in text.said]
    content = read_city(settings.content_dir, settings.city, edits)
    assert all(
        page.is_checked(code, ()) for page in content.legal.values() for code in content.city.languages
    )
    assert content.service("certificate_of_conduct").aspects["fee"].status("zh") != "machine"
    plain = read_city(settings.content_dir, settings.city, ())
    assert content.services == plain.services
    assert content.faq == plain.faq


@pytest.mark.parametrize("language", ["de", "en", "tr", "ar", "fr", "pl", "uk", "ru", "es", "it", "zh", "ro"])
async def test_a_reader_is_told_that_nobody_has_checked_a_legal_text(served: Served, language: str) -> None:
    house = served.house
    nobody = SAY("page.unchecked", language)
    translation = SAY("page.unchecked_translation", language)
    async with served.browser(language) as reader:
        page = unescape((await reader.get("/imprint")).text)
        assert nobody in page
        assert "?text=de" not in page
        await check_file(house, "legal/imprint.yaml", "de")
        page = unescape((await reader.get("/imprint")).text)
        assert nobody not in page
        if language == "de":
            assert "?text=de" not in page
            return
        assert translation in page
        assert page.index(translation) < page.index("<article")
        german = unescape((await reader.get("/imprint?text=de")).text)
        assert '<article lang="de" dir="ltr">' in german
        assert house.content.page("imprint").title["de"] in german
        assert nobody not in german
        assert translation not in german
        assert "set-cookie" not in (await reader.get("/imprint?text=de")).headers
        await check_file(house, "legal/imprint.yaml", language)
        page = unescape((await reader.get("/imprint")).text)
        assert nobody not in page
        assert translation not in page
