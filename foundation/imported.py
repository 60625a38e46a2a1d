"""What an imported service leaves unsaid, said in every language of the city; and the note where its texts come from."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from babel.dates import format_date

from foundation.content_models import ASPECTS, check_of, text_of, words_mark
from foundation.i18n import PDI, RTL_LANGUAGES
from foundation.measures import LRI, Measures

SOURCE_LANGUAGE = "de"
_CHANNELS = {"in_person": "in_person", "form_only": "online"}


def is_imported(raw: object) -> bool:
    return isinstance(raw, Mapping) and "imported" in raw


def completed(raw: Mapping[str, Any], measures: Measures, languages: Iterable[str]) -> dict[str, Any]:
    """An imported service with a text for each aspect and a reason for each result, in all `languages`.

    Texts stay in their own language, below a note in the reader's; texts of more languages may stand beside.
    """
    codes, aspects = tuple(languages), dict(raw.get("aspects") or {})
    say = _Words(measures, raw)
    stated = {name: say.beside_source(name, aspects[name], codes) for name in aspects}
    bare = not aspects and not say.fee_known
    asked = {} if bare else measures.asked(str(raw["term"]))
    origin = {**raw["imported"], "bare": bare, "asked": asked}
    silent = {name: say.silent(name, codes) for name in ASPECTS if name not in aspects}
    gate = dict(raw.get("gate") or {})
    results = [
        {**one, "reason": one.get("reason") or say.reason(one, codes)} for one in gate.get("results", ())
    ]
    return {**raw, "imported": origin, "aspects": {**stated, **silent}, "gate": {**gate, "results": results}}


class _Words:
    """The sentences of content/units.yaml under `imported`, for one service."""

    def __init__(self, measures: Measures, raw: Mapping[str, Any]) -> None:
        self._measures = measures
        origin: Mapping[str, Any] = raw["imported"]
        self._day = origin.get("changed") or origin.get("taken")
        fact = (raw.get("facts") or {}).get("fee") or {}
        self.fee_known = fact.get("value") is not None
        self._minutes = "duration" in (raw.get("facts") or {}) and _stated(raw)
        results = (raw.get("gate") or {}).get("results") or [{}]
        self._kind = results[0].get("kind", "in_person")

    def beside_source(self, aspect: str, texts: Mapping[str, Any], codes: Iterable[str]) -> dict[str, Any]:
        """What is written, and for each other language the German words under a note that they are German."""
        if SOURCE_LANGUAGE not in texts:
            return dict(texts)
        source = text_of(texts[SOURCE_LANGUAGE])
        shown = {code: self._in(code, aspect, texts.get(code), source) for code in codes}
        german = text_of(shown.get(SOURCE_LANGUAGE, source))
        return {code: _checked_beside(german, value) for code, value in shown.items()}

    def _in(self, code: str, aspect: str, own: Any, source: str) -> Any:
        if own is not None and check_of(own, source):
            return own  # checked by a person: no note
        first = [self._say("no_video", code)] if aspect == "channel" and self._kind != "video" else []
        body = [text_of(own)] if own else [self._say("only_german", code), _kept_apart(source, code)]
        return "\n\n".join([*first, *body, self._origin(code)])

    def silent(self, aspect: str, codes: Iterable[str]) -> dict[str, str]:
        """What is said where the source says nothing; its fee and channel are known from the fields."""
        name = "not_stated"
        if aspect == "fee" and self.fee_known:
            name = "fee"
        elif aspect == "channel":
            name = _CHANNELS.get(self._kind, "not_stated")
        elif aspect == "duration" and self._minutes:
            name = "duration"
        return {code: f"{self._say(name, code)}\n\n{self._origin(code)}" for code in codes}

    def reason(self, result: Mapping[str, Any], codes: Iterable[str]) -> dict[str, str]:
        name = _CHANNELS.get(str(result.get("kind")), "in_person")
        return {code: self._say(name, code) for code in codes}

    def _origin(self, code: str) -> str:
        day = self._day if isinstance(self._day, date) else None
        shown = format_date(day, "long", locale=code) if day else "–"
        return self._say("origin", code).replace("{as_of}", shown)

    def _say(self, name: str, code: str) -> str:
        return self._measures.imported(name, code)


def _checked_beside(german: str, value: Any) -> Any:
    """A check stays where the German text has got its note."""
    if isinstance(value, str):
        return value
    return {**value, "checked_words": words_mark(german, text_of(value))}


def _stated(raw: Mapping[str, Any]) -> bool:
    """Whether the length of an appointment is the source's word, not an assumption."""
    fact = raw["facts"]["duration"]
    return bool(fact.get("source") == raw["facts"].get("fee", {}).get("source"))


def _kept_apart(text: str, code: str) -> str:
    """German lines inside a right-to-left message keep their direction."""
    if code not in RTL_LANGUAGES:
        return text.strip()
    return "\n".join(f"{LRI}{line}{PDI}" if line.strip() else "" for line in text.strip().splitlines())
