"""How often the house understands: messages with their known meaning against what it makes of them."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from foundation.errors import OperatorError
from nlu.rasa_client import FixedEndpoint, RasaClient
from nlu.rasa_server import Rasa, Say
from nlu.service import NluService
from nlu.training import TrainingData
from nlu.understanding import Understanding

_AT_ONCE = 32


@dataclass(frozen=True)
class Labelled:
    """A message and what was meant. `service` and `aspect` None: not asked."""

    text: str
    language: str
    intent: str
    service: str | None = None
    aspect: str | None = None
    context: str | None = None

    @classmethod
    def read(cls, path: Path) -> list[Self]:
        """Lines `{"text", "lang", "intent", "service"?, "aspect"?, "context"?: {"service"}}`. Errors: OperatorError."""
        found = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                raw = json.loads(line)
                context = (raw.get("context") or {}).get("service")
                labels = (raw["intent"], raw.get("service"), raw.get("aspect"))
                found.append(cls(raw["text"], raw["lang"], *labels, context))
            except (ValueError, KeyError, AttributeError) as error:
                raise OperatorError(
                    f"{path}:{number}: not a labelled message ({error}); correct it."
                ) from error
        return found


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


@dataclass(frozen=True)
class Scores:
    """Shares (0 … 1) over some results; None where nothing was asked."""

    messages: int
    intent: float | None
    service: float | None
    aspect: float | None
    out_of_scope: float | None
    false_fallback: float | None
    confidently_wrong: float | None

    @classmethod
    def of(cls, results: Sequence[Result]) -> Self:
        known = [one for one in results if one.meant.intent != "out_of_scope"]
        strange = [one for one in results if one.meant.intent == "out_of_scope"]
        return cls(
            len(results),
            _share(results, lambda one: one.intent),
            _share([one for one in results if one.meant.service], lambda one: one.service),
            _share([one for one in results if one.meant.aspect], lambda one: one.aspect),
            _share(strange, lambda one: one.found.fallback or one.intent),
            _share(known, lambda one: one.found.fallback),
            _share(results, lambda one: not one.intent and not one.found.fallback),
        )


def _share(results: Sequence[Result], holds: Callable[[Result], bool]) -> float | None:
    return sum(map(holds, results)) / len(results) if results else None


async def evaluate(
    service: NluService, messages: Iterable[Labelled], *, known_language: bool
) -> list[Result]:
    """Understand each message. With `known_language` the conversation is in the message's language already."""
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(message: Labelled) -> Result:
        context = {"service": message.context} if message.context else {}
        async with few:
            language = message.language if known_language else "de"
            return Result(message, await service.understand(message.text, language, context))

    return list(await asyncio.gather(*(one(message) for message in messages)))


async def baseline(rasa: Rasa, data: TrainingData, messages: Sequence[Labelled], say: Say) -> list[Result]:
    """The same messages by another pipeline (Rasa's default one) trained on the same data: intents only."""
    model = await rasa.train(data, say)
    async with rasa.serving(model) as serving:
        client = RasaClient(FixedEndpoint(serving.endpoint), 60)
        found: list[Result] = []
        for start in range(0, len(messages), _AT_ONCE):
            part = messages[start : start + _AT_ONCE]
            answers = await client.raw([(one.text, one.language) for one in part])
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


def table(results: Sequence[Result]) -> str:
    """Scores by language and over all, in columns."""
    languages = dict.fromkeys(one.meant.language for one in results)
    rows = [(code, Scores.of([one for one in results if one.meant.language == code])) for code in languages]
    head = "language  messages  intent  service  aspect  out-of-scope  false-fallback  confidently-wrong"
    return "\n".join([head, *(_row(*row) for row in (*rows, ("all", Scores.of(results))))])


def _row(name: str, scores: Scores) -> str:
    shares = (
        (scores.intent, 6),
        (scores.service, 7),
        (scores.aspect, 6),
        (scores.out_of_scope, 12),
        (scores.false_fallback, 14),
        (scores.confidently_wrong, 17),
    )
    columns = "  ".join(("-" if share is None else f"{share:.1%}").rjust(width) for share, width in shares)
    return f"{name:<8}  {scores.messages:>8}  {columns}"
