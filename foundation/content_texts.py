"""Every text of a city for those who look after it: what stands there, who checked it, and how it is changed.

A text is checked by a person who has read these very words; what is changed has to be checked again, and a
translation also when its German text is changed, whichever way the change came.
"""

import asyncio
import string
import unicodedata
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from foundation import content_store
from foundation.addresses import SHARED, kind, texts
from foundation.clock import Clock
from foundation.content_check import bidi_balanced
from foundation.content_edits import Edit, Key, laid_over, plain, shipped_files
from foundation.content_models import SOURCE, Check, check_of, source_of, text_of, words_mark
from foundation.content_store import ContentEdit
from foundation.errors import FoyerError, Invalid, NotFound, OperatorError
from foundation.i18n import Text
from foundation.yamledit import read, same

LONGEST = 8000

_SPACING = {ord("\t"): " "} | {ord(one): "\n" for one in "\r\v\f\x85\u2028\u2029"}

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
        return source_of(self.said)

    @property
    def slots(self) -> frozenset[str]:
        """The names in braces, which are filled with facts."""
        return _slots(self.said[self.model].text)

    def status(self, language: str) -> Status:
        return self.said[language].status if language in self.said else "missing"

    def mark(self, language: str) -> str:
        """Changes with the words of this language and with the German ones."""
        own = self.said[language].text if language in self.said else ""
        return words_mark(self.said[self.model].text, own)

    def source_beside(self, language: str, words: str) -> str:
        """The German text beside which `words` of this language are read: for German they are that themselves."""
        return words if language in (SOURCE, self.model) else self.said[self.model].text


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
        return await asyncio.to_thread(self._all, await content_store.newest_rows(session))

    async def one(self, session: AsyncSession, key: str) -> CityText:
        """Errors: NotFound."""
        file = Key(key).file
        rows = await content_store.newest_rows(session, file)
        found = await asyncio.to_thread(self._all, rows, file)
        text = next((text for text in found if text.key == key), None)
        if text is None:
            raise NotFound
        return text

    async def versions(self, session: AsyncSession, text: CityText, language: str) -> list[Version]:
        """What the text has been in a language, the latest first; last comes what was shipped."""
        rows = await content_store.rows_of(session, Key(text.key, language))
        sources = await self._sources(session, text, language)
        shipped = text.shipped.get(language)
        found = []
        for place, row in enumerate(rows):
            value = (row.shipped if place else shipped) if row.withdrawn else row.value
            if value is not None:
                now = text.said[language].check if place == 0 else _checked_once(value, sources)
                found.append(Version(row.version, text_of(value), now, row, place == 0))
        if shipped is not None:
            check = _checked_once(shipped, sources) if rows else text.said[language].check
            found.append(Version(0, text_of(shipped), check, None, not rows))
        return found

    async def _sources(self, session: AsyncSession, text: CityText, language: str) -> set[str] | None:
        """The German texts that have ever stood beside a translation; None for the German text itself."""
        if language in (SOURCE, text.model):
            return None
        rows = await content_store.rows_of(session, Key(text.key, text.model))
        values = [
            text.shipped.get(text.model),
            *(value for row in rows for value in (row.value, row.shipped)),
        ]
        return {text_of(value) for value in values if value is not None}

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
        if check is not None:
            check = check._replace(words=words_mark(text.source_beside(key.language, words), words))
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
        now = text.said.get(key.language)
        if wanted.current or (now is not None and now.check is None and now.text == wanted.text):
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
                _unchecked(text, code, said)
                for code, said in text.said.items()
                if code != language and said.check is not None
            ]
        before = await content_store.newest(session, text.file)
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

    def _all(self, rows: Iterable[ContentEdit], only: str = "") -> list[CityText]:
        """The texts of every file, or of one; `rows` are the newest ones there."""
        by_key: dict[str, dict[str, ContentEdit]] = {}
        for row in rows:
            if row.language:
                by_key.setdefault(row.key, {})[row.language] = row
        return [
            _text(file, name, languages, by_key.get(f"{file}#{name}", {}))
            for file, raw in shipped_files(self.content_dir, self.city).items()
            if file != SHARED  # units and their forms are grammar, not something to be checked one by one
            if only in ("", file)
            for name, languages in self._of_file(file, raw).items()
        ]

    def _of_file(self, file: str, raw: str) -> dict[str, Mapping[str, Any]]:
        known = self._known.get(file)
        if known is None or known[0] != raw:
            found = {spot.name: plain(spot.value) for spot in texts(read(raw)) if _is_sentence(spot.value)}
            known = self._known[file] = (raw, found)
        return known[1]


def tidy(words: str) -> str:
    """As a person meant it: every line end is the same one, a tab is a space, other control characters go."""
    lines = words.replace("\r\n", "\n").translate(_SPACING)
    kept = (one for one in lines if one == "\n" or unicodedata.category(one) not in ("Cc", "Cs"))
    return "".join(kept).strip()


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


def _text(file: str, name: str, shipped: Mapping[str, Any], rows: Mapping[str, ContentEdit]) -> CityText:
    own = {code: row for code, row in rows.items() if not row.withdrawn}
    values = {**shipped, **{code: row.value for code, row in own.items()}}
    source = text_of(values[source_of(values)])
    said = {code: _said(value, source, shipped.get(code), own.get(code)) for code, value in values.items()}
    return CityText(file, name, said, shipped)


def _said(value: Any, source: str, shipped: Any, row: ContentEdit | None) -> Said:
    outdated = row is not None and not same(shipped, row.shipped)
    return Said(text_of(value), check_of(value, source), row, outdated)


def _checked_once(value: Any, sources: set[str] | None) -> Check | None:
    """Who checked what stands there no longer, beside one of the German texts of its time."""
    beside = {text_of(value)} if sources is None else sources
    return next((check for source in beside if (check := check_of(value, source))), None)


def _edit(text: CityText, language: str, words: str, check: Check | None) -> Edit:
    """The new word on a text; the shipped one counts again where it says the same."""
    key, shipped = Key(text.key, language), text.shipped.get(language)
    value = words if check is None else _checked(words, check)
    if shipped is not None and same(value, _stripped(shipped)):
        return Edit(key, withdrawn=True, shipped=shipped)
    return Edit(key, value, shipped=shipped)


def _unchecked(text: CityText, language: str, said: Said) -> Edit:
    """The same words without their check. Nobody has looked at a newer shipped text by that: it stays news."""
    edit = _edit(text, language, said.text, None)
    return edit if edit.withdrawn or said.row is None else replace(edit, shipped=said.row.shipped)


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else {**value, "text": text_of(value)}


def _checked(words: str, check: Check) -> dict[str, str]:
    return {
        "text": words,
        "checked_by": check.by,
        "checked_at": check.at.isoformat(),
        "checked_words": check.words,
    }
