"""One service of an export as an entry of the content: a YAML file that a person can read and edit.

What the source does not say is left out; the content's reader says so in every language (foundation.imported).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from foundation.content_models import Document
from foundation.fold import fold
from foundation.imports.markup import plain
from foundation.imports.source import Paper, Stated
from foundation.yamlwrite import fits_block, quoted

_HEAD = "# Taken over from the city's own list of services. Edit what you like: the next import keeps it.\n"
_LONGEST_ID = 60
_FREE = re.compile(
    r"(?:sie ist |das ist |die .{3,60} ist )?(?:gebührenfrei|kostenfrei|kostenlos|keine(?: gebühren)?|unentgeltlich)"
)
_AMOUNT = re.compile(r"(\d{1,3}(?:\.\d{3})+|\d{1,5})(?:,(\d{2}))?\s*(?:Euro|EUR|€)", re.IGNORECASE)
_SPELLED = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}
_CAUTIOUS = "Vorsichtige Annahme beim Import"


@dataclass(frozen=True)
class Entry:
    """A service's file, and what a person should look at."""

    id: str
    text: str
    remarks: tuple[str, ...] = ()


def id_of(title: str, taken: Mapping[str, object], key: str) -> str:
    """The title in lower snake case; with the source's key behind it where that id is taken."""
    spelled = "".join(_SPELLED.get(letter, letter) for letter in title.lower())
    words = re.findall(r"[a-z0-9]+", fold(spelled))
    name = (
        "_".join(words)[:_LONGEST_ID].rsplit("_", 1)[0]
        if len("_".join(words)) > _LONGEST_ID
        else "_".join(words)
    )
    name = name if re.match(r"[a-z]", name) else f"service_{name}".rstrip("_")
    return name if name not in taken else f"{name}_{'_'.join(re.findall(r'[a-z0-9]+', key.lower()))}"


def fee_minor(text: str) -> int | None:
    """Cents where the text is one amount or "free" and nothing else; everything else is for a person to read."""
    bare = text.strip().rstrip(".").strip()
    if _FREE.fullmatch(bare.lower()):
        return 0
    found = _AMOUNT.fullmatch(bare)
    return int(found[1].replace(".", "")) * 100 + int(found[2] or 0) if found else None


def entry(
    one: Stated, entry_id: str, known: Mapping[str, Document], form: str, source: str, today: date
) -> Entry:
    """Write a service. `known`: the city's papers by their folded names; `source`: the file's name."""
    fee = plain(one.sections.get("fee", ()))
    amount = fee_minor(fee)
    items, own = _checklist(one.papers, known)
    lines = [
        _HEAD + f"id: {entry_id}",
        f"term: {quoted(one.title)}",
        *_origin(one, form, source, today),
        f"names: {{de: {quoted(_template(one.title))}}}",
        _synonyms(one),
        "facts:",
        *_facts(one, amount, source, today),
        "tariff: {fact: fee}",
        "form: null",
        *_gate(one),
        *own,
        *(["checklist:", *items] if items else ["checklist: []"]),
        *_aspects(one, amount),
    ]
    return Entry(entry_id, "\n".join(lines) + "\n", tuple(_remarks(one, fee, amount, bool(items))))


def _synonyms(one: Stated) -> str:
    words = ", ".join(quoted(word) for word in one.keywords)
    return f"synonyms: {{de: [{words}]}}" if words else "synonyms: {}"


def _origin(one: Stated, form: str, source: str, today: date) -> list[str]:
    return [
        "imported:",
        f"  format: {form}",
        f"  key: {quoted(one.key)}",
        f"  leika: [{', '.join(quoted(code) for code in one.leika)}]",
        f"  source: {quoted(one.url or source)}",
        f"  changed: {one.changed.isoformat() if one.changed else 'null'}",
        f"  taken: {today.isoformat()}",
        f"  public: {'true' if one.public else 'false'}",
    ]


def _facts(one: Stated, amount: int | None, source: str, today: date) -> list[str]:
    stated = f"source: {quoted(one.url or source)}, valid_from: {(one.changed or today).isoformat()}, decided_by: city"
    careful = f"source: {quoted(_CAUTIOUS)}, valid_from: {today.isoformat()}, decided_by: city"
    return [
        f"  fee: {{value: {'null' if amount is None else amount}, unit: EUR, {stated}}}",
        f"  duration: {{value: {one.minutes or 15}, unit: minute, {stated if one.minutes else careful}}}",
        f"  proxy_allowed: {{value: false, {careful}}}",
        f"  signature: {{value: in_person, {careful}}}",
        f"  file_before_payment: {{value: false, {careful}}}",
    ]


def _gate(one: Stated) -> list[str]:
    """Never by video: that is for a person to decide."""
    kind, address = ("form_only", one.online) if one.online else ("in_person", one.url)
    link = (
        [f"      link: {{label: {{de: {quoted(_template(one.title))}}}, url: {quoted(address)}}}"]
        if address
        else []
    )
    return ["gate:", "  questions: []", "  results:", "    - id: as_stated", f"      kind: {kind}", *link]


def _checklist(papers: Sequence[Paper], known: Mapping[str, Document]) -> tuple[list[str], list[str]]:
    """The lines of the checklist, and those of papers that the city has no entry for."""
    items: dict[str, None] = {}
    own: dict[str, Paper] = {}
    for paper in papers:
        document = known.get(fold(paper.name))
        if document is not None:
            items[document.id] = None
        else:
            paper_id = f"paper_{id_of(paper.name, {}, '')}"
            own.setdefault(paper_id, paper)
            items[paper_id] = None
    lines = [
        line
        for name, paper in own.items()
        for line in (
            f"  - id: {name}",
            f"    term: {quoted(paper.name)}",
            f"    names: {{de: {quoted(_template(paper.name))}}}",
            f"    explain: {{de: {quoted(_template(paper.text or paper.name))}}}",
        )
    ]
    return [f"  - {{document: {name}}}" for name in items], ["papers:", *lines] if lines else []


def _aspects(one: Stated, amount: int | None) -> list[str]:
    """The source's sections. A fee that is one amount is said from the fact, in every language."""
    texts = {name: plain(found) for name, found in one.sections.items() if found}
    if amount is not None:
        texts.pop("fee", None)
    forms = [f"• {form.name}" + (f" ({form.url})" if form.url else "") for form in one.forms]
    if forms and "form" not in texts:
        texts["form"] = "\n".join(forms)
    written = [
        line for name, text in texts.items() for line in (f"  {name}:", *_text("    ", "de", _template(text)))
    ]
    return ["aspects:", *written] if written else ["aspects: {}"]


def _text(indent: str, language: str, text: str) -> list[str]:
    lines = text.split("\n")
    if len(lines) > 1 and fits_block(lines):
        return [f"{indent}{language}: |", *(f"{indent}  {line}" if line else "" for line in lines)]
    return [f"{indent}{language}: {quoted(text)}"]


def _template(text: str) -> str:
    """Braces of the source are no placeholders."""
    return text.replace("{", "{{").replace("}", "}}")


def _remarks(one: Stated, fee: str, amount: int | None, papers: bool) -> list[str]:
    """Why a person should look; the most pressing first."""
    said = {name for name, found in one.sections.items() if found}
    remarks = []
    if not said and not one.forms:
        remarks.append("the source gives only a name: write a text, or take it out")
    elif "overview" not in said:
        remarks.append("no description in the source")
    if not one.public:
        remarks.append("the source does not show it to the public: decide whether people should find it")
    if not fee:
        remarks.append("no fee stated")
    elif amount is None:
        remarks.append("the fee is more than one amount: set facts.fee if one is the usual one")
    if not papers:
        remarks.append("no documents listed")
    if not one.leika:
        remarks.append("no LeiKa id")
    if one.online:
        remarks.append("online service named: check the link")
    return remarks
