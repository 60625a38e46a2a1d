"""The one tool that writes and checks the catalogues: `python -m foundation.texts set|set-many|check`.

It keeps them sorted, without locations or dates, so that two branches merge without conflict.
"""

import argparse
import fcntl
import gettext
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from foundation.i18n import DOMAIN
from foundation.settings import ROOT

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


def _read(language: str, path: Path) -> Catalog:
    if path.exists():
        with path.open("rb") as file:
            return read_po(file, locale=language)
    return Catalog(locale=language, project="Foyer", version="1", fuzzy=False)


def _write(catalog: Catalog, path: Path) -> None:
    catalog.creation_date = catalog.revision_date = _STILL
    catalog.fuzzy = False
    catalog.header_comment = (
        "# Texts of Foyer. Written by `python -m foundation.texts`; sorted, no locations."
    )
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=0, sort_output=True, no_location=True, ignore_obsolete=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(buffer.getvalue())
    os.replace(fresh, path)


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
    commands.add_parser("check", help="find missing, unknown and uneven texts")
    given = parser.parse_args(arguments)
    if given.command == "set":
        set_texts(
            {given.key: {code: text for code in ("de", "en", "tr", "ar") if (text := getattr(given, code))}}
        )
    elif given.command == "set-many":
        set_texts(json.loads(given.file.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
