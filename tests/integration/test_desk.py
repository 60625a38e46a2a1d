"""The desk over HTTP: who gets in, what is shown, that every look is written down."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from foundation import content
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.files import DatabaseFiles
from foundation.live import Hub
from foundation.settings import ROOT, Settings
from foundation.web import Assets, Pages, install
from pages.desk import routes
from pages.desk.live import NOT_SIGNED_IN
from pages.desk.views import Views
from people.models import Audit
from tests.support.desk import Bureau, sample_bureau
from tests.support.factory import Factory, SampleCity
from web_call.files import CaseFiles

LANGUAGES = ("de", "en", "tr", "ar")
OWN = "ein-eigenes-passwort"


@dataclass(frozen=True)
class Served:
    """The desk's own app without a network."""

    app: FastAPI
    bureau: Bureau
    database: Database
    city: SampleCity

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app=self.app)
        headers = {"Accept-Language": "de"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost:8080", headers=headers
        ) as http:
            yield http

    async def account(self, login: str, *, roles: tuple[str, ...] = ("clerk",)) -> str:
        """A clerk who has chosen their password."""
        async with self.database.city(self.city.id) as session:
            staff, password = await self.bureau.people.create_staff(
                session,
                self.city.office,
                login=login,
                name=login.title(),
                roles=list(roles),
                languages=["de"],
            )
            staff.must_change_password = False
        return password

    @asynccontextmanager
    async def clerk(self, login: str) -> AsyncIterator[httpx.AsyncClient]:
        password = await self.account(login)
        async with self.browser() as http:
            answer = await http.post("/desk/sign-in", data={"login": login, "password": password})
            assert answer.headers["location"] == "/desk"
            yield http

    async def listen(self, http: httpx.AsyncClient) -> int | None:
        """The code that closes the desk's socket to this browser; None when it is heard there."""
        cookies = "; ".join(f"{one.name}={one.value}" for one in http.cookies.jar)
        address = {"type": "websocket", "path": "/desk/live", "query_string": b"", "subprotocols": []}
        scope = address | {"headers": [(b"host", b"localhost:8080"), (b"cookie", cookies.encode())]}
        ping = {"type": "websocket.receive", "text": json.dumps({"kind": "ping"})}
        gone = {"type": "websocket.disconnect", "code": 1001}
        said, told = iter([{"type": "websocket.connect"}, ping, gone]), list[Any]()

        async def receive() -> Any:
            return next(said)

        async def send(message: Any) -> None:
            told.append(message)

        await self.app(scope, receive, send)
        if any(json.loads(one.get("text", "{}")) == {"kind": "pong"} for one in told):
            return None
        closed: int = told[-1]["code"]
        return closed

    async def looks(self, case_id: uuid.UUID) -> list[str]:
        async with self.database.city(self.city.id) as session:
            rows = await session.scalars(select(Audit).where(Audit.case_id == case_id).order_by(Audit.seq))
            return [row.action for row in rows]


@pytest.fixture
def served(
    database: Database,
    settings: Settings,
    vault: Vault,
    clock: FixedClock,
    city: SampleCity,
    make: Factory,
) -> Served:
    bureau = sample_bureau(vault, clock, make)
    pages = Pages(
        settings=settings,
        catalogue=bureau.conversations.catalogue,
        languages=LANGUAGES,
        templates={"desk": routes.TEMPLATES},
        names={"desk": routes.TEXTS},
        shared=lambda language: {"office_name": "Bürgeramt", "city_name": "Heidelberg", "sample": True},
        assets=Assets(),
    )
    escalation = bureau.escalation
    views = Views(
        escalation.conversations,
        escalation,
        escalation.people,
        escalation.booking,
        content.load(ROOT / "content", "heidelberg"),
        clock,
        CaseFiles(escalation.conversations, DatabaseFiles(escalation.conversations.vault)),
    )
    app = FastAPI()
    app.include_router(
        routes.router(
            routes.Desk(database, Hub(database), pages, escalation.people, escalation, views, city.id)
        )
    )
    install(app, pages)
    return Served(app, bureau, database, city)


async def test_nobody_gets_in_without_signing_in(served: Served) -> None:
    async with served.browser() as http:
        for path in ("/desk", "/desk/password"):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in")
        for method, path in (
            ("GET", "/desk/api/overview"),
            ("GET", f"/desk/api/cases/{uuid.uuid4()}"),
            ("POST", f"/desk/api/waiting/{uuid.uuid4()}/admit"),
            ("POST", f"/desk/api/cases/{uuid.uuid4()}/close"),
        ):
            answer = await http.request(method, path, json={"outcome": "done"})
            assert answer.status_code == 401
            assert answer.json()["error"] == "error.sign_in_needed"
            assert answer.json()["message"]


async def test_the_first_password_must_be_changed(served: Served) -> None:
    async with served.database.city(served.city.id) as session:
        _, first = await served.bureau.people.create_staff(
            session, served.city.office, login="neu", name="Neu", roles=["clerk"], languages=["de"]
        )
    async with served.browser() as http:
        answer = await http.post("/desk/sign-in", data={"login": "neu", "password": first})
        assert answer.headers["location"] == "/desk/password"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert first not in cookie
        assert (await http.get("/desk")).headers["location"] == "/desk/password"
        refused = await http.get("/desk/api/overview")
        assert (refused.status_code, refused.json()["error"]) == (403, "staff.password_change_needed")
        wrong = await http.post("/desk/password", data={"old": first, "new": OWN, "again": "anders"})
        assert wrong.status_code == 422
        right = await http.post("/desk/password", data={"old": first, "new": OWN, "again": OWN})
        assert right.headers["location"] == "/desk"
        assert (await http.get("/desk/api/overview")).status_code == 200
        assert (await http.post("/desk/sign-out")).headers["location"] == "/desk/sign-in"
        assert (await http.get("/desk/api/overview")).status_code == 401


async def test_wrong_passwords_are_told_and_slowed_down(served: Served) -> None:
    password = await served.account("weber")
    async with served.browser() as http:
        answers = [
            await http.post("/desk/sign-in", data={"login": "weber", "password": "falsch"}) for _ in range(4)
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert "Bitte warten Sie" in answers[-1].text
        assert 'value="weber"' in answers[0].text
        served.bureau.clock.instant = served.bureau.clock.now().replace(minute=59)
        answer = await http.post("/desk/sign-in", data={"login": "weber", "password": password})
        assert answer.headers["location"] == "/desk"


async def test_the_desk_is_for_clerks(served: Served) -> None:
    password = await served.account("redaktion", roles=("content",))
    async with served.browser() as http:
        await http.post("/desk/sign-in", data={"login": "redaktion", "password": password})
        assert (await http.get("/desk/api/overview")).status_code == 403
        assert await served.listen(http) == NOT_SIGNED_IN


async def test_the_desks_news_are_for_clerks_with_a_password_of_their_own(served: Served) -> None:
    async with served.clerk("weber") as http:
        assert await served.listen(http) is None
        async with served.database.city(served.city.id) as session:
            first = await served.bureau.people.reset_password(session, "weber")
        await http.post("/desk/sign-in", data={"login": "weber", "password": first})
        assert await served.listen(http) == NOT_SIGNED_IN
    async with served.browser() as http:
        assert await served.listen(http) == NOT_SIGNED_IN


async def test_another_sites_page_can_do_nothing(served: Served) -> None:
    async with served.clerk("weber") as http:
        foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        answer = await http.post("/desk/sign-out", headers=foreign)
        assert answer.status_code == 403
        assert (await http.get("/desk/api/overview")).status_code == 200


async def test_the_way_of_a_case_over_the_desk(served: Served) -> None:
    bureau = served.bureau
    async with served.database.city(served.city.id) as session:
        thread = await bureau.person(session, language="ar", zone="Asia/Manila")
        case = await bureau.join(session, thread, bureau.clock.now())
        await bureau.writes(session, thread, "مرحبا")
    async with served.clerk("weber") as weber, served.clerk("demir") as demir:
        overview = (await weber.get("/desk/api/overview")).json()
        (waiter,) = overview["waiting"]
        assert (waiter["position"], waiter["language"], waiter["number"]) == (1, "ar", case.number)
        assert [one["state"] for one in overview["today"]] == ["waiting"]
        assert (await weber.post(f"/desk/api/waiting/{waiter['id']}/admit")).json() == {
            "case_id": str(case.id)
        }
        late = await demir.post(f"/desk/api/waiting/{waiter['id']}/admit")
        assert (late.status_code, late.json()["error"]) == (409, "queue.already_admitted")
        assert "Weber" in late.json()["message"]
        shown = (await weber.get(f"/desk/api/cases/{case.id}")).json()
        assert shown["holder"] == {"name": "Weber", "me": True}
        assert shown["appointment"]["zone"] == "Asia/Manila"
        assert [one["text"] for one in shown["messages"]] == ["مرحبا"]
        assert shown["matter"]["term"] == "Anmeldung eines Wohnsitzes"
        assert shown["matter"]["papers"]
        said = {"text": "Guten Tag", "key": "00112233"}
        for _ in range(2):
            assert (await weber.post(f"/desk/api/cases/{case.id}/say", json=said)).status_code == 200
        thread_now = (await weber.get(f"/desk/api/cases/{case.id}/thread")).json()
        assert [(one["key"], one["text"]) for one in thread_now["pending"]] == [("00112233", "Guten Tag")]
        refused = await demir.post(f"/desk/api/cases/{case.id}/say", json=said)
        assert refused.json()["error"] == "desk.not_the_holder"
        overview = (await weber.get("/desk/api/overview")).json()
        assert [one["number"] for one in overview["mine"]] == [case.number]
        assert [(one["state"], one["holder"]) for one in overview["today"]] == [("talking", "Weber")]
        closing = {"outcome": "done", "next_steps": [{"code": "confirmation_by_post", "by": "2026-11-02"}]}
        preview = (await weber.post(f"/desk/api/cases/{case.id}/summary", json=closing)).json()
        assert (await weber.post(f"/desk/api/cases/{case.id}/close", json=closing)).json() == preview
        shown = (await weber.get(f"/desk/api/cases/{case.id}")).json()
        assert (shown["state"], shown["outcome"], shown["holder"]) == ("closed", "done", None)
        overview = (await weber.get("/desk/api/overview")).json()
        assert [one["state"] for one in overview["today"]] == ["done"]
        assert overview["mine"] == overview["waiting"] == []


async def test_every_look_at_a_case_is_written_down(served: Served) -> None:
    async with served.database.city(served.city.id) as session:
        case = await served.bureau.case(session, await served.bureau.person(session))
    async with served.clerk("weber") as weber:
        await weber.get("/desk/api/overview")
        assert await served.looks(case.id) == []
        await weber.get(f"/desk/api/cases/{case.id}")
        await weber.get(f"/desk/api/cases/{case.id}/thread")
        assert await served.looks(case.id) == ["case.looked", "case.looked"]
        await weber.post(f"/desk/api/cases/{case.id}/take-over")
        await weber.get(f"/desk/api/cases/{case.id}")
        await weber.post(f"/desk/api/cases/{case.id}/hand-back")
        assert (await served.looks(case.id))[2:] == ["case.admitted", "case.looked", "case.handed_back"]


async def test_written_questions_are_not_lost(served: Served) -> None:
    """A case that nobody holds and nobody waits with is listed until somebody takes it."""
    async with served.database.city(served.city.id) as session:
        thread = await served.bureau.person(session)
        case = await served.bureau.case(session, thread)
        await served.bureau.writes(session, thread, "A question at night")
    async with served.clerk("weber") as weber:
        overview = (await weber.get("/desk/api/overview")).json()
        assert [one["number"] for one in overview["unheld"]] == [case.number]
        assert "A question at night" not in str(overview)
        await weber.post(f"/desk/api/cases/{case.id}/take-over")
        overview = (await weber.get("/desk/api/overview")).json()
        assert (overview["unheld"], [one["number"] for one in overview["mine"]]) == ([], [case.number])


async def test_a_case_of_another_office_is_not_there(
    served: Served, database: Database, city: SampleCity
) -> None:
    async with served.database.city(served.city.id) as session:
        case = await served.bureau.case(session, await served.bureau.person(session))
        other = type(city.office)(city_id=city.id, slug="other", name="Other", zone="Europe/Berlin")
        session.add(other)
        await session.flush()
        case.office_id = other.id
    async with served.clerk("weber") as weber:
        assert (await weber.get(f"/desk/api/cases/{case.id}")).status_code == 404
        assert (await weber.post(f"/desk/api/cases/{case.id}/take-over")).status_code == 404
    assert await served.looks(case.id) == []
