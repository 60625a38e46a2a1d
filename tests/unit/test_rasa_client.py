"""The client of Rasa's server: patient to a point, then silent for a while, and never an error."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from nlu.rasa_client import AnnouncedEndpoint, Breaker, Endpoint, FixedEndpoint, RasaClient
from tests.support.nlu import broken, listening, never, nonsense, nowhere

VECTOR = base64.b64encode(np.full(384, 0.05, dtype="<f2").tobytes()).decode()


async def fine(request: web.Request) -> web.Response:
    """Answers as the server does; the intent is the text itself, so that answers can be told apart."""
    assert request.headers["Authorization"] == "Bearer a token"
    texts = (await request.json())["texts"]
    return web.json_response({"answers": [answer(one["text"]) for one in texts]})


def answer(text: str) -> dict[str, object]:
    ranking = [{"name": text, "confidence": 0.9}, {"name": "greet", "confidence": 0.1}]
    return {"intent_ranking": ranking, "vector": VECTOR, "language": "de"}


async def test_many_messages_at_once_keep_their_answers() -> None:
    async with listening(fine) as endpoint:
        client = RasaClient(FixedEndpoint(endpoint))
        found = await asyncio.gather(*(client.parse(str(number)) for number in range(100)))
    assert [one.intents[0].name for one in found if one] == [str(number) for number in range(100)]


@pytest.mark.parametrize("handler", [never, broken, nonsense])
async def test_a_bad_server_is_none_not_an_error(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> None:
    async with listening(handler) as endpoint:
        assert await RasaClient(FixedEndpoint(endpoint), timeout=0.2).parse("hello") is None


async def test_after_three_failures_nobody_is_kept_waiting() -> None:
    asked = 0

    async def counted(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return await never(request)

    async with listening(counted) as endpoint:
        client = RasaClient(FixedEndpoint(endpoint), timeout=0.1, breaker=Breaker(pause=3600))
        for _ in range(8):
            assert await client.parse("hello") is None
    # The third failure may be counted just after the fourth question has been sent.
    assert asked in (3, 4)


async def test_a_server_that_is_gone_is_none() -> None:
    assert await RasaClient(FixedEndpoint(nowhere())).parse("hello") is None


def test_the_breaker_tries_again_once_after_its_pause() -> None:
    breaker = Breaker(most=2, pause=10)
    breaker.failed(0)
    assert breaker.closed(0)
    breaker.failed(0)
    assert not breaker.closed(9)
    assert breaker.closed(10)
    assert not breaker.closed(11)
    breaker.succeeded()
    assert breaker.closed(11)


def test_an_announcement_is_for_its_user_only_and_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "nlu" / "server.json"
    directory = AnnouncedEndpoint(path)
    assert directory.look() is None
    Endpoint("http://127.0.0.1:1", "first").announce(path)
    assert path.stat().st_mode & 0o077 == 0
    assert directory.look() == Endpoint("http://127.0.0.1:1", "first")
    Endpoint("http://127.0.0.1:1", "second").announce(path, os.getpid())
    assert directory.look() == Endpoint("http://127.0.0.1:1", "second")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    Endpoint("http://127.0.0.1:1", "third").announce(path, gone.pid)
    assert directory.look() is None
    path.unlink()
    assert directory.look() is None
    path.write_text(json.dumps({"url": 1}))
    assert directory.look() is None
