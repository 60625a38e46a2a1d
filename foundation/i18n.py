"""Texts for people: named in code, written in catalogues and content, rendered late and per language.

Code says *what* is meant (`Text("booking.slot_taken", when=Moment(...))`); the catalogue of a
language says how. The same value can so be rendered in the person's language and in German beside it.
Parameters are written `{name}`; a message with plural forms chooses by the parameter `count`.
"""

import gettext
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.messages.pofile import read_po
from babel.numbers import format_currency

DOMAIN = "foyer"
RTL_LANGUAGES = frozenset({"ar", "fa", "he", "ur"})
_RTL_LETTER = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_PARAMETER = re.compile(r"\{(\w+)\}")
FSI, PDI = "\u2068", "\u2069"
# Day before month, as the office writes it; plain "en" is read as American by the Unicode data.
_REGIONAL = {"en": "en_GB"}

Words = Mapping[str, str]
"""A content text: language → sentence, possibly with `{parameters}`."""


@dataclass(frozen=True)
class Text:
    """A catalogue text by its key, with parameters."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __init__(self, key: str, /, **params: Any) -> None:
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "params", params)


@dataclass(frozen=True)
class Filled:
    """A content text with parameters."""

    words: Words
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verbatim:
    """Something shown as it is in every language: what a person typed, a name, an address."""

    text: str


Sayable = Text | Filled | Verbatim


@dataclass(frozen=True)
class Moment:
    """An instant as people of a zone read it: weekday, date and time ("Tue 20 Oct 2026, 09:00")."""

    at: datetime
    zone: str


@dataclass(frozen=True)
class TimeOfDay:
    """An instant as the clock of a zone shows it ("09:00")."""

    at: datetime
    zone: str


@dataclass(frozen=True)
class Money:
    """Integer minor units (cents) and ISO 4217 currency."""

    minor: int
    currency: str = "EUR"


def direction(language: str) -> str:
    return "rtl" if language in RTL_LANGUAGES else "ltr"


@dataclass(frozen=True)
class Message:
    """One catalogue entry: a single text, or the plural forms in gettext's order."""

    forms: tuple[str, ...]
    plural: bool


class Catalogue:
    """All interface texts, read once from `<content>/locale/<language>/LC_MESSAGES/foyer.po`."""

    def __init__(self, messages: Mapping[str, Mapping[str, Message]], plurals: Mapping[str, str]) -> None:
        self._messages = messages
        self._plural = {language: gettext.c2py(expression) for language, expression in plurals.items()}

    @classmethod
    def load(cls, content_dir: Path) -> "Catalogue":
        messages, plurals = {}, {}
        for path in sorted((content_dir / "locale").glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
            language = path.parts[-3]
            with path.open("rb") as file:
                catalog = read_po(file, locale=language)
            plurals[language] = catalog.plural_expr
            messages[language] = {
                _key(entry.id): _message(entry.string) for entry in catalog if entry.id and entry.string
            }
        return cls(messages, plurals)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._messages)

    def has(self, key: str, language: str) -> bool:
        return key in self._messages.get(language, {})

    def render(self, sayable: Sayable, language: str) -> str:
        """The sentence in `language`; where that lacks it, in English, then German, then the bare key."""
        if isinstance(sayable, Verbatim):
            return sayable.text
        if isinstance(sayable, Filled):
            used = next((code for code in (language, "en", "de") if code in sayable.words), None)
            template = sayable.words[used] if used else next(iter(sayable.words.values()), "")
            return self._fill(template, sayable.params, used or language)
        for used in (language, "en", "de"):
            message = self._messages.get(used, {}).get(sayable.key)
            if message:
                return self._fill(self._choose(message, sayable.params, used), sayable.params, used)
        return sayable.key

    def __call__(self, key: str, language: str, /, **params: Any) -> str:
        return self.render(Text(key, **params), language)

    def for_browser(self, language: str, prefixes: tuple[str, ...]) -> dict[str, Any]:
        """`{"plural": [CLDR category of each form], "messages": {key: text | [forms]}}`.

        gettext's order of plural forms is not CLDR's, so it is found by sampling; `Intl.PluralRules`
        in the browser then picks the same form.
        """
        rule, category = self._plural[language], Locale.parse(language).plural_form
        order: dict[int, str] = {}
        for number in range(1001):
            order.setdefault(rule(number), category(number))
        return {
            "plural": [order.get(index, "other") for index in range(max(order) + 1)],
            "messages": {
                key: list(message.forms) if message.plural else message.forms[0]
                for key, message in self._messages[language].items()
                if key.startswith(prefixes)
            },
        }

    def _choose(self, message: Message, params: Mapping[str, Any], language: str) -> str:
        if not message.plural:
            return message.forms[0]
        return message.forms[self._plural[language](int(params.get("count", 1)))]

    def _fill(self, template: str, params: Mapping[str, Any], language: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in params:
                return match[0]
            shown = self.format(params[match[1]], language)
            # Isolates keep a Latin name from reordering an Arabic sentence, and the other way round.
            if language in RTL_LANGUAGES or _RTL_LETTER.search(shown):
                return f"{FSI}{shown}{PDI}"
            return shown

        return _PARAMETER.sub(value, template)

    def format(self, value: Any, language: str) -> str:
        """A parameter as this language writes it."""
        if isinstance(value, Text | Filled | Verbatim):
            return self.render(value, language)
        locale = _REGIONAL.get(language, language)
        if isinstance(value, Moment):
            local = value.at.astimezone(ZoneInfo(value.zone))
            day = format_skeleton("yMMMEd", local, locale=locale)
            comma = "،" if language in RTL_LANGUAGES else ","
            return f"{day}{comma} {self.format(TimeOfDay(value.at, value.zone), language)}"
        if isinstance(value, TimeOfDay):
            return format_time(value.at.astimezone(ZoneInfo(value.zone)), "HH:mm", locale=locale)
        if isinstance(value, Money):
            return format_currency(value.minor / 100, value.currency, locale=locale)
        if isinstance(value, date):
            return format_date(value, "long", locale=locale)
        return str(value)


def _key(identifier: str | tuple[str, ...] | list[str]) -> str:
    return identifier if isinstance(identifier, str) else identifier[0]


def _message(string: str | tuple[str, ...] | list[str]) -> Message:
    if isinstance(string, str):
        return Message((string,), plural=False)
    return Message(tuple(string), plural=True)
