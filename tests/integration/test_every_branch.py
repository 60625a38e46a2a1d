"""Every branch of every gate, walked in the chat: a slot where it can be done by video, and nowhere else."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from foundation.content import CityContent, Gate, Question, Result, load
from foundation.settings import ROOT
from tests.promises.plugin import Promise
from tests.support.talk import Citizen, Office

pytestmark = pytest.mark.usefixtures("talk_office")

TABLE = Path(__file__).parent / "data" / "gates.txt"
LANGUAGES = ("de", "ar", "tr")
TO_A_SLOT = ("ready:", "slot:", "slots:", "confirm:")


@pytest.fixture(scope="module")
def content() -> CityContent:
    return load(ROOT / "content", "heidelberg")


@dataclass(frozen=True)
class Branch:
    """A line of the table: the answers in their order, and what they lead to."""

    service: str
    answers: tuple[tuple[str, str], ...]
    kind: str
    goes_on: str | None

    def __str__(self) -> str:
        way = " ".join(f"{question}={answer}" for question, answer in self.answers)
        return f"{self.service}: {way} → {' '.join(filter(None, (self.kind, self.goes_on)))}"


def table() -> Iterator[Branch]:
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            service, rest = line.split(": ")
            way, end = rest.split(" → ")
            kind, *goes_on = end.split()
            answers = tuple((one.split("=")[0], one.split("=")[1]) for one in way.split())
            yield Branch(service, answers, kind, next(iter(goes_on), None))


def branches(service: str, gate: Gate) -> Iterator[Branch]:
    """All ways through a gate."""
    ways: list[dict[str, str]] = [{}]
    while ways:
        answers = ways.pop()
        step = gate.next(answers)
        if isinstance(step, Question):
            ways += [{**answers, step.id: one.id} for one in step.answers]
        else:
            yield Branch(service, tuple(answers.items()), step.kind, step.service)


@pytest.mark.promise("gate.every-branch")
def test_the_table_knows_every_branch(content: CityContent, promise: Promise) -> None:
    found = {str(one) for name, service in content.services.items() for one in branches(name, service.gate)}
    assert found == {str(one) for one in table()}
    promise.figure(len(found), f"branches of {len(content.services)} services")


@pytest.mark.promise("gate.every-branch")
@pytest.mark.parametrize("service", sorted({branch.service for branch in table()}))
async def test_every_branch_in_the_chat(talk_office: Office, content: CityContent, service: str) -> None:
    for language in LANGUAGES:
        citizen = Citizen(talk_office, language=language)
        await citizen.start()
        for branch in table():
            if branch.service == service:
                await walked(citizen, branch, content)


async def walked(citizen: Citizen, branch: Branch, content: CityContent) -> None:
    """Answer the gate's questions as people do, and look at what is offered at the end."""
    await citizen._send("choice", choice=f"book:{branch.service}")
    for question, answer in branch.answers:
        await citizen.press(f"gate:{branch.service}:{question}:{answer}")
    result = content.service(branch.service).gate.next(dict(branch.answers))
    assert isinstance(result, Result)
    assert result.reason[citizen.language] in citizen.text, str(branch)
    if branch.goes_on:
        assert f":{branch.goes_on}:" in "".join(one.id for one in citizen.last.choices), str(branch)
    elif branch.kind == "video":
        return await papers_decide(citizen, branch, content)
    await no_slot(citizen, branch)


async def no_slot(citizen: Citizen, branch: Branch) -> None:
    """Neither among the choices, nor by asking for one as a button of an older message would."""
    assert not offered(citizen), str(branch)
    if citizen.language != LANGUAGES[0]:
        return  # what an old button does, no language changes
    for choice in (f"ready:{branch.service}", "slots:first", "slot:20261020T0700Z", "confirm:yes"):
        await citizen._send("choice", text="…", choice=choice)
        assert not [one for one in offered(citizen) if not one.startswith("ready:")], f"{branch} by {choice}"


async def papers_decide(citizen: Citizen, branch: Branch, content: CityContent) -> None:
    """Who has all papers goes on; who lacks one hears which may come later, or comes back."""
    assert [one for one in offered(citizen) if one.startswith("ready:")] == [f"ready:{branch.service}"]
    items = content.service(branch.service).checklist_for(dict(branch.answers))
    for item in items:
        assert item.document.names[citizen.language] in citizen.text, str(branch)
    await citizen.press(f"missing:{branch.service}")
    later = [item for item in items if item.hand_in_later]
    assert bool(offered(citizen)) == bool(later), str(branch)
    for item in later:
        assert item.document.names[citizen.language] in citizen.text, str(branch)


def offered(citizen: Citizen) -> list[str]:
    """The choices that lead to a slot."""
    return [one.id for one in citizen.last.choices if one.id.startswith(TO_A_SLOT)]
