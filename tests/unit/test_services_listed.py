"""More services than a menu holds: shown page by page, and each can be typed from any page."""

from dataclasses import fields
from typing import Any, cast

import pytest

from bots.matrix.render import POLL_SIZES
from conversation.models import Address
from conversation.reply import Reply, compose
from dialogue.choices import chosen
from dialogue.context import MENU, Context, Heard, House
from dialogue.skills import faq
from dialogue.skills.faq import services
from dialogue.state import State
from foundation.content import CityContent, load
from foundation.i18n import Catalogue
from foundation.settings import ROOT
from nlu.understanding import Understanding

LANGUAGES = ("de", "en", "tr", "ar")


@pytest.fixture(scope="module")
def content() -> CityContent:
    return load(ROOT / "content", "heidelberg")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(ROOT / "content")


def somebody(content: CityContent, catalogue: Catalogue, language: str) -> Context:
    """Lists need texts and services alone: no collaborator beyond these is there to be called."""
    given: dict[str, Any] = {field.name: None for field in fields(House)}
    house = House(**{**given, "content": content, "catalogue": catalogue})
    absent = cast(Any, None)
    return Context(house, absent, absent, None, Address(language=language), State())


async def page(context: Context, choice: str) -> Reply:
    await services(context, Heard("", choice, Understanding("")))
    return context.replies[-1]


def shown(reply: Reply, context: Context) -> list[str]:
    body = compose(reply, context.house.catalogue, context.language, "https://x.test")
    return [choice.id for choice in body.choices]


async def pages(context: Context, purpose: str) -> list[list[str]]:
    """Every page, turned by the choice that the page before offers."""
    seen = [shown(await page(context, f"services:{purpose}:0"), context)]
    while (further := seen[-1][-2]).startswith("services:"):
        seen.append(shown(await page(context, further), context))
    return seen


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", ["service", "book"])
async def test_every_service_stands_on_one_page(
    content: CityContent, catalogue: Catalogue, language: str, purpose: str
) -> None:
    seen = await pages(somebody(content, catalogue, language), purpose)
    listed = [choice for one in seen for choice in one if choice.startswith(f"{purpose}:")]
    assert sorted(listed) == sorted(f"{purpose}:{service}" for service in content.services)
    assert listed[:6] == [f"{purpose}:{service}" for service in content.city.menu]


async def test_a_page_fits_into_a_poll_and_leads_to_the_menu(
    content: CityContent, catalogue: Catalogue
) -> None:
    for one in await pages(somebody(content, catalogue, "de"), "service"):
        assert len(one) in POLL_SIZES
        assert one[-1] == MENU.id


async def test_the_others_stand_in_the_order_of_the_alphabet(
    content: CityContent, catalogue: Catalogue
) -> None:
    context = somebody(content, catalogue, "de")
    ids = [choice for one in (await pages(context, "service"))[1:] for choice in one]
    others = [one.removeprefix("service:") for one in ids if one.startswith("service:")]
    names = [content.services[one].names["de"] for one in others]
    plain = [one for one in names if one[0] in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    assert plain == sorted(plain, key=str.casefold)


@pytest.mark.parametrize(
    ("language", "typed"),
    [
        ("de", "Bewohnerparkausweis"),
        ("de", "anwohnerparken"),
        ("en", "resident parking permit"),
        ("tr", "park izni"),
        ("ar", "تصريح وقوف السيارات للسكان"),
    ],
)
async def test_a_service_of_another_page_may_be_typed(
    content: CityContent, catalogue: Catalogue, language: str, typed: str
) -> None:
    context = somebody(content, catalogue, language)
    reply = await page(context, "services:book:0")
    assert "book:resident_parking_permit" not in shown(reply, context)
    assert chosen(typed, context.state) == "book:resident_parking_permit"
    kept = State.from_json(context.state.to_json())
    assert chosen(typed, kept) == "book:resident_parking_permit"


async def test_a_number_counts_what_is_shown_and_nothing_else(
    content: CityContent, catalogue: Catalogue
) -> None:
    context = somebody(content, catalogue, "en")
    first = shown(await page(context, "services"), context)
    assert [chosen(str(at + 1), context.state) for at in range(len(first))] == first
    assert chosen("Other services", context.state) == "services:service:1"
    assert chosen(str(len(first) + 1), context.state) is None


@pytest.mark.parametrize("choice", ["services", "services:book:99", "services:x:y", "services:confirm:²"])
async def test_an_unknown_page_is_the_first_one(
    content: CityContent, catalogue: Catalogue, choice: str
) -> None:
    context = somebody(content, catalogue, "en")
    purpose = "book" if "book" in choice else "service"
    assert shown(await page(context, choice), context)[0] == f"{purpose}:{content.city.menu[0]}"


async def test_what_is_said_next_forgets_what_could_be_typed(
    content: CityContent, catalogue: Catalogue
) -> None:
    context = somebody(content, catalogue, "en")
    await page(context, "services")
    assert context.state.unlisted
    context.say(faq.service_label(content.service("address_change")), options=(MENU,))
    assert context.state.unlisted == []
    assert State.from_json({"greeted": True}).unlisted == []


async def test_a_menu_that_holds_all_offers_no_further_page(
    content: CityContent, catalogue: Catalogue
) -> None:
    whole = content.model_copy(update={"services": {one.id: one for one in content.menu_services()}})
    context = somebody(whole, catalogue, "en")
    assert len(await pages(context, "service")) == 1
