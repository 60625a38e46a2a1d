"""The one tool that writes and checks the catalogues: `python -m foundation.texts set|set-many|unset|tidy|check`.

It keeps them sorted, without locations or dates, so that two branches merge without conflict.
"""

import argparse
import fcntl
import gettext
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from foundation.i18n import DOMAIN
from foundation.settings import ROOT

if TYPE_CHECKING:
    from foundation.content_check import Finding

Translation = str | Mapping[str, str]
"""One text, or its plural forms by CLDR category."""

MACHINE = "machine"
_STILL = datetime(2026, 1, 1, tzinfo=UTC)


def path_of(language: str, root: Path = ROOT) -> Path:
    return root / "content" / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.po"


@contextmanager
def editing(language: str) -> Iterator[Catalog]:
    """The catalogue of a language under a lock; written back whole, sorted and stable."""
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield (catalog := _read(language, path))
        _write(catalog, path)


def set_texts(texts: Mapping[str, Mapping[str, Translation]]) -> None:
    """Add or replace texts: {key: {language: text or plural forms}}; each is marked as not yet checked."""
    for language in sorted({code for translations in texts.values() for code in translations}):
        with editing(language) as catalog:
            for key, translations in texts.items():
                if language in translations:
                    _put(catalog, key, translations[language])


def unset_texts(keys: Sequence[str]) -> None:
    """Take texts out of every catalogue; without keys, only write the catalogues again in their one form."""
    for path in sorted((ROOT / "content" / "locale").glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        with editing(path.parts[-3]) as catalog:
            for key in keys:
                catalog.delete(key)


def _read(language: str, path: Path) -> Catalog:
    if path.exists():
        with path.open("rb") as file:
            return read_po(file, locale=language)
    return Catalog(locale=language, project="Foyer", version="1", fuzzy=False)


def _write(catalog: Catalog, path: Path) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(_written(catalog))
    os.replace(fresh, path)


def _written(catalog: Catalog) -> bytes:
    """The one form a catalogue has on disk: sorted, no locations, no dates of today."""
    catalog.creation_date = catalog.revision_date = _STILL
    catalog.fuzzy = False
    catalog.header_comment = (
        "# Texts of Foyer. Written by `python -m foundation.texts`; sorted, no locations."
    )
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=0, sort_output=True, no_location=True, ignore_obsolete=True)
    return buffer.getvalue()


def _put(catalog: Catalog, key: str, translation: Translation) -> None:
    catalog.delete(key)
    if isinstance(translation, str):
        catalog.add(key, translation, user_comments=[MACHINE])
        return
    catalog.add((key, key), _in_gettext_order(catalog, key, translation), user_comments=[MACHINE])


def _in_gettext_order(catalog: Catalog, key: str, forms: Mapping[str, str]) -> tuple[str, ...]:
    rule = gettext.c2py(catalog.plural_expr)
    category = Locale.parse(str(catalog.locale)).plural_form
    order: dict[int, str] = {}
    for number in range(1001):
        order.setdefault(rule(number), category(number))
    missing = set(order.values()) - set(forms)
    if missing:
        raise SystemExit(f"{key} in {catalog.locale}: plural forms missing: {', '.join(sorted(missing))}")
    return tuple(forms[order[index]] for index in range(catalog.num_plurals))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m foundation.texts")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("set", help="add or replace one text")
    one.add_argument("key")
    for language in ("de", "en", "tr", "ar"):
        one.add_argument(f"--{language}")
    many = commands.add_parser(
        "set-many", help="add or replace texts from a JSON file {key: {language: text}}"
    )
    many.add_argument("file", type=Path)
    gone = commands.add_parser("unset", help="take texts out of every catalogue")
    gone.add_argument("keys", nargs="+")
    commands.add_parser("tidy", help="write every catalogue again, sorted")
    commands.add_parser("check", help="find missing, unknown and uneven texts")
    given = parser.parse_args(arguments)
    if given.command == "set":
        set_texts(
            {given.key: {code: text for code in ("de", "en", "tr", "ar") if (text := getattr(given, code))}}
        )
    elif given.command == "set-many":
        set_texts(json.loads(given.file.read_text()))
    elif given.command in ("unset", "tidy"):
        unset_texts(getattr(given, "keys", []))
    elif given.command == "check":
        return check(ROOT)
    return 0


def check(root: Path) -> int:
    """Write every fault of catalogues and content to standard output; 1 if there is one, else 0."""
    from foundation.content_check import content_findings
    from foundation.text_check import text_findings

    cities = sorted(path.parent.name for path in (root / "content" / "cities").glob("*/city.yaml"))
    findings = [*text_findings(root), *unstable(root)]
    findings += [finding for slug in cities for finding in content_findings(root / "content", slug)]
    for finding in findings:
        sys.stdout.write(str(finding).replace(f"{root}/", "") + "\n")
    sys.stdout.write(f"{len(findings)} to correct\n" if findings else "texts and content: all well\n")
    return 1 if findings else 0


def unstable(root: Path) -> Iterator["Finding"]:
    """Catalogues that are not as this tool writes them, so that branches would not merge."""
    from foundation.content_check import Finding  # content is only needed to check

    for path in sorted((root / "content" / "locale").glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        if path.read_bytes() != _written(_read(path.parts[-3], path)):
            todo = "run `python -m foundation.texts tidy`"
            yield Finding(f"{path}:1", "not sorted, or written by hand", todo)


if __name__ == "__main__":
    sys.exit(main())
