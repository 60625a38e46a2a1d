"""The official Bot API as a judge: what is wrong with a request, by its machine-readable description."""

import html
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

HERE = Path(__file__).parent
LARGEST_UPLOAD = 50 * 1024 * 1024
MOST_BUTTONS = 100
_TAG = re.compile(
    r"</?(?:b|strong|i|em|u|ins|s|strike|del|code|pre|blockquote|tg-spoiler)>|<a href=\"[^\"<>]+\">|</a>"
)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")
_BASIC = {"String": str, "Integer": int, "Boolean": bool, "True": bool}
_CODE = re.compile(r"[a-z]{2}")


@cache
def _read() -> dict[str, Any]:
    return cast(dict[str, Any], json.loads((HERE / "bot_api.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class File:
    """An uploaded part of a request."""

    name: str
    media_type: str
    data: bytes


def characters(text: str) -> int:
    """As Telegram counts them: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def plain(markup: str) -> str:
    """A text without its HTML, "after entities parsing"."""
    return html.unescape(_TAG.sub("", markup))


def judge(method: str, fields: Mapping[str, str], files: Mapping[str, File]) -> list[str]:
    """Every way in which a request breaks the official description."""
    known = _read()["methods"].get(method)
    if known is None:
        return [f"{method}: no such method in the part of the Bot API that is kept here"]
    found = [f"{method}: unknown parameter {name}" for name in {**fields, **files} if name not in known]
    for name, field in known.items():
        if name in files:
            found += _judge_file(f"{method}.{name}", field, files[name])
        elif name in fields:
            found += _judge_field(f"{method}.{name}", field, _parsed(field["type"], fields[name]), fields)
        elif field["required"]:
            found.append(f"{method}: {name} is missing")
    return found


def _judge_file(place: str, field: Mapping[str, Any], file: File) -> Iterator[str]:
    if "InputFile" not in field["type"]:
        yield f"{place}: takes no file"
    if not file.name or not file.data or len(file.data) > LARGEST_UPLOAD:
        yield f"{place}: a file needs a name and 1 byte to 50 MB"


def _parsed(kind: str, text: str) -> Any:
    """A form field's value: everything but a String is JSON."""
    if kind == "String":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _judge_field(
    place: str, field: Mapping[str, Any], value: Any, beside: Mapping[str, Any]
) -> Iterator[str]:
    yield from _judge_type(place, field["type"], value)
    yield from _judge_limits(place, field, value, beside)


def _judge_type(place: str, kind: str, value: Any) -> Iterator[str]:
    complaints = [list(_judge_one(place, one, value)) for one in re.split(r" or |, | and ", kind)]
    if all(complaints):
        yield from min(complaints, key=len)


def _judge_one(place: str, kind: str, value: Any) -> Iterator[str]:
    """Against one type of a union."""
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            yield f"{place}: {kind} is meant, not {type(value).__name__}"
            return
        for number, one in enumerate(value):
            yield from _judge_type(f"{place}[{number}]", kind.removeprefix("Array of "), one)
    elif kind == "Float":
        if not isinstance(value, int | float) or isinstance(value, bool):
            yield f"{place}: a number is meant"
    elif kind in _BASIC:
        if type(value) is not _BASIC[kind] or (kind == "True" and value is not True):
            yield f"{place}: {kind} is meant, not {type(value).__name__}"
    elif kind == "InputFile":
        yield f"{place}: a file is meant"
    else:
        yield from _judge_object(place, kind, value)


def _judge_object(place: str, kind: str, value: Any) -> Iterator[str]:
    known = _read()["types"].get(kind)
    if known is None or not isinstance(value, dict):
        yield f"{place}: {kind} is meant, not {type(value).__name__}"
        return
    if known.get("any_of"):
        yield from _judge_type(place, " or ".join(known["any_of"]), value)
        return
    yield from (f"{place}: {kind} has no {name}" for name in value if name not in known["fields"])
    for name, field in known["fields"].items():
        if name in value:
            yield from _judge_field(f"{place}.{name}", field, value[name], value)
        elif field["required"]:
            yield f"{place}: {name} is missing"
    if kind == "InlineKeyboardButton":
        yield from _judge_button(place, value)
    if kind == "InlineKeyboardMarkup" and sum(map(len, value["inline_keyboard"])) > MOST_BUTTONS:
        yield f"{place}: more than {MOST_BUTTONS} buttons"


def _judge_limits(
    place: str, field: Mapping[str, Any], value: Any, beside: Mapping[str, Any]
) -> Iterator[str]:
    if (
        isinstance(value, str)
        and beside.get("parse_mode") == "HTML"
        and place.endswith((".text", ".caption"))
    ):
        yield from _judge_markup(place, value)
        value = plain(value)
    if "limit" in field and (size := _size(value, field["limit"][2])) is not None:
        low, high, unit = field["limit"]
        if not low <= size <= high:
            yield f"{place}: {size} is not within {low}-{high} {unit}".rstrip()
    if "enum" in field and value not in field["enum"]:
        yield f"{place}: {value!r} is none of {field['enum']}"
    if place.endswith(".language_code") and value and not _CODE.fullmatch(value):
        yield f"{place}: a two-letter code is meant"
    if place.endswith("].command") and not re.fullmatch(r"[a-z0-9_]+", value):
        yield f"{place}: lowercase letters, digits and underscores only"
    if place == "setWebhook.secret_token" and not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        yield f"{place}: letters, digits, _ and - only"


def _size(value: Any, unit: str) -> int | None:
    if isinstance(value, str):
        return len(value.encode()) if unit == "bytes" else characters(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _judge_markup(place: str, value: str) -> Iterator[str]:
    rest = _ENTITY.sub("", _TAG.sub("", value))
    if any(sign in rest for sign in "<>&"):
        yield f"{place}: can't parse entities"


def _judge_button(place: str, button: Mapping[str, Any]) -> Iterator[str]:
    kinds = [name for name in button if name not in ("text", "icon_custom_emoji_id", "style")]
    if len(kinds) != 1:
        yield f"{place}: exactly one kind of button is meant, not {kinds}"
    if not str(button.get("text", "")).strip():
        yield f"{place}: a button needs a text"
    if "url" in button:
        yield from _judge_url(place, str(button["url"]))


def _judge_url(place: str, url: str) -> Iterator[str]:
    """Telegram refuses buttons that lead nowhere: no dot, localhost, addresses of private networks."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "tg":
        return
    try:
        fine = ipaddress.ip_address(host).is_global
    except ValueError:
        fine = "." in host and not host.endswith((".localhost", ".local"))
    if parts.scheme not in ("http", "https") or not fine:
        yield f"{place}: Wrong HTTP URL"
