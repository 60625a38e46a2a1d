"""Checks what is sent to the double against Stripe's own description, and what it answers, too."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

SPEC: dict[str, Any] = json.loads(Path(__file__).with_name("openapi.json").read_text(encoding="utf-8"))
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


class Bad(Exception):
    """What Stripe would refuse, as it would say it."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = "parameter_invalid",
        status: int = 400,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "param": param, "code": code, "type": kind}


def operation(method: str, path: str) -> tuple[str, dict[str, Any], str]:
    """The path as described, its operation, and the id in the path. Errors: Bad."""
    for template, methods in SPEC["paths"].items():
        match = re.fullmatch(re.sub(r"\{\w+\}", r"([^/]+)", template), path)
        if match and method in methods:
            return template, methods[method], (match.groups() or ("",))[0]
    raise Bad(f"Unrecognized request URL ({method.upper()}: {path})", code=None, status=404)


def arguments(op: dict[str, Any], method: str, query: str, body: str) -> dict[str, Any]:
    """The request's parameters, typed. Errors: Bad."""
    if method == "post":
        return _typed(_unbracketed(body), op["body"], "")  # type: ignore[no-any-return]  # an object schema gives a dict
    wanted = {"type": "object", "properties": op["query"]}
    return _typed(_unbracketed(query), wanted, "")  # type: ignore[no-any-return]  # as above


def checked(made: dict[str, Any]) -> dict[str, Any]:
    """An answer, if it has the shape that Stripe describes. Errors: AssertionError."""
    shape = SPEC["objects"][made["object"]]
    missing = [name for name in shape["required"] if name not in made]
    assert not missing, f"{made['object']} lacks {missing}"
    for name, value in made.items():
        field = shape["fields"].get(name)
        assert field is not None, f"{made['object']} has no {name}"
        if value is None:
            assert field["null"] or field["kind"] == "any", f"{name} cannot be null"
        elif field["kind"] != "any":
            assert isinstance(value, KINDS[field["kind"]]), f"{name} is no {field['kind']}"
            assert field["enum"] is None or value in field["enum"], f"{name} cannot be {value!r}"
    return made


def _unbracketed(form: str) -> Any:
    """`a[b][0]=x` as nested mappings and lists."""
    root: dict[str, Any] = {}
    for key, value in parse_qsl(form, keep_blank_values=True):
        first, *rest = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", key)
        at, parts = root, [first, *rest]
        for part in parts[:-1]:
            at = at.setdefault(part, {})
        at[parts[-1] or str(len(at))] = value
    return _lists(root)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(item) for key, item in value.items()}
    if inner and all(key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def _typed(value: Any, schema: dict[str, Any], at: str) -> Any:
    if "anyOf" in schema:
        return _first_that_fits(value, schema["anyOf"], at)
    kind = schema.get("type")
    if kind == "object":
        return _object(value, schema, at)
    if kind == "array":
        if not isinstance(value, list):
            raise Bad("Invalid array", param=at)
        return [_typed(item, schema.get("items", {}), f"{at}[{index}]") for index, item in enumerate(value)]
    return _plain(value, schema, at)


def _first_that_fits(value: Any, choices: list[dict[str, Any]], at: str) -> Any:
    problem: Bad | None = None
    for choice in choices:
        try:
            return _typed(value, choice, at)
        except Bad as bad:
            problem = problem or bad
    raise problem or Bad("Invalid value", param=at)


def _object(value: Any, schema: dict[str, Any], at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Bad(f"Invalid object: {at}", param=at)
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            raise Bad(f"Missing required param: {_inside(at, name)}.", param=name, code="parameter_missing")
    made = {}
    for name, item in value.items():
        inner = known.get(name, others if isinstance(others, dict) else None)
        if inner is None:
            raise Bad(
                f"Received unknown parameter: {_inside(at, name)}", param=name, code="parameter_unknown"
            )
        made[name] = _typed(item, inner, _inside(at, name))
    return made


def _plain(value: Any, schema: dict[str, Any], at: str) -> Any:
    if not isinstance(value, str):
        raise Bad(f"Invalid string: {at}", param=at)
    kind = schema.get("type")
    if kind == "integer" and not re.fullmatch(r"-?\d+", value):
        raise Bad(f"Invalid integer: {value}", param=at, code="parameter_invalid_integer")
    if kind == "boolean" and value not in ("true", "false"):
        raise Bad(f"Invalid boolean: {value}", param=at)
    if "enum" in schema and value not in schema["enum"]:
        raise Bad(f"Invalid {at}: {value}", param=at)
    if len(value) > schema.get("maxLength", len(value)):
        raise Bad(f"{at} is too long", param=at)
    return int(value) if kind == "integer" else value == "true" if kind == "boolean" else value


def _inside(at: str, name: str) -> str:
    return f"{at}[{name}]" if at else name
