"""A German name word by word in another language: "Saisonkennzeichen" is a "seasonal number plate".

Good enough to find a service whose name stands in German alone, not good enough to be shown. The words lie in
`glosses.tsv`: a German stem, and beside it what people of each language say, synonyms parted by " / ".
"""

import csv
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from foundation.fold import fold

WORDS = Path(__file__).with_name("glosses.tsv")
SYNONYMS = " / "
_LINKS = ("", "s", "es", "n", "en", "er", "e", "nen")
"""What German puts between the parts of a word, and at its end."""
_SHORTEST = 3
_SILENT = frozenset(
    fold(word)
    for word in (
        *("der", "die", "das", "des", "dem", "den", "ein", "eine", "einer", "eines", "einem", "einen"),
        *("und", "oder", "sowie", "bis", "nicht", "sich", "ihr", "ihre", "ihrer", "als", "am", "an", "auf"),
        *("aus", "bei", "beim", "durch", "für", "im", "in", "ins", "mit", "nach", "ohne", "über", "um"),
        *("unter", "vom", "von", "wegen", "zu", "zum", "zur"),
    )
)
_HEAD_LAST = frozenset({"en", "tr", "zh"})
"""Languages in which the parts of a word keep their German order; elsewhere what it is comes first."""


def glossed(name: str, language: str) -> str:
    """A German `name` in `language`; words that no stem explains (names of places, of laws) stay as they are.

    In a language without glosses, German among them, all of them do.
    """
    if language not in _languages():
        return name
    words = re.findall(r"\w+", name)
    return " ".join(_word(word, language) for word in words if fold(word) not in _SILENT)


def _languages() -> frozenset[str]:
    return frozenset(next(iter(_stems().values())))


def _word(word: str, language: str) -> str:
    parts = [_stems()[stem][language].split(SYNONYMS)[0] for stem in _parts(_plain(word))]
    ordered = parts if language in _HEAD_LAST else parts[::-1]
    return ("" if language == "zh" else " ").join(ordered) or word


@cache
def _parts(word: str) -> tuple[str, ...]:
    """The fewest stems that make up the whole word, with as few letters between them; () where none do."""
    best: dict[int, tuple[tuple[int, int], tuple[str, ...]]] = {0: ((0, 0), ())}
    for start in range(len(word)):
        if start not in best:
            continue
        (stems, links), before = best[start]
        for end in range(start + _SHORTEST, len(word) + 1):
            stem = _stem(word[start:end])
            for link in _LINKS if stem else ():
                after, cost = end + len(link), (stems + 1, links + len(link))
                if word.startswith(link, end) and (after not in best or cost < best[after][0]):
                    best[after] = cost, (*before, str(stem))
    return best[len(word)][1] if len(word) in best else ()


def _stem(part: str) -> str | None:
    """Within a longer word a stem may lose its last e: Miete, Mietspiegel."""
    return next((one for one in (part, f"{part}e") if one in _stems()), None)


def _plain(word: str) -> str:
    return fold(word).replace("ß", "ss")


@cache
def _stems() -> Mapping[str, Mapping[str, str]]:
    with WORDS.open(encoding="utf-8", newline="") as file:
        rows: Sequence[Mapping[str, str]] = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {_plain(row["de"]): {code: row[code] for code in row if code != "de"} for row in rows}
