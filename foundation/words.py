"""The translators' tool: `python -m foundation.words export|missing|set-many --lang fr`.

It lists every text of a city's content by a stable name and writes a language back into the YAML files, in
the style of its neighbours. Nothing else in a file changes, and several people may write at once.
"""

import argparse
import fcntl
import json
import os
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from babel import Locale

from foundation.addresses import content_files, kind, texts
from foundation.content_check import bidi_balanced
from foundation.settings import ROOT
from foundation.yamledit import Path as Place
from foundation.yamledit import UnsafeEdit, edited, read

Written = str | list[str] | Mapping[str, Any]
"""A text, a word list, or plural forms by CLDR category."""


class Entry(NamedTuple):
    """One mapping by language of a file."""

    place: Place
    languages: Mapping[str, Written]


def entries(text: str) -> dict[str, Entry]:
    """The texts of one file: name inside the file → entry."""
    return {spot.name: Entry(spot.place, spot.value) for spot in texts(read(text))}


def faults(entry: Entry, language: str, value: object) -> Iterator[str]:
    """Why `value` cannot stand for `language` beside the entry's other languages."""
    model = entry.languages.get("de", entry.languages.get("en"))
    if kind(value) is None or kind(value) != kind(model):
        yield f"must be a {kind(model)}, as in German"
        return
    forms = _forms(value)
    if not forms or not all(form.strip() for form in forms):
        yield "is empty"
    if not all(map(bidi_balanced, forms)):
        yield "has a direction mark that is not closed"
    if kind(value) == "plural":
        yield from _plural_faults(value, language)
    if kind(value) != "list":
        yield from _slot_faults(_forms(model), forms)


def _plural_faults(value: Any, language: str) -> Iterator[str]:
    needed = {Locale.parse(language).plural_form(number) for number in range(201)}
    if needed - set(value):
        yield f"lacks the plural forms {', '.join(sorted(needed - set(value)))}"


def _slot_faults(model: Sequence[str], forms: Sequence[str]) -> Iterator[str]:
    try:
        wanted, given = _slots(model), _slots(forms)
    except ValueError as error:
        yield f"has a brace that is not closed ({error})"
        return
    if wanted != given:
        yield f"must name {_shown(wanted)}, as in German, but names {_shown(given)}"


def _slots(forms: Sequence[str]) -> frozenset[str]:
    parsed = (string.Formatter().parse(form) for form in forms)
    return frozenset(name for parts in parsed for _, name, _, _ in parts if name is not None)


def _shown(slots: frozenset[str]) -> str:
    return " ".join(f"{{{name}}}" for name in sorted(slots)) or "nothing in braces"


def _forms(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [value["text"]] if "text" in value else list(value.values())
    return list(value or [])


# -- files -------------------------------------------------------------------------------------------


@contextmanager
def locked(content_dir: Path) -> Iterator[None]:
    """One writer of content files at a time."""
    with (content_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def exported(
    content_dir: Path, city: str, language: str, *, only: Sequence[str] = (), missing: bool = False
) -> dict[str, dict[str, Written | None]]:
    """{file#name: {"de": …, "en": …, language: … or None}}, in the order of the files."""
    found: dict[str, dict[str, Written | None]] = {}
    for file, path in _files(content_dir, city, only).items():
        for name, entry in entries(_text(path)).items():
            if missing and language in entry.languages:
                continue
            found[f"{file}#{name}"] = {
                code: _bare(entry.languages.get(code)) for code in dict.fromkeys(("de", "en", language))
            }
    return found


def _files(content_dir: Path, city: str, only: Sequence[str]) -> dict[str, Path]:
    files = content_files(content_dir, city)
    unknown = [name for name in only if name not in files]
    if unknown:
        raise SystemExit(f"no such file: {', '.join(unknown)}; there are {', '.join(files)}")
    return {name: path for name, path in files.items() if not only or name in only}


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def _bare(value: Any) -> Any:
    """A checked text without the note of who checked it."""
    return value["text"] if isinstance(value, Mapping) and "text" in value else value


def set_many(
    content_dir: Path, city: str, language: str, given: Mapping[str, Any]
) -> tuple[dict[str, int], list[str]]:
    """Write a language into the files: how many texts changed in each, and the faults.

    A file with a fault in one of its texts is left as it is.
    """
    files = content_files(content_dir, city)
    by_file: dict[str, dict[str, Any]] = {}
    for key, value in given.items():
        file, _, name = key.partition("#")
        by_file.setdefault(file, {})[name] = value
    changed: dict[str, int] = {}
    problems: list[str] = []
    with locked(content_dir):
        for file, wanted in by_file.items():
            if file not in files:
                problems += [f"{file}#{name}: no such file" for name in wanted]
                continue
            count, found = _set_in_file(files[file], language, wanted)
            problems += [f"{file}#{one}" for one in found]
            changed |= {file: count} if count else {}
    return changed, problems


def _set_in_file(path: Path, language: str, wanted: Mapping[str, Any]) -> tuple[int, list[str]]:
    text = _text(path)
    there = entries(text)
    problems = [f"{name}: no such text" for name in wanted if name not in there]
    changes: dict[Place, object] = {}
    for name, value in wanted.items():
        if (entry := there.get(name)) is None or _bare(entry.languages.get(language)) == value:
            continue
        problems += [f"{name}: {fault}" for fault in faults(entry, language, value)]
        changes[(*entry.place, language)] = value
    if problems or not changes:
        return 0, problems
    try:
        _replace(path, edited(text, changes))
    except UnsafeEdit as error:
        return 0, [f"{next(iter(wanted))} and others: {error}"]
    return len(changes), []


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(text.encode("utf-8"))
    os.replace(fresh, path)


# -- command line ------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if given.command == "set-many":
        return _set_many(given)
    found = exported(
        given.content, given.city, given.lang, only=given.file or (), missing=given.command == "missing"
    )
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    return 0


def _set_many(given: argparse.Namespace) -> int:
    wanted = json.loads(given.texts.read_text(encoding="utf-8"))
    changed, problems = set_many(given.content, given.city, given.lang, wanted)
    for file, count in changed.items():
        sys.stdout.write(f"{file}: {count} written\n")
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    if problems:
        sys.stdout.write(f"{len(problems)} to correct; their files were left as they are\n")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m foundation.words")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, says in (
        ("export", "every text as JSON: {key: {de, en, language or null}}"),
        ("missing", "the same for texts that lack the language"),
        ("set-many", "write a language from a JSON file {key: text | list | plural forms}"),
    ):
        one = commands.add_parser(name, help=says)
        one.add_argument("--lang", required=True)
        one.add_argument("--city", default="heidelberg")
        one.add_argument("--content", type=Path, default=ROOT / "content")
        if name == "set-many":
            one.add_argument("texts", type=Path)
        else:
            one.add_argument("--file", action="append", help="only this file, such as services/passport.yaml")
    return parser


if __name__ == "__main__":
    sys.exit(main())
