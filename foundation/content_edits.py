"""What a city changed in its content, key by key, laid over the shipped files; and its way out and in as YAML.

An edit is one value: a text in one language, or a fact, an address, a number. Files keep every other byte,
since an edit is spliced in (foundation.yamledit).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from foundation.addresses import content_files, texts, values
from foundation.content import load
from foundation.content_check import Finding, content_findings
from foundation.content_models import CityContent
from foundation.errors import OperatorError
from foundation.yamledit import Path as Place
from foundation.yamledit import UnsafeEdit, edited, read, same

BASE = ".as-exported"
"""The folder inside an export that tells an import what was there when people began to edit."""

_GONE: Any = object()


class Key(NamedTuple):
    """What an edit changes: `services/passport.yaml#facts.fee.value`, and a language where it is a text."""

    name: str
    language: str = ""

    @property
    def file(self) -> str:
        return self.name.partition("#")[0]

    def __str__(self) -> str:
        return f"{self.name} [{self.language}]" if self.language else self.name


@dataclass(frozen=True)
class Edit:
    """The newest word on a key. `withdrawn`: the shipped value counts again. `shipped` is what stood there.

    A date is written as text (ISO 8601).
    """

    key: Key
    value: Any = None
    withdrawn: bool = False
    shipped: Any = None


class Leaf(NamedTuple):
    place: Place
    value: Any


def leaves(text: str, file: str) -> dict[Key, Leaf]:
    """Every value of a file that can be edited."""
    data = read(text)
    found = {
        Key(f"{file}#{spot.name}", str(code)): Leaf((*spot.place, code), value)
        for spot in texts(data)
        for code, value in spot.value.items()
    }
    return found | {Key(f"{file}#{spot.name}"): Leaf(spot.place, spot.value) for spot in values(data)}


@dataclass(frozen=True)
class Files:
    """A city's files with its edits: name → text, the edits whose place is gone, and those laid over newer texts."""

    texts: Mapping[str, str]
    lost: tuple[Edit, ...] = ()
    outdated: tuple[Edit, ...] = ()


def shipped_files(content_dir: Path, city: str) -> dict[str, str]:
    """The files as they came, by name, without touching a byte."""
    return {
        name: path.read_bytes().decode("utf-8") for name, path in content_files(content_dir, city).items()
    }


def laid_over(shipped: Mapping[str, str], edits: Iterable[Edit]) -> Files:
    """The shipped files with the edits spliced in. Errors: OperatorError naming the file."""
    by_file: dict[str, list[Edit]] = {}
    for edit in edits:
        if not edit.withdrawn:
            by_file.setdefault(edit.key.file, []).append(edit)
    result, lost, outdated = dict(shipped), list[Edit](), list[Edit]()
    for file, wanted in by_file.items():
        there = leaves(shipped[file], file) if file in shipped else {}
        changes = {}
        for edit in wanted:
            leaf = _leaf(there, edit.key)
            if leaf is None:
                lost.append(edit)
                continue
            if not same(plain(leaf.value), edit.shipped):
                outdated.append(edit)
            changes[leaf.place] = _as_written(edit.value, leaf.value)
        if changes:
            result[file] = _spliced(file, shipped[file], changes)
    return Files(result, tuple(lost), tuple(outdated))


def _leaf(there: Mapping[Key, Leaf], key: Key) -> Leaf | None:
    """Where the value of a key stands, or would stand if it is a language that the text lacks."""
    beside = there.get(Key(key.name, "de")) or there.get(Key(key.name, "en"))
    if key in there or not key.language or beside is None:
        return there.get(key)
    return Leaf((*beside.place[:-1], key.language), None)


def _spliced(file: str, text: str, changes: Mapping[Place, object]) -> str:
    try:
        return edited(text, changes)
    except UnsafeEdit as error:
        raise OperatorError(f"{file}: an edit cannot be written into it ({error}).") from error


def plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return value


def _as_written(value: Any, model: Any) -> Any:
    """A date again where the shipped file has one."""
    if isinstance(value, list):
        first = model[0] if isinstance(model, list) and model else None
        return [_as_written(item, first) for item in value]
    if isinstance(value, Mapping):
        inner = model if isinstance(model, Mapping) else {}
        return {name: _as_written(item, inner.get(name, _unknown(name))) for name, item in value.items()}
    if isinstance(model, date) and isinstance(value, str):
        return _date(value)
    return value


def _unknown(name: str) -> Any:
    return date.min if name == "checked_at" else None


def _date(value: str) -> Any:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return value


def read_city(content_dir: Path, city: str, edits: Iterable[Edit]) -> CityContent:
    """The content with the edits. Errors: OperatorError."""
    return load(content_dir, city, _by_path(content_dir, city, edits))


def faults(content_dir: Path, city: str, edits: Iterable[Edit], names: Iterable[str]) -> list[Finding]:
    """What is wrong with the content once it has these edits, of all kinds that concern the files `names`."""
    return [
        Finding(where, finding.problem, finding.todo)
        for finding in content_findings(content_dir, city, _by_path(content_dir, city, edits))
        if (where := _short(finding.where, content_dir, city)).partition(":")[0] in set(names)
    ]


def _short(where: str, content_dir: Path, city: str) -> str:
    return where.removeprefix(f"{content_dir / 'cities' / city}/").removeprefix(f"{content_dir}/")


def _by_path(content_dir: Path, city: str, edits: Iterable[Edit]) -> dict[Path, str]:
    shipped = shipped_files(content_dir, city)
    paths = content_files(content_dir, city)
    files = laid_over(shipped, edits)
    return {paths[name]: text for name, text in files.texts.items() if text is not shipped[name]}


# -- out and in --------------------------------------------------------------------------------------


def export(target: Path, files: Mapping[str, str]) -> None:
    """Write the files into a new folder. Errors: OperatorError."""
    if target.exists() and any(target.iterdir()):
        raise OperatorError(f"{target} is not empty; name a folder that is new.")
    for name, text in files.items():
        for path in (target / name, target / BASE / name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8"))


def taken_in(folder: Path) -> None:
    """The folder's files are in: whatever is edited there from now on is compared with them."""
    for path in _yaml_files(folder):
        base = folder / BASE / path
        base.parent.mkdir(parents=True, exist_ok=True)
        base.write_bytes((folder / path).read_bytes())


def _yaml_files(folder: Path) -> list[Path]:
    found = (path.relative_to(folder) for path in folder.rglob("*.yaml"))
    return sorted(path for path in found if BASE not in path.parts)


@dataclass
class Difference:
    """What a folder changes: `edits` to keep, what cannot be kept, and what somebody else changed meanwhile."""

    edits: list[Edit] = field(default_factory=list)
    before: dict[Key, Any] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def difference(
    source: Path, shipped: Mapping[str, str], now: Mapping[str, str], *, overwrite: bool = False
) -> Difference:
    """Compare an edited export with what it was when it was written, and with what counts now.

    `overwrite`: where both changed, the folder's value is taken. Errors: OperatorError.
    """
    names = [str(path) for path in _yaml_files(source)]
    if not names:
        raise OperatorError(
            f"{source} holds no YAML files; name the folder that `foyer content export` wrote."
        )
    found = Difference()
    for name in names:
        if name not in shipped:
            found.problems.append(
                f"{name}: the city has no such file; a new one belongs into its content folder"
            )
            continue
        base = _text(source / BASE / name, now[name])
        mine = _text(source / name, "")
        if mine != base:
            _compare(found, name, _Texts(shipped[name], base, now[name], mine), overwrite)
    return found


class _Texts(NamedTuple):
    shipped: str
    base: str
    now: str
    mine: str


def _text(path: Path, otherwise: str) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError:
        return otherwise
    except UnicodeDecodeError as error:
        raise OperatorError(f"{path}: not UTF-8; save it as UTF-8.") from error


def _compare(found: Difference, name: str, given: _Texts, overwrite: bool) -> None:
    try:
        shipped, base, now, mine = (
            {key: plain(leaf.value) for key, leaf in leaves(text, name).items()} for text in given
        )
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        found.problems.append(f"{name}:{line}: not valid YAML ({error.problem}); correct this line")
        return
    edits: list[Edit] = []
    changed: list[Key] = []
    for key in dict.fromkeys((*mine, *base)):
        value, was, is_now = mine.get(key, _GONE), base.get(key, _GONE), now.get(key, _GONE)
        if same(value, was):
            continue
        changed.append(key)
        if problem := _impossible(key, value, shipped):
            found.problems.append(f"{key}: {problem}")
        elif same(value, is_now):
            continue  # somebody has said the same
        elif not same(is_now, was) and not overwrite:
            found.conflicts.append(
                f"{key}: {_shown(was)} is {_shown(is_now)} by now, and {_shown(value)} here"
            )
        else:
            edits.append(_edit(key, value, shipped))
            found.before[key] = None if is_now is _GONE else is_now
    if any(problem.startswith(f"{name}#") for problem in found.problems):
        return
    found.edits += edits
    _look_beside(found, name, given, changed)


def _impossible(key: Key, value: Any, shipped: Mapping[Key, Any]) -> str | None:
    """Why a change cannot be kept as an edit."""
    if key.language and any(Key(key.name, code) in shipped for code in ("de", "en")):
        if value is _GONE and key in shipped:
            return "the language is part of the shipped text; change its words instead of taking it out"
        return None
    if key not in shipped:
        return "there is no such place in the shipped file; new entries belong into the city's content folder"
    if value is _GONE:
        return "it is gone; take it out in the city's content folder, an edit only changes values"
    return None


def _edit(key: Key, value: Any, shipped: Mapping[Key, Any]) -> Edit:
    before = shipped.get(key, _GONE)
    if value is _GONE or same(value, before):
        return Edit(key, withdrawn=True, shipped=None if before is _GONE else before)
    return Edit(key, value, shipped=None if before is _GONE else before)


def _look_beside(found: Difference, name: str, given: _Texts, keys: Sequence[Key]) -> None:
    """Only values are kept: name a file in which anything else was changed, too."""
    theirs, mine = leaves(given.base, name), leaves(given.mine, name)
    wanted = {
        leaf.place: mine[key].value
        for key in keys
        if key in mine and (leaf := _leaf(theirs, key)) is not None
    }
    gone = [theirs[key].place for key in keys if key in theirs and key not in mine]
    after = _spliced(name, given.base, wanted)
    if not same(_without(read(after), gone), read(given.mine)):
        found.problems.append(
            f"{name}: an id or a whole entry was changed; do that in the city's content folder"
        )
    elif after != given.mine and not gone:
        found.notes.append(
            f"{name}: comments, order and spacing stay as they were; only values are taken over"
        )


def _without(data: Any, places: Iterable[Place]) -> Any:
    for *above, last in places:
        inner = data
        for step in above:
            inner = inner[step]
        del inner[last]
    return data


def _shown(value: Any) -> str:
    if value is _GONE:
        return "nothing"
    text = str(value).replace("\n", "\\n")
    return f"“{text if len(text) <= 60 else text[:57] + '…'}”"


def lines(found: Difference) -> Iterator[str]:
    """What an import would do, a line a key."""
    for edit in found.edits:
        after = "as shipped" if edit.withdrawn else _shown(edit.value)
        yield f"{edit.key}: {_shown(found.before[edit.key])} → {after}"
