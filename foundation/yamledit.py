"""Edits YAML without rewriting it: only the bytes of the changed values change.

The parser says where each value stands; a change is spliced in there, in the style of what stood there or
stands beside it. Comments, order, quotes, spacing and line ends of everything else stay as they are. Every
result is read again and compared with what was wanted, so a splice that would say anything else is refused.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import yaml

from foundation.yamlfile import PlainLoader
from foundation.yamlwrite import UnsafeEdit, entry, fits_block, inline, key

__all__ = ["Node", "Path", "UnsafeEdit", "edited", "read", "same", "tree"]

Path = tuple[str | int, ...]
"""Where a value stands: keys of mappings and places in lists."""

WIDTH = 160
"""A one-line mapping that would get longer becomes one line an entry."""

_BOM = "\ufeff"
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*[ \t]+)*")
_ANCHOR = re.compile(r"(?:&[^\s,\[\]{}]*[ \t]+)?")
_HEADER = re.compile(r"[|>][-+0-9]*")


@dataclass
class Node:
    """A value in the text: `start` includes its anchor, `end` lies behind its last character."""

    kind: Literal["scalar", "map", "list", "alias"]
    start: int
    end: int
    flow: bool = False
    style: str = ""
    anchored: bool = False
    keys: "list[Node]" = field(default_factory=list)
    items: "list[Node]" = field(default_factory=list)
    name: str = ""

    @property
    def block(self) -> bool:
        return self.kind in ("map", "list") and not self.flow

    def last(self) -> int:
        """Where the last character of its content ends; a block's own end lies at what follows."""
        return self.items[-1].last() if self.block and self.items else self.end


class _Splice(NamedTuple):
    start: int
    end: int
    text: str


def read(text: str) -> Any:
    """What the text says. Errors: yaml.YAMLError."""
    return yaml.load(text, Loader=PlainLoader)  # noqa: S506 - a safe loader, see foundation.yamlfile


def edited(text: str, changes: Mapping[Path, object]) -> str:
    """The text with each value of `changes` at its place; a new key of a mapping is added behind the others.

    A value is a string, number, truth value, date, None, or a list or mapping of these. Errors: KeyError
    (no such place), UnsafeEdit, yaml.YAMLError.
    """
    mark = _BOM if text.startswith(_BOM) else ""
    before = text.removeprefix(mark)
    wanted = copy.deepcopy(read(before))
    open_changes = {at: value for at, value in changes.items() if _set(wanted, at, value)}
    after = before
    while open_changes:
        editor = _Editor(after)
        done = editor.take(open_changes)
        after = editor.result()
        for at in done:
            del open_changes[at]
    if not _says(after, wanted):
        raise UnsafeEdit("the change would also change another value; write anchors and merges out first")
    return mark + after


def _says(text: str, wanted: object) -> bool:
    try:
        return same(read(text), wanted)
    except yaml.YAMLError:
        return False


def _set(data: Any, at: Path, new: object) -> bool:
    """Put `new` into plain data; False if it is there already. Errors: KeyError."""
    value = data
    for step in at[:-1]:
        value = _inside(value, step, at)
    if not at or type(value) not in (dict, list):
        raise KeyError(at)
    there = type(value) is list or at[-1] in value
    if there and same(_inside(value, at[-1], at), new):
        return False
    value[at[-1]] = copy.deepcopy(new)
    return True


def _inside(value: Any, step: str | int, at: Path) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        raise KeyError(at) from None


def same(one: object, other: object) -> bool:
    """Equality that tells 1 from True and 1.0, and an order of keys from another one not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))


# -- reading -----------------------------------------------------------------------------------------


def tree(text: str) -> Node | None:
    """The values of a text with their places; None for an empty one. Errors: yaml.YAMLError."""
    events = yaml.parse(text, Loader=PlainLoader)
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            return _node(event, events, text)
    return None


def _node(event: Any, events: Iterator[Any], text: str) -> Node:
    start, end = int(event.start_mark.index), int(event.end_mark.index)
    if isinstance(event, yaml.AliasEvent):
        return Node("alias", start, end)
    anchored = event.anchor is not None
    if isinstance(event, yaml.ScalarEvent):
        style = event.style or ""
        if style in ("|", ">"):
            end = _block_scalar_end(text, start, end)
        return Node("scalar", start, end, style=style, anchored=anchored, name=event.value)
    kind: Literal["map", "list"] = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
    node = Node(kind, start, end, flow=bool(event.flow_style), anchored=anchored)
    while not isinstance(inner := next(events), yaml.CollectionEndEvent):
        child = _node(inner, events, text)
        if kind == "map":
            node.keys.append(child)
            child = _node(next(events), events, text)
        node.items.append(child)
    closing: Any = inner  # an event of a text that was read always has its marks
    node.end = closing.end_mark.index if node.flow else node.last()
    return node


def _block_scalar_end(text: str, start: int, end: int) -> int:
    header = _HEADER.match(text, _PROPERTIES.match(text, start).end())  # type: ignore[union-attr]  # both match emptiness or the header
    if header and "+" in header[0]:
        return start + len(text[start:end].removesuffix("\n").removesuffix("\r"))
    return start + len(text[start:end].rstrip())


# -- writing -----------------------------------------------------------------------------------------


class _Editor:
    """Gathers splices of one text and applies them together; what would overlap waits for the next round."""

    def __init__(self, text: str) -> None:
        self.text = text
        root = tree(text)
        if root is None:
            raise KeyError(())
        self.root = root
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.splices: list[_Splice] = []
        self._taken: list[tuple[int, int]] = []

    def result(self) -> str:
        text = self.text
        for splice in sorted(self.splices, key=lambda one: (one.start, one.end), reverse=True):
            text = text[: splice.start] + splice.text + text[splice.end :]
        return text

    def take(self, changes: Mapping[Path, object]) -> list[Path]:
        """Splice in what fits together; the places that are done. The first one always fits."""
        groups: dict[Path, dict[str | int, object]] = {}
        for at, value in changes.items():
            groups.setdefault(at[:-1], {})[at[-1]] = value
        done: list[Path] = []
        for parent, values in groups.items():
            chain = self._chain(parent)
            there = {name: value for name, value in values.items() if self._has(chain[-1], name)}
            now = there or values  # new keys come a round later: they may turn the braces into lines
            group = self._group(chain, now)
            if self._free(group):
                self.splices += group
                done += [(*parent, name) for name in now]
        return done

    def _free(self, group: Sequence[_Splice]) -> bool:
        """Whether these splices touch no others of this round; if so, their span is taken."""
        if not group:
            return True
        span = min(one.start for one in group), max(one.end for one in group)
        free = all(span[1] < start or end < span[0] for start, end in self._taken)
        if free:
            self._taken.append(span)
        return free

    def _has(self, node: Node, name: str | int) -> bool:
        return node.kind == "list" or self._place(node, name) is not None

    def _chain(self, at: Path) -> list[Node]:
        """The nodes from the root to `at`."""
        chain = [self.root]
        for step in at:
            chain.append(self._child(chain[-1], step, at))
        return chain

    def _child(self, node: Node, step: str | int, at: Path) -> Node:
        place = step if node.kind == "list" else self._place(node, step)
        if place is None or not isinstance(place, int):
            raise UnsafeEdit(f"{'.'.join(map(str, at))} is not written here but quoted; write it out first")
        return node.items[place]

    def _place(self, node: Node, name: str | int) -> int | None:
        return next((index for index, key in enumerate(node.keys) if key.name == str(name)), None)

    def _group(self, chain: list[Node], values: Mapping[str | int, object]) -> list[_Splice]:
        """Splices for children of one mapping or list: all of them there, or all of them new."""
        node = chain[-1]
        if not self._has(node, next(iter(values))):
            if node.kind != "map":
                raise UnsafeEdit("it is quoted from another place; write it out first")
            return self._add(chain, {str(name): value for name, value in values.items()})
        places = ((name if node.kind == "list" else self._place(node, name), v) for name, v in values.items())
        return [one for place, v in places for one in self._replace(node, int(place or 0), v, chain)]

    # -- a value takes another one's place

    def _replace(self, parent: Node, place: int, value: object, chain: list[Node]) -> list[_Splice]:
        old = parent.items[place]
        if old.kind == "list" and isinstance(value, list) and value and old.items:
            return self._replace_list(old, value)
        if old.kind == "map" and isinstance(value, Mapping) and set(value) == {k.name for k in old.keys}:
            return [
                one
                for index, name in enumerate(old.keys)
                if not self._says(old.items[index], value[name.name])
                for one in self._replace(old, index, value[name.name], [*chain, old])
            ]
        start = _ANCHOR.match(self.text, old.start).end()  # type: ignore[union-attr]  # matches emptiness, too
        if old.kind == "scalar":
            return [self._replace_scalar(old, min(start, old.end), value)]
        new = inline(value, "", _item_style(old))
        if old.block:
            colon = parent.keys[place].end if parent.kind == "map" else old.start
            return [self._over_block(old, colon, new, parent)]
        return [_Splice(min(start, old.end), old.end, new)]

    def _over_block(self, old: Node, key_end: int, new: str, parent: Node) -> _Splice:
        """A flow value takes the place of a block, beginning on the key's own line."""
        if parent.kind == "list":
            return _Splice(old.start, old.end, new)
        colon = self.text.index(":", key_end) + 1
        return _Splice(colon, old.end, " " + new)

    def _replace_scalar(self, old: Node, start: int, value: object) -> _Splice:
        if old.style in ("|", ">"):
            return self._over_block_scalar(old, start, value)
        new = inline(value, old.style)
        space = " " if old.start == old.end and self.text[old.start - 1 : old.start] in (":", "-") else ""
        return _Splice(start, old.end, space + new)

    def _over_block_scalar(self, old: Node, start: int, value: object) -> _Splice:
        head = self.text[start : old.end].partition("\n")[0].rstrip("\r")
        note = head[_HEADER.match(head).end() :]  # type: ignore[union-attr]  # a block scalar begins with its header
        body = self.text[start + len(head) : old.end].lstrip("\r\n")
        indent = " " * (len(body) - len(body.lstrip(" ")))
        lines = value.split("\n") if isinstance(value, str) else []
        if not indent or not fits_block(lines) or note.strip().startswith(tuple("123456789")):
            return _Splice(start, old.end, inline(value) + note)
        ending = 0
        while len(lines) > 1 and not lines[-1]:
            ending += 1
            lines.pop()
        sign = "-" if ending == 0 else "" if ending == 1 else "+"
        kept = lines + [""] * max(0, ending - 1)
        shown = self.newline.join([indent + line if line else "" for line in kept])
        return _Splice(start, old.end, f"|{sign}{note}{self.newline}{shown}")

    def _says(self, node: Node, value: object) -> bool:
        if node.kind == "alias" or node.block or node.style in ("|", ">"):
            return False
        return _says(self.text[node.start : node.end], value)

    def _replace_list(self, old: Node, value: list[object]) -> list[_Splice]:
        """Change only the items that differ: what stands before and behind them keeps its bytes."""
        first, last = 0, 0
        most = min(len(old.items), len(value))
        while first < most and self._says(old.items[first], value[first]):
            first += 1
        while last < most - first and self._says(old.items[-1 - last], value[-1 - last]):
            last += 1
        new = value[first : len(value) - last]
        gone = old.items[first : len(old.items) - last]
        return [(self._flow_items if old.flow else self._block_items)(old, first, gone, new)]

    def _flow_items(self, old: Node, first: int, gone: list[Node], new: list[object]) -> _Splice:
        style = "" if any(item.style == "" for item in old.items) else old.items[0].style
        shown = ", ".join(inline(item, style) for item in new)
        if gone and new:
            return _Splice(gone[0].start, gone[-1].end, shown)
        if new:
            if first:
                return _Splice(old.items[first - 1].end, old.items[first - 1].end, ", " + shown)
            return _Splice(old.items[0].start, old.items[0].start, shown + ", ")
        if first:
            return _Splice(old.items[first - 1].end, gone[-1].end, "")
        return _Splice(gone[0].start, old.items[len(gone)].start, "")

    def _block_items(self, old: Node, first: int, gone: list[Node], new: list[object]) -> _Splice:
        plain = [item for item in old.items if item.kind == "scalar"]
        style = plain[0].style if plain and plain[0].style in ("'", '"', "") else '"'
        dash = self._dash(old.items[0])
        indent = " " * self._column(dash)
        shown = f"{self.newline}{indent}".join("- " + inline(item, style) for item in new)
        if gone and new:
            return _Splice(self._dash(gone[0]), gone[-1].last(), shown)
        if new and first:
            end = self._line_end(old.items[first - 1].last())
            return _Splice(end, end, f"{self.newline}{indent}{shown}")
        if new:
            return _Splice(dash, dash, f"{shown}{self.newline}{indent}")
        if first:
            return _Splice(self._line_end(old.items[first - 1].last()), self._line_end(gone[-1].last()), "")
        return _Splice(dash, self._dash(old.items[len(gone)]), "")

    def _dash(self, item: Node) -> int:
        return self.text.rindex("-", 0, max(item.start, 1))

    # -- a key joins a mapping

    def _add(self, chain: list[Node], added: Mapping[str, object]) -> list[_Splice]:
        node = chain[-1]
        if not node.flow:
            return [self._add_lines(node, added)]
        if not node.keys:
            opening = self.text.index("{", node.start) + 1
            shown = ", ".join(entry(name, value) for name, value in added.items())
            return [_Splice(opening, opening, shown)]
        if "\n" in self.text[node.start : node.end]:
            return self._add_to_tall_flow(node, added)
        shown = "".join(
            f", {entry(name, value, _item_style(node.items[-1]))}" for name, value in added.items()
        )
        end = node.items[-1].end
        line = self._line_end(end) - self.text.rfind("\n", 0, end) - 1
        if line + len(shown) > WIDTH and (tall := self._as_lines(chain, added)):
            return tall
        return [_Splice(end, end, shown)]

    def _add_lines(self, node: Node, added: Mapping[str, object]) -> _Splice:
        indent = " " * self._column(node.keys[0].start)
        end = self._line_end(node.last())
        shown = "".join(
            f"{self.newline}{indent}{key(name)}:{self._beside(node.items[-1], value)}"
            for name, value in added.items()
        )
        return _Splice(end, end, shown)

    def _beside(self, last: Node, value: object) -> str:
        """A new value of a block mapping, written as the value before it is."""
        if isinstance(value, list) and value and last.kind == "list" and last.block and last.items:
            indent = self.newline + " " * self._column(self._dash(last.items[0]))
            style = last.items[0].style if last.items[0].kind == "scalar" else '"'
            return "".join(f"{indent}- {inline(item, style)}" for item in value)
        if isinstance(value, Mapping) and value and last.kind == "map" and last.block:
            indent = self.newline + " " * self._column(last.keys[0].start)
            return "".join(f"{indent}{entry(name, item)}" for name, item in value.items())
        return " " + inline(value, item_style=_item_style(last))

    def _add_to_tall_flow(self, node: Node, added: Mapping[str, object]) -> list[_Splice]:
        """Inside braces that span lines: a line of its own where the last entry has one."""
        last = node.items[-1]
        line = self.text.rfind("\n", 0, node.keys[-1].start) + 1
        own = not self.text[line : node.keys[-1].start].strip()
        between = self.newline + self.text[line : node.keys[-1].start] if own else " "
        shown = "".join(f",{between}{entry(name, value, _item_style(last))}" for name, value in added.items())
        return [_Splice(last.end, last.end, shown)]

    def _as_lines(self, chain: list[Node], added: Mapping[str, object]) -> list[_Splice] | None:
        """`{de: …, en: …}` as one line a language, where it stands inside no other braces."""
        node = chain[-1]
        if len(chain) < 2 or any(one.flow for one in chain[:-1]) or node.start != self._begin(node):
            return None
        above = chain[-2]
        entries = [
            f"{self.text[name.start : name.end]}: {self.text[item.start : item.end]}".rstrip()
            for name, item in zip(node.keys, node.items, strict=True)
        ]
        entries += [entry(name, value, _item_style(node.items[-1])) for name, value in added.items()]
        if above.kind == "list":
            return [self._in_list(node, entries)]
        return self._in_map(node, above, entries)

    def _in_list(self, node: Node, entries: Sequence[str]) -> _Splice:
        indent = self.newline + " " * self._column(node.start)
        return _Splice(node.start, node.end, indent.join(entries))

    def _in_map(self, node: Node, above: Node, entries: Sequence[str]) -> list[_Splice]:
        indent = self.newline + " " * (self._column(above.keys[0].start) + 2)
        tail_end = self._line_end(node.end)
        start = len(self.text[: node.start].rstrip(" \t"))
        tail = self.text[node.end : tail_end]
        lines = indent + indent.join(entries)
        if tail.strip().startswith("#"):  # a comment on the mapping stays on the mapping's line
            return [_Splice(start, tail_end, tail + lines)]
        return [_Splice(start, node.end, lines)]

    def _begin(self, node: Node) -> int:
        return _PROPERTIES.match(self.text, node.start).end()  # type: ignore[union-attr]  # matches emptiness, too

    def _column(self, at: int) -> int:
        return at - (self.text.rfind("\n", 0, at) + 1)

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        if end < 0:
            return len(self.text)
        return end - 1 if self.text[end - 1] == "\r" and end > at else end


def _item_style(node: Node) -> str:
    """How the items of a list are quoted: bare if any is."""
    styles = [item.style for item in node.items] if node.kind == "list" else []
    return "" if not styles or "" in styles else styles[0]
