"""The JSON of the service databases (Dienstleistungsdatenbank) of Berlin and Munich.

Source: the `dldb` exports that both cities publish; Munich writes one description, Berlin a field for each
section. Both are read, and either may lack any field but the name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from foundation.errors import OperatorError
from foundation.imports.markup import Block, blocks, tidy
from foundation.imports.source import Export, Form, Paper, Stated, by_aspect, papers_in

_NO_FORM = re.compile(r"datenschutz|dsgvo", re.IGNORECASE)


def read(path: Path) -> Export:
    """The services of a file. Errors: OperatorError."""
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise OperatorError(f"{path}: not JSON ({error}); export it again.") from error
    rows = raw.get("data") if isinstance(raw, Mapping) else raw
    if not isinstance(rows, list):
        raise OperatorError(f"{path}: holds no list `data` of services; is it a dldb export?")
    services, unusable = [], []
    for number, row in enumerate(rows, 1):
        problem = _problem(row)
        if problem:
            unusable.append((_shown(row, number), problem))
        else:
            services.append(_service(row))
    return Export(tuple(services), tuple(unusable))


def _problem(row: Any) -> str | None:
    if not isinstance(row, Mapping):
        return "is no object"
    if not _text(row.get("name")):
        return "has no name"
    if not str(row.get("id") or "").strip():
        return "has no id: the next import could not find it again"
    return None


def _shown(row: Any, number: int) -> str:
    named = isinstance(row, Mapping) and (_text(row.get("name")) or row.get("id"))
    return str(named or f"number {number}")


def _service(row: Mapping[str, Any]) -> Stated:
    meta, key = _mapping(row.get("meta")), str(row["id"]).strip()
    sections = by_aspect(blocks(_raw(row.get("description"))))
    sections |= {name: found for name, found in _fields(row) if found}
    return Stated(
        key=key,
        title=_text(row["name"]),
        leika=tuple(re.findall(r"\b\d{14}\b", str(row.get("leika") or ""))),
        keywords=_keywords(meta.get("keywords")),
        sections=sections,
        papers=(
            *_papers(row),
            *papers_in(sections.get("documents", ()) if "requirements" not in row else ()),
        ),
        forms=tuple(_forms(row.get("forms"))),
        minutes=_minutes(row.get("duration")),
        url=_address(meta.get("url"), key),
        online=_address(_mapping(row.get("onlineprocessing")).get("link"), key),
        appointment=any(_offers(place) for place in _list(row.get("locations"))),
        public=row.get("public") is not False,
        changed=_day(meta.get("lastupdate")),
    )


def _fields(row: Mapping[str, Any]) -> Iterator[tuple[str, list[Block]]]:
    """Sections that have a field of their own."""
    yield "fee", blocks(_raw(row.get("fees")))
    yield "duration", blocks(_raw(row.get("process_time")))
    yield "documents", [Block("item", paper.text) for paper in _papers(row)]
    yield "eligibility", _items(row.get("prerequisites"))
    yield "channel", blocks(_raw(_mapping(row.get("onlineprocessing")).get("description")))


def _papers(row: Mapping[str, Any]) -> tuple[Paper, ...]:
    """Berlin lists what to bring by name, with an explanation that may be HTML."""
    found = []
    for one in _list(row.get("requirements")):
        name = _text(one.get("name"))
        said = " ".join(block.text for block in blocks(_raw(one.get("description"))))
        if name:
            found.append(Paper(name[:80], f"{name}: {said}" if said else name))
    return tuple(found)


def _items(raw: Any) -> list[Block]:
    found = []
    for one in _list(raw):
        said = (_text(one.get("name")), *(block.text for block in blocks(_raw(one.get("description")))))
        found.append(Block("item", ": ".join(part for part in said if part)))
    return [one for one in found if one.text]


def _forms(raw: Any) -> Iterator[Form]:
    for one in _list(raw):
        name = _text(one.get("name"))
        if name and not _NO_FORM.search(name):
            yield Form(name, _address(one.get("link"), ""))


def _keywords(raw: Any) -> tuple[str, ...]:
    words = raw if isinstance(raw, list) else re.split(r"[,;]", _raw(raw))
    return tuple(dict.fromkeys(word for one in words if 2 < len(word := tidy(str(one))) <= 60))


def _offers(place: Mapping[str, Any]) -> bool:
    return _mapping(place.get("appointment")).get("allowed") is True


def _minutes(raw: Any) -> int | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and 0 < raw <= 480 else None


def _address(raw: Any, key: str) -> str:
    address = _raw(raw).strip().replace("{serviceId}", key)
    return address if re.fullmatch(r"https?://[^\s<>\"{}]+", address) else ""


def _day(raw: Any) -> date | None:
    try:
        return date.fromisoformat(_raw(raw)[:10])
    except ValueError:
        return None


def _text(raw: Any) -> str:
    return " ".join(block.text for block in blocks(_raw(raw)))


def _raw(raw: Any) -> str:
    return raw if isinstance(raw, str) else ""


def _list(raw: Any) -> list[Mapping[str, Any]]:
    return [one for one in raw if isinstance(one, Mapping)] if isinstance(raw, list) else []


def _mapping(raw: Any) -> Mapping[str, Any]:
    return raw if isinstance(raw, Mapping) else {}
