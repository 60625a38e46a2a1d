"""Languages that have a script of their own, typed in Latin letters: known by their little words (romanised.yaml)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_OWN_POINTS, _SHARED_POINTS = 2, 1
_ENOUGH = 3
_ONE_IN = 5
"""Of so many words at least one is known: a name or a quotation in an English story makes it no other language."""
_ARABIZI = re.compile(r"[a-z]+[2357][a-z]+")
"""Digits stand for Arabic letters that Latin has not: "a7gez". A digit before a word is as often a number: "2weeks"."""
_WORD = re.compile(r"[\w']+")


@dataclass(frozen=True)
class Hidden:
    """A language behind Latin letters, all words that speak for it, and those of them that it has alone."""

    language: str
    words: frozenset[str]
    own: frozenset[str]


def romanised(text: str) -> Hidden | None:
    """Which of these languages (ISO 639) a text is, None if it is none of them clearly."""
    words = _WORD.findall(text.casefold())
    points = {code: _points(words, code) for code in _little_words()}
    best = max(points, key=lambda code: sum(points[code]))
    if sum(points[best]) < max(_ENOUGH, _OWN_POINTS * len(words) / _ONE_IN):
        return None
    found = {word: _point(word, best) for word in words if _point(word, best)}
    own = frozenset(word for word, point in found.items() if point == _OWN_POINTS)
    return Hidden(best, frozenset(found), own)


def _points(words: Sequence[str], code: str) -> list[int]:
    """The words' points; what other languages have, too, counts only beside a word that this one has alone."""
    found = [_point(word, code) for word in words]
    return found if _OWN_POINTS in found else []


def _point(word: str, code: str) -> int:
    digits = _SHARED_POINTS if code == "ar" and _ARABIZI.fullmatch(word) else 0
    return _little_words()[code].get(word, digits)


@cache
def _little_words() -> dict[str, dict[str, int]]:
    raw = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return {
        code: {
            **dict.fromkeys(map(str, lists["shared"]), _SHARED_POINTS),
            **dict.fromkeys(map(str, lists["own"]), _OWN_POINTS),
        }
        for code, lists in raw.items()
    }
