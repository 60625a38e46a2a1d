"""`foyer nlu parse --jsonl`: the stable shape, the order, and lines that are no messages."""

import io
import json
from typing import Any

import pytest

from foundation.content import load
from foundation.content_models import CityContent
from foundation.settings import ROOT
from nlu.commands import Source, answer_lines
from nlu.service import NluService

KEYS = ["text", "language", "intent", "service", "aspect", "confidence", "alternatives", "fallback"]


@pytest.fixture(scope="module")
def city() -> CityContent:
    return load(ROOT / "content", "heidelberg")


async def answered(city: CityContent, *lines: bytes) -> list[dict[str, Any]]:
    out = io.StringIO()
    await answer_lines(NluService.from_content(city), city, Source(line + b"\n" for line in lines), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_one_answer_a_line_in_order_with_exactly_these_fields(city: CityContent) -> None:
    texts = [f"Was kostet ein Führungszeugnis? {number}" for number in range(150)]
    found = await answered(city, *(json.dumps({"text": text}).encode() for text in texts))
    assert [one["text"] for one in found] == texts
    assert all(list(one) == KEYS for one in found)
    assert (found[0]["intent"], found[0]["service"], found[0]["aspect"]) == (
        "service_info",
        "certificate_of_conduct",
        "fee",
    )


async def test_the_context_names_the_service_spoken_of(city: CityContent) -> None:
    asked = {"text": "and what does it cost?", "lang": "en", "context": {"service": "identity_card"}}
    (found,) = await answered(city, json.dumps(asked).encode())
    assert (found["language"], found["service"], found["aspect"]) == ("en", "identity_card", "fee")


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[1]",
        b"17",
        b'{"text": 5}',
        b'{"lang": "de"}',
        b'{"text": "a", "lang": 1}',
        b'{"text": "a", "context": "b"}',
        b'{"text": "a", "context": {"service": 1}}',
        b'{"text": "\xff"}',
        b"[" * 100_000,
    ],
)
async def test_a_bad_line_is_an_error_object_and_the_next_is_answered(city: CityContent, line: bytes) -> None:
    bad, good = await answered(city, line, b'{"text": "hallo"}')
    assert list(bad) == ["error"]
    assert good["intent"] == "greet"


@pytest.mark.parametrize("text", ["", " ", "👍", "5", "\\ud800", "\\u0000", "x" * 20_000])
async def test_odd_texts_are_answered_too(city: CityContent, text: str) -> None:
    (found,) = await answered(city, f'{{"text": "{text}"}}'.encode())
    assert list(found) == KEYS
