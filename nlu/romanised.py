"""Languages that have a script of their own, typed in Latin letters: known by their little words (romanised.yaml)."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

_OWN_POINTS, _SHARED_POINTS = 2, 1
_ENOUGH = 3
_ONE_IN = 5
"""Of so many words at least one is known: a name or a quotation in an English story makes it no other language."""
_ARABIZI = re.compile(r"(?<![\w])(?:[a-z]+[2357][a-z]+|[237][a-z]{3,})(?!\w)")
"""Digits stand for Arabic letters that Latin has not: "ma3ad", "7ada"."""
_WORD = re.compile(r"[\w']+")


def romanised(text: str) -> str | None:
    """Which of these languages (ISO 639) a text is, None if it is none of them clearly."""
    plain = text.casefold()
    words = _WORD.findall(plain)
    points = {code: _points(words, known) for code, known in _little_words().items()}
    points["ar"] += _OWN_POINTS * len(_ARABIZI.findall(plain))
    best = max(points, key=lambda code: points[code])
    return best if points[best] >= max(_ENOUGH, _OWN_POINTS * len(words) / _ONE_IN) else None


def _points(words: list[str], known: Mapping[str, int]) -> int:
    """The words' points; words that other languages have, too, count only beside one of its own."""
    found = [known[word] for word in words if word in known]
    return sum(found) if _OWN_POINTS in found else 0


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
