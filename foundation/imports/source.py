"""What an export says about one service, whatever its format; and how its paragraphs are told apart."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from foundation.imports.markup import Block, sentences


@dataclass(frozen=True)
class Paper:
    """A document as the source names it; `text` is its whole line."""

    name: str
    text: str = ""


@dataclass(frozen=True)
class Form:
    name: str
    url: str = ""


@dataclass(frozen=True)
class Stated:
    """One service of an export. `key` names it there for ever.

    `sections` hold what belongs to an aspect; one that is not there is not stated. `minutes`: how long an
    appointment takes. `online`: an address where it can be done. `appointment`: the source offers one at an office.
    """

    key: str
    title: str
    leika: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    sections: Mapping[str, Sequence[Block]] = field(default_factory=dict)
    papers: tuple[Paper, ...] = ()
    forms: tuple[Form, ...] = ()
    minutes: int | None = None
    url: str = ""
    online: str = ""
    appointment: bool = False
    public: bool = True
    changed: date | None = None


@dataclass(frozen=True)
class Export:
    """What a file holds: its services, and what cannot be one (its name in the file, and why)."""

    services: tuple[Stated, ...]
    unusable: tuple[tuple[str, str], ...] = ()


_HEADINGS = {
    "documents": r"unterlagen|nachweis|dokumente|mitbring|mitzubringen|vorzulegen",
    "eligibility": r"voraussetzung|wer kann|personenkreis|antragsberechtigt|berechtigte",
    "fee": r"gebühr|kosten\b",
    "duration": r"bearbeitungs(?:zeit|dauer)|wie lange",
    "deadline": r"\bfrist",
    "form": r"formular|vordruck",
    "channel": r"antrag(?:stellung)?\b.*|termin|online|vorsprache|so funktioniert",
}
_SENTENCES = {
    "documents": r"\b(?:unterlagen|mitbringen|mitzubringen|vorlegen|vorzulegen|legen sie .* vor)\b",
    "eligibility": r"voraussetzung|beantragen können|antragsberechtigt|\bberechtigt\b|können .{3,80} beantragen",
    "duration": r"bearbeitungszeit|bearbeitungsdauer|\bdauert\b|wartezeit",
    "deadline": r"\bfrist(?:en)?\b|innerhalb (?:von|einer|eines|der)|spätestens|frühestens|unverzüglich|rechtzeitig",
    "channel": r"\bonline\b|persönlich|vor ort(?! (?:informieren|erkundigen))|\bper post\b|postalisch|schriftlich|telefonisch|per e-?mail"
    r"|terminvereinbarung|\btermin\b|vorsprechen|vorsprache",
}
_MOST_SENTENCES = 4


def by_aspect(found: Sequence[Block]) -> dict[str, list[Block]]:
    """What of a description belongs to which aspect: by headings, and by telling sentences where none does.

    The overview is the whole of it.
    """
    if not found:
        return {}
    told: dict[str, list[Block]] = {}
    for heading, body in _parts(found):
        aspect = _aspect_of(heading, body)
        if aspect:
            told.setdefault(aspect, []).extend(body)
    for aspect, clue in _SENTENCES.items():
        if aspect not in told:
            said = [one for one in sentences(found) if re.search(clue, one, re.IGNORECASE)]
            if said:
                told[aspect] = [Block("text", one) for one in said[:_MOST_SENTENCES]]
    return {"overview": list(found), **told}


def _parts(found: Sequence[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Headings, and sentences that lead to a list, each with what stands below it."""
    heading, body = "", list[Block]()
    for index, one in enumerate(found):
        leads = one.kind == "text" and one.text.endswith(":") and _kind(found, index + 1) == "item"
        ends = body and body[-1].kind == "item" and one.kind == "text" and heading.endswith(":")
        if one.kind == "heading" or leads or ends:
            if body:
                yield heading, body
            heading, body = ("" if ends and not leads else one.text), ([one] if ends and not leads else [])
        else:
            body.append(one)
    if body:
        yield heading, body


def _kind(found: Sequence[Block], index: int) -> str:
    return found[index].kind if index < len(found) else ""


def _aspect_of(heading: str, body: Sequence[Block]) -> str | None:
    if not heading:
        return None
    for aspect, clue in _HEADINGS.items():
        if re.search(clue, heading, re.IGNORECASE):
            return aspect if aspect != "documents" or any(one.kind == "item" for one in body) else None
    return None


def papers_in(found: Iterable[Block]) -> tuple[Paper, ...]:
    """The items of a list of documents."""
    return tuple(paper(one.text) for one in found if one.kind == "item")


def paper(text: str) -> Paper:
    """A line of a list: the name is what stands before the first bracket, comma or full stop."""
    name = re.split(r"\s*[(,;:]|\.\s|\s[–-]\s", text, maxsplit=1)[0].strip(" .")
    return Paper(name if 3 <= len(name) <= 80 else text[:80].rsplit(" ", 1)[0], text)
