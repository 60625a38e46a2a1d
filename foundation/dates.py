"""From a day as people write it, in any language, to a date: "3.12.2026", "2026-12-03", "3 December", "٣ ديسمبر".

The day stands before the month, as all languages of this house write it; where only the other order makes
sense ("12/25/2026"), that one is taken. A year that is left out is the one in which the day comes next.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

from babel import Locale, UnknownLocaleError

from foundation.errors import Invalid
from foundation.fold import fold

RECENT = timedelta(days=90)
"""A day without a year that is no longer past than this is taken for the one that was."""
CENTURY = 2000
_NUMBER = re.compile(r"\d+")
_ALWAYS = ("en", "de")
_VARIANTS = {"ar": ("ar", "ar_SY", "ar_DZ")}
"""Arabic has three sets of month names: Gulf and Egypt, the Levant, and the Maghreb."""


class Unreadable(Invalid):
    """Not one day was named."""

    key = "date.unreadable"


class NoSuchDay(Invalid):
    """The 31st of February, the 13th month."""

    key = "date.no_such_day"


def read(text: str, language: str, *, today: date) -> date:
    """The day that `text` names. Errors: Unreadable, NoSuchDay."""
    numbers, month = [int(one) for one in _NUMBER.findall(text)], _month(text, language)
    years = [one for one in numbers if one >= 1000]
    rest = [one for one in numbers if one < 1000]
    if month is None and len(numbers) == 3 and len(years) == 1:
        day, month = (rest[1], rest[0]) if numbers[0] in years else _day_and_month(*rest)
    elif month is None and not years and len(numbers) in (2, 3):
        (day, month), years = _day_and_month(*numbers[:2]), [CENTURY + one for one in numbers[2:]]
    elif month is not None and len(rest) == 1 and len(years) <= 1:
        day = rest[0]
    elif month is not None and len(rest) == 2 and not years:
        day, years = rest[0], [CENTURY + rest[1]]
    else:
        raise Unreadable
    return _dated(years[0], month, day) if years else _next(month, day, today)


def _day_and_month(first: int, second: int) -> tuple[int, int]:
    return (second, first) if second > 12 >= first else (first, second)


def _dated(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise NoSuchDay from None


def _next(month: int, day: int, today: date) -> date:
    """The day of this name that comes next, or was a short time ago; 29 February waits for its year."""
    for year in range(today.year - 1, today.year + 9):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today - RECENT:
            return found
    raise NoSuchDay


def _month(text: str, language: str) -> int | None:
    """The month that is named, None for none. Errors: Unreadable for more than one."""
    found = {month for word in _words(text) if (month := _months(language).get(word))}
    if len(found) > 1:
        raise Unreadable
    return found.pop() if found else None


def _words(text: str) -> Iterator[str]:
    """Each word, and each pair of words: some months have names of two."""
    single = [fold(one) for one in re.findall(r"[^\W\d_]+", text)]
    yield from single
    yield from (" ".join(pair) for pair in pairwise(single))


@lru_cache(maxsize=32)
def _months(language: str) -> dict[str, int]:
    """Folded names and short names of months in the person's language, English and German → number."""
    found: dict[str, int] = {}
    for code in (*_ALWAYS, *_VARIANTS.get(language, (language,))):
        try:
            months = Locale.parse(code).months
        except (UnknownLocaleError, ValueError):
            continue
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                found |= {fold(name).strip(". "): number for number, name in months[context][width].items()}
    return {name: number for name, number in found.items() if len(name) > 1 and not name.isdigit()}
