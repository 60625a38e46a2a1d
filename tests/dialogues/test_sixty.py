"""Sixty written dialogues, five a language, asserted turn by turn: real model, real database, inbox to outbox."""

import base64
import os
import re
import secrets
import sys
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conversation.models import Address
from conversation.reply import Choice
from dialogue.state import State
from foundation import content
from foundation.clock import FixedClock
from foundation.i18n import Filled, Sayable
from foundation.settings import ROOT, Settings
from foyer.seed import seed
from foyer.wiring import House, build
from nlu import commands
from nlu.service import NluService
from people.models import Staff
from tests.conftest import MASTER_KEY
from tests.dialogues.script import Dialogue, Expected, Turn, written
from tests.promises.plugin import Promise
from tests.support.moments import MONDAY
from tests.support.postgres import Cluster
from tests.support.talk import Citizen, Office, clerk

LANGUAGES = ("de", "en", "fr", "es", "it", "pl", "ro", "tr", "uk", "ru", "ar", "zh")
A_LANGUAGE = 5
SHOWN = {
    "follow-up",
    "correction",
    "two questions",
    "topic change",
    "abuse",
    "emoji",
    "voice note",
    "empty",
    "10,000 characters",
    "mixed direction",
    "wrong keyboard",
    "emergency",
    "out of scope",
    "two misses",
    "language switch",
    "unsure",
}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foyer-tests"
"""Models by the state of their data: the first run after a change of the examples trains one."""
DIALOGUES = list(written())
pytestmark = pytest.mark.promise("dialogue.sixty")


def aside(text: str) -> None:
    sys.stderr.write(text + "\n")


@pytest.fixture(scope="module")
async def understanding() -> AsyncIterator[NluService]:
    """The trained model of the content as it is."""
    settings = Settings(_env_file=None, data_dir=CACHE, nlu="rasa")
    city = content.load(ROOT / "content", "heidelberg")
    async with commands.understanding(settings, city, aside) as service:
        yield service


@pytest.fixture(scope="module")
async def office(
    cluster: Cluster, template: str, understanding: NluService, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """One house for all dialogues; everybody who writes is somebody else."""
    home, name = tmp_path_factory.mktemp("dialogues"), f"t_{secrets.token_hex(6)}"
    with cluster.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    settings = Settings(
        _env_file=None,
        database_url=cluster.url(name),
        data_dir=home / "data",
        master_key=base64.b64encode(MASTER_KEY).decode(),
        master_key_file=home / "master.key",
    )
    house = build(settings, cluster.url(name), clock=FixedClock(MONDAY))
    await seed(house)
    opened = Office(house, await house.city_id())
    opened._turns = replace(await house.turns(), nlu=understanding)
    yield opened
    await house.database.close()


def test_five_dialogues_a_language_show_everything() -> None:
    assert Counter(one.speaks for one in DIALOGUES) == dict.fromkeys(LANGUAGES, A_LANGUAGE)
    assert {what for one in DIALOGUES for what in one.shows} == SHOWN
    assert len({one.name for one in DIALOGUES}) == len(DIALOGUES)


@pytest.mark.parametrize(
    "dialogue",
    DIALOGUES,
    ids=[f"{one.speaks}-{number % A_LANGUAGE + 1}" for number, one in enumerate(DIALOGUES)],
)
async def test_a_dialogue(office: Office, dialogue: Dialogue, promise: Promise) -> None:
    await staffed(office, dialogue.office == "open")
    person = Person(Citizen(office, dialogue.speaks), office.house)
    await person.citizen.start()
    person.offered = person.citizen.last.choices
    for number, turn in enumerate(dialogue.turns, 1):
        before = person.citizen.text
        await person.act(turn)
        wrong = [*await person.complaints(turn.expects, before)]
        assert not wrong, (
            f"turn {number} ({turn.says or turn.presses or turn.sends}): {wrong}\n{person.shown()}"
        )
    if dialogue is DIALOGUES[-1]:
        promise.figure(len(DIALOGUES), "dialogues")
        promise.figure(sum(len(one.turns) for one in DIALOGUES), "turns")


async def staffed(office: Office, is_open: bool) -> None:
    """A clerk is at the desk, or none is."""
    house = office.house
    async with house.database.city(office.city_id) as session:
        on_duty = await house.people.clerks_on_duty(session, await house.office_id())
        if is_open and not on_duty:
            await clerk(house, session)
        for one in on_duty if not is_open else ():
            (await session.get_one(Staff, one.id)).on_duty_until = None


@dataclass
class Person:
    """Somebody who plays the citizen's part of a dialogue, and looks at the answers."""

    citizen: Citizen
    house: House
    language: str = ""
    offered: Sequence[Choice] = ()

    async def act(self, turn: Turn) -> None:
        if turn.presses is not None:
            await self._press(turn.presses)
        elif turn.sends is not None:
            await self.citizen._send("other" if turn.sends == "voice" else "file")
        else:
            await self.citizen.say((turn.says or "") * turn.times)
        self.offered = self.citizen.last.choices or self.offered
        thread = await self.citizen.thread()
        async with self.house.database.city(self.citizen.office.city_id) as session:
            self.language = (await session.get_one(Address, thread.address_id)).language

    async def _press(self, choice: str) -> None:
        """Press one of the choices that are to be seen; a message without any does not take them away."""
        found = next((one for one in self.offered if one.id.startswith(choice)), None)
        assert found, f"{choice} is not offered, but {[one.id for one in self.offered]}"
        await self.citizen._send("choice", text=found.label, choice=found.id)

    async def complaints(self, expected: Expected, before: str) -> list[str]:
        """What is wrong with the answer, empty if nothing is."""
        if self._stands("talk.sorry"):
            return ["the turn failed"]
        wrong = [*self._words(expected), *self._choices(expected), *await self._rest(expected)]
        if expected.new and self.citizen.text == before:
            wrong.append("the same was said before")
        return wrong

    def _words(self, expected: Expected) -> Iterator[str]:
        said = self.citizen.text
        places = [said.find(self._in_words(self._told(one))) for one in expected.answers]
        yield from (
            f"{one} is not answered" for one, at in zip(expected.answers, places, strict=True) if at < 0
        )
        if places != sorted(places):
            yield "the answers are not in the order of the questions"
        for one in (*expected.topic, *expected.text):
            if not self._stands(one):
                yield f"{one} is not said"
        for one in expected.fact:
            if not re.search(rf"(?<!\d)(?:{self._number(one)})(?!\d)", _plain(said)):
                yield f"{one} is not told"
        yield from (f"{one} is said" for one in expected.without if self._stands(one))

    def _stands(self, what: str) -> bool:
        """Whether a text by its key, a topic or `service/aspect` stands in the answer, whatever fills it."""
        if "." not in what:
            return self._in_words(self._told(what)) in self.citizen.text
        template = re.split(r"\\\{\w+\\\}", re.escape(self.house.catalogue(what, self.language)))
        return re.search(".*".join(template), self.citizen.text, re.DOTALL) is not None

    def _told(self, what: str) -> Sayable:
        service, _, aspect = what.partition("/")
        if not aspect:
            return Filled(self.house.content.topic(what).text)
        return Filled(self.house.content.service(service).aspects[aspect])  # type: ignore[index]  # an unknown one is an error

    def _in_words(self, told: Sayable) -> str:
        return self.house.catalogue.render(told, self.language)

    def _number(self, fact: str) -> str:
        """A fact's number as it is written: cents as an amount, the rest as it is."""
        service, _, name = fact.partition(".")
        found = self.house.content.service(service).facts[name]
        if found.unit != "EUR":
            return str(found.value)
        whole, cents = divmod(int(str(found.value)), 100)
        return f"{whole}[.,]{cents:02}" if cents else f"{whole}(?:[.,]00)?"

    def _choices(self, expected: Expected) -> Iterator[str]:
        ids = [one.id for one in self.citizen.last.choices]
        wanted = [*expected.offers, *(f"gate:{one}:" for one in expected.asks)]
        for one in wanted:
            if not any(id_ == one or (one.endswith(":") and id_.startswith(one)) for id_ in ids):
                yield f"{one} is not offered, but {ids}"
        if expected.first and ids[:1] != [expected.first]:
            yield f"{expected.first} does not stand first, but {ids}"

    async def _rest(self, expected: Expected) -> list[str]:
        now = await self._now()
        wanted = {name: getattr(expected, name) for name in now}
        return [
            f"{name} is {now[name]}, not {value}"
            for name, value in wanted.items()
            if value not in (None, now[name])
        ]

    async def _now(self) -> dict[str, str]:
        """The language spoken, the answer awaited, and in whose hands the person is."""
        house, thread = self.house, await self.citizen.thread()
        async with house.database.city(self.citizen.office.city_id) as session:
            place = await house.escalation.place(session, thread.id)
            sealed = f"conversation.state:{thread.id}"
            state = State.from_json(await house.vault.open(session, sealed, thread.state or b""))
        held = "waiting" if place else "written" if thread.case_id else "open"
        return {"language": self.language, "awaits": state.expects or "none", "state": held}

    def shown(self) -> str:
        """The answer, to be read by whoever mends it."""
        choices = [f"[{one.id}] {one.label}" for one in self.citizen.last.choices]
        return "\n".join([self.citizen.text, *choices])


def _plain(text: str) -> str:
    """With digits of our own."""
    return "".join(str(unicodedata.digit(one)) if one.isdigit() else one for one in text)
