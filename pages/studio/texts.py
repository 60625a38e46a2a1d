"""What the page of texts shows: entries by their names, texts by what they are, filtered and in portions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from foundation.content_models import CityContent
from foundation.content_texts import CityText
from foundation.fold import fold
from foundation.i18n import Filled, Sayable, Text, Verbatim

PORTION = 40

Group = Literal["services", "faq", "legal", "other"]
GROUPS: tuple[Group, ...] = ("services", "faq", "legal", "other")
_ABOUT = {
    "names": "name",
    "title": "name",
    "aspects": "answer",
    "text": "answer",
    "gate": "gate",
    "checklist": "paper",
    "documents": "paper",
    "tariff": "fee",
    "variants": "kind",
    "sections": "section",
    "steps": "step",
}
"""What a text is about, by the beginning of its name; the rest is "more"."""
_FILES = {
    "city.yaml": Text("studio.file_city"),
    "documents.yaml": Text("studio.file_documents"),
    "arrival.yaml": Text("studio.file_arrival"),
}


@dataclass(frozen=True)
class Wish:
    """What is to be listed: texts in `language`, of one file, only those not checked, only those with some words."""

    language: str
    file: str = ""
    open_only: bool = False
    words: str = ""
    page: int = 1

    @property
    def everything(self) -> bool:
        """Nothing was asked for in particular: entries are shown, not texts."""
        return not (self.file or self.open_only or self.words)

    def path(self, **other: str | int) -> str:
        """The address of this list, with some values changed."""
        given = {
            "in": self.language,
            "file": self.file,
            "open": "1" if self.open_only else "",
            "q": self.words,
            **other,
        }
        return "/studio/texts?" + urlencode([(name, value) for name, value in given.items() if value])

    def of(self, texts: Iterable[CityText]) -> list[CityText]:
        sought = fold(self.words)
        return [
            text
            for text in texts
            if (not self.file or text.file == self.file)
            and (not self.open_only or text.status(self.language) != "checked")
            and (not sought or any(sought in one for one in self._seen(text)))
        ]

    def _seen(self, text: CityText) -> list[str]:
        """What a search looks through: both texts that are shown, and the name."""
        codes = {text.model, self.language} & text.said.keys()
        return [fold(text.said[code].text) for code in codes] + [text.key.casefold()]


@dataclass(frozen=True)
class Portion:
    """A part of a list that is shown on one page; pages are counted from 1."""

    texts: Sequence[CityText]
    page: int
    pages: int
    found: int


def portion(texts: Sequence[CityText], page: int) -> Portion:
    pages = max(1, -(-len(texts) // PORTION))
    page = min(max(page, 1), pages)
    return Portion(texts[(page - 1) * PORTION : page * PORTION], page, pages, len(texts))


@dataclass(frozen=True)
class Summary:
    """An entry and how many of its texts are checked, by language."""

    file: str
    group: Group
    name: Sayable
    texts: int
    checked: Mapping[str, int]


def summaries(
    texts: Iterable[CityText], content: CityContent, say: Callable[[Sayable], str]
) -> list[Summary]:
    """Every entry, by group and then by its name as `say` says it."""
    by_file: dict[str, list[CityText]] = {}
    for text in texts:
        by_file.setdefault(text.file, []).append(text)
    codes = content.city.languages
    found = [
        Summary(file, group_of(file), name_of(content, file), len(some), checked(some, codes))
        for file, some in by_file.items()
    ]
    return sorted(found, key=lambda one: (GROUPS.index(one.group), fold(say(one.name))))


def checked(texts: Sequence[CityText], languages: Iterable[str]) -> dict[str, int]:
    """How many texts are checked, by language."""
    return {code: sum(text.status(code) == "checked" for text in texts) for code in languages}


def group_of(file: str) -> Group:
    folder = file.partition("/")[0]
    return next((group for group in GROUPS if group == folder), "other")


def name_of(content: CityContent, file: str) -> Sayable:
    """What people call an entry; its file where it has no name."""
    name = file.rpartition("/")[2].removesuffix(".yaml")
    match group_of(file):
        case "services" if name in content.services:
            return Filled(content.services[name].names)
        case "faq" if name in content.faq:
            return Filled(content.faq[name].title)
        case "legal" if name in content.legal:
            return Filled(content.legal[name].title)
    return _FILES.get(file) or Verbatim(name)


def about(text: CityText) -> str:
    """What a text is about, as the end of a key `studio.about_…`."""
    return _ABOUT.get(text.name.partition(".")[0], "more")
