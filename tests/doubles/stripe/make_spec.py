"""Cut Stripe's OpenAPI down to what the double checks: the requests of five paths, and the shape of three objects.

    python -m tests.doubles.stripe.make_spec SPEC.json

SPEC.json is Stripe's `spec3.json` (https://github.com/stripe/openapi, MIT licence; see LICENSE.stripe).
"""

import json
import sys
from pathlib import Path
from typing import Any

PATHS = {
    "/v1/checkout/sessions": ("post",),
    "/v1/checkout/sessions/{session}": ("get",),
    "/v1/checkout/sessions/{session}/expire": ("post",),
    "/v1/payment_intents/{intent}": ("get",),
    "/v1/refunds": ("post",),
}
OBJECTS = ("checkout.session", "payment_intent", "refund")
LEFT_OUT = ("description", "title", "encoding")


def cut(spec: dict[str, Any]) -> dict[str, Any]:
    paths = {
        path: {method: _operation(spec["paths"][path][method]) for method in methods}
        for path, methods in PATHS.items()
    }
    schemas = spec["components"]["schemas"]
    objects = {name: _shallow(schemas[name]) for name in OBJECTS}
    return {"version": spec["info"]["version"], "paths": paths, "objects": objects}


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded", {})
    query = {
        one["name"]: _bare(one["schema"]) for one in operation.get("parameters", []) if one["in"] == "query"
    }
    return {"body": _bare(body.get("schema", {})), "query": query}


def _shallow(schema: dict[str, Any]) -> dict[str, Any]:
    """Names, kinds and choices of an object's own fields; what lies within them is not looked at."""
    fields = {}
    for name, field in schema["properties"].items():
        kind = field.get("type", "any")
        fields[name] = {"kind": kind, "null": field.get("nullable", False), "enum": field.get("enum")}
    return {"required": schema.get("required", []), "fields": fields}


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _bare(item)
            for key, item in value.items()
            if key not in LEFT_OUT
            or not isinstance(item, str | dict)
            or (key == "description" and isinstance(item, dict))
        }
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value


if __name__ == "__main__":
    made = cut(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(__file__).with_name("openapi.json").write_text(
        json.dumps(made, indent=0, sort_keys=True) + "\n", encoding="utf-8"
    )
