"""`foyer nlu …`: train, serve, parse. The command line itself is in foyer/cli.py."""

import asyncio
import contextlib
import json
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

from foundation import content
from foundation.content_models import CityContent
from foundation.errors import OperatorError
from foundation.settings import ROOT, Settings
from nlu.evaluation import Baseline, Labelled, Result
from nlu.evaluation import evaluate as score
from nlu.rasa_client import AnnouncedEndpoint, FixedEndpoint, RasaClient
from nlu.rasa_server import Rasa, Say, Serving
from nlu.report import Report
from nlu.retrieval import ServiceIndex, key_of, service_texts
from nlu.service import NluService
from nlu.trained import INDEX_FILE, SERVER_FILE, IndexFile, TrainedParser
from nlu.training import TrainingData
from nlu.understanding import Alternative, Understanding

MESSAGES = ROOT / "tests" / "nlu" / "messages"
"""Labelled messages of the source tree."""
LOOK_AGAIN = 10.0
"""Seconds after which changed content is noticed."""
_AT_ONCE = 64
_AHEAD, _MOST_AHEAD = 0.3, 2000
"""Seconds and lines that are read before the model's server is there."""
_PATIENT = 120.0


@dataclass(frozen=True)
class Place:
    """Where understanding keeps its files in the data directory."""

    folder: Path

    @classmethod
    def of(cls, settings: Settings) -> "Place":
        return cls((settings.data_dir / "nlu").resolve())

    @property
    def rasa(self) -> Rasa:
        return Rasa(self.folder)

    @property
    def server(self) -> Path:
        return self.folder / SERVER_FILE

    @property
    def index(self) -> Path:
        return self.folder / INDEX_FILE


async def train(settings: Settings, say: Say) -> Path:
    """Train a model of the content as it is, if there is none yet. Errors: OperatorError."""
    rasa = Place.of(settings).rasa
    rasa.check()
    city = content.load(settings.content_dir, settings.city)
    return await rasa.train(rasa.collect(city, settings.content_dir), say)


async def serve(settings: Settings, say: Say) -> None:
    """Offer the model to the house until cancelled; train it anew when content has changed. Errors: OperatorError."""
    place = Place.of(settings)
    place.rasa.check()
    try:
        while True:
            await _serve_once(settings, place, say)
            say("the model's server ended, starting it again")
            await asyncio.sleep(1)
    finally:
        place.server.unlink(missing_ok=True)


async def _serve_once(settings: Settings, place: Place, say: Say) -> None:
    city, data = _collect(settings, place)
    fitting = place.rasa.models.path(data.digest)
    model = fitting if fitting.is_file() else place.rasa.models.newest()
    if model is None:
        model = await place.rasa.train(data, say)
    async with place.rasa.serving(model) as serving:
        client = RasaClient(FixedEndpoint(serving.endpoint), _PATIENT)
        await _offer(place, serving, client, city, data, model)
        say("messages are understood by the trained model now")
        ended = asyncio.create_task(serving.ended())
        keeping = asyncio.create_task(_keep_fresh(settings, place, serving, client, model, say))
        try:
            await asyncio.wait([ended, keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            place.server.unlink(missing_ok=True)
            for task in (ended, keeping):
                task.cancel()
            await asyncio.gather(ended, keeping, return_exceptions=True)


async def _keep_fresh(
    settings: Settings, place: Place, serving: Serving, client: RasaClient, model: Path, say: Say
) -> None:
    """Train whenever the data differ from the model's; until the new one is there, the old one answers."""
    seen = ""
    while True:
        now = _signature(settings)
        if now != seen:
            seen = now
            model = await _refresh(settings, place, serving, client, model, say)
        await asyncio.sleep(LOOK_AGAIN)


async def _refresh(
    settings: Settings, place: Place, serving: Serving, client: RasaClient, model: Path, say: Say
) -> Path:
    try:
        city, data = _collect(settings, place)
        fresh = await place.rasa.train(data, say)
        if fresh != model and not await client.load(fresh):
            raise OperatorError("the new model could not be loaded")
        await _offer(place, serving, client, city, data, fresh)
    except OperatorError as error:
        say(f"{error} (the last good model stays)")
        return model
    place.rasa.models.forget_old(fresh)
    return fresh


async def _offer(
    place: Place, serving: Serving, client: RasaClient, city: CityContent, data: TrainingData, model: Path
) -> None:
    await _bring_index(place, client, city, data, model)
    serving.endpoint.announce(place.server, serving.process.pid)


async def _bring_index(
    place: Place, client: RasaClient, city: CityContent, data: TrainingData, model: Path
) -> None:
    """The service index of these texts under this model, built where there is none."""
    texts = service_texts(city, data.examples)
    key = key_of(texts, model.name)
    old = IndexFile(place.index).look()
    if old is None or old.key != key:
        fresh = await ServiceIndex.build(texts, client, key)
        if fresh is not None:
            fresh.save(place.index)


def _collect(settings: Settings, place: Place) -> tuple[CityContent, TrainingData]:
    city = content.load(settings.content_dir, settings.city)
    return city, place.rasa.collect(city, settings.content_dir)


def _signature(settings: Settings) -> str:
    """Changes when a file of the city's content does."""
    files = sorted((settings.content_dir / "cities" / settings.city).rglob("*.y*ml"))
    return repr([(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files])


# foyer nlu parse


async def parse_jsonl(settings: Settings, lines: Iterable[bytes], out: IO[str], say: Say) -> None:
    """Understand lines `{"text", "lang"?, "context"?: {"service"?}}`, one answer a line, in their order.

    A line that is none of these is answered by `{"error": …}`. Uses the running server, else starts its own.
    """
    city = content.load(settings.content_dir, settings.city)
    source = Source(lines)
    soon = [text for line in await source.ahead() if (text := _text(line))]
    async with understanding(settings, city, say, soon) as service:
        await answer_lines(service, city, source, out)


class Source:
    """Lines of a file or a pipe, read in a thread, and a little ahead of those who ask for them."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._read: deque[bytes] = deque()
        self._reading: asyncio.Future[list[bytes]] | None = None
        self._ended = False

    async def ahead(self) -> list[bytes]:
        """What is there already, without waiting long for more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_AHEAD):
                while len(self._read) < _MOST_AHEAD and not self._ended:
                    await self._more()
        return list(self._read)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._read or not self._ended:
            if not self._read:
                await self._more()
            if self._read:
                yield self._read.popleft()

    async def _more(self) -> None:
        if self._reading is None:
            self._reading = asyncio.ensure_future(asyncio.to_thread(self._some))
        found = await asyncio.shield(self._reading)
        self._reading = None
        self._read.extend(found)
        self._ended = not found

    def _some(self) -> list[bytes]:
        return list(islice(self._lines, 1))


async def answer_lines(service: NluService, city: CityContent, source: Source, out: IO[str]) -> None:
    """Answer each line as soon as it and all before it are understood, many at a time."""
    pending: asyncio.Queue[asyncio.Task[dict[str, Any]] | None] = asyncio.Queue(_AT_ONCE)
    writer = asyncio.create_task(_write(pending, out))
    async for line in source:
        if line.strip():
            await pending.put(asyncio.create_task(_answer(service, city, line)))
    await pending.put(None)
    await writer


def _text(line: bytes) -> str:
    try:
        return _question(json.loads(line))[0]
    except (ValueError, TypeError, RecursionError):
        return ""


@asynccontextmanager
async def understanding(
    settings: Settings, city: CityContent, say: Say, soon: Sequence[str] = ()
) -> AsyncIterator[NluService]:
    """The house's own understanding with patience: by a running server, else by one started for as long as it takes.

    `soon`: texts that will be asked first.
    """
    place = Place.of(settings)
    warming = asyncio.create_task(asyncio.to_thread(_warmed, city))
    running = RasaClient(AnnouncedEndpoint(place.server), _PATIENT)
    if await running.parse("hallo", "de"):
        yield _trained(await warming, place, running)
        return
    try:
        place.rasa.check()
    except OperatorError as error:
        say(str(error))
        yield await warming
        return
    data = place.rasa.collect(city, settings.content_dir)
    model = await place.rasa.train(data, say)
    async with place.rasa.serving(model, encoders=os.cpu_count() or 1, soon=soon) as serving:
        client = RasaClient(FixedEndpoint(serving.endpoint), _PATIENT)
        await _bring_index(place, client, city, data, model)
        yield _trained(await warming, place, client)


def _warmed(city: CityContent) -> NluService:
    service = NluService.from_content(city)
    service.warm()
    return service


def _trained(service: NluService, place: Place, client: RasaClient) -> NluService:
    return replace(service, parser=TrainedParser(client, service.rules, IndexFile(place.index)))


async def _write(pending: "asyncio.Queue[asyncio.Task[dict[str, Any]] | None]", out: IO[str]) -> None:
    while (task := await pending.get()) is not None:
        out.write(json.dumps(await task, ensure_ascii=False) + "\n")
        out.flush()


async def _answer(service: NluService, city: CityContent, line: bytes) -> dict[str, Any]:
    try:
        text, language, context = _question(json.loads(line))
    except (ValueError, TypeError, RecursionError) as error:
        return {"error": f"not a message: {error}"}
    spoken = language or city.city.default_language
    return as_json(await service.understand(text, spoken, context), spoken)


def _question(raw: object) -> tuple[str, str | None, dict[str, str]]:
    """Errors: ValueError that says what is wrong."""
    if not isinstance(raw, dict) or not isinstance(raw.get("text"), str):
        raise ValueError('needs {"text": "…"}')
    language, context = raw.get("lang"), raw.get("context") or {}
    if language is not None and not isinstance(language, str):
        raise ValueError("lang must be a string")
    if not isinstance(context, dict) or not isinstance(context.get("service"), str | None):
        raise ValueError('context must be {"service": "…"}')
    text = raw["text"].encode("utf-8", "replace").decode()  # half a character cannot be written out again
    return text, language, {"service": context["service"]} if context.get("service") else {}


def as_json(found: Understanding, language: str) -> dict[str, Any]:
    """The stable shape of one answer."""
    return {
        "text": found.text,
        "language": found.language or language,
        "intent": found.intent,
        "service": found.service,
        "aspect": found.aspect,
        "confidence": round(found.confidence, 4),
        "alternatives": [_alternative(one) for one in found.alternatives],
        "fallback": found.fallback,
    }


def _alternative(one: Alternative) -> dict[str, Any]:
    return {
        "intent": one.intent,
        "service": one.service,
        "aspect": one.aspect,
        "confidence": round(one.confidence, 4),
    }


# foyer nlu evaluate


async def evaluate(
    settings: Settings, messages: Path | None, out: IO[str], say: Say, *, compare: bool | None = None
) -> Report:
    """Score the house on labelled messages (a folder or a file) and write the figures to `out`.

    Beside it stands Rasa's default pipeline on the same data: with `compare` trained if it has to be, without
    it only if that was done before, with False never. Errors: OperatorError.
    """
    city = content.load(settings.content_dir, settings.city)
    asked = Labelled.read(messages or _own_messages())
    place = Place.of(settings)
    taught = {one.language for one in place.rasa.collect(city, settings.content_dir).examples}
    async with understanding(settings, city, say) as service:
        found = await score(service, asked, spoken=city.city.default_language)
    report = Report(found, taught, await _baseline(settings, place, city, asked, say, compare))
    out.write(report.text() + "\n")
    return report


def _own_messages() -> Path:
    if MESSAGES.is_dir():
        return MESSAGES
    raise OperatorError(
        "There are no labelled messages here; they come with the source. Name some with --messages: a folder of "
        '<language>.jsonl or one such file, lines like {"text": "…", "intent": "service_info", '
        '"service": "passport", "aspect": "fee"}.'
    )


async def _baseline(
    settings: Settings,
    place: Place,
    city: CityContent,
    asked: Sequence[Labelled],
    say: Say,
    compare: bool | None,
) -> Sequence[Result]:
    rasa = Rasa(place.folder / "baseline")
    other = Baseline(rasa, rasa.collect(city, settings.content_dir, "baseline.yml"))
    wanted = other.is_trained if compare is None else compare
    return await other.results(asked, say) if wanted else ()


async def until_stopped(work: Callable[[], Any]) -> None:
    """Run until done, SIGTERM or SIGINT; children are ended before it returns."""
    task = asyncio.ensure_future(work())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
