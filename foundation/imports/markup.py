"""From HTML, as people pasted it into an editorial system, to plain blocks of text. No markup comes through."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lxml import etree, html

Kind = Literal["heading", "text", "item"]

_DROPPED = frozenset({"script", "style", "head", "template", "iframe", "object", "svg", "noscript"})
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "dd",
        "div",
        "dl",
        "dt",
        "footer",
        "header",
        "ol",
        "p",
        "pre",
    }
    | {"section", "table", "tbody", "td", "th", "thead", "tr", "ul"}
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BOLD = frozenset({"b", "strong"})
_LONGEST_HEADING = 120
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff]"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ„\"])")
_NO_END = re.compile(r"\b(?:z|B|u|a|d|h|Nr|Abs|Art|ca|bzw|ggf|inkl|usw|evtl|max|min|Dr|St|\d{1,2})\.$")


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph or an item of a list, in plain text."""

    kind: Kind
    text: str


def tidy(text: str) -> str:
    """One line without what cannot be seen, and with single spaces."""
    plain = _UNSEEN.sub("", unicodedata.normalize("NFC", text))
    return re.sub(r"\s+([,;.!?)])", r"\1", " ".join(plain.split()))


def blocks(markup: str | None) -> list[Block]:
    """The blocks of an HTML fragment (or of plain text), in order. Broken HTML is read as browsers do."""
    text = (markup or "").strip()
    if not text:
        return []
    if "<" not in text and "&" not in text:
        return [Block("text", line) for one in text.splitlines() if (line := tidy(one))]
    try:
        root = html.fromstring(f"<div>{_UNSEEN.sub('', text)}</div>")
    except (etree.ParserError, ValueError):
        return []
    walk = _Walk()
    walk.inside(root)
    walk.flush()
    return walk.found


def plain(found: Sequence[Block]) -> str:
    """Blocks as one text: a line each, items with a bullet, a blank line before a heading."""
    lines: list[str] = []
    for one in found:
        if one.kind == "heading" and lines:
            lines.append("")
        lines.append(f"• {one.text}" if one.kind == "item" else one.text)
    return "\n".join(lines)


def sentences(found: Sequence[Block]) -> Iterator[str]:
    """The sentences of paragraphs; an item of a list is one."""
    for one in found:
        if one.kind == "item":
            yield one.text
        elif one.kind == "text":
            yield from _split(one.text)


def _split(text: str) -> Iterator[str]:
    held = ""
    for part in _SENTENCE_END.split(text):
        held = f"{held} {part}".strip()
        if not _NO_END.search(held):
            yield held
            held = ""
    if held:
        yield held


@dataclass
class _Walk:
    found: list[Block] = field(default_factory=list)
    _parts: list[tuple[str, bool]] = field(default_factory=list)
    _kind: Kind = "text"

    def inside(self, element: Any, bold: bool = False) -> None:
        self._add(element.text, bold)
        for child in element:
            self._child(child, bold)
            self._add(child.tail, bold)

    def _child(self, child: Any, bold: bool) -> None:
        tag = child.tag if isinstance(child.tag, str) else "script"  # a comment
        if tag in _DROPPED:
            return
        if tag == "br":
            self._break()
        elif tag == "li" or tag in _HEADINGS:
            self._own(child, "item" if tag == "li" else "heading", bold)
        elif tag in _BLOCKS:
            outer = self._kind
            if outer != "item" or tag in ("ul", "ol"):
                self.flush()
            self.inside(child, bold)
            if outer != "item" or tag in ("ul", "ol"):
                self.flush()
            self._kind = outer
        elif tag == "a":
            self._link(child, bold)
        else:
            self.inside(child, bold or tag in _BOLD)

    def _own(self, child: Any, kind: Kind, bold: bool) -> None:
        self.flush()
        outer, self._kind = self._kind, kind
        self.inside(child, bold)
        self.flush()
        self._kind = outer

    def _break(self) -> None:
        if self._kind == "item":
            self._add(" ", False)
        else:
            self.flush()

    def _link(self, child: Any, bold: bool) -> None:
        self.inside(child, bold)
        address = tidy(child.get("href") or "").replace(" ", "%20")
        if re.match(r"https?://\S+$", address) and address not in "".join(child.itertext()):
            self._add(f" ({address})", bold)

    def _add(self, text: str | None, bold: bool) -> None:
        if text:
            self._parts.append((text, bold))

    def flush(self) -> None:
        text = tidy("".join(part for part, _ in self._parts))
        heavy = all(bold or not part.strip() for part, bold in self._parts)
        self._parts = []
        if not any(letter.isalnum() for letter in text):
            return
        bare = self._kind == "text" and heavy and len(text) <= _LONGEST_HEADING
        self.found.append(Block("heading" if bare else self._kind, text))
