"""Asks Rasa over HTTP: never longer than the time-out, and not at all for a while after it failed."""

import asyncio
import base64
import binascii
import json
import logging
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import aiohttp
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Vector = NDArray[np.float32]
_TOGETHER, _IN_FLIGHT = 12, 2
_VECTORS_TOGETHER = 64
_AWAY = (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError)


@dataclass(frozen=True)
class Endpoint:
    """Where Rasa's server is, and the token it wants."""

    url: str
    token: str

    def announce(self, path: Path, pid: int | None = None) -> None:
        """Write it where other processes of this installation look for it; readable by their user only.

        `pid` is the server's: once it has gone, its port may belong to anybody and hears nothing from us.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"url": self.url, "token": self.token, "pid": pid}, file)
        fresh.replace(path)


class Directory(Protocol):
    """Says where Rasa is just now; None while it is away."""

    def look(self) -> Endpoint | None: ...


@dataclass
class AnnouncedEndpoint:
    """The endpoint that `foyer nlu serve` announces in a file, read again when the file changes."""

    path: Path
    _seen: float = 0.0
    _found: Endpoint | None = None
    _pid: int | None = None

    def look(self) -> Endpoint | None:
        try:
            changed = self.path.stat().st_mtime
            if changed != self._seen:
                told = json.loads(self.path.read_text())
                self._found, self._pid = Endpoint(told["url"], told["token"]), told.get("pid")
                self._seen = changed
            if self._pid is not None:
                os.kill(self._pid, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return self._found


@dataclass(frozen=True)
class FixedEndpoint:
    """A server that somebody else runs."""

    endpoint: Endpoint

    def look(self) -> Endpoint | None:
        return self.endpoint


@dataclass(frozen=True)
class Ranked:
    """One name of a ranking."""

    name: str
    confidence: float


@dataclass(frozen=True)
class Answer:
    """What Rasa says of one message. Rankings are best first, of all services and of the likeliest intents and aspects."""

    intents: tuple[Ranked, ...]
    aspects: tuple[Ranked, ...]
    services: tuple[Ranked, ...]
    language: str | None
    vector: Vector

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Errors: ValueError, KeyError, TypeError where it is no answer of our pipeline."""
        return cls(
            _ranking(raw["intent_ranking"]),
            _ranking(raw.get("aspect_ranking", ())),
            _ranking(raw.get("service_ranking", ())),
            raw.get("language"),
            vector(raw["vector"]),
        )


@dataclass
class Breaker:
    """Stops asking after `most` failures in a row, for `pause` seconds; then one question tries again."""

    most: int = 3
    pause: float = 10.0
    _failures: int = 0
    _until: float = 0.0

    def closed(self, now: float) -> bool:
        """Whether a question may be asked; the one that tries again keeps others waiting."""
        if self._failures < self.most:
            return True
        if now < self._until:
            return False
        self._until = now + self.pause
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._failures >= self.most:
            self._until = now + self.pause


@dataclass(frozen=True)
class _Question:
    text: str
    language: str | None
    answer: "asyncio.Future[Answer | None]"


@dataclass
class RasaClient:
    """One for a process. `timeout`, in seconds, is how long a message may wait for its answer.

    Messages that come at the same time travel together: a dozen at once cost the server little more than
    the sum of their encoding, and one slow question cannot pile up others behind it.
    """

    directory: Directory
    timeout: float = 2.0
    breaker: Breaker = field(default_factory=Breaker)
    _waiting: deque[_Question] = field(default_factory=deque)
    _senders: set[asyncio.Task[None]] = field(default_factory=set)

    async def parse(self, text: str, language: str | None = None) -> Answer | None:
        """What Rasa makes of a message (`language` if known); None while it is away, slow or broken. Never an error."""
        question = _Question(text, language, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if len(self._senders) < _IN_FLIGHT:
            sender = asyncio.create_task(self._send())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        try:
            return await asyncio.wait_for(question.answer, self.timeout)
        except TimeoutError:
            return None

    async def _send(self) -> None:
        """Carry waiting questions to the server until none waits."""
        while self._waiting:
            together = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            together = [one for one in together if not one.answer.done()]
            answers = await self._answers([(one.text, one.language) for one in together])
            for one, answer in zip(together, answers, strict=True):
                if not one.answer.done():
                    one.answer.set_result(answer)

    async def _answers(self, texts: Sequence[tuple[str, str | None]]) -> Sequence[Answer | None]:
        body = await self.raw(texts) if texts else []
        return [None] * len(texts) if body is None else [_answer(one) for one in body]

    async def raw(self, texts: Sequence[tuple[str, str | None]]) -> list[dict[str, Any]] | None:
        """What Rasa itself answers to several messages, whatever its pipeline; None while it is away."""
        return await self._guarded("/foyer/parse", texts, "answers")

    async def vectors(self, texts: Sequence[tuple[str, str | None]]) -> list[Vector] | None:
        """Centred vectors of texts of content (text, language), length 1; None while Rasa is away."""
        found: list[Vector] = []
        for start in range(0, len(texts), _VECTORS_TOGETHER):
            part = texts[start : start + _VECTORS_TOGETHER]
            body = await self._guarded("/foyer/vectors", part, "vectors", patience=30.0)
            if body is None:
                return None
            found += [vector(raw) for raw in body]
        return found

    async def load(self, model: Path) -> bool:
        """Have the server take another model (its absolute path); whether it did."""
        endpoint, wanted = self.directory.look(), {"path": str(model)}
        if endpoint is None:
            return False
        try:
            await _exchange("PUT", endpoint, "/foyer/model", wanted, 60)
        except _AWAY:
            return False
        return True

    async def _guarded(
        self, path: str, texts: Sequence[tuple[str, str | None]], key: str, patience: float | None = None
    ) -> list[Any] | None:
        endpoint = self.directory.look()
        now = asyncio.get_running_loop().time()
        if endpoint is None or not self.breaker.closed(now):
            return None
        try:
            question = {"texts": [{"text": text, "language": language} for text, language in texts]}
            body = await _exchange("POST", endpoint, path, question, patience or self.timeout)
            found: list[Any] = body[key]
        except _AWAY as error:
            self.breaker.failed(asyncio.get_running_loop().time())
            logger.warning("nlu: Rasa is away (%s)", type(error).__name__)
            return None
        self.breaker.succeeded()
        return found if len(found) == len(texts) else None


async def _exchange(
    method: str, endpoint: Endpoint, path: str, body: object, seconds: float
) -> dict[str, Any]:
    """One question over a connection of its own: on loopback that takes less than a millisecond."""
    wait = aiohttp.ClientTimeout(total=seconds)
    bearer = {"Authorization": f"Bearer {endpoint.token}"}
    async with (
        aiohttp.ClientSession(trust_env=False, timeout=wait, headers=bearer) as session,
        session.request(method, endpoint.url + path, json=body) as response,
    ):
        response.raise_for_status()
        answer: dict[str, Any] = await response.json()
        return answer


def _answer(raw: Mapping[str, Any]) -> Answer | None:
    try:
        return Answer.read(raw)
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("nlu: Rasa answered something else (%s)", type(error).__name__)
        return None


def vector(packed: str) -> Vector:
    """A vector as the server sends it. Errors: ValueError."""
    try:
        found = np.frombuffer(base64.b64decode(packed, validate=True), dtype="<f2")
    except binascii.Error as error:
        raise ValueError("not a vector") from error
    return found.astype(np.float32)


def _ranking(raw: Sequence[Mapping[str, Any]]) -> tuple[Ranked, ...]:
    return tuple(Ranked(str(one["name"]), float(one["confidence"])) for one in raw)
