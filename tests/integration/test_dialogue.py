"""The dialogue on a real database: what is answered to whom, without browser or processes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from bots.matrix.render import POLL_SIZES
from conversation.models import Outbox
from foundation.clock import FixedClock
from nlu.service import NluService
from nlu.understanding import Understanding
from tests.support.talk import Citizen, Office, clerk

pytestmark = pytest.mark.usefixtures("talk_office")


async def booked(citizen: Citizen) -> None:
    """Walk from "hello" to a booked change of address."""
    await citizen.start()
    await citizen.press("book")
    await citizen.press("book:address_change")
    await citizen.press("gate:address_change:moved_in:yes")
    await citizen.press("gate:address_change:where_to:same_city")
    await citizen.press("ready:address_change")
    await citizen.say("Manila")
    await citizen.press("slot:")
    await citizen.press("confirm:yes")


async def test_the_first_message_names_office_machine_privacy_person_and_languages(
    talk_office: Office,
) -> None:
    citizen = Citizen(talk_office, language="en")
    first, menu = await citizen.start()
    assert "Virtual Citizens' Office Heidelberg" in first.body.text
    assert "computer program" in first.body.text
    own = (
        "Deutsch",
        "English",
        "Français",
        "Español",
        "Italiano",
        "Polski",
        "Română",
        "Türkçe",
        "Українська",
    )
    for name in (*own, "Русский", "العربية", "中文"):
        assert name.casefold() in first.body.text.casefold()
    assert "talk to a person" in first.body.text.lower()
    assert [link.url.endswith("/privacy") for link in first.body.links] == [True]
    assert [choice.id for choice in menu.body.choices] == ["book", "services", "topic", "person", "language"]


@pytest.mark.parametrize(
    ("language", "words", "expected"),
    [
        ("de", "ich bin umgezogen", "Ummeldung"),
        ("en", "I have a new address", "Ummeldung"),
        ("tr", "taşındım, adresim değişti", "Ummeldung"),
        ("ar", "غيرت عنواني", "Ummeldung"),
    ],
)
async def test_a_service_is_understood_by_its_synonyms(
    talk_office: Office, language: str, words: str, expected: str
) -> None:
    citizen = Citizen(talk_office, language=language)
    await citizen.start()
    await citizen.say(words)
    assert expected in citizen.text
    assert "book:address_change" in [choice.id for choice in citizen.last.choices]


@pytest.mark.parametrize("typed", ["1", "١", "1.", "book an appointment", "BOOK AN APPOINTMENT!"])
async def test_a_choice_may_be_typed(talk_office: Office, typed: str) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    await citizen.say(typed)
    assert any(choice.id.startswith("book:") for choice in citizen.last.choices)


async def test_both_clocks_stand_beside_each_other(talk_office: Office) -> None:
    citizen = Citizen(talk_office)
    await booked(citizen)
    assert "in Heidelberg" in citizen.text
    assert "for you in Manila" in citizen.text


async def test_the_clerk_reads_german_beside_every_word_of_the_bot(talk_office: Office) -> None:
    citizen = Citizen(talk_office, language="ar")
    await citizen.start()
    assert citizen.last.german is not None
    assert "Was möchten Sie tun?" in citizen.last.german


async def test_no_slot_on_a_no_branch_even_when_asked_for_directly(talk_office: Office) -> None:
    citizen = Citizen(talk_office)
    await citizen.start()
    await citizen.press("book")
    await citizen.press("book:identity_card")
    while any(choice.id.startswith("gate:") for choice in citizen.last.choices):
        await citizen.press("gate:")
    assert not any(choice.id.startswith(("slot", "ready")) for choice in citizen.last.choices)
    await citizen._send("choice", text="a slot", choice="slot:20261020T0700Z")
    assert not any(choice.id.startswith("confirm") for choice in citizen.last.choices)


async def test_the_waiting_room_opens_half_an_hour_before(talk_office: Office, clock: FixedClock) -> None:
    citizen = Citizen(talk_office)
    await booked(citizen)
    await citizen.press("here")
    assert "opens at" in citizen.text
    case = await citizen.case()
    async with talk_office.house.database.city(talk_office.city_id) as session:
        appointment = await talk_office.house.booking.of_case(session, case.id)
        assert appointment is not None
    clock.move(appointment.starts_at - clock.now() - timedelta(minutes=5))
    await citizen.press("appointments")
    await citizen.press("here")
    assert "You are next" in citizen.text
    await citizen.say("I am a bit nervous")
    assert "A clerk will read it" in citizen.text


async def test_cancelling_needs_a_second_yes_and_frees_the_slot(talk_office: Office) -> None:
    citizen = Citizen(talk_office)
    await booked(citizen)
    await citizen.press("appointments")
    await citizen.press("cancel")
    await citizen.press("appointments")
    await citizen.press("cancel")
    await citizen.press("cancel:yes")
    await citizen._send("choice", choice="appointments")
    assert "no appointment" in citizen.text


async def test_a_failing_turn_apologises_and_blocks_nobody(
    talk_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dialogue.turn import Turns

    async def broken(*_: object) -> None:
        raise RuntimeError("planted words of a citizen")

    citizen = Citizen(talk_office)
    await citizen.start()
    with monkeypatch.context() as patch:
        patch.setattr(Turns, "_answer", broken)
        await citizen.say("hello")
    assert "went wrong" in citizen.text
    await citizen.say("hello")
    assert "What would you like to do?" in citizen.text


async def test_a_service_that_is_not_on_the_menu_is_booked_by_page_and_by_name(talk_office: Office) -> None:
    citizen = Citizen(talk_office, language="en")
    await citizen.start()
    await citizen.press("book")
    await citizen.say("Other services")
    assert "your own words" in citizen.text
    await citizen.say("parking permit")
    assert "gate:resident_parking_permit:home:main" in [choice.id for choice in citizen.last.choices]


async def test_a_residence_permit_is_never_booked_here(talk_office: Office) -> None:
    citizen = Citizen(talk_office, language="en")
    await citizen.start()
    await citizen.say("my residence permit expires soon")
    await citizen.press("book:residence_permit")
    await citizen.press("gate:residence_permit:nationality:other")
    await citizen.press("gate:residence_permit:home:here")
    await citizen.press("gate:residence_permit:errand:extend")
    assert "Ausländerbehörde" in citizen.text
    assert not any(choice.id.startswith(("ready:", "slot:")) for choice in citizen.last.choices)


@pytest.mark.parametrize(("channel", "page"), [("web", True), ("telegram", False), ("matrix", False)])
async def test_whoever_waits_in_a_messenger_is_not_told_of_a_page(
    talk_office: Office, channel: str, page: bool
) -> None:
    async with talk_office.house.database.city(talk_office.city_id) as session:
        await clerk(talk_office.house, session)
    citizen = Citizen(talk_office, channel=channel)
    await citizen.start()
    await citizen.say("talk to a person")
    async with talk_office.house.database.city(talk_office.city_id) as session:
        said = list(await session.scalars(select(Outbox).order_by(Outbox.seq.desc()).limit(1)))
        vault = talk_office.house.conversations.vault
        body = await vault.open(session, f"outbox.body:{said[0].id}", said[0].body)
    assert ("this page" in body["text"]) is page
    assert "your place is kept" in body["text"]


@dataclass
class Hearing:
    """A parser that reads one and the same in every message."""

    understood: Understanding

    async def parse(self, text: str, language: str, context: Mapping[str, str]) -> Understanding:
        return replace(self.understood, text=text)


async def hearing(office: Office, understood: Understanding) -> Office:
    turns = await office.house.turns()
    nlu = NluService(turns.nlu.rules, turns.nlu.languages, Hearing(understood))
    return replace(office, _turns=replace(turns, nlu=nlu))


@pytest.mark.parametrize("aspect", ["fee", "overview"])
async def test_services_that_may_be_meant_instead_are_offered_beside_the_answer(
    talk_office: Office, aspect: str
) -> None:
    meant = Understanding("", "en", "service_info", "passport", aspect, 0.9, fallback=False)
    office = await hearing(
        talk_office, replace(meant, beside=("identity_card", "gone_since", "address_change"))
    )
    citizen = Citizen(office, language="en")
    await citizen.start()
    await citizen.say("I travel a lot and want another one beside mine")
    assert citizen.last.text.startswith("German passport (Reisepass)")
    ids = [one.id for one in citizen.last.choices]
    named = "aspect:{}:fee" if aspect == "fee" else "service:{}"
    assert ids[:2] == [named.format("identity_card"), named.format("address_change")]
    assert len(ids) in POLL_SIZES
    assert {"book:passport", "menu", "person"} <= set(ids)
    await citizen.press(ids[0])
    assert "(Personalausweis)" in citizen.last.text.partition("\n")[0]


async def test_beside_the_way_back_there_are_no_more_choices_than_a_poll_shows(talk_office: Office) -> None:
    meant = Understanding("", "en", "service_info", "passport", "fee", 0.9, fallback=False)
    office = await hearing(
        talk_office, replace(meant, beside=("identity_card", "passport", "address_change"))
    )
    citizen = Citizen(office, language="en")
    await citizen.start()
    await citizen.press("book")
    await citizen.press("book:certificate_of_conduct")
    await citizen.say("I travel a lot and want another one beside mine")
    ids = [one.id for one in citizen.last.choices]
    assert ids[:3] == [
        "resume:certificate_of_conduct",
        "aspect:identity_card:fee",
        "aspect:address_change:fee",
    ]
    assert len(ids) in POLL_SIZES
    assert {"book:passport", "menu", "person"} <= set(ids)
