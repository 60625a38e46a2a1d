"""What the house really says to every intent of the catalogue, and what of it reaches the desk."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from booking.models import Appointment
from conversation.reply import Reply
from dialogue.context import Context, Heard
from dialogue.routing import choose
from dialogue.state import State
from foundation.clock import FixedClock
from foundation.i18n import Text
from nlu.understanding import Understanding
from pages.desk.views import Views
from people.models import Staff
from tests.integration.test_dialogue import booked
from tests.support.talk import Citizen, Office
from tests.unit.test_every_intent import INTENTS, LANGUAGES

pytestmark = pytest.mark.usefixtures("talk_office")

NOT_UNDERSTOOD = {"talk.not_understood", "talk.not_understood_either", "talk.which_of_these"}


async def answered(office: Office, citizen: Citizen, intent: str, service: str | None) -> list[Reply]:
    """The replies to an intent, as if it had been understood; nothing of it is kept."""
    house = (await office.house.turns()).house
    async with office.house.database.city(office.city_id) as session, session.begin_nested() as trial:
        conversation, case = await house.conversations.lock(session, (await citizen.thread()).id)
        address = await house.conversations.address_of(session, conversation)
        context = Context(house, session, conversation, case, address, State(greeted=True))
        meant = Understanding("", intent=intent, service=service, fallback=intent == "out_of_scope")
        heard = Heard("", None, meant)
        await choose(heard, context)(context, heard)
        await trial.rollback()
    return context.replies


@pytest.mark.parametrize(
    ("has_appointment", "service"),
    [(False, None), (False, "identity_card"), (True, None), (True, "address_change")],
)
async def test_every_intent_is_answered_in_every_language(
    talk_office: Office, has_appointment: bool, service: str | None
) -> None:
    citizen = Citizen(talk_office)
    await (booked(citizen) if has_appointment else citizen.start())
    catalogue = talk_office.house.catalogue
    for intent in INTENTS:
        replies = await answered(talk_office, citizen, intent, service)
        assert replies, intent
        for part in (part for reply in replies for part in (*reply.parts, *(o.label for o in reply.options))):
            if isinstance(part, Text):
                assert part.key not in NOT_UNDERSTOOD, intent
                assert all(catalogue.has(part.key, code) for code in LANGUAGES), part.key
            assert all("{" not in catalogue.render(part, code) for code in LANGUAGES), intent


async def test_who_says_that_nothing_is_free_hears_the_next_days(talk_office: Office) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    await citizen.say("there are no free appointments")
    await citizen.press("services:days:1")
    await citizen.say("yes")
    assert "choose one of the answers" in citizen.text
    assert any(one.id.startswith("days:") for one in citizen.last.choices)
    await citizen.say("there are no free appointments")
    await citizen.press("days:address_change")
    assert "next days with free times" in citizen.text
    assert citizen.text.count("•") == 3
    assert [one.id for one in citizen.last.choices] == ["book:address_change", "write", "person", "menu"]
    await citizen.say("no free appointments for an identity card")
    assert "no video appointment" in citizen.text


async def appointment_of(office: Office, citizen: Citizen) -> Appointment:
    case = await citizen.case()
    async with office.house.database.city(office.city_id) as session:
        found = await office.house.booking.of_case(session, case.id)
    assert found is not None
    return found


async def at_desk(office: Office) -> dict[str, Any]:
    """What a clerk's lists show now."""
    house = office.house
    views = Views(
        house.conversations,
        house.escalation,
        house.people,
        house.booking,
        house.content,
        house.clock,
        house.files,
    )
    async with house.database.city(office.city_id) as session:
        staff = (await session.scalars(select(Staff))).first()
        assert staff is not None
        return await views.overview(session, staff, "de")


async def test_who_comes_late_says_so_and_the_desk_sees_it(talk_office: Office, clock: FixedClock) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    await citizen.say("I'm running late")
    assert "no appointment" in citizen.text
    await booked(citizen)
    appointment = await appointment_of(talk_office, citizen)
    clock.move(appointment.starts_at - clock.now() - timedelta(days=2))
    await citizen.say("I'm running late")
    assert "starts later" in citizen.text
    clock.move(appointment.starts_at - clock.now() + timedelta(minutes=2))
    await citizen.say("I'm running late")
    assert "coming later" in citizen.text
    assert [one["state"] for one in (await at_desk(talk_office))["today"]] == ["late"]
    await citizen.press("here")
    await citizen.say("I'm running late")
    assert "in the waiting room already" in citizen.text


async def test_the_time_is_over_for_who_comes_much_too_late(talk_office: Office, clock: FixedClock) -> None:
    citizen = Citizen(talk_office)
    await booked(citizen)
    appointment = await appointment_of(talk_office, citizen)
    clock.move(appointment.ends_at - clock.now() + timedelta(hours=1))
    await citizen.say("I'm running late")
    assert "is over" in citizen.text
    assert [one.id for one in citizen.last.choices] == ["change", "person", "menu"]


async def test_a_complaint_is_written_down_for_a_clerk(talk_office: Office) -> None:
    citizen = Citizen(talk_office, language="de")
    await citizen.start()
    await citizen.say("ich möchte mich beschweren")
    assert "was geschehen ist" in citizen.text
    await citizen.say("Gestern hat niemand auf mich gewartet.")
    case = await citizen.case()
    assert [one["number"] for one in (await at_desk(talk_office))["unheld"]] == [case.number]


async def test_papers_go_over_the_page_of_the_case_and_never_a_picture_of_an_id(talk_office: Office) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    await citizen.say("how can I upload my documents")
    assert "no picture of your ID" in citizen.text
    (link,) = citizen.last.links
    assert "/a/" in link.url
    assert link.url.endswith("/call")


async def test_yes_to_a_question_is_a_choice_and_to_nothing_is_not(talk_office: Office) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    await citizen.say("yes")
    assert "What would you like to do?" in citizen.text
    await booked(citizen)
    await citizen.press("appointments")
    await citizen.say("yes")
    assert "choose one of the answers" in citizen.text
    await citizen.press("cancel")
    await citizen.say("no thanks")
    assert "Your appointment" in citizen.text
    await citizen.press("cancel")
    await citizen.say("yes")
    assert "is cancelled" in citizen.text


async def test_a_form_is_filled_in_together(talk_office: Office) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    await citizen.say("can I fill in the form")
    await citizen.press("form:address_change")
    assert "together in the call" in citizen.text
    assert "book:address_change" in [one.id for one in citizen.last.choices]


async def test_what_no_office_does_is_said_so(talk_office: Office) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    replies = await answered(talk_office, citizen, "out_of_scope", None)
    assert next(part for part in replies[0].parts if isinstance(part, Text)).key == "talk.out_of_scope"
