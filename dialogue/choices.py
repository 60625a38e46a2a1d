"""Recognises a choice however it is made: pressed, or typed as its number, its label or a synonym."""

import re
import unicodedata
from collections.abc import Sequence

from dialogue.state import Offered, State

_UP_TO_A_COMMA = re.compile(r"([^,،，.;:–—]+)[,،，.;:–—]\s*\S")
_FIRST_WORD = re.compile(r"([^\s,،，.;:–—]+)")
_NUMBER = re.compile(r"\W*(\d{1,2})\W*")


def chosen(text: str, state: State) -> str | None:
    """The id of the choice that `text` names, None if it names none or more than one.

    Numbers count what was shown; words may also name a choice that was not.
    """
    return (
        _by_number(text, state.offered) or _by_words(text, state.offered) or _by_words(text, state.unlisted)
    )


def explained(text: str, state: State) -> str | None:
    """The answer to a gate's question that a text begins with, up to a comma: "no, I only have a residence permit"."""
    return _answer(_UP_TO_A_COMMA.match(text.strip()), state)


def begun(text: str, state: State) -> str | None:
    """The same by the first word alone, which may begin something else, too: "no sé" is no "no"."""
    return _answer(_FIRST_WORD.match(text.strip()), state)


def _answer(beginning: re.Match[str] | None, state: State) -> str | None:
    found = chosen(beginning[1], state) if beginning else None
    return found if found and found.startswith("gate:") else None


def _by_number(text: str, offered: Sequence[Offered]) -> str | None:
    match = _NUMBER.fullmatch(_latin_digits(text))
    if match and 1 <= int(match[1]) <= len(offered):
        return offered[int(match[1]) - 1].id
    return None


def _by_words(text: str, offered: Sequence[Offered]) -> str | None:
    wanted = fold(text)
    if not wanted:
        return None
    hits = {one.id for one in offered if wanted in (fold(word) for word in (one.label, *one.synonyms))}
    return hits.pop() if len(hits) == 1 else None


def fold(text: str) -> str:
    """Without case, accents, direction marks and punctuation: what two writings of a label share."""
    plain = unicodedata.normalize("NFKD", text.replace("ı", "i").replace("İ", "i").casefold())
    kept = (
        character if character.isalnum() else " "
        for character in plain
        if not unicodedata.combining(character)
    )
    return " ".join("".join(kept).replace("ـ", "").split())


def _latin_digits(text: str) -> str:
    return "".join(str(unicodedata.digit(one)) if one.isdigit() else one for one in text)
