"""One message, several questions: where it may be split."""

import re
from collections.abc import Sequence
from itertools import pairwise

from nlu.words import split

MOST_PARTS, MOST_CLAUSES = 3, 6
LONGEST = 1000
"""Letters; a longer message is a story, and read as a whole."""
_SENTENCE_END = re.compile(r"(?<=[?!؟？！。；;\n])\s*|(?<=\.)\s+")
_COMMA = re.compile(r"[,،，、:]\s*(?!\d)|\s[-–—]\s")
_QUESTION = "?؟？"
_IDEOGRAMS = "\u2e80"


def parts_of(text: str, joins: Sequence[str]) -> tuple[str, ...]:
    """The sentences of a message, and their halves before a word of `joins`; empty if it is one piece, or too many.

    A joining word stays with what it begins: "and what does it cost?" is understood as such.
    """
    if len(text) > LONGEST:
        return ()
    sentences = [one for one in _SENTENCE_END.split(text) if _says_something(one)]
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
        for one in _SENTENCE_END.split(text)
        for clause in _COMMA.split(one)
        for piece in _at_joins(clause, joins)
    ]
    told = tuple(one.strip() for one in pieces if _says_something(one))
    return told if 1 < len(told) <= MOST_CLAUSES else ()


def _at_joins(clause: str, joins: Sequence[str]) -> list[str]:
    cuts = sorted({cut for word in joins for cut in _cuts(clause, word)})
    return [clause[start:end] for start, end in pairwise([0, *cuts, len(clause)])]


def _halves(text: str, joins: Sequence[str]) -> list[str]:
    """Before and after the one joining word that leaves both halves longest."""
    cuts = [cut for word in joins for cut in _cuts(text, word)]
    best = max(cuts, key=lambda at: min(_weight(text[:at]), _weight(text[at:])), default=0)
    halves = [text[:best], text[best:]]
    return halves if all(_weight(one) >= _FEWEST for one in halves) else []


def _cuts(text: str, word: str) -> list[int]:
    # Chinese has no spaces; elsewhere a joining word stands for itself.
    pattern = re.escape(word) if word[0] >= _IDEOGRAMS else rf"(?<!\w){re.escape(word)}(?!\w)"
    return [match.start() for match in re.finditer(pattern, text, re.IGNORECASE) if match.start()]


_FEWEST = 3


def _weight(text: str) -> int:
    """Words; in Chinese, pairs of signs."""
    signs = sum(letter >= _IDEOGRAMS for letter in text)
    return signs // 2 if signs else len(text.split())


def _says_something(text: str) -> bool:
    return bool(split(text)) and any(letter.isalnum() for letter in text)
