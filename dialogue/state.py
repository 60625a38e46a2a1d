"""What the dialogue remembers between two messages; sealed in `conversation.state`."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from conversation.reply import Option
from foundation.i18n import Catalogue


@dataclass
class Offered:
    """A choice as it was shown, to recognise it when it is typed."""

    id: str
    label: str
    synonyms: list[str]


@dataclass
class State:
    """`expects` is the step whose answer is awaited; `answers` are gate answers by service.

    `offered` are the choices as they were shown, in their order; `unlisted` may be typed, too.
    `arrival` is what the person said for their plan (group, arrives, moves_in; days as ISO 8601), `windows` the
    first and last day, by service, in which a slot of that plan may lie. `aspect` is what was last told of `service`,
    `gate` the service whose questions are being answered. `tongue_asked`: the person was asked for a language or named
    one; `held` is the message that waits for that language.
    """

    greeted: bool = False
    expects: str | None = None
    service: str | None = None
    aspect: str | None = None
    gate: str | None = None
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    place: str | None = None
    appointment: str | None = None
    mail_asked: bool = False
    slot_page: int = 0
    misses: int = 0
    tongue_asked: bool = False
    held: str | None = None
    file_explained: bool = False
    arrival: dict[str, str] = field(default_factory=dict)
    windows: dict[str, list[str]] = field(default_factory=dict)
    offered: list[Offered] = field(default_factory=list)
    unlisted: list[Offered] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        choices = {name: [Offered(**one) for one in value.get(name, [])] for name in ("offered", "unlisted")}
        return cls(**{**known, **choices})

    def answers_for(self, service: str) -> dict[str, str]:
        return self.answers.setdefault(service, {})

    def offer(self, options: tuple[Option, ...], catalogue: Catalogue, language: str) -> None:
        """Remember what can be chosen now."""

        def named(option: Option) -> Offered:
            return Offered(option.id, catalogue.render(option.label, language), list(option.synonyms))

        self.offered = [named(option) for option in options if not option.unlisted]
        self.unlisted = [named(option) for option in options if option.unlisted]
