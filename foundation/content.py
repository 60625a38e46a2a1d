"""Reads what a city says: `load(content_dir, slug)` gives it typed, filled and checked for its shape."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from foundation.content_models import (
    ASPECTS,
    Answer,
    Arrival,
    Aspect,
    Check,
    ChecklistItem,
    City,
    CityContent,
    Document,
    Fact,
    Faq,
    Gate,
    LegalPage,
    Link,
    Office,
    OpenSpan,
    Question,
    Reduction,
    Result,
    Section,
    Service,
    SignatureLevel,
    SlotRules,
    Tariff,
    Triggers,
    Variant,
    Words,
)
from foundation.errors import OperatorError
from foundation.imported import completed, is_imported
from foundation.measures import Measures, Slots
from foundation.yamlfile import YamlFile

__all__ = [
    "ASPECTS",
    "Answer",
    "Aspect",
    "Check",
    "ChecklistItem",
    "City",
    "CityContent",
    "Document",
    "Fact",
    "Faq",
    "Gate",
    "LegalPage",
    "Link",
    "Office",
    "OpenSpan",
    "Question",
    "Reduction",
    "Result",
    "Section",
    "Service",
    "SlotRules",
    "Tariff",
    "Triggers",
    "Variant",
    "Words",
    "load",
]

_M = TypeVar("_M", bound=BaseModel)
_Languages = Mapping[str, Slots]
_NEEDED_FACTS = ("fee", "duration", "proxy_allowed", "signature", "file_before_payment")
_NO_AMOUNT = "names no amount: add {name} under `facts` with `unit: EUR`"


def load(content_dir: Path, city_slug: str, texts: Mapping[Path, str] | None = None) -> CityContent:
    """Read a city; `texts` are read in place of these files. Errors: OperatorError with file, line, what to do."""
    return _Reader(content_dir, city_slug, texts or {}).read()


class _Reader:
    """Reads the files of one city in the order in which later ones quote earlier ones."""

    def __init__(self, content_dir: Path, slug: str, texts: Mapping[Path, str]) -> None:
        self.root = content_dir / "cities" / slug
        self.texts = texts
        if not (self.root / "city.yaml").is_file():
            raise OperatorError(
                f"{self.root}/city.yaml is missing; set FOYER_CITY to a folder of {content_dir}/cities."
            )
        self.measures = Measures(self._file(content_dir / "units.yaml"))

    def read(self) -> CityContent:
        file = self._file(self.root / "city.yaml")
        city = _model(City, file, file.value, {})
        slots: dict[str, Slots] = {code: self.measures.city(city, code) for code in city.languages}
        documents = self._documents(slots)
        for code in city.languages:
            papers = {paper.id: paper.label(code) for paper in documents.values()}
            slots[code] = {**slots[code], **self.measures.isolated(papers, code)}
        services = [self._service(one, slots, documents) for one in self._folder("services")]
        _known_services(file, city, services)
        triggers = self._file(self.root / "nlu" / "triggers.yaml")
        return CityContent(
            city=city,
            services={service.id: service for service in services},
            documents=documents,
            faq={faq.intent: faq for faq in (self._topic(one, slots) for one in self._folder("faq"))},
            legal={
                page.id: page
                for page in (_model(LegalPage, one, one.value, slots) for one in self._folder("legal"))
            },
            triggers=_model(Triggers, triggers, triggers.value, {}),
            arrival=self._arrival(slots, documents, {service.id: service for service in services}),
        )

    def _folder(self, name: str) -> list[YamlFile]:
        return [self._file(path) for path in sorted((self.root / name).glob("*.yaml"))]

    def _file(self, path: Path) -> YamlFile:
        return YamlFile(path, self.texts.get(path))

    def _documents(self, slots: _Languages) -> dict[str, Document]:
        file = self._file(self.root / "documents.yaml")
        papers = (
            _model(Document, file, raw, slots, ("documents", index))
            for index, raw in enumerate(file.value["documents"])
        )
        return {paper.id: paper for paper in papers}

    def _own_papers(self, file: YamlFile, raw: Sequence[Any], slots: _Languages) -> dict[str, Document]:
        """Papers that only this service names."""
        papers = (_model(Document, file, one, slots, ("papers", index)) for index, one in enumerate(raw))
        return {paper.id: paper for paper in papers}

    def _service(self, file: YamlFile, slots: _Languages, documents: Mapping[str, Document]) -> Service:
        raw = dict(file.value)
        if is_imported(raw):
            raw = completed(raw, self.measures, slots)
            documents = {**documents, **self._own_papers(file, raw.pop("papers", ()), slots)}
        facts = _facts(file)
        missing = [name for name in _NEEDED_FACTS if name not in facts]
        if missing:
            raise file.error(("facts",), f"add {', '.join(missing)}; every service states these")
        own = self._with_facts(slots, facts)
        raw["facts"] = facts
        raw["checklist"] = [
            self._checklist_item(file, index, item, own, documents)
            for index, item in enumerate(raw["checklist"])
        ]
        raw["variants"] = [
            _variant(file, index, item, own, facts) for index, item in enumerate(raw.get("variants", ()))
        ]
        for code in own:
            own[code] = {**own[code], **self._own_words(raw, code)}
        return _consistent(file, _model(Service, file, raw, own))

    def _topic(self, file: YamlFile, slots: _Languages) -> Faq:
        facts = _facts(file)
        return _model(Faq, file, {**file.value, "facts": facts}, self._with_facts(slots, facts))

    def _arrival(
        self, slots: _Languages, documents: Mapping[str, Document], services: Mapping[str, Service]
    ) -> Arrival | None:
        """The arrival plan, None if the city has none. Its facts are its own and those it quotes from services."""
        path = self.root / "arrival.yaml"
        if not path.is_file():
            return None
        file = self._file(path)
        facts = {**_quoted(file, services), **_facts(file)}
        raw = {name: value for name, value in file.value.items() if name != "quoted"}
        plan = _model(Arrival, file, {**raw, "facts": facts}, self._with_facts(slots, facts))
        _can_be_planned(file, plan, documents, services)
        return plan

    def _with_facts(self, slots: _Languages, facts: Mapping[str, Fact]) -> dict[str, Slots]:
        """What sentences beside these facts may name, in each language."""
        return {
            code: {**common, **{name: self.measures.fact(fact, code) for name, fact in facts.items()}}
            for code, common in slots.items()
        }

    def _checklist_item(
        self,
        file: YamlFile,
        index: int,
        raw: Mapping[str, Any],
        slots: _Languages,
        documents: Mapping[str, Document],
    ) -> ChecklistItem:
        where = ("checklist", index)
        document = documents.get(raw.get("document", ""))
        if document is None:
            raise file.error((*where, "document"), "not in documents.yaml; add it there or correct the id")
        return _model(ChecklistItem, file, {**raw, "document": document}, slots, where)

    def _own_words(self, raw: Mapping[str, Any], language: str) -> dict[str, str]:
        """What only this service's sentences may name: its German term, its papers and its variants as lists."""
        papers = (
            f"• {item.document.label(language)}" + (f" – {item.note[language]}" if item.note else "")
            for item in raw["checklist"]
        )
        words = {
            **self.measures.isolated({"term": raw["term"]}, language),
            "documents": "\n".join(papers),
        }
        if raw["variants"]:
            words["variants"] = "\n".join(self._kind(one, raw["facts"], language) for one in raw["variants"])
        return words

    def _kind(self, variant: Variant, facts: Mapping[str, Fact], language: str) -> str:
        """A line of the list of variants; its fee is named where it has one of its own."""
        line = f"• {variant.names[language]}: {variant.explain[language]}"
        return f"{line} {self.measures.fee(facts[variant.fact], language)}" if variant.fact else line


def _model(
    kind: type[_M], file: YamlFile, raw: object, slots: _Languages, inside: tuple[str | int, ...] = ()
) -> _M:
    try:
        return kind.model_validate(raw, context={"slots": slots})
    except ValidationError as error:
        first = error.errors()[0]
        raise file.error((*inside, *first["loc"]), first["msg"].removeprefix("Value error, ")) from error


def _variant(
    file: YamlFile, index: int, raw: object, slots: _Languages, facts: Mapping[str, Fact]
) -> Variant:
    """Errors: OperatorError when its fee is no amount."""
    where = ("variants", index)
    variant = _model(Variant, file, raw, slots, where)
    if variant.fact is not None and not _is_amount(facts, variant.fact):
        raise file.error((*where, "fact"), _NO_AMOUNT.format(name=variant.fact))
    return variant


def _is_amount(facts: Mapping[str, Fact], name: str) -> bool:
    return name in facts and facts[name].unit == "EUR"


def _facts(file: YamlFile) -> dict[str, Fact]:
    """The facts of a service or a topic."""
    raw: Mapping[str, Any] = file.value.get("facts", {})
    return {name: _model(Fact, file, fact, {}, ("facts", name)) for name, fact in raw.items()}


def _quoted(file: YamlFile, services: Mapping[str, Service]) -> dict[str, Fact]:
    """Facts that belong to a service and are named as `service.fact`. Errors: OperatorError."""
    found: dict[str, Fact] = {}
    for name, at in file.value.get("quoted", {}).items():
        service_id, _, fact = str(at).partition(".")
        if service_id not in services or fact not in services[service_id].facts:
            raise file.error(("quoted", name), f"{at} is no fact of a service; write service.fact")
        found[name] = services[service_id].facts[fact]
    return found


def _can_be_planned(
    file: YamlFile, plan: Arrival, documents: Mapping[str, Document], services: Mapping[str, Service]
) -> None:
    """What the steps of a plan name must be there. Errors: OperatorError."""
    if plan.service not in services:
        raise file.error(("service",), f"{plan.service} has no file in services/")
    spans = {name for name, fact in plan.facts.items() if fact.unit in ("day", "week", "month")}
    groups, anchors = {one.id for one in plan.groups}, ["arrival", "move_in"]
    for index, step in enumerate(plan.steps):
        for field, name, known in (
            ("anchor", step.anchor, anchors),
            ("offset", step.offset, spans),
            ("remind", step.remind, spans),
            ("document", step.document, documents),
            ("service", step.service, services),
        ):
            if name is not None and name not in known:
                raise file.error(("steps", index, field), f"{name} is not known here; add it or correct it")
        if not set(step.groups) <= groups:
            raise file.error(("steps", index, "groups"), "names a group that is not there")
        anchors.append(step.id)


def _consistent(file: YamlFile, service: Service) -> Service:
    """What a service names must be there. Errors: OperatorError."""
    if service.facts["signature"].value not in get_args(SignatureLevel):
        raise file.error(("facts", "signature"), f"is one of {', '.join(get_args(SignatureLevel))}")
    for name in (service.tariff.fact, *(reduction.fact for reduction in service.tariff.reductions)):
        if not _is_amount(service.facts, name):
            raise file.error(("tariff",), _NO_AMOUNT.format(name=name))
    missing = [aspect for aspect in ASPECTS if aspect not in service.aspects]
    if missing:
        raise file.error(("aspects",), f"add {', '.join(missing)}; people ask for it")
    return service


def _known_services(file: YamlFile, city: City, services: list[Service]) -> None:
    known = {service.id for service in services}
    for index, service_id in enumerate(city.menu):
        if service_id not in known:
            raise file.error(
                ("menu", index), f"{service_id} has no file in services/; add it or take it off the menu"
            )
