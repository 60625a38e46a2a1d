"""Every text of a city for those who look after it: what stands there, who checked it, and how it is changed.

A text is checked by a person who has read these very words; what is changed has to be checked again, and a
translation also when its German text is changed.
"""

import asyncio
import hashlib
import string
import unicodedata
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from foundation import content_store
from foundation.addresses import SHARED, kind, texts
from foundation.clock import Clock
from foundation.content_check import bidi_balanced
from foundation.content_edits import Edit, Key, laid_over, plain, shipped_files
from foundation.content_models import Check
from foundation.content_store import ContentEdit
from foundation.errors import FoyerError, Invalid, NotFound, OperatorError
from foundation.i18n import Text
from foundation.yamledit import read, same

SOURCE = "de"
LONGEST = 8000

Status = Literal["missing", "machine", "edited", "checked"]


class TextRefused(Invalid):
    """The text cannot be shown to people; `problems` say why."""

    key = "studio.refused"

    def __init__(self, problems: Sequence[Text]) -> None:
        super().__init__(field="text")
        self.problems = tuple(problems)


class TextChanged(FoyerError):
    """Somebody else changed this text, or the German one, since it was shown."""

    status = 409
    key = "studio.changed_meanwhile"


@dataclass(frozen=True)
class Said:
    """A text in one language. `row` is the city's own word, None for what was shipped; `outdated`: the shipped
    text is another one since the city changed it."""

    text: str
    check: Check | None = None
    row: ContentEdit | None = None
    outdated: bool = False

    @property
    def status(self) -> Status:
        if self.check is not None:
            return "checked"
        return "machine" if self.row is None else "edited"


@dataclass(frozen=True)
class CityText:
    """One text in its languages; `shipped` is what the files say."""

    file: str
    name: str
    said: Mapping[str, Said]
    shipped: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        return f"{self.file}#{self.name}"

    @property
    def model(self) -> str:
        """The language that the others are measured by."""
        return SOURCE if SOURCE in self.said else next(iter(self.said))

    @property
    def slots(self) -> frozenset[str]:
        """The names in braces, which are filled with facts."""
        return _slots(self.said[self.model].text)

    def status(self, language: str) -> Status:
        return self.said[language].status if language in self.said else "missing"

    def mark(self, language: str) -> str:
        """Changes with the words of this language and with the German ones."""
        seen = [self.said[code].text if code in self.said else "" for code in (self.model, language)]
        return hashlib.sha256("\0".join(seen).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Version:
    """What was said once. `number` 0 is what was shipped; `current`: it counts now."""

    number: int
    text: str
    check: Check | None
    row: ContentEdit | None
    current: bool


@dataclass
class CityTexts:
    """Reads a city's texts with its edits, and writes new versions. Never commits."""

    content_dir: Path
    city: str
    clock: Clock
    _known: dict[str, tuple[str, dict[str, Mapping[str, Any]]]] = field(default_factory=dict)

    async def all(self, session: AsyncSession) -> list[CityText]:
        """Every text, in the order of the files."""
        rows = await content_store.newest_rows(session)
        return await asyncio.to_thread(self._all, {Key(row.key, row.language): row for row in rows})

    async def one(self, session: AsyncSession, key: str) -> CityText:
        """Errors: NotFound."""
        found = next((text for text in await self.all(session) if text.key == key), None)
        if found is None:
            raise NotFound
        return found

    async def versions(self, session: AsyncSession, text: CityText, language: str) -> list[Version]:
        """What the text has been in a language, the latest first; last comes what was shipped."""
        rows = await content_store.rows_of(session, Key(text.key, language))
        shipped = text.shipped.get(language)
        found = [
            Version(row.version, *_words(shipped if row.withdrawn else row.value), row, place == 0)
            for place, row in enumerate(rows)
            if not row.withdrawn or shipped is not None
        ]
        return found if shipped is None else [*found, Version(0, *_words(shipped), None, not rows)]

    async def write(
        self,
        session: AsyncSession,
        key: Key,
        words: str | None,
        *,
        seen: str,
        author_id: uuid.UUID,
        check: Check | None = None,
    ) -> int | None:
        """Say `words` from now on (None: what is said now); `check` is that of who has read them.

        `seen` is the mark of what the person had before them. The new version, None if nothing is new.
        Errors: NotFound, TextRefused, TextChanged.
        """
        await content_store.one_writer(session)
        text = await self.one(session, key.name)
        before = text.said.get(key.language)
        words = tidy(words) if words is not None else before.text if before else ""
        if problems := wrong(words, text.slots):
            raise TextRefused(problems)
        same_words = before is not None and words == before.text
        if seen != text.mark(key.language) and (check is not None or not same_words):
            raise TextChanged
        if before is not None and same_words and check in (None, before.check):
            return None
        return await self._add(session, text, key.language, words, check, author_id)

    async def restore(
        self, session: AsyncSession, key: Key, number: int, *, seen: str, author_id: uuid.UUID
    ) -> int | None:
        """Say again what an earlier version said; it has to be checked anew. Errors: as for `write`."""
        await content_store.one_writer(session)
        text = await self.one(session, key.name)
        versions = await self.versions(session, text, key.language)
        wanted = next((one for one in versions if one.number == number), None)
        if wanted is None:
            raise NotFound
        if problems := wrong(wanted.text, text.slots):
            raise TextRefused(problems)
        if seen != text.mark(key.language):
            raise TextChanged
        if wanted.current:
            return None
        return await self._add(session, text, key.language, wanted.text, None, author_id)

    async def _add(
        self,
        session: AsyncSession,
        text: CityText,
        language: str,
        words: str,
        check: Check | None,
        author_id: uuid.UUID,
    ) -> int:
        edits = [_edit(text, language, words, check)]
        if language == text.model and words != text.said[language].text:
            edits += [
                _edit(text, code, said.text, None)
                for code, said in text.said.items()
                if code != language and said.check is not None
            ]
        before = [edit for edit in await content_store.newest(session) if edit.key.file == text.file]
        await asyncio.to_thread(self._can_be_written, text.file, [*before, *edits])
        return await content_store.add(session, edits, author_id=author_id, note="", now=self.clock.now())

    def _can_be_written(self, file: str, edits: Iterable[Edit]) -> None:
        """With the same names in braces nothing else of the content can break by a text. Errors: TextRefused."""
        shipped = shipped_files(self.content_dir, self.city)
        newest = {edit.key: edit for edit in edits}
        try:
            laid_over({file: shipped[file]}, newest.values())
        except OperatorError as error:
            raise TextRefused([Text("studio.wrong_unwritable")]) from error

    def _all(self, rows: Mapping[Key, ContentEdit]) -> list[CityText]:
        return [
            _text(file, name, languages, rows)
            for file, raw in shipped_files(self.content_dir, self.city).items()
            if file != SHARED  # units and their forms are grammar, not something to be checked one by one
            for name, languages in self._of_file(file, raw).items()
        ]

    def _of_file(self, file: str, raw: str) -> dict[str, Mapping[str, Any]]:
        known = self._known.get(file)
        if known is None or known[0] != raw:
            found = {spot.name: plain(spot.value) for spot in texts(read(raw)) if _is_sentence(spot.value)}
            known = self._known[file] = (raw, found)
        return known[1]


def tidy(words: str) -> str:
    """As a person meant it: the line ends of a browser's form and control characters are no part of a text."""
    lines = words.replace("\r\n", "\n").replace("\r", "\n").strip()
    return "".join(one for one in lines if one == "\n" or unicodedata.category(one) not in ("Cc", "Cs"))


def wrong(words: str, wanted: frozenset[str]) -> list[Text]:
    """Why a text cannot be shown to people, in the words of those who write it."""
    if not words:
        return [Text("studio.wrong_empty")]
    found = [Text("studio.wrong_long", most=LONGEST)] if len(words) > LONGEST else []
    if not bidi_balanced(words):
        found.append(Text("studio.wrong_marks"))
    try:
        given = _slots(words)
    except ValueError:
        return [*found, Text("studio.wrong_brace")]
    if missing := wanted - given:
        found.append(Text("studio.wrong_missing", names=_shown(missing)))
    if unknown := given - wanted:
        found.append(Text("studio.wrong_unknown", names=_shown(unknown)))
    return found


def _slots(words: str) -> frozenset[str]:
    """The names in braces, with whatever else stands there. Errors: ValueError for a brace that is not closed."""
    return frozenset(
        name + (f"!{how}" if how else "") + (f":{form}" if form else "")
        for _, name, form, how in string.Formatter().parse(words)
        if name is not None
    )


def _shown(names: Iterable[str]) -> str:
    return " ".join(f"{{{name}}}" for name in sorted(names))


def _is_sentence(languages: Mapping[str, Any]) -> bool:
    return all(kind(value) == "text" for value in languages.values())


def _text(file: str, name: str, shipped: Mapping[str, Any], rows: Mapping[Key, ContentEdit]) -> CityText:
    codes = [*shipped, *(key.language for key in rows if key.name == f"{file}#{name}" and key.language)]
    found = {code: _said(shipped.get(code), rows.get(Key(f"{file}#{name}", code))) for code in codes}
    return CityText(file, name, {code: said for code, said in found.items() if said}, shipped)


def _said(shipped: Any, row: ContentEdit | None) -> Said | None:
    if row is None or row.withdrawn:
        return None if shipped is None else Said(*_words(shipped))
    return Said(*_words(row.value), row=row, outdated=not same(plain(shipped), row.shipped))


def _words(value: Any) -> tuple[str, Check | None]:
    """A text as it is written: bare, or with who checked it."""
    if isinstance(value, str):
        return value.strip(), None
    check = Check(value["checked_by"], _day(value["checked_at"])) if "checked_by" in value else None
    return value["text"].strip(), check


def _day(value: str | date) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _edit(text: CityText, language: str, words: str, check: Check | None) -> Edit:
    """The new word on a text; the shipped one counts again where it says the same."""
    key, shipped = Key(text.key, language), text.shipped.get(language)
    if shipped is not None and _words(shipped) == (words, check):
        return Edit(key, withdrawn=True, shipped=shipped)
    value = words if check is None else _checked(words, check)
    return Edit(key, value, shipped=shipped)


def _checked(words: str, check: Check) -> dict[str, str]:
    return {"text": words, "checked_by": check.by, "checked_at": check.at.isoformat()}
