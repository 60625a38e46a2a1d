"""The waiting room, holding a case, and how it ends: on a real database."""

import uuid
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from conversation.models import Case
from escalation.models import Waiting
from escalation.outcome import NEXT_STEPS, OUTCOMES, Closing, NextStep
from escalation.service import (
    AlreadyAdmitted,
    CaseIsClosed,
    NoLongerWaiting,
    NotTheHolder,
    Place,
)
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.errors import Invalid, NotFound
from foundation.events import events_of
from foundation.live import LiveRow
from people.models import Audit
from tests.support.desk import Bureau, sample_bureau
from tests.support.factory import Factory, SampleCity


@pytest.fixture
def bureau(vault: Vault, clock: FixedClock, make: Factory) -> Bureau:
    return sample_bureau(vault, clock, make)


async def kinds(database: Database, city: SampleCity, stream: str) -> list[str]:
    async with database.city(city.id) as session:
        rows = await session.scalars(select(LiveRow).where(LiveRow.stream == stream).order_by(LiveRow.seq))
        return [row.kind for row in rows]


async def order(database: Database, city: SampleCity, bureau: Bureau) -> list[uuid.UUID]:
    async with database.city(city.id) as session:
        return [one.case_id for one in await bureau.escalation.waiting(session, city.office.id)]


async def test_a_place_is_kept_on_reload(database: Database, city: SampleCity, bureau: Bureau) -> None:
    async with database.city(city.id) as session:
        first, second = await bureau.person(session), await bureau.person(session)
        await bureau.join(session, first)
        bureau.clock.move(timedelta(minutes=1))
        await bureau.join(session, second)
    for _ in range(3):
        bureau.clock.move(timedelta(minutes=5))
        async with database.city(city.id) as session:
            await bureau.join(session, first)
            assert await bureau.escalation.place(session, first.id) == Place(1, 0, 0, 1)
            assert await bureau.escalation.place(session, second.id) == Place(2, 10, 1, 1)
    async with database.city(city.id) as session:
        assert len(list(await session.scalars(select(Waiting)))) == 2
        assert len(await events_of(session, "queue.joined")) == 2


async def test_the_rule_of_the_waiting_room(database: Database, city: SampleCity, bureau: Bureau) -> None:
    """Due appointments by time, late ones by arrival, then walk-ins, then early ones until their time comes."""
    now = bureau.clock.now()
    async with database.city(city.id) as session:
        walk_in = await bureau.join(session, await bureau.person(session))
        early = await bureau.join(session, await bureau.person(session), now + timedelta(minutes=30))
        on_time = await bureau.join(session, await bureau.person(session), now + timedelta(minutes=3))
        late = await bureau.join(session, await bureau.person(session), now - timedelta(minutes=40))
        bureau.clock.move(timedelta(minutes=1))
        second_walk_in = await bureau.join(session, await bureau.person(session))
    expected = [late, on_time, walk_in, second_walk_in, early]
    assert await order(database, city, bureau) == [case.id for case in expected]
    bureau.clock.move(timedelta(minutes=24))
    expected = [late, on_time, early, walk_in, second_walk_in]
    assert await order(database, city, bureau) == [case.id for case in expected]
    bureau.clock.move(timedelta(minutes=1))
    async with database.city(city.id) as session:
        very_late = await bureau.join(session, await bureau.person(session), now + timedelta(minutes=1))
    expected = [late, on_time, very_late, early, walk_in, second_walk_in]
    assert await order(database, city, bureau) == [case.id for case in expected]


async def test_the_estimate_counts_clerks_and_running_talks(
    database: Database, city: SampleCity, bureau: Bureau
) -> None:
    async with database.city(city.id) as session:
        threads = [await bureau.person(session) for _ in range(5)]
        for thread in threads:
            await bureau.join(session, thread)
        await bureau.people.stay_on_duty(session, city.clerk.id)
        await bureau.people.stay_on_duty(session, city.second_clerk.id)
        waiting = await bureau.escalation.waiting(session, city.office.id)
        assert [one.place.minutes for one in waiting] == [0, 0, 10, 10, 20]
        await bureau.escalation.admit(session, waiting[0].id, city.clerk)
    bureau.clock.move(timedelta(minutes=1))
    async with database.city(city.id) as session:
        places = [await bureau.escalation.place(session, thread.id) for thread in threads]
    assert places == [None, Place(1, 0, 0, 2), Place(2, 9, 1, 2), Place(3, 10, 2, 2), Place(4, 19, 3, 2)]


async def test_leaving_gives_the_place_up(database: Database, city: SampleCity, bureau: Bureau) -> None:
    async with database.city(city.id) as session:
        thread = await bureau.person(session)
        case = await bureau.join(session, thread)
        (waiter,) = await bureau.escalation.waiting(session, city.office.id)
        await bureau.escalation.leave(session, case)
        await bureau.escalation.leave(session, case)
        assert await bureau.escalation.place(session, thread.id) is None
        with pytest.raises(NoLongerWaiting):
            await bureau.escalation.admit(session, waiter.id, city.clerk)


async def test_open_now_needs_hours_and_a_clerk(database: Database, city: SampleCity, bureau: Bureau) -> None:
    async with database.city(city.id) as session:
        assert not await bureau.escalation.open_now(session, city.office)
        await bureau.people.stay_on_duty(session, city.clerk.id)
        assert await bureau.escalation.open_now(session, city.office)
        bureau.clock.move(timedelta(hours=6))
        await bureau.people.stay_on_duty(session, city.clerk.id)
        assert not await bureau.escalation.open_now(session, city.office)


async def test_a_clerk_who_comes_changes_the_estimates(
    database: Database, city: SampleCity, bureau: Bureau
) -> None:
    async with database.city(city.id) as session:
        await bureau.join(session, await bureau.person(session))
    before = await kinds(database, city, f"office:{city.office.id}")
    for _ in range(2):
        async with database.city(city.id) as session:
            await bureau.escalation.on_duty(session, city.clerk)
    assert (await kinds(database, city, f"office:{city.office.id}"))[len(before) :] == ["queue"]


async def test_admitting_gives_the_case_one_holder(
    database: Database, city: SampleCity, bureau: Bureau
) -> None:
    async with database.city(city.id) as session:
        thread = await bureau.person(session, language="tr")
        case = await bureau.join(session, thread)
        (waiter,) = await bureau.escalation.waiting(session, city.office.id)
    async with database.city(city.id) as session:
        await bureau.escalation.admit(session, waiter.id, city.clerk)
        await bureau.escalation.admit(
            session, waiter.id, city.clerk
        )  # the answer was lost, the desk asks again
    async with database.city(city.id) as session:
        assert (await session.get_one(Case, case.id)).holder_id == city.clerk.id
        with pytest.raises(AlreadyAdmitted) as refused:
            await bureau.escalation.admit(session, waiter.id, city.second_clerk)
        assert refused.value.params == {"name": "Clerk"}
        with pytest.raises(AlreadyAdmitted):
            await bureau.escalation.take_over(session, case, city.second_clerk)
        ((author, body),) = await bureau.sent(session, thread.id)
        assert author == "system"
        assert "Clerk" in body["text"]
        assert "Bürgeramt" in body["german"]
        assert body["text"] != body["german"]
        assert [event.data["staff_id"] for event in await events_of(session, "case.admitted")] == [
            str(city.clerk.id)
        ]
    assert await kinds(database, city, f"conversation:{thread.id}") == ["case", "case"]
    assert (await kinds(database, city, f"office:{city.office.id}"))[-2:] == ["queue", "case"]


async def test_a_clerk_of_another_office_finds_nobody(
    database: Database, city: SampleCity, bureau: Bureau
) -> None:
    async with database.city(city.id) as session:
        case = await bureau.join(session, await bureau.person(session))
        (waiter,) = await bureau.escalation.waiting(session, city.office.id)
        city.second_clerk.office_id = uuid.uuid4()
        with pytest.raises(NotFound):
            await bureau.escalation.admit(session, waiter.id, city.second_clerk)
        with pytest.raises(NotFound):
            await bureau.escalation.take_over(session, case, city.second_clerk)


async def test_only_the_holder_says_and_each_message_is_one(
    database: Database, city: SampleCity, bureau: Bureau
) -> None:
    async with database.city(city.id) as session:
        thread = await bureau.person(session)
        case = await bureau.case(session, thread)
        with pytest.raises(NotTheHolder):
            await bureau.escalation.say(session, case, city.clerk, "Guten Tag", key="1")
        await bureau.escalation.take_over(session, case, city.clerk)
        for _ in range(2):
            await bureau.escalation.say(session, case, city.clerk, "Guten Tag", key="1")
        with pytest.raises(NotTheHolder):
            await bureau.escalation.say(session, case, city.second_clerk, "Ich auch", key="2")
        with pytest.raises(Invalid):
            await bureau.escalation.say(session, case, city.clerk, "  ", key="3")
        said = [body["text"] for author, body in await bureau.sent(session, thread.id) if author == "clerk"]
        assert said == ["Guten Tag"]


async def test_a_clerk_answers_where_the_person_last_wrote(
    database: Database, city: SampleCity, bureau: Bureau, make: Factory
) -> None:
    async with database.city(city.id) as session:
        phone = await bureau.person(session)
        case = await bureau.case(session, phone)
        laptop = await make.conversation(session, case=case)
        await bureau.writes(session, phone, "from the phone")
        await bureau.writes(session, laptop, "from the laptop")
        await bureau.escalation.take_over(session, case, city.clerk)
        assert (await bureau.escalation.thread_of(session, case)).id == laptop.id
        await bureau.writes(session, phone, "from the phone again")
        assert (await bureau.escalation.thread_of(session, case)).id == phone.id


async def test_handing_back_lets_the_bot_speak(database: Database, city: SampleCity, bureau: Bureau) -> None:
    async with database.city(city.id) as session:
        thread = await bureau.person(session)
        case = await bureau.join(session, thread)
        await bureau.escalation.take_over(session, case, city.clerk)
        await bureau.escalation.hand_back(session, case, city.clerk)
    async with database.city(city.id) as session:
        case = await session.get_one(Case, case.id)
        assert (case.holder_id, case.state) == (None, "open")
        assert await bureau.escalation.place(session, thread.id) is None
        assert [author for author, _ in await bureau.sent(session, thread.id)] == ["system", "system"]
        await bureau.escalation.take_over(session, case, city.second_clerk)


@pytest.mark.parametrize("language", ["ar", "de"])
async def test_closing_sends_the_summary_in_the_own_language_with_the_german_beside_it(
    database: Database, city: SampleCity, bureau: Bureau, language: str
) -> None:
    closing = Closing(
        "documents_missing",
        (NextStep("bring_documents", date(2026, 11, 2)), NextStep("book_appointment")),
        "Wohnungsgeberbestätigung fehlt.",
    )
    async with database.city(city.id) as session:
        thread = await bureau.person(session, language=language)
        case = await bureau.join(session, thread, bureau.clock.now())
        await bureau.escalation.take_over(session, case, city.clerk)
        preview = await bureau.escalation.summary(session, case, city.clerk, closing)
        assert await bureau.escalation.close(session, case, city.clerk, closing) == preview
    async with database.city(city.id) as session:
        case = await session.get_one(Case, case.id)
        assert (case.state, case.outcome, case.holder_id) == ("closed", "documents_missing", None)
        assert case.summary is not None
        place = f"case.summary:{case.id}"
        assert await bureau.conversations.vault.open(session, place, case.summary) == preview
        author, body = (await bureau.sent(session, thread.id))[-1]
        assert author == "system"
        assert body["text"] == "\n\n".join(preview["text"])
        german = body["text"] if language == "de" else body["german"]
        assert german == "\n\n".join(preview["german"])
        assert "Anliegen: Anmeldung eines Wohnsitzes" in german
        assert "• Bitte besorgen Sie die fehlenden Unterlagen" in german
        assert "2. November 2026" in german
        assert "Wohnungsgeberbestätigung fehlt." in body["text"]
        assert ("تسجيل السكن" in body["text"]) == (language == "ar")
        assert [event.data["outcome"] for event in await events_of(session, "case.closed")] == [
            "documents_missing"
        ]
        with pytest.raises(CaseIsClosed):
            await bureau.escalation.say(session, case, city.clerk, "noch etwas", key="1")
        with pytest.raises(CaseIsClosed):
            await bureau.escalation.join(session, case, thread)
    assert "case" in await kinds(database, city, f"conversation:{thread.id}")


async def test_appointments_end_with_their_case(database: Database, city: SampleCity, bureau: Bureau) -> None:
    async with database.city(city.id) as session:
        thread = await bureau.person(session)
        case = await bureau.case(session, thread)
        now = await bureau.appointment(session, case, bureau.clock.now())
        later = await bureau.appointment(session, case, bureau.clock.now() + timedelta(days=3))
        await bureau.escalation.take_over(session, case, city.clerk)
        summary = await bureau.escalation.close(session, case, city.clerk, Closing("not_reached"))
        assert (now.status, later.status) == ("missed", "cancelled")
        assert any("entfällt" in line for line in summary["german"])


async def test_every_act_on_a_case_is_in_the_audit_trail(
    database: Database, city: SampleCity, bureau: Bureau
) -> None:
    async with database.city(city.id) as session:
        case = await bureau.case(session, await bureau.person(session))
        await bureau.escalation.take_over(session, case, city.clerk)
        await bureau.escalation.say(session, case, city.clerk, "Guten Tag", key="1")
        await bureau.escalation.close(session, case, city.clerk, Closing("done"))
    async with database.city(city.id) as session:
        rows = await session.scalars(select(Audit).where(Audit.case_id == case.id).order_by(Audit.seq))
        assert [row.action for row in rows] == ["case.admitted", "case.said", "case.closed"]


async def test_every_outcome_and_step_has_its_words(bureau: Bureau) -> None:
    catalogue = bureau.conversations.catalogue
    keys = [f"outcome.{code}" for code in OUTCOMES] + [f"next_step.{code}" for code in NEXT_STEPS]
    for language in ("de", "en", "tr", "ar"):
        assert [key for key in keys if not catalogue.has(key, language)] == []
    assert {code for proposed in OUTCOMES.values() for code in proposed} == set(NEXT_STEPS)


@pytest.mark.parametrize(
    "closing",
    [Closing("perhaps"), Closing("done", (NextStep("sing"),)), Closing("done", note="x" * 2001)],
)
def test_a_closing_is_checked(closing: Closing) -> None:
    with pytest.raises(Invalid):
        closing.check()
