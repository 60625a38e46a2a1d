"""Values as YAML text, so that every reader of YAML 1.1 or 1.2 takes them for what they are."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import yaml

from foundation.yamlfile import PlainLoader

_ESCAPED = re.compile(
    '["\\\\\x00-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff\ud800-\udfff]'
)
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


class UnsafeEdit(ValueError):
    """The change cannot be spliced in without changing more than was asked for."""


def key(name: str) -> str:
    """A key as it is written: bare where every reader takes it as this word, `no` included."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) and _reads_as(name) else quoted(name)


def quoted(text: str) -> str:
    """A text in double quotes; what cannot be seen is written as its number. Errors: UnsafeEdit."""
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    sign = match[0]
    if "\ud800" <= sign <= "\udfff":
        raise UnsafeEdit("half a character is in the text; write it again")
    return _SHORT.get(sign) or (f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}")


def _reads_as(text: str) -> bool:
    """Whether a bare word is this word inside brackets, to readers of YAML 1.1 and 1.2."""
    try:
        return all(_read_by(one, f"[{text}]") == [text] for one in (yaml.SafeLoader, PlainLoader))
    except (yaml.YAMLError, ValueError):  # a date that no calendar has is a ValueError
        return False


def _read_by(loader: Any, text: str) -> Any:
    return yaml.load(text, Loader=loader)  # noqa: S506 - only called with safe loaders


def fits_block(lines: Sequence[str]) -> bool:
    """Whether these lines can stand under `|` as they are."""
    shown = [line for line in lines if line]
    return (
        bool(shown)
        and bool(lines[0])
        and not lines[0].startswith((" ", "\t"))
        and not any(
            line != line.rstrip() or _ESCAPED.search(line.replace('"', "").replace("\\", ""))
            for line in shown
        )
    )


def inline(value: object, style: str = '"', item_style: str = "") -> str:
    """A value on one line. `style` is how a text is quoted ("" bare if it can be), `item_style` those of a list.

    Errors: UnsafeEdit.
    """
    if isinstance(value, list):
        return "[" + ", ".join(inline(item, item_style) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(entry(str(name), item) for name, item in value.items()) + "}"
    if isinstance(value, str):
        return _string(value, style)
    return _plain(value)


def entry(name: str, value: object, item_style: str = "") -> str:
    """`name: value` on one line."""
    return f"{key(name)}: {inline(value, item_style=item_style)}"


def _string(value: str, style: str) -> str:
    if style == "" and not _ESCAPED.search(value) and _reads_as(value):
        return value
    if style == "'" and value and "\n" not in value and not _ESCAPED.search(re.sub(r'["\\]', "", value)):
        return "'" + value.replace("'", "''") + "'"
    return quoted(value)


def _plain(value: object) -> str:
    written: Mapping[type, Callable[[Any], str]] = {
        bool: lambda one: "true" if one else "false",
        int: str,
        date: date.isoformat,
        type(None): lambda _: "null",
    }
    if type(value) not in written:
        raise UnsafeEdit(f"{value!r} is no text, whole number, truth value or date")
    return written[type(value)](value)
