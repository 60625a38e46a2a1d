"""A German name word by word in another language: "Saisonkennzeichen" is a "seasonal number plate".

Good enough to find a service whose name stands in German alone, not good enough to be shown. The words lie in
`glosses.tsv`: a German stem, and beside it what people of each language say, synonyms parted by " / ".
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from foundation.fold import fold

WORDS = Path(__file__).with_name("glosses.tsv")
SYNONYMS = " / "
_LINKS = ("", "s", "es", "n", "en", "er", "e", "nen")
"""What German puts between the parts of a word, and at its end."""
_SHORTEST, _LONGEST_RUN = 3, 3
_GENDERED = re.compile(r"(?<=\w)(?:[*:_/]-?(?:innen|in\b)|[*:_][rnms]\b|\(innen\)|(?<=[a-zäöüß])Innen)")
"""What stands behind a word so that it means people of every sex: Bürger*innen, Bürger(innen), BürgerInnen."""
_SILENT = frozenset(
    fold(word)
    for word in (
        *("der", "die", "das", "des", "dem", "den", "ein", "eine", "einer", "eines", "einem", "einen"),
        *("und", "oder", "sowie", "bis", "sich", "ihr", "ihre", "ihrer", "als", "am", "an", "auf", "aus"),
        *("bei", "beim", "durch", "für", "im", "in", "ins", "nach", "über", "um", "unter", "vom", "von"),
        *("wegen", "zu", "zum", "zur"),
    )
)
"""Words that tell services apart no better in any language."""
_ALONE = frozenset({"mit", "nicht", "ohne"})
"""Little words that do; within a longer word they are none: Mittag."""
_HEAD_LAST = frozenset({"en", "tr", "zh"})
"""Languages in which the parts of a word keep their German order; elsewhere what it is comes first."""


def glossed(name: str, language: str, synonym: int = 0) -> str:
    """A German `name` in `language`, without signs and little words.

    Words that no stem explains (places, laws) stay as they are; in a language without glosses the whole name does.
    `synonym`: which of a stem's synonyms, counted from 0; the last where there are fewer.
    """
    if language not in _languages():
        return name
    return " ".join(_in_order(parts, language, synonym) for parts in _taken_apart(name)) or name


def _languages() -> frozenset[str]:
    return frozenset(next(iter(_stems().values())))


def _in_order(parts: Sequence[str], language: str, synonym: int) -> str:
    words = [_said(part, language, synonym) for part in parts]
    return ("" if language == "zh" else " ").join(words if language in _HEAD_LAST else words[::-1])


def _said(part: str, language: str, synonym: int) -> str:
    if part not in _stems():
        return part
    synonyms = _stems()[part][language].split(SYNONYMS)
    return synonyms[min(synonym, len(synonyms) - 1)]


def _taken_apart(name: str) -> Iterator[tuple[str, ...]]:
    """The stems of each word or known phrase of a name; the word itself where none explain it."""
    words = re.findall(r"\w+-(?!\w)|\w+", _GENDERED.sub("", name))
    folded = [fold(word) for word in words]
    at = 0
    while at < len(words):
        runs = (size for size in range(_LONGEST_RUN, 1, -1) if " ".join(folded[at : at + size]) in _stems())
        size = next(runs, 1)
        if size > 1:
            yield (" ".join(folded[at : at + size]),)
        elif words[at].endswith("-"):
            yield _completed(folded[at][:-1], folded[at + 1 :]) or (words[at][:-1],)
        elif folded[at] in _ALONE:
            yield (folded[at],)
        elif folded[at] not in _SILENT:
            yield _parts(folded[at]) or (words[at],)
        at += size


def _completed(word: str, following: Sequence[str]) -> tuple[str, ...]:
    """A word whose last part stands in one further on: Kranken- und Pflegeversicherung, An- und Abmeldung."""
    whole = next((one for one in following if not one.endswith("-") and one not in _SILENT), "")
    endings = (whole[start:] for start in range(1, len(whole)))
    return _parts(word + next((one for one in endings if len(_parts(one)) == 1), "")) or _parts(word)


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
    return next((one for one in (part, f"{part}e") if one in _stems() and one not in _ALONE), None)


@cache
def _stems() -> Mapping[str, Mapping[str, str]]:
    """By folded stem: language → synonyms."""
    with WORDS.open(encoding="utf-8", newline="") as file:
        rows: Sequence[Mapping[str, str]] = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {fold(row["de"]): {code: row[code] for code in row if code != "de"} for row in rows}
