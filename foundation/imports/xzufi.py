"""XZuFi 2.x, the XML in which German portals exchange their services (Leistungen).

Source: xoev.de, standard XZuFi; the kinds of texts are the code list urn:de:xzufi:codeliste:leistungstextmodulleika.
Names are read without their namespace, so that 2.1 and 2.2 are one.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from lxml import etree

from foundation.errors import OperatorError
from foundation.imports.markup import Block, blocks, tidy
from foundation.imports.source import Export, Form, Stated, by_aspect, papers_in

_TITLE, _PLAIN_TITLE, _SHORT, _FULL, _DOCUMENTS, _CONDITIONS = "02", "03", "05", "06", "08", "09"
_PROCEDURE, _FORMS, _HINTS = "11", "14", "16"
_PLACES = {"documents": _DOCUMENTS, "eligibility": _CONDITIONS, "channel": _PROCEDURE, "form": _FORMS}
_MODULES = {"fee": "modulKosten", "duration": "modulBearbeitungsdauer", "deadline": "modulFrist"}
_UNITS = {"EUR": "Euro", "€": "Euro"}


def read(path: Path) -> Export:
    """The services of a file. Errors: OperatorError."""
    # Neither entities nor other files nor the network: an export comes from outside.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(path.read_bytes(), parser)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}).") from error
    except etree.XMLSyntaxError as error:
        raise OperatorError(f"{path}: not well-formed XML ({error}); export it again.") from error
    online = dict(_online(root))
    services, unusable = [], []
    for number, one in enumerate(_all(root, "leistung"), 1):
        key, title = _said(_child(one, "id")), _title(one)
        if key and title:
            services.append(_service(one, key, title, online.get(key, "")))
        else:
            unusable.append((title or key or f"number {number}", "has no id" if title else "has no name"))
    if not services and not unusable:
        raise OperatorError(f"{path}: holds no `leistung`; is it XZuFi?")
    return Export(tuple(services), tuple(unusable))


def _service(one: Any, key: str, title: str, online: str) -> Stated:
    texts = dict(_texts(one))
    found = blocks(texts.get(_FULL) or texts.get(_SHORT)) + blocks(texts.get(_HINTS))
    sections = by_aspect(found)
    sections |= {name: said for name, code in _PLACES.items() if (said := blocks(texts.get(code)))}
    sections |= {name: said for name, module in _MODULES.items() if (said := list(_module(one, module)))}
    return Stated(
        key=key,
        title=title,
        leika=tuple(dict.fromkeys(re.findall(r"\d{14}", " ".join(_codes(one))))),
        keywords=_keywords(one, texts, title),
        sections=sections,
        papers=papers_in(sections.get("documents", ())),
        forms=tuple(Form(block.text) for block in sections.get("form", ()) if block.kind == "item"),
        url=_address(_said(next(iter(_all(one, "modulUrsprungsportal")), None), "uri")),
        online=online,
        changed=_day(_said(_child(one, "versionsinformation"), "geaendertDatumZeit")),
    )


def _title(one: Any) -> str:
    """The name for citizens where there is one, else the official one."""
    texts = dict(_texts(one))
    return tidy(re.sub(r"<[^>]*>", " ", texts.get(_PLAIN_TITLE) or texts.get(_TITLE) or ""))


def _texts(one: Any) -> Iterator[tuple[str, str]]:
    """The German texts by the code of their kind."""
    for module in _children(one, "modulText"):
        code = next((_said(kind, "code") for kind in _children(module, "leikaTextmodul")), "")
        said = _german(_children(module, "inhalt"))
        if code and said:
            yield code.zfill(2), said


def _module(one: Any, name: str) -> Iterator[Block]:
    """A structured module: what is written about it, else its amount."""
    for module in _children(one, name):
        said = _german(_all(module, "beschreibung"))
        if said:
            yield from blocks(said)
        else:
            yield from (Block("text", amount) for amount in _amounts(module))


def _amounts(module: Any) -> Iterator[str]:
    unit = next((_UNITS.get(tidy(found), "Euro") for found in _values(module, "waehrung")), "Euro")
    for element in module.iter():
        if _name(element).startswith("betrag") and re.fullmatch(
            r"\d+([.,]\d{1,2})?", tidy(element.text or "")
        ):
            whole, _, cents = tidy(element.text).replace(",", ".").partition(".")
            yield f"{whole},{cents.ljust(2, '0')} {unit}" if cents.strip("0") else f"{whole} {unit}"


def _keywords(one: Any, texts: dict[str, str], title: str) -> tuple[str, ...]:
    terms = (
        tidy(found.text or "")
        for module in _all(one, "modulBegriffImKontext")
        for found in _all(module, "begriff")
    )
    official = tidy(re.sub(r"<[^>]*>", " ", texts.get(_TITLE, "")))
    return tuple(dict.fromkeys(word for word in (official, *terms) if 2 < len(word) <= 60 and word != title))


def _codes(one: Any) -> Iterator[str]:
    for reference in _children(one, "referenzLeiKa"):
        yield _said(reference, "code") or _said(reference)


def _online(root: Any) -> Iterator[tuple[str, str]]:
    """Service → address of the online service that names it."""
    for service in _all(root, "onlinedienst"):
        address = next((found for link in _values(service, "link") if (found := _address(link))), "")
        for key in _values(service, "leistungID"):
            if address:
                yield tidy(key), address


def _german(found: Any) -> str:
    for element in found:
        language = (
            element.get("languageCode") or element.get("{http://www.w3.org/XML/1998/namespace}lang") or "de"
        )
        text = "".join(element.itertext()).strip()
        if language.lower().startswith("de") and text:
            return text
    return ""


def _name(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _children(element: Any, name: str) -> list[Any]:
    return [one for one in element if _name(one) == name] if element is not None else []


def _child(element: Any, name: str) -> Any:
    return next(iter(_children(element, name)), None)


def _all(element: Any, name: str) -> list[Any]:
    return [one for one in element.iter() if _name(one) == name]


def _values(element: Any, name: str) -> Iterator[str]:
    return ((one.text or "") for one in _all(element, name))


def _said(element: Any, below: str = "") -> str:
    found = _child(element, below) if below else element
    return tidy(found.text or "") if found is not None else ""


def _address(raw: str) -> str:
    return raw if re.fullmatch(r"https?://[^\s<>\"{}]+", raw := raw.strip()) else ""


def _day(raw: str) -> date | None:
    try:
        return date.fromisoformat(raw[:10])
    except ValueError:
        return None
