"""Names for the places of a city's content: `services/passport.yaml#gate.questions.home.ask`.

A list item is named by its own id where each item of the list has one, else by its number, so that a name
outlives a new neighbour.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from foundation.yamledit import Path as Place

Kind = Literal["text", "list", "plural"]
_LANGUAGE = re.compile(r"[a-z]{2}")
_NAME = re.compile(r"[^.#\s]*[^.#\s0-9][^.#\s]*")
_CATEGORIES = frozenset({"zero", "one", "two", "few", "many", "other"})
_IDS = ("id", "document", "name")
NAMES = frozenset({"id", "slug", "document", "intent"})
"""Fields by which other places name this one."""
SHARED = "units.yaml"


class Spot(NamedTuple):
    """A value with its name inside the file and its place there."""

    name: str
    place: Place
    value: Any


def content_files(content_dir: Path, city: str) -> dict[str, Path]:
    """The YAML files of a city by their names, the shared words for quantities among them."""
    root = content_dir / "cities" / city
    own = {str(path.relative_to(root)): path for path in sorted(root.rglob("*.yaml"))}
    return {SHARED: content_dir / SHARED, **own}


def texts(value: Any) -> Iterator[Spot]:
    """Every mapping by language: texts, word lists, plural forms."""
    return _walk(value, Spot("", (), value), is_text)


def values(value: Any) -> Iterator[Spot]:
    """Every value that is no text: a number, a date, a code, or a list of these. What names its neighbours is none."""
    for spot in _walk(value, Spot("", (), value), lambda one: is_text(one) or _is_value(one)):
        if not is_text(spot.value) and spot.place and spot.place[-1] not in NAMES:
            yield spot


def name_of(value: Any, place: Place) -> str:
    """The name of a place, which must be there."""
    names: list[str] = []
    for step in place:
        names.append(_item_names(value)[int(step)] if isinstance(value, list) else str(step))
        value = value[step]
    return ".".join(names)


def _is_value(one: Any) -> bool:
    if isinstance(one, list):
        return not any(isinstance(item, list | dict) for item in one)
    return not isinstance(one, dict)


def is_text(value: Any) -> bool:
    """A mapping by language: every key a language, German or English among them, every value written in it."""
    return (
        isinstance(value, Mapping)
        and not value.keys().isdisjoint({"de", "en"})
        and all(_LANGUAGE.fullmatch(str(code)) and kind(item) for code, item in value.items())
    )


def kind(item: object) -> Kind | None:
    """What stands under a language; None for what is nothing of a language."""
    if isinstance(item, str) or (isinstance(item, Mapping) and isinstance(item.get("text"), str)):
        return "text"
    if isinstance(item, list) and all(isinstance(one, str) for one in item):
        return "list"
    if isinstance(item, Mapping) and item and set(item) <= _CATEGORIES:
        return "plural"
    return None


def _walk(value: Any, at: Spot, wanted: Callable[[Any], bool]) -> Iterator[Spot]:
    if wanted(value):
        yield at
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _walk(item, _below(at, str(name), name, item), wanted)
    elif isinstance(value, list):
        for index, (name, item) in enumerate(zip(_item_names(value), value, strict=True)):
            yield from _walk(item, _below(at, name, index, item), wanted)


def _below(at: Spot, name: str, step: Any, value: Any) -> Spot:
    return Spot(f"{at.name}.{name}" if at.name else name, (*at.place, step), value)


def _item_names(items: list[Any]) -> list[str]:
    for field in _IDS:
        names = [str(item.get(field, "")) if isinstance(item, Mapping) else "" for item in items]
        if len(set(names)) == len(names) and all(_NAME.fullmatch(name) for name in names):
            return names
    return [str(index) for index in range(len(items))]
