"""Facts in words: "14 days", "13 €", opening hours and addresses, as each language writes them."""

import string
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from babel import Locale
from babel.dates import get_day_names
from babel.numbers import format_currency

from foundation.glosses import glossed
from foundation.i18n import FSI, PDI, RTL_LANGUAGES
from foundation.yamlfile import YamlFile

if TYPE_CHECKING:
    from foundation.content_models import City, Fact, OpenSpan

Slots = Mapping[str, str]
"""Placeholder → what stands there in one language."""

LRI = "\u2066"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def fill(template: str, slots: Slots, language: str) -> str:
    """Put facts into a sentence. Errors: ValueError naming the unknown placeholder."""
    try:
        return template.format_map(slots)
    except KeyError as error:
        raise ValueError(f"{language}: no fact is called {{{error.args[0]}}}; add it under `facts`") from None
    except (ValueError, IndexError) as error:
        raise ValueError(f"{language}: a brace is not closed ({error})") from None


def placeholders(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


class Measures:
    """Unit words per language (content/units.yaml), each with its plural forms; German ones are datives."""

    def __init__(self, file: YamlFile) -> None:
        self._file = file

    def fact(self, fact: "Fact", language: str) -> str:
        """A fact as words. Amounts are minor units; an amount of 0 reads "none"."""
        if fact.value is None:
            return self._word("undecided", language)
        if fact.unit == "EUR":
            return (
                self._word("free", language)
                if fact.value == 0
                else self.money(int(fact.value), fact.unit, language)
            )
        if fact.unit:
            return self.span(int(fact.value), fact.unit, language)
        return str(fact.value)

    def fee(self, fact: "Fact", language: str) -> str:
        """A fee as a short sentence: "Fee: 15 €."."""
        return self._word("fee", language).format(fee=self.fact(fact, language))

    def money(self, minor: int, currency: str, language: str) -> str:
        """1300 → "13 €", 2760 → "27,60 €"."""
        pattern = Locale.parse(language).currency_formats["standard"].pattern
        if minor % 100 == 0:
            pattern = pattern.replace(".00", "")
        shown = format_currency(
            Decimal(minor) / 100, currency, pattern, locale=language, currency_digits=False
        )
        return f"{FSI}{shown}{PDI}" if language in RTL_LANGUAGES else shown

    def span(self, number: int, unit: str, language: str) -> str:
        category = Locale.parse(language).plural_form(number)
        return self._entry("units", unit, language, category).format(n=number)

    def isolated(self, values: Mapping[str, str], language: str) -> dict[str, str]:
        """Keep values in another script from reordering a right-to-left sentence."""
        if language not in RTL_LANGUAGES:
            return dict(values)
        return {name: f"{FSI}{value}{PDI}" for name, value in values.items()}

    def city(self, city: "City", language: str) -> dict[str, str]:
        """What every sentence of a city may name."""
        office, keep = city.office, city.retention
        isolated = {
            "city": city.names[language],
            "office": office.name[language],
            "address": ", ".join(office.address),
            "email": office.email,
            "authority": city.authority[language],
            "supervisor": city.supervisor[language],
        }
        plain = {
            "phone": f"{LRI}{office.phone}{PDI}" if language in RTL_LANGUAGES else office.phone,
            "hours": self.hours(office.hours, language),
            "conversation_kept": self.span(keep.conversation_days, "day", language),
            "case_kept": self.span(keep.case_days, "day", language),
            "audit_kept": self.span(keep.audit_days, "day", language),
            "hold": self.span(city.slots.hold_minutes, "minute", language),
            "languages": self.languages(city.languages, language),
        }
        return {**self.isolated(isolated, language), **plain}

    def hours(self, hours: "Mapping[str, tuple[OpenSpan, ...]]", language: str) -> str:
        """One line a day: "Monday: 08:00–12:00, 13:00–15:00"."""
        names = get_day_names("wide", context="stand-alone", locale=language)
        return "\n".join(
            f"{names[index]}: {self._spans(hours[day], language)}"
            for index, day in enumerate(_WEEKDAYS)
            if hours.get(day)
        )

    def languages(self, codes: Iterable[str], language: str) -> str:
        names = Locale.parse(language).languages
        return self._comma(language).join(names[code] for code in codes)

    def _spans(self, spans: "Iterable[OpenSpan]", language: str) -> str:
        shown = [f"{span.start:%H:%M}–{span.end:%H:%M}" for span in spans]
        if language in RTL_LANGUAGES:
            shown = [f"{LRI}{one}{PDI}" for one in shown]
        return self._comma(language).join(shown)

    def imported(self, name: str, language: str) -> str:
        """A sentence about an imported service, as a template; in English where the language lacks it."""
        found = self._file.value.get("imported", {}).get(name, {})
        return str(found.get(language) or found.get("en") or self._entry("imported", name, language))

    def asked(self, name: str) -> dict[str, tuple[str, ...]]:
        """How people of every language ask for a service of this German name, which is glossed in theirs."""
        said: Mapping[str, Mapping[str, str]] = self._file.value.get("imported", {})
        found: dict[str, tuple[str, ...]] = {}
        for question in ("asked_fee", "asked_channel"):
            for code, template in said.get(question, {}).items():
                names = dict.fromkeys(glossed(name, code, synonym=number) for number in (0, 1))
                found[code] = (*found.get(code, ()), *(template.format(name=one) for one in names))
        return found

    def _comma(self, language: str) -> str:
        return self._word("comma", language)

    def _word(self, name: str, language: str) -> str:
        return self._entry("words", name, language)

    def _entry(self, *at: str) -> str:
        value: Any = self._file.value
        for depth, step in enumerate(at):
            if not isinstance(value, Mapping) or step not in value:
                problem = f"plural forms missing in {at[2]}: {step}" if depth == 3 else f"{step} is missing"
                raise self._file.error(at[:depth], f"{problem}; add it")
            value = value[step]
        return str(value)
