"""Messages with their known meaning, beside what is understood of them. The measures are in nlu/measures.py."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from foundation.errors import OperatorError
from nlu.rasa_client import FixedEndpoint, RasaClient
from nlu.rasa_server import Rasa, Say
from nlu.service import NluService
from nlu.training import TrainingData
from nlu.understanding import Understanding

COSTLY = frozenset({"fee", "deadline", "eligibility"})
"""Aspects on which a wrong answer costs people money or a right."""
OUT = "out_of_scope"
_AT_ONCE = 32


@dataclass(frozen=True)
class Labelled:
    """A message and what was meant. `service` and `aspect` None: not asked. `told`: the language is known beforehand."""

    text: str
    language: str
    intent: str
    service: str | None = None
    aspect: str | None = None
    context: str | None = None
    told: bool = True

    @classmethod
    def read(cls, place: Path) -> list[Self]:
        """A file, or all *.jsonl of a folder: lines `{"text", "intent", "lang"?, "service"?, "aspect"?, "context"?}`.

        `context` is `{"service": …}`. A message without `lang` is of the language that the file is named after, and
        is understood without being told so. Errors: OperatorError.
        """
        files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
        try:
            found = [one for path in files for one in cls._read_file(path)]
        except OSError as error:
            raise OperatorError(f"{place} cannot be read: {error.strerror}.") from error
        if not found:
            raise OperatorError(f"{place} holds no labelled messages (*.jsonl).")
        return found

    @classmethod
    def _read_file(cls, path: Path) -> list[Self]:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [
            cls._of(line, path, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
        ]

    @classmethod
    def _of(cls, line: str, path: Path, where: str) -> Self:
        try:
            raw = json.loads(line)
            language, context = raw.get("lang"), (raw.get("context") or {}).get("service")
            labels = (raw["intent"], raw.get("service"), raw.get("aspect"), context)
            return cls(raw["text"], language or path.stem, *labels, told=language is not None)
        except (ValueError, KeyError, AttributeError) as error:
            raise OperatorError(f"{where}: not a labelled message ({error}); correct it.") from error


@dataclass(frozen=True)
class Result:
    """A message beside what was understood."""

    meant: Labelled
    found: Understanding

    @property
    def intent(self) -> bool:
        return self.found.intent == self.meant.intent

    @property
    def service(self) -> bool:
        return self.found.service == self.meant.service

    @property
    def aspect(self) -> bool:
        return self.found.aspect == self.meant.aspect

    @property
    def all_right(self) -> bool:
        """Of a question about a service all three count, of everything else the intent."""
        return self.intent and (self.meant.intent != "service_info" or (self.service and self.aspect))

    @property
    def confidently_wrong(self) -> bool:
        """Not asked back, and the intent is wrong or, in a question about a service, the service."""
        service = self.meant.intent != "service_info" or self.service
        return not self.found.fallback and not (self.intent and service)

    @property
    def confidently_wrong_at_all(self) -> bool:
        """The stricter one: a wrong aspect counts, too."""
        return not self.found.fallback and not self.all_right


async def evaluate(service: NluService, messages: Iterable[Labelled], *, spoken: str = "de") -> list[Result]:
    """Understand each message, in a conversation that is in its language if that was told, else in `spoken`."""
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(message: Labelled) -> Result:
        context = {"service": message.context} if message.context else {}
        async with few:
            language = message.language if message.told else spoken
            return Result(message, await service.understand(message.text, language, context))

    return list(await asyncio.gather(*(one(message) for message in messages)))


@dataclass(frozen=True)
class Baseline:
    """The same messages by another pipeline (Rasa's default one) trained on the same data: intents only.

    Training takes more than ten minutes: the model is kept by the state of its data, in the folder of `rasa`, which
    nothing is served from.
    """

    rasa: Rasa
    data: TrainingData

    @property
    def is_trained(self) -> bool:
        return self.rasa.models.path(self.data.digest).is_file()

    async def results(self, messages: Sequence[Labelled], say: Say) -> list[Result]:
        """Errors: OperatorError."""
        model = await self.rasa.train(self.data, say)
        async with self.rasa.serving(model) as serving:
            client = RasaClient(FixedEndpoint(serving.endpoint), 60)
            found: list[Result] = []
            for start in range(0, len(messages), _AT_ONCE):
                part = messages[start : start + _AT_ONCE]
                answers = await client.raw([(one.text, one.language if one.told else None) for one in part])
                if answers is None:
                    raise OperatorError("the model to compare with does not answer")
                pairs = zip(part, answers, strict=True)
                found += [Result(_only_asking_intent(one), _only_intent(answer)) for one, answer in pairs]
        return found


def _only_asking_intent(message: Labelled) -> Labelled:
    return replace(message, service=None, aspect=None)


def _only_intent(answer: dict[str, Any]) -> Understanding:
    first = answer.get("intent") or {}
    return Understanding(
        answer.get("text", ""),
        intent=first.get("name"),
        confidence=first.get("confidence", 0.0),
        fallback=False,
    )
