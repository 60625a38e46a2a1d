"""The shapes of what a city says: services, gates, checklists, answers and legal pages.

A fact (an amount, a number of days, an age) is written once, under `facts`, with its source. Sentences are
templates that name facts (`{fee}`, `{deadline}`) and are filled while they are read, so no two languages can
disagree, and every `Words` that leaves this module is ready to be shown.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import date, time
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from foundation.errors import NotFound
from foundation.measures import Slots, fill
from foundation.money import is_iban

ASPECTS = ("overview", "documents", "fee", "duration", "deadline", "eligibility", "channel", "form")
FALLBACKS = ("en", "de")
SOURCE = "de"
"""The language of the text that prevails."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Aspect = Literal["overview", "documents", "fee", "duration", "deadline", "eligibility", "channel", "form"]
Unit = Literal["minute", "day", "week", "month", "year", "age", "EUR"]
Route = Literal["video", "in_person", "other_authority", "form_only", "not_yet"]
SignatureLevel = Literal["none", "declared", "drawn", "upload", "qualified", "in_person"]


class Check(NamedTuple):
    """Who read a text and found it right, and when. A text without one was made by a machine.

    `words` is the mark of the words that were read, see `words_mark`.
    """

    by: str
    at: date
    words: str = ""


def words_mark(source: str, own: str) -> str:
    """Tells these words beside this German text from any others."""
    return hashlib.sha256(f"{source}\0{own}".encode()).hexdigest()[:16]


def source_of(languages: Collection[str]) -> str:
    """The language that the others of a text are measured by: German, else the first one."""
    return SOURCE if SOURCE in languages else next(iter(languages))


def text_of(value: Any) -> str:
    """The words of a text as it is written, bare or with who checked it."""
    return (value if isinstance(value, str) else str(value["text"])).strip()


def check_of(value: Any, source: str) -> Check | None:
    """Who checked a text as it is written, if it was these words, beside the German text `source`."""
    if isinstance(value, str) or not {"checked_by", "checked_at"} <= value.keys():
        return None
    if value.get("checked_words") != words_mark(source, text_of(value)):
        return None
    at = value["checked_at"]
    return Check(
        value["checked_by"], at if isinstance(at, date) else date.fromisoformat(at), value["checked_words"]
    )


class Words(dict[str, str]):
    """One text in several languages, filled and ready. A missing language falls back to English, then German."""

    checks: Mapping[str, Check]

    def __init__(self, texts: Mapping[str, str], checks: Mapping[str, Check] | None = None) -> None:
        super().__init__(texts)
        self.checks = dict(checks or {})

    def __missing__(self, language: str) -> str:
        found = next((self[code] for code in FALLBACKS if code in self), None)
        return next(iter(self.values()), "") if found is None else found

    def status(self, language: str) -> Check | Literal["machine"]:
        return self.checks.get(language, "machine")

    @classmethod
    def read(cls, raw: object, info: ValidationInfo) -> Self:
        """Fill the templates of `{de: "…", en: {text: "…", checked_by: "…", checked_at: 2026-01-31,
        checked_words: "…"}}`. A check of other words than these does not count.
        """
        if isinstance(raw, Words):
            return cls(raw, raw.checks)
        if not isinstance(raw, Mapping):
            raise ValueError("a text needs one line per language, such as `de: …`")
        slots: Mapping[str, Slots] = (info.context or {}).get("slots", {})
        texts, checks = {}, {}
        source = text_of(raw[source_of(raw)]) if raw else ""
        for language, value in raw.items():
            if slots and language not in slots:
                continue  # the city does not speak it yet: its texts may be there before
            texts[language] = fill(text_of(value), slots.get(language, {}), language)
            if check := check_of(value, source):
                checks[language] = check
        return cls(texts, checks)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(cls.read)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Model):
    """One fact with its origin. Amounts are integer minor units (`unit: EUR`), spans are whole units.

    `value: null` means that the city has not decided yet; `city_says` marks what another city may set differently.
    """

    value: bool | int | str | None
    unit: Unit | None = None
    source: str
    valid_from: date
    decided_by: Literal["federation", "state", "city"]
    city_says: bool = False


class Link(_Model):
    label: Words
    url: str


class Result(_Model):
    """Where the gate ends: how this errand can be done, and why.

    `service` names the errand as which it goes on, where the person asked for a neighbouring one.
    """

    id: str
    kind: Route
    reason: Words
    authority: Words | None = None
    link: Link | None = None
    service: str | None = None

    @property
    def bookable(self) -> bool:
        """Whether a slot of the virtual office may be offered for the errand that was asked for."""
        return self.kind == "video" and self.service is None


class Answer(_Model):
    id: str
    label: Words
    synonyms: Mapping[str, tuple[str, ...]] = {}
    next: str | None = None
    result: str | None = None


class Question(_Model):
    id: str
    ask: Words
    help: Words | None = None
    answers: tuple[Answer, ...]

    def answer(self, answer_id: str) -> Answer | None:
        return next((answer for answer in self.answers if answer.id == answer_id), None)


class Gate(_Model):
    """Questions that decide, before a slot is spent, whether and how an errand can be done.

    The first question starts; each answer leads to a later question or to a result.
    """

    questions: tuple[Question, ...] = ()
    results: tuple[Result, ...]

    def start(self) -> Question | Result:
        return self.questions[0] if self.questions else self.results[0]

    def next(self, answers: Mapping[str, str]) -> Question | Result:
        """Walk from the start along `answers` (question id → answer id) to what is still open.

        An answer that its question does not know counts as not given.
        """
        step = self.start()
        while isinstance(step, Question):
            answer = step.answer(answers.get(step.id, ""))
            if answer is None:
                return step
            step = self.question(answer.next) if answer.next else self.result(answer.result or "")
        return step

    def question(self, question_id: str) -> Question:
        return _one(self.questions, question_id)

    def result(self, result_id: str) -> Result:
        return _one(self.results, result_id)


class Document(_Model):
    """A paper: the German term stands beside the own-language name.

    `intent` is the topic that explains it, `service` the errand by which one gets it.
    """

    id: str
    term: str
    names: Words
    explain: Words
    synonyms: Mapping[str, tuple[str, ...]] = {}
    intent: str | None = None
    service: str | None = None

    def label(self, language: str) -> str:
        name = self.names[language]
        return name if name == self.term else f"{name} ({self.term})"


class ChecklistItem(_Model):
    """A paper that a service needs, and when: `when` maps a gate question to the answers that need it."""

    document: Document
    required: bool = True
    hand_in_later: bool = False
    when: Mapping[str, tuple[str, ...]] = {}
    note: Words | None = None

    @property
    def id(self) -> str:
        return self.document.id

    def applies(self, answers: Mapping[str, str]) -> bool:
        """Whether these gate answers need the paper; a question not yet answered leaves it on the list."""
        return all(answers.get(question, allowed[0]) in allowed for question, allowed in self.when.items())


class Reduction(_Model):
    """A lower (or no) fee for a group; `fact` names the amount."""

    id: str
    fact: str
    who: Words


class Tariff(_Model):
    """`fact` names the fee among the facts; a fee of 0 is free."""

    fact: str = "fee"
    reductions: tuple[Reduction, ...] = ()


class Variant(_Model):
    """A kind of one service, such as a certificate for an authority; `fact` names its fee if it is another one."""

    id: str
    names: Words
    explain: Words
    fact: str | None = None


class Imported(_Model):
    """Where a service was taken from: `key` names it there, `leika` are its ids in the federal catalogue.

    `changed` is the day of its last change there, `taken` that of the import. `public`: whether the source shows it;
    `bare`: it gives a name and nothing else. `asked`: how people ask for it, by language.
    """

    format: Literal["dldb", "xzufi"]
    key: str
    leika: tuple[str, ...] = ()
    source: str
    changed: date | None = None
    taken: date
    public: bool = True
    bare: bool = False
    asked: Mapping[str, tuple[str, ...]] = {}


class Service(_Model):
    """What one errand is. An `imported` one may have its texts in one language only."""

    id: str
    term: str
    names: Words
    synonyms: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, Fact]
    gate: Gate
    checklist: tuple[ChecklistItem, ...]
    tariff: Tariff
    form: str | None
    aspects: Mapping[Aspect, Words]
    variants: tuple[Variant, ...] = ()
    imported: Imported | None = None

    @property
    def overview(self) -> Words:
        return self.aspects["overview"]

    @property
    def duration_minutes(self) -> int:
        return self._number("duration")

    @property
    def deadline_days(self) -> int | None:
        return self._number("deadline") if "deadline" in self.facts else None

    @property
    def proxy_allowed(self) -> bool:
        return bool(self.facts["proxy_allowed"].value)

    @property
    def signature(self) -> SignatureLevel:
        level: SignatureLevel = self.facts["signature"].value  # type: ignore[assignment]  # checked on reading
        return level

    @property
    def may_file_before_payment(self) -> bool:
        return bool(self.facts["file_before_payment"].value)

    @property
    def fee_minor(self) -> int | None:
        """The usual fee in cents; 0 is free, None is not decided by the city."""
        value = self.facts[self.tariff.fact].value
        return None if value is None else int(value)

    @property
    def currency(self) -> str:
        return self.facts[self.tariff.fact].unit or "EUR"

    def reduced_fee_minor(self, reduction_id: str) -> int:
        """The fee of a group in cents."""
        return self._number(_one(self.tariff.reductions, reduction_id).fact)

    def priced(self) -> tuple[Reduction, ...]:
        """What has a fee beside the usual one: the reductions, and variants with a fee that is not yet among them."""
        known = {self.tariff.fact, *(one.fact for one in self.tariff.reductions)}
        own = (one for one in self.variants if one.fact and one.fact not in known)
        return (
            *self.tariff.reductions,
            *(Reduction(id=one.id, fact=one.fact or "", who=one.names) for one in own),
        )

    def checklist_for(self, answers: Mapping[str, str]) -> tuple[ChecklistItem, ...]:
        return tuple(item for item in self.checklist if item.applies(answers))

    def _number(self, fact: str) -> int:
        return int(self.facts[fact].value or 0)


class Faq(_Model):
    """An answer to a question that needs no service. `on_menu` shows its title among the topics.

    `services` are errands that the answer leads to; `facts` are what its sentences may name.
    """

    intent: str
    title: Words
    text: Words
    triggers: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, Fact] = {}
    services: tuple[str, ...] = ()
    on_menu: bool = False
    link: Link | None = None
    source: str | None = None


class Section(_Model):
    """A part of a page; `only_with` names the channel or the way to pay without which it would not be true."""

    heading: Words
    paragraphs: tuple[Words, ...]
    only_with: Literal["telegram", "matrix", "email", "stripe"] | None = None


class LegalPage(_Model):
    id: str
    title: Words
    updated: date
    sections: tuple[Section, ...]

    def shown(self, switched_on: Collection[str]) -> list[Section]:
        """The sections that hold with these channels and ways to pay."""
        return [part for part in self.sections if part.only_with is None or part.only_with in switched_on]

    def is_checked(self, language: str, switched_on: Collection[str]) -> bool:
        """Whether a person has checked every text that is shown in this language."""
        parts = self.shown(switched_on)
        texts = [self.title, *(words for part in parts for words in (part.heading, *part.paragraphs))]
        return all(words.status(language) != "machine" for words in texts)


def _span(raw: object) -> object:
    return dict(zip(("start", "end"), raw.split("-"), strict=True)) if isinstance(raw, str) else raw


class OpenSpan(_Model):
    """Wall-clock times of the office's zone."""

    start: time
    end: time


OpeningHours = Mapping[str, tuple[Annotated[OpenSpan, BeforeValidator(_span)], ...]]
"""Weekday (mon … sun) → spans."""


class Office(_Model):
    id: str
    name: Words
    address: tuple[str, ...]
    zone: str
    phone: str
    email: str
    hours: OpeningHours

    def open_on(self, weekday: int) -> tuple[OpenSpan, ...]:
        """The spans of a weekday, Monday = 0."""
        return self.hours.get(WEEKDAYS[weekday], ())

    @property
    def weekly_minutes(self) -> int:
        spans = (span for day in self.hours.values() for span in day)
        return sum(_minutes(span.end) - _minutes(span.start) for span in spans)


class LaneSetup(_Model):
    """A row of slots; `skills` are service ids, empty for all."""

    name: str
    skills: tuple[str, ...] = ()


class SlotRules(_Model):
    """How slots are cut and offered."""

    grid_minutes: int
    lead_minutes: int
    horizon_days: int
    hold_minutes: int
    offered: int


class WakingHours(_Model):
    """Slots inside these hours of the citizen's own day are offered first."""

    start: time
    end: time


class Holidays(_Model):
    """Public holidays by the `holidays` library, and the office's own closed days."""

    country: str
    subdivision: str
    closed: tuple[date, ...] = ()


class Retention(_Model):
    """How long things are kept at most, in days: threads from their start, cases from their end."""

    conversation_days: int
    case_days: int
    audit_days: int


class Payments(_Model):
    """Where fees are transferred to, and the rules for asking. Amounts are cents.

    `reference` begins every cash reference; `days` is how long a fee may be paid; `least` and `most` bound
    an amount that the tariff leaves to the clerk.
    """

    holder: str = Field(min_length=1, max_length=70)
    iban: str
    bank: str
    reference: str = Field(pattern=r"^[A-Z0-9]{1,6}$")
    days: int = Field(ge=1, le=90)
    least: int = Field(ge=1)
    most: int = Field(ge=1)

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if not is_iban(self.iban):
            raise ValueError("the check digits of the IBAN do not fit; copy it again")
        if self.least > self.most:
            raise ValueError("`least` is more than `most`")
        return self


class City(_Model):
    slug: str
    names: Words
    sample: bool
    note: Words | None = None
    default_language: str
    languages: tuple[str, ...]
    offices: tuple[Office, ...]
    lanes: tuple[LaneSetup, ...]
    slots: SlotRules
    ranking: WakingHours
    holidays: Holidays
    retention: Retention
    payments: Payments
    menu: tuple[str, ...]
    authority: Words
    supervisor: Words

    @property
    def office(self) -> Office:
        return self.offices[0]


class Triggers(_Model):
    """Words that show an intent or an aspect, per language.

    Before `joins` a message may be split into two questions; `insults` are answered politely, whatever they mean.
    With `corrections` somebody says that something else was meant; letters of a word are enough.
    """

    intents: Mapping[str, Mapping[str, tuple[str, ...]]]
    aspects: Mapping[Aspect, Mapping[str, tuple[str, ...]]]
    languages: Mapping[str, Mapping[str, tuple[str, ...]]]
    ignore: Mapping[str, tuple[str, ...]]
    joins: Mapping[str, tuple[str, ...]] = {}
    insults: Mapping[str, tuple[str, ...]] = {}
    corrections: Mapping[str, tuple[str, ...]] = {}


class ArrivalGroup(_Model):
    """Who comes, told apart by the law of entry. `countries` are ISO 3166 codes; `others`: everyone not named.

    `arrives`: comes from outside Germany. `answers`: what the errand's gate will hear once they have moved in.
    """

    id: str
    label: Words
    synonyms: Mapping[str, tuple[str, ...]] = {}
    countries: tuple[str, ...] = ()
    others: bool = False
    arrives: bool = True
    answers: Mapping[str, str]


class ArrivalStep(_Model):
    """Something to do: its day is `anchor` (arrival, move_in or an earlier step) and the span of the fact `offset`.

    `before`: counted back. `first_day`: the anchor's own day counts, as it does for a stay. `rolls`: a last day on
    which offices are closed is followed by the next working day (§ 31 VwVfG). `books`: the errand of the plan, a slot
    for which lies between moving in and this day. `remind`: the fact that says how long before the day.
    """

    id: str
    title: Words
    text: Words
    anchor: str
    kind: Literal["by", "about"]
    offset: str | None = None
    before: bool = False
    first_day: bool = False
    rolls: bool = False
    books: bool = False
    groups: tuple[str, ...] = ()
    remind: str | None = None
    document: str | None = None
    service: str | None = None
    link: Link | None = None


class Arrival(_Model):
    """The plan for people who are not here yet. `service` is the errand that waits until they have moved in.

    `topics` are the questions whose answers offer the plan, too.
    """

    service: str
    topics: tuple[str, ...] = ()
    facts: Mapping[str, Fact]
    groups: tuple[ArrivalGroup, ...]
    steps: tuple[ArrivalStep, ...]

    def group(self, group_id: str) -> ArrivalGroup:
        """Errors: NotFound."""
        return _one(self.groups, group_id)

    def steps_of(self, group_id: str) -> tuple[ArrivalStep, ...]:
        return tuple(step for step in self.steps if not step.groups or group_id in step.groups)

    def step(self, step_id: str) -> ArrivalStep:
        """Errors: NotFound."""
        return _one(self.steps, step_id)


class CityContent(_Model):
    """Everything one city says. It changes as a whole, by `become`, so that all who hold it see the same."""

    city: City
    services: Mapping[str, Service]
    documents: Mapping[str, Document]
    faq: Mapping[str, Faq]
    legal: Mapping[str, LegalPage]
    triggers: Triggers
    arrival: Arrival | None = None

    def become(self, other: "CityContent") -> None:
        """Say what `other` says from now on: a newer version of the same city."""
        self.__dict__.update(other.__dict__)  # at once, before anybody else reads a field

    def service(self, service_id: str) -> Service:
        """Errors: NotFound."""
        return _known(self.services, service_id)

    def topic(self, intent: str) -> Faq:
        """Errors: NotFound."""
        return _known(self.faq, intent)

    def page(self, page_id: str) -> LegalPage:
        """Errors: NotFound."""
        return _known(self.legal, page_id)

    def menu_services(self) -> tuple[Service, ...]:
        return tuple(self.services[service_id] for service_id in self.city.menu)

    def menu_topics(self) -> tuple[Faq, ...]:
        return tuple(topic for topic in self.faq.values() if topic.on_menu)

    def terms(self) -> frozenset[str]:
        """German official terms: one of them inside a message says nothing about its language."""
        return frozenset(
            [service.term for service in self.services.values()]
            + [paper.term for paper in self.documents.values()]
        )


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_N = TypeVar("_N", bound=_Named)
_V = TypeVar("_V")


def _one(items: Iterable[_N], item_id: str) -> _N:
    for item in items:
        if item.id == item_id:
            return item
    raise NotFound(id=item_id)


def _known(items: Mapping[str, _V], item_id: str) -> _V:
    if item_id not in items:
        raise NotFound(id=item_id)
    return items[item_id]


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute
