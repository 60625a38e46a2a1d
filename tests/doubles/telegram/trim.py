"""Makes bot_api.json of the machine-readable Bot API that aiogram's source distribution carries.

    pip download --no-deps --no-binary :all: aiogram==3.31.0
    tar xzf aiogram-3.31.0.tar.gz aiogram-3.31.0/.butcher/schema/schema.json
    python -m tests.doubles.telegram.trim aiogram-3.31.0/.butcher/schema/schema.json

Kept are names, types, what is required, and the limits and enumerations that stand in the descriptions.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("bot_api.json")
METHODS = (
    "answerCallbackQuery", "close", "deleteMessage", "deleteMyCommands", "deleteWebhook", "editMessageReplyMarkup",
    "editMessageText", "getChat", "getFile", "getMe", "getMyCommands", "getUpdates", "getWebhookInfo", "leaveChat",
    "logOut", "sendChatAction", "sendContact", "sendDocument", "sendLocation", "sendMessage", "sendPhoto",
    "setChatMenuButton", "setMyCommands", "setMyDescription", "setMyName", "setMyShortDescription", "setWebhook",
)  # fmt: skip
_LIMIT = re.compile(r"(\d+)\s*-\s*(\d+)(?: (characters|bytes))?")
_ENUM = re.compile(
    r"(?:[Mm]ust be|[Cc]urrently,?|can be)(?: either)?(?: one of)? ((?:['‘“\"][\w/+-]+['’”\"](?: \(\w+\))?(?:, | or | and )*){2,})"
)


def trim(schema: dict[str, Any]) -> dict[str, Any]:
    named = {one["name"]: one for group in schema["items"] for one in group["children"]}
    kept: dict[str, Any] = {}
    waiting = list(METHODS)
    while waiting:
        name = waiting.pop()
        if name in kept or name not in named:
            continue
        kept[name] = _item(named[name])
        waiting += re.findall(r"[A-Z]\w+", " ".join(field["type"] for field in kept[name]["fields"].values()))
        waiting += kept[name].get("any_of", [])
    methods = {name: kept.pop(name)["fields"] for name in METHODS}
    return {"api": schema["api"], "methods": methods, "types": dict(sorted(kept.items()))}


def _item(item: dict[str, Any]) -> dict[str, Any]:
    fields = {one["name"]: _field(one) for one in item.get("annotations", [])}
    subtypes = re.findall(r"^ ?- (\w+)$", item["description"], re.MULTILINE)
    return {"fields": fields, **({"any_of": subtypes} if subtypes and not fields else {})}


def _field(field: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": field["type"], "required": field["required"]}
    limit = _LIMIT.search(field["description"])
    if limit and (limit[3] or field["type"] in ("Integer", "Float")):
        found["limit"] = [int(limit[1]), int(limit[2]), limit[3] or ""]
    if enum := _ENUM.search(field["description"]):
        found["enum"] = re.findall(r"['‘“\"]([\w/+-]+)['’”\"]", enum[1])
    return found


if __name__ == "__main__":
    made = trim(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    TARGET.write_text(json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
