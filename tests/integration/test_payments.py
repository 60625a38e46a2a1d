"""Fees by bank transfer: asked for from the tariff, shown with a code, received at the desk, with a receipt."""

import re
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from conversation.models import Case
from dialogue.context import Context, Heard
from dialogue.routing import choose
from dialogue.state import State
from foundation.clock import FixedClock
from foundation.errors import NotFound
from foundation.events import events_of
from foundation.i18n import Text
from foundation.money import is_creditor_reference
from foundation.settings import Settings
from nlu.understanding import Understanding
from payments.service import (
    AlreadyAsked,
    AmountFixed,
    AmountOutside,
    CaseNotHeld,
    NothingToPay,
    NotPossible,
)
from people.models import Audit
from tests.support.fees import PRICE, Errand, Till, opened_till


@pytest.fixture
async def till(settings: Settings, database_url: str, clock: FixedClock) -> AsyncIterator[Till]:
    async with opened_till(settings, database_url, clock) as opened:
        yield opened


async def test_the_person_is_asked_for_what_the_tariff_says(till: Till) -> None:
    errand = await till.errand()
    fee = await till.ask(errand)
    assert (fee.amount, fee.currency, fee.state, fee.provider) == (PRICE, "EUR", "open", "transfer")
    assert is_creditor_reference(fee.reference)
    (told,) = await till.said(errand)
    assert "€13.00" in told.text
    assert told.german is not None
    assert "13,00" in told.german
    assert [link.url for link in told.links] == [f"http://localhost:8080{await till.path(fee)}"]
    async with till.house.database.city(till.city_id) as session:
        assert [event.data["fee_id"] for event in await events_of(session, "fee.requested")] == [str(fee.id)]
        assert "fee.requested" in list(await session.scalars(select(Audit.action)))


async def test_where_others_read_the_errand_and_the_amount_are_left_out(till: Till) -> None:
    errand = await till.errand(channel="telegram")
    await till.at_desk("received", await till.ask(errand))
    for told in await till.said(errand):
        shown = told.guarded()
        assert not re.search("13|conduct|Führung", f"{shown.text} {shown.title}")
        assert not shown.attachments


async def test_a_request_sent_twice_is_one_fee_and_a_second_one_is_refused(till: Till) -> None:
    errand = await till.errand()
    one, again = await till.ask(errand, key="same-key-1"), await till.ask(errand, key="same-key-1")
    assert one.id == again.id
    assert len(await till.said(errand)) == 1
    with pytest.raises(AlreadyAsked):
        await till.ask(errand)
    await till.at_desk("cancel", one)
    assert (await till.ask(errand)).reference != one.reference


async def test_what_cannot_be_asked_for(till: Till) -> None:
    for service in ("residence_registration", None):
        with pytest.raises(NothingToPay):
            await till.ask(await till.errand(service))
    errand = await till.errand()
    with pytest.raises(NothingToPay):
        await till.ask(errand, line="volunteer")
    with pytest.raises(AmountFixed):
        await till.ask(errand, amount=PRICE - 1)
    with pytest.raises(NotFound):
        await till.ask(errand, line="friends")
    with pytest.raises(NotFound):
        await till.ask(errand, method="cowries")
    async with till.house.database.city(till.city_id) as session:
        (await session.get_one(Case, errand.case_id)).holder_id = None
    with pytest.raises(CaseNotHeld):
        await till.ask(errand)
    assert await till.said(errand) == []


async def test_an_amount_that_the_city_leaves_open_has_bounds(till: Till) -> None:
    service = till.house.content.services["certificate_of_conduct"]
    open_fee = service.facts["fee"].model_copy(update={"value": None})
    changed = service.model_copy(update={"facts": {**service.facts, "fee": open_fee}})
    till.house.content.services["certificate_of_conduct"] = changed  # type: ignore[index]  # a dict in truth
    errand = await till.errand()
    for amount in (None, 0, 99, 50001):
        with pytest.raises(AmountOutside):
            await till.ask(errand, amount=amount)
    assert (await till.ask(errand, amount=2550)).amount == 2550


async def test_a_variant_of_a_service_has_its_own_fee(till: Till) -> None:
    service = till.house.content.service("register_information")
    errand = await till.errand("register_information")
    lines = {one.id: one.amount for one in till.house.fees.tariff("register_information")}
    assert lines == {"usual": service.fee_minor, "extended": service.facts["fee_extended"].value}
    assert (await till.ask(errand, line="extended")).amount == lines["extended"]
    with pytest.raises(NotFound):
        await till.ask(errand, line="simple")


async def test_received_money_brings_one_receipt(till: Till) -> None:
    errand = await till.errand(language="ar")
    fee = await till.ask(errand)
    await till.at_desk("received", fee)
    await till.at_desk("received", fee)
    assert (await till.fee(fee)).state == "paid"
    _, told = await till.said(errand)
    (receipt,) = told.attachments
    text = receipt.data.decode()
    assert receipt.name == f"{fee.reference}.txt"
    assert "إيصال" in text
    assert "Quittung" in text
    assert "Kassenzeichen" in text
    assert "13,00" in text
    assert not re.search("Führungszeugnis|السيرة", text)
    async with till.house.database.city(till.city_id) as session:
        assert len(await events_of(session, "fee.paid")) == 1
    with pytest.raises(NotPossible):
        await till.at_desk("cancel", fee)


async def test_money_for_a_cancelled_or_late_fee_still_counts(till: Till, clock: FixedClock) -> None:
    errand = await till.errand()
    cancelled = await till.ask(errand)
    await till.at_desk("cancel", cancelled)
    late = await till.ask(errand)
    clock.instant = late.expires_at
    await till.settlement.reconcile()
    assert (await till.fee(late)).state == "expired"
    for fee in (cancelled, late):
        await till.at_desk("received", fee)
        assert (await till.fee(fee)).state == "paid"
    await till.at_desk("give_back", late)
    assert (await till.fee(late)).state == "refunded"
    with pytest.raises(NotPossible):
        await till.at_desk("received", late)


async def test_a_fee_is_paid_after_its_case_was_closed(till: Till) -> None:
    errand = await till.errand()
    fee = await till.ask(errand)
    async with till.house.database.city(till.city_id) as session:
        case = await session.get_one(Case, errand.case_id)
        await till.house.conversations.close_case(session, case, "done", None)
    async with till.browser(errand.visitor) as person:
        assert "13.00" in (await person.get(await till.path(fee))).text
    await till.at_desk("received", fee)
    assert "arrived" in (await till.said(errand))[-1].text


async def test_deleting_the_case_deletes_its_fees(till: Till) -> None:
    errand = await till.errand()
    fee = await till.ask(errand)
    path = await till.path(fee)
    async with till.house.database.city(till.city_id) as session:
        await till.house.conversations.delete_case(session, await session.get_one(Case, errand.case_id))
    async with till.browser(errand.visitor) as person:
        assert (await person.get(path)).status_code == 410


async def test_the_dialogue_says_how_far_a_payment_is(till: Till) -> None:
    errand = await till.errand()
    assert await answer(till, errand) == "fee.status_none"
    fee = await till.ask(errand)
    assert await answer(till, errand) == "fee.status_open"
    await till.at_desk("received", fee)
    assert await answer(till, errand) == "fee.status_paid"


async def answer(till: Till, errand: Errand) -> str:
    """What the bot says to somebody who asks for their payment, as the key of the text."""
    turns, conversations = await till.house.turns(), till.house.conversations
    async with till.house.database.city(till.city_id) as session:
        thread = await conversations.conversation(session, errand.thread_id)
        address = await conversations.address_of(session, thread)
        context = Context(turns.house, session, thread, None, address, State())
        heard = Heard("", None, Understanding("", intent="payment_status", fallback=False))
        await choose(heard, context)(context, heard)
    (reply,) = context.replies
    assert isinstance(reply.parts[0], Text)
    return reply.parts[0].key
