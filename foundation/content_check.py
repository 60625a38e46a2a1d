"""Finds what is missing or uneven in a city's content, before a citizen does."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel import Locale

from foundation.addresses import name_of
from foundation.content import load
from foundation.content_models import CityContent, Gate, Service
from foundation.errors import OperatorError
from foundation.imported import SOURCE_LANGUAGE, is_imported
from foundation.measures import placeholders
from foundation.yamlfile import YamlFile

_CATEGORIES = frozenset({"zero", "one", "two", "few", "many", "other"})
_LANGUAGE = re.compile(r"[a-z]{2}")
_OPENING = {"\u2066": "\u2069", "\u2067": "\u2069", "\u2068": "\u2069"} | dict.fromkeys(
    "\u202a\u202b\u202d\u202e", "\u202c"
)
_CLOSING = frozenset(_OPENING.values())

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """One thing to correct: where, what is wrong, and what to do."""

    where: str
    problem: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; {self.todo}"


def content_findings(content_dir: Path, slug: str, texts: Mapping[Path, str] | None = None) -> list[Finding]:
    """Everything wrong with a city's content; empty if it can be shown to people in all its languages.

    `texts` are read in place of these files.
    """
    root = content_dir / "cities" / slug
    try:
        content = load(content_dir, slug, texts)
    except OperatorError as error:
        return [Finding(*_split_error(str(error)))]
    paths = (content_dir / "units.yaml", *sorted(root.rglob("*.yaml")))
    files = {path: YamlFile(path, (texts or {}).get(path)) for path in paths}
    findings = [
        finding
        for file in files.values()
        for finding in _text_findings(file, file.value, (), _needed(file, content.city.languages))
    ]
    for service in content.services.values():
        findings += _service_findings(files[root / "services" / f"{service.id}.yaml"], service, content)
    return findings + list(_menu_findings(files[root / "city.yaml"], content))


def _needed(file: YamlFile, languages: tuple[str, ...]) -> tuple[str, ...]:
    """The languages that a file's texts must have: an imported service comes in that of its source."""
    return (SOURCE_LANGUAGE,) if is_imported(file.value) else languages


def bidi_balanced(text: str) -> bool:
    """Whether every direction mark that opens is closed again, in order (Unicode UAX #9)."""
    open_marks: list[str] = []
    for character in text:
        if character in _OPENING:
            open_marks.append(_OPENING[character])
        elif character in _CLOSING and (not open_marks or open_marks.pop() != character):
            return False
    return not open_marks


def _split_error(text: str) -> tuple[str, str, str]:
    where, _, rest = text.partition(": ")
    return where, rest, "correct this line"


# -- texts -------------------------------------------------------------------------------------------


def _text_findings(file: YamlFile, value: Any, at: _Path, languages: tuple[str, ...]) -> Iterator[Finding]:
    """Walk a file; every mapping by language must be whole."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _text_findings(file, item, (*at, index), languages)
    elif isinstance(value, Mapping):
        if _is_text(value):
            for problem, todo in _whole(value, languages):
                yield Finding(
                    f"{file.path}:{file.line_of(at)}", f"{name_of(file.value, at)}: {problem}", todo
                )
        else:
            for key, item in value.items():
                yield from _text_findings(file, item, (*at, str(key)), languages)


def _is_text(value: Mapping[Any, Any]) -> bool:
    """A text, a word list or plural forms: every key a language, every value something written in it."""
    return bool(value) and all(
        _LANGUAGE.fullmatch(str(key))
        and (isinstance(item, str | list) or _is_checked(item) or _is_plural(item))
        for key, item in value.items()
    )


def _is_checked(item: object) -> bool:
    return isinstance(item, Mapping) and "text" in item


def _is_plural(item: object) -> bool:
    return isinstance(item, Mapping) and bool(item) and set(item) <= _CATEGORIES


def _whole(value: Mapping[str, Any], languages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    missing = [code for code in languages if code not in value]
    if missing:
        yield f"no text in {', '.join(missing)}", "add it"
    for code, item in value.items():
        if not item or (isinstance(item, str) and not item.strip()):
            yield f"the text in {code} is empty", "write it"
        if _is_plural(item):
            yield from _plural_whole(code, item)
    written = {code: forms for code, item in value.items() if (forms := _forms(item))}
    slots = {code: frozenset().union(*map(placeholders, forms)) for code, forms in written.items()}
    if len(set(slots.values())) > 1:
        shown = ", ".join(f"{code}: {' '.join(sorted(names)) or 'none'}" for code, names in slots.items())
        yield f"not the same facts in all languages ({shown})", "name the same ones in each"
    for code, forms in written.items():
        if not all(map(bidi_balanced, forms)):
            yield f"a direction mark in {code} is not closed", "close it or leave it out"


def _forms(item: object) -> list[str]:
    if isinstance(item, str):
        return [item]
    if isinstance(item, Mapping):
        return [item["text"]] if "text" in item else list(item.values())
    return []


def _plural_whole(code: str, item: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    needed = {Locale.parse(code).plural_form(number) for number in range(201)}
    if needed - set(item):
        yield f"plural forms missing in {code}: {', '.join(sorted(needed - set(item)))}", "add them"


# -- services ----------------------------------------------------------------------------------------


def _service_findings(file: YamlFile, service: Service, content: CityContent) -> Iterator[Finding]:
    if file.value["id"] != service.id:
        yield Finding(f"{file.path}:1", f"the file is not named after {file.value['id']}", "rename it")
    for at, problem, todo in (*_gate_problems(service.gate), *_reference_problems(service, content)):
        yield Finding(f"{file.path}:{file.line_of(at)}", problem, todo)


def _gate_problems(gate: Gate) -> Iterator[tuple[_Path, str, str]]:
    """Every answer leads on, every question and result can be reached, no walk goes round in circles."""
    questions = {question.id: index for index, question in enumerate(gate.questions)}
    results = {result.id: index for index, result in enumerate(gate.results)}
    for kind, names in (
        ("questions", [one.id for one in gate.questions]),
        ("results", [one.id for one in gate.results]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield ("gate", kind), f"{name} is there {count} times", "rename one"
    reached: set[str] = {gate.questions[0].id} if gate.questions else {gate.results[0].id}
    for index, question in enumerate(gate.questions):
        if len({answer.id for answer in question.answers}) < len(question.answers):
            yield ("gate", "questions", index), f"{question.id}: two answers have one id", "rename one"
        for number, answer in enumerate(question.answers):
            at = ("gate", "questions", index, "answers", number)
            target = answer.next or answer.result
            if bool(answer.next) == bool(answer.result):
                yield at, f"{question.id}.{answer.id} needs either `next` or `result`", "give one"
            elif answer.next and questions.get(answer.next, -1) <= index:
                yield (
                    at,
                    f"{question.id}.{answer.id} leads to no later question",
                    "name a question further down",
                )
            elif answer.result and answer.result not in results:
                yield (
                    at,
                    f"{question.id}.{answer.id} leads to no result",
                    "add the result or correct the name",
                )
            reached.add(target or "")
    for kind, ids in (("questions", questions), ("results", results)):
        for name, place in ids.items():
            if name not in reached:
                yield ("gate", kind, place), f"nothing leads to {name}", "lead an answer to it or take it out"


def _reference_problems(service: Service, content: CityContent) -> Iterator[tuple[_Path, str, str]]:
    answers = {question.id: {answer.id for answer in question.answers} for question in service.gate.questions}
    for index, item in enumerate(service.checklist):
        for question, wanted in item.when.items():
            if not wanted or not set(wanted) <= answers.get(question, set()):
                yield (
                    ("checklist", index, "when"),
                    f"{item.id}: no such answer",
                    "name a gate question and its answers",
                )
    for ids in ([one.id for one in service.variants], [one.id for one in service.priced()]):
        for name, count in Counter(ids).items():
            if count > 1:
                yield ("variants",), f"{name} is there {count} times", "rename one"
    for index, result in enumerate(service.gate.results):
        if result.service and result.service not in content.services:
            yield ("gate", "results", index), f"{result.id} names an unknown service", "correct the id"
        if result.kind == "other_authority" and result.authority is None:
            yield ("gate", "results", index), f"{result.id} does not say which authority", "add `authority`"


def _menu_findings(file: YamlFile, content: CityContent) -> Iterator[Finding]:
    for name, count in Counter(content.city.menu).items():
        if count > 1:
            yield Finding(
                f"{file.path}:{file.line_of(('menu',))}", f"{name} is on the menu twice", "keep one"
            )
    for page in ("imprint", "privacy", "accessibility"):
        if page not in content.legal:
            yield Finding(
                f"{file.path.parent}/legal/{page}.yaml:1",
                "the page is missing",
                "write it; the law asks for it",
            )
