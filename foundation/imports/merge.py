"""An export beside what is there: new services are written, what the city has not edited is renewed, the rest is told.

Three states of each entry are compared: as it was last imported, as it is now, and as it is in the new file.
What the city changed stays, in the files and in the edits laid over them.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from foundation.content import load
from foundation.content_edits import Edit, laid_over, leaves, plain
from foundation.content_models import CityContent, Service
from foundation.errors import OperatorError
from foundation.fold import fold
from foundation.imports.entry import Entry, entry, id_of
from foundation.imports.source import Export, Stated
from foundation.words import locked
from foundation.yamledit import UnsafeEdit, edited, read

LAST = "imported.json"
"""What the last import wrote, beside city.yaml: {format:key → {"id", "text"}}."""
_TOO_COMMON = 3
"""A keyword of more services than this tells none of them."""
_VERB = re.compile(
    r"(?:\s+(?:beantragen|anmelden|abmelden|abholen|abgeben|ändern|verlängern|anzeigen|bestellen|stellen|und|oder|/))+$"
)
_AT_IMPORT = frozenset({"imported.taken"})


@dataclass
class Report:
    """What was done, by entry; and what needs a person, with the reason."""

    new: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    own: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    remarks: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Services in the file."""
        return sum(map(len, (self.new, self.renewed, self.same, self.own, self.unusable, self.removed)))

    def summary(self) -> list[str]:
        """A line for each kind of thing that happened."""
        counts = (
            (len(self.new), "new"),
            (len(self.renewed), "renewed"),
            (len(self.same), "unchanged"),
            (len(self.own), "not taken: the city has its own entry"),
            (len(self.removed), "not taken: the city took the entry out"),
            (len(self.unusable), "not taken: unusable"),
            (len(self.gone), "no longer in the file, their entries stay"),
            (sum(map(len, self.conflicts.values())), "conflicts, the city's word stays"),
            (len(self.remarks), "entries need a look"),
        )
        done = [f"{count} {what}" for count, what in counts if count]
        return [*done, *(f"  {len(names)}: {why}" for why, names in self.by_reason().items())]

    def lines(self) -> list[str]:
        """Everything, an entry a line, for a file that a person works through."""
        found = [f"{self.read} services read", *(f"  {line}" for line in self.summary())]
        sections: Sequence[tuple[str, Iterable[str]]] = (
            ("Not taken over, unusable", (f"{name}: {why}" for name, why in self.unusable.items())),
            ("Not taken over, own entry", (f"{name}: {own}" for name, own in self.own.items())),
            ("Not taken over, taken out by the city", self.removed),
            ("No longer in the file", self.gone),
            ("Conflicts", (f"{at}: {one}" for at, many in self.conflicts.items() for one in many)),
        )
        for title, body in sections:
            rows = [f"  {row}" for row in body]
            found += ["", f"{title}:", *rows] if rows else []
        for why, names in self.by_reason().items():
            found += ["", f"Please look ({len(names)}): {why}", *(f"  {name}" for name in names)]
        return found

    def by_reason(self) -> dict[str, list[str]]:
        """Why entries need a look, rarest reason first."""
        found: dict[str, list[str]] = {}
        for name, many in self.remarks.items():
            for why in many:
                found.setdefault(why, []).append(name)
        return dict(sorted(found.items(), key=lambda one: len(one[1])))


@dataclass(frozen=True)
class _Last:
    id: str
    text: str


@dataclass(frozen=True)
class Importer:
    """Takes one file over into a city's content. `edits` are the city's, laid over the files.

    `today` is the day of the import, in the city.
    """

    content_dir: Path
    city: str
    form: str
    today: date
    edits: Sequence[Edit] = ()

    @property
    def root(self) -> Path:
        return self.content_dir / "cities" / self.city

    def run(self, export: Export, source: str, *, dry_run: bool = False) -> Report:
        """Write what is new; nothing where the content could not be read afterwards. Errors: OperatorError."""
        with locked(self.content_dir):
            content = load(self.content_dir, self.city)
            report, files, last = self._compared(export, source, content)
            # A file that cannot be read is found now, while nothing is written.
            load(self.content_dir, self.city, {self._path(name): text for name, text in files.items()})
            if not dry_run:
                self._write(files, last)
        return report

    def _compared(
        self, export: Export, source: str, content: CityContent
    ) -> tuple[Report, dict[str, str], dict[str, _Last]]:
        report, files, last = Report(), dict[str, str](), self._read_last()
        report.unusable = dict(export.unusable)
        names = _own_names(content)
        papers = _papers(content)
        taken: dict[str, object] = dict.fromkeys((*content.services, *(one.id for one in last.values())))
        for one in _telling(export.services, names):
            at, own = f"{self.form}:{one.key}", names.get(fold(one.title))
            before = last.get(at)
            if before is None and own is not None:
                report.own[one.title] = _beside_own(own)
                continue
            entry_id = before.id if before else id_of(one.title, taken, one.key)
            taken[entry_id] = None
            fresh = entry(one, entry_id, papers, self.form, source, self.today)
            text = self._merged(fresh, before, report)
            if text is not None:
                files[entry_id] = text
            last[at] = _Last(entry_id, fresh.text)
        keys = {f"{self.form}:{one.key}" for one in export.services}
        report.gone = [
            one.id for at, one in last.items() if at.startswith(f"{self.form}:") and at not in keys
        ]
        self._edited(files, report)
        return report, files, last

    def _merged(self, fresh: Entry, before: _Last | None, report: Report) -> str | None:
        """The text to write, None where the file stays as it is."""
        path = self._path(fresh.id)
        now = path.read_text(encoding="utf-8") if path.is_file() else None
        if fresh.remarks:
            report.remarks[fresh.id] = fresh.remarks
        if now is None:
            (report.new if before is None else report.removed).append(fresh.id)
            report.remarks.pop(fresh.id if before else "", None)
            return fresh.text if before is None else None
        base = before.text if before else now
        if _alike(fresh.text, base):
            report.same.append(fresh.id)
            return None
        text, conflicts = (fresh.text, []) if now == base else merged(base, now, fresh.text, fresh.id)
        if conflicts:
            report.conflicts.setdefault(fresh.id, []).extend(conflicts)
        (report.renewed if text != now else report.same).append(fresh.id)
        return text if text != now else None

    def _edited(self, files: Mapping[str, str], report: Report) -> None:
        """Edits of the city that now lie over another value than the one they were made on."""
        names = {f"services/{name}.yaml": text for name, text in files.items()}
        over = laid_over(names, [one for one in self.edits if one.key.file in names])
        for one in (*over.outdated, *over.lost):
            service = Path(one.key.file).stem
            report.conflicts.setdefault(service, []).append(
                f"{one.key}: edited by the city, and the file says something else now"
            )

    def _path(self, name: str) -> Path:
        return self.root / "services" / f"{name}.yaml"

    def _read_last(self) -> dict[str, _Last]:
        path = self.root / LAST
        if not path.is_file():
            return {}
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return {at: _Last(one["id"], one["text"]) for at, one in raw.items()}
        except (ValueError, KeyError, TypeError) as error:
            raise OperatorError(f"{path}: cannot be read; restore it from a backup.") from error

    def _write(self, files: Mapping[str, str], last: Mapping[str, _Last]) -> None:
        """The entries first: what is remembered before it is written would count as edited after a power cut."""
        for name, text in files.items():
            _replace(self._path(name), text)
        raw = {at: {"id": one.id, "text": one.text} for at, one in sorted(last.items())}
        _replace(self.root / LAST, json.dumps(raw, ensure_ascii=False, indent=1) + "\n")


def merged(base: str, now: str, fresh: str, name: str) -> tuple[str, list[str]]:
    """`now` with what changed from `base` to `fresh`, where the city did not change it; and where it did."""
    was, is_now, new = (leaves(text, f"services/{name}.yaml") for text in (base, now, fresh))
    changes: dict[Any, object] = {}
    conflicts = []
    for key in dict.fromkeys((*was, *new)):
        before, here, after = (plain(one[key].value) if key in one else None for one in (was, is_now, new))
        if after in (before, here):
            continue
        if here != before:
            conflicts.append(f"{key}: the city wrote {_shown(here)}, the file now says {_shown(after)}")
        elif key in is_now and key in new:
            changes[is_now[key].place] = new[key].value
        elif key.name not in _AT_IMPORT:
            what = "has" if key in new else "no longer has"
            conflicts.append(f"{key}: the file {what} this, and the entry was edited: carry it over by hand")
    try:
        return edited(now, changes) if changes else now, conflicts
    except UnsafeEdit as error:
        return now, [*conflicts, f"{name}: what is new cannot be written into the edited entry ({error})"]


def _alike(fresh: str, base: str) -> bool:
    """Whether nothing but the day of the import differs."""
    return fresh == base or _without_day(fresh) == _without_day(base)


def _without_day(text: str) -> Any:
    raw = read(text)
    origin = raw.get("imported", {})
    assumed = {name: {**fact, "valid_from": None} for name, fact in raw.get("facts", {}).items()}
    return plain({**raw, "facts": assumed, "imported": {**origin, "taken": None}})


def _own_names(content: CityContent) -> dict[str, Service]:
    """How the city's own entries are called in German, folded."""
    return {
        fold(word): one
        for one in content.services.values()
        if one.imported is None
        for word in (*one.synonyms.get("de", ()), one.names["de"], one.term)
    }


def _beside_own(own: Service) -> str:
    return f"the city has {own.id} under this name; compare fee and papers there"


def _papers(content: CityContent) -> dict[str, Any]:
    return {
        fold(word): paper
        for paper in content.documents.values()
        for word in (*paper.synonyms.get("de", ()), paper.names["de"], paper.term)
    }


def _telling(services: Sequence[Stated], own: Mapping[str, Service]) -> list[Stated]:
    """Services with those keywords that tell them from others, and what people call them in short.

    A key that comes twice counts once.
    """
    unique = {one.key: one for one in services}
    words = {key: (*_short(one.title), *one.keywords) for key, one in unique.items()}
    count = Counter(word for many in words.values() for word in {_squashed(one) for one in many})
    short = Counter(_squashed(word) for one in unique.values() for word in _short(one.title))
    titles = {_squashed(one.title): key for key, one in unique.items()}

    def tells(key: str, word: str) -> bool:
        bare = _squashed(word)
        if fold(word) in own or titles.get(bare, key) != key or count[bare] > _TOO_COMMON:
            return False
        return short[bare] == (bare in map(_squashed, _short(unique[key].title)))

    kept = {
        key: tuple(dict.fromkeys(word for word in many if tells(key, word))) for key, many in words.items()
    }
    return [replace(one, keywords=kept[key]) for key, one in unique.items()]


def _short(title: str) -> tuple[str, ...]:
    """A title as people say it: without the verb at its end, brackets, what follows a dash, the hyphen in a word."""
    bare = re.sub(r"\s*\([^)]*\)", "", title).strip()
    noun = _VERB.sub("", bare).strip()
    head = re.split(r"\s[–-]\s", noun)[0]
    joined = re.sub(r"(?<=[a-zäöüß])-([A-ZÄÖÜ])(?=[a-zäöüß])", lambda match: match[1].lower(), noun)
    return tuple(one for one in dict.fromkeys((bare, noun, head, joined)) if one != title and len(one) > 3)


def _squashed(text: str) -> str:
    return "".join(letter for letter in fold(text) if letter.isalnum())


def _shown(value: Any) -> str:
    text = "nothing" if value is None else " ".join(str(value).split())
    return f"“{text if len(text) <= 60 else text[:57] + '…'}”"


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
