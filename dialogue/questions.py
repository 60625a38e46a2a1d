"""One message, several questions: where it may be split."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from nlu.words import fold, split

MOST_PARTS, MOST_CLAUSES = 3, 6
LONGEST = 1000
"""Letters; a longer message is a story, and read as a whole."""
_SENTENCE_END = re.compile(r"(?<=[?!؟？！。；;\n])\s*|(?<=\.)[^\S\n]+")
_BEFORE_STOP = re.compile(r"(?<!\w)(\w{1,3})\.\Z")
_ALPHABETS = re.compile("[a-zа-яёіїєґ]+")
_VOWELS = frozenset("aeiouyıаеиоуыэюяіїєё")
_LONGEST_DAY = 2
_SHORT_FOR = frozenset({"abs", "art", "av", "ca", "geb", "max", "min", "sra", "tel", "ul", "ул", "им", "тел"})
_COMMA = re.compile(r"[,،，、](?!\s*\d)\s*|:(?=\s)(?!\s*\d)\s*|\s[-–—]\s")
_QUESTION = "?؟？"
_IDEOGRAMS = "\u2e80"
_ASKED = re.compile(r"(?:[吗么呢多几哪谁怎].{0,2}|\W)$")
"""What stands before a joining sign of Chinese: a question, a comma or a space. Anywhere else it is part of a word or list."""


def parts_of(text: str, joins: Sequence[str]) -> tuple[str, ...]:
    """The sentences of a message, and their halves before a word of `joins`; empty if it is one piece, or too many.

    A joining word stays with what it begins: "and what does it cost?" is understood as such.
    """
    if len(text) > LONGEST:
        return ()
    sentences = [one for one in _sentences(text) if _says_something(one)]
    asked = [one for one in sentences if one.rstrip()[-1:] in _QUESTION]
    if len(sentences) > MOST_PARTS and len(asked) > 1:
        sentences = asked
    pieces = sentences if len(sentences) > 1 else _halves(text, joins)
    return tuple(one.strip() for one in pieces) if 1 < len(pieces) <= MOST_PARTS else ()


def clauses_of(text: str, joins: Sequence[str]) -> tuple[str, ...]:
    """The smallest pieces that may say something: also at commas and before every joining word; empty if too many."""
    if len(text) > LONGEST:
        return ()
    pieces = [
        piece
        for one in _sentences(text)
        for clause in _COMMA.split(one)
        for piece in _at_joins(clause, joins)
    ]
    told = tuple(one.strip() for one in pieces if _says_something(one))
    return told if 1 < len(told) <= MOST_CLAUSES else ()


def _sentences(text: str) -> list[str]:
    ends = [(one.start(), one.end()) for one in _SENTENCE_END.finditer(text)]
    kept = [(0, 0), *(one for one in ends if not _is_short_for_more(text, one[0])), (len(text), len(text))]
    return [text[before[1] : after[0]] for before, after in pairwise(kept)]


def _is_short_for_more(text: str, end: int) -> bool:
    """Whether the full stop before `end` belongs to a day ("1. Mai") or an abbreviation ("Dr.", "z. B.").

    Abbreviations have no vowel, or are well known. Capitals alone ("SMS") have no full stop of their own.
    """
    found = _BEFORE_STOP.search(text, 0, end)
    word = found[1] if found else ""
    if word.isdigit():
        return len(word) <= _LONGEST_DAY
    if len(word) == 1:
        return word < _IDEOGRAMS
    small = fold(word, "")
    if not small or not _ALPHABETS.fullmatch(small) or word.isupper():
        return False
    return small in _SHORT_FOR or _VOWELS.isdisjoint(small)


def _at_joins(clause: str, joins: Sequence[str]) -> list[str]:
    return [clause[start:end] for start, end in pairwise([0, *_cuts(clause, joins), len(clause)])]


def _halves(text: str, joins: Sequence[str]) -> list[str]:
    """Before and after the one joining word that leaves both halves longest."""
    best = max(_cuts(text, joins), key=lambda at: min(_weight(text[:at]), _weight(text[at:])), default=0)
    halves = [text[:best], text[best:]]
    return halves if all(_weight(one) >= _FEWEST for one in halves) else []


def _cuts(text: str, joins: Sequence[str]) -> list[int]:
    """Where a joining word begins; not within a longer one, as "ещё" in "а ещё"."""
    found = {one.span() for word in joins for one in _joining(text, word)}
    inner = {start for start, _ in found if any(first < start < last for first, last in found)}
    return sorted({start for start, _ in found if start} - inner)


def _joining(text: str, word: str) -> Iterator[re.Match[str]]:
    # Chinese has no spaces; elsewhere a joining word stands for itself.
    spaceless = word[0] >= _IDEOGRAMS
    pattern = re.escape(word) if spaceless else rf"(?<!\w){re.escape(word)}(?!\w)"
    sign = spaceless and len(word) == 1 and word.isalpha()
    for match in re.finditer(pattern, text, re.IGNORECASE):
        if not sign or _ASKED.search(text, 0, match.start()):
            yield match


_FEWEST = 3


def _weight(text: str) -> int:
    """Words; in Chinese, pairs of signs."""
    signs = sum(letter >= _IDEOGRAMS for letter in text)
    return signs // 2 if signs else len(text.split())


def _says_something(text: str) -> bool:
    return bool(split(text)) and any(letter.isalnum() for letter in text)
