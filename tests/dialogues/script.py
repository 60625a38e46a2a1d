"""A written dialogue: what somebody says turn by turn, and what the answer must mean. Read from <language>.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict

FOLDER = Path(__file__).parent


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Names = Annotated[list[str], BeforeValidator(_listed)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Model):
    """What the answer of one turn must be. All that is named must hold.

    answers: `service/aspect`, in this order, as content tells it · topic: the office's topics · text: texts by
    their keys · fact: `service.fact`, its amount or number stands there · asks: the question of a gate, by
    `service:question` · offers: choices by id, or by its beginning with a colon at the end · first: the choice that
    stands first · without: `service/aspect`, topic or text that must not stand there · language: that of the
    answer · state: waiting (in the queue for a clerk), written (a question lies at the desk), open (neither) ·
    awaits: the answer that is awaited ("none": nothing) · new: not what was said the turn before.
    """

    answers: Names = []
    topic: Names = []
    text: Names = []
    fact: Names = []
    asks: Names = []
    offers: Names = []
    first: str | None = None
    without: Names = []
    language: str | None = None
    state: Literal["waiting", "written", "open"] | None = None
    awaits: str | None = None
    new: bool = False


class Turn(_Model):
    """One of: `says` words (`times` over), `presses` a choice, `sends` something that is no text."""

    says: str | None = None
    times: int = 1
    presses: str | None = None
    sends: Literal["voice", "file"] | None = None
    expects: Expected


class Dialogue(_Model):
    """`shows` are the behaviours it is written for; `speaks` the language of the first screen, `office` whether
    a clerk is on duty.
    """

    name: str
    shows: list[str]
    speaks: str
    office: Literal["open", "closed"] = "closed"
    turns: list[Turn]


def written() -> Iterator[Dialogue]:
    """All dialogues, by language."""
    for path in sorted(FOLDER.glob("*.yaml")):
        for raw in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield Dialogue.model_validate({"speaks": path.stem, **raw})
