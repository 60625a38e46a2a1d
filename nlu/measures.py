"""How often the house understands, in figures. What each of them means is written here and nowhere else.

- Right intent, service, aspect: the first reading is what was meant, whether or not the house would ask back. Services
  count over the messages that name one (or follow up on one), aspects over the questions about a service, and "all
  three" over these questions.
- Asked back: `fallback`. "None of ours" (`out_of_scope`) is asked back, too: the citizen is offered a person.
- Confidently wrong: not asked back, and the intent is wrong or, where a question about a service was meant, the
  service. The stricter figure counts a wrong aspect, too. Both are shares of all messages, out-of-scope ones among
  them; for fees, deadlines and eligibility of the questions about these.
- Noticed as out of scope: what no office does, asked back. False doubt: everything else, asked back.
- Calibration: in ten bins of confidence, the share of right intents. The expected calibration error is the mean
  distance of both, weighed by messages.
- A mean over languages weighs each language alike, however many messages it has.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from nlu.evaluation import COSTLY, OUT, Result

BINS = 10
THRESHOLDS = tuple(step / 20 for step in range(20))

Pair = tuple[str | None, str | None]
"""What was meant and what was found."""


@dataclass(frozen=True)
class Scores:
    """Shares (0 … 1) over some results; None where nothing was asked."""

    messages: int
    intent: float | None
    service: float | None
    aspect: float | None
    all_three: float | None
    out_of_scope: float | None
    false_fallback: float | None
    confidently_wrong: float | None
    confidently_wrong_at_all: float | None
    costly_wrong: float | None
    costly_wrong_at_all: float | None

    @classmethod
    def of(cls, results: Sequence[Result]) -> Self:
        known = [one for one in results if one.meant.intent != OUT]
        strange = [one for one in results if one.meant.intent == OUT]
        costly = [one for one in results if one.meant.aspect in COSTLY]
        return cls(
            len(results),
            share(results, lambda one: one.intent),
            share((one for one in results if one.meant.service), lambda one: one.service),
            share((one for one in results if one.meant.aspect), lambda one: one.aspect),
            share((one for one in results if one.meant.intent == "service_info"), lambda one: one.all_right),
            share(strange, _asked_back),
            share(known, _asked_back),
            share(results, lambda one: one.confidently_wrong),
            share(results, lambda one: one.confidently_wrong_at_all),
            share(costly, lambda one: one.confidently_wrong),
            share(costly, lambda one: one.confidently_wrong_at_all),
        )


def share(results: Iterable[Result], holds: Callable[[Result], bool]) -> float | None:
    held = [holds(one) for one in results]
    return sum(held) / len(held) if held else None


def _asked_back(one: Result) -> bool:
    return one.found.fallback or one.found.intent == OUT


def by_language(results: Sequence[Result]) -> dict[str, Scores]:
    """The scores of each language, in the order of the messages."""
    languages = dict.fromkeys(one.meant.language for one in results)
    return {code: Scores.of([one for one in results if one.meant.language == code]) for code in languages}


def mean_intent(scores: Iterable[Scores]) -> float:
    """The mean over languages. Errors: ZeroDivisionError where there is none."""
    intents = [one.intent for one in scores if one.intent is not None]
    return sum(intents) / len(intents)


@dataclass(frozen=True)
class Label:
    """How well one name is told from the others. Precision is None where it was never found, recall where never meant."""

    name: str
    meant: int
    found: int
    right: int

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.right / self.meant if self.meant else None

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.meant + self.found)


def intents(results: Iterable[Result]) -> list[Pair]:
    return [(one.meant.intent, one.found.intent) for one in results]


def services(results: Iterable[Result]) -> list[Pair]:
    return [(one.meant.service, one.found.service) for one in results if one.meant.service]


def aspects(results: Iterable[Result]) -> list[Pair]:
    return [(one.meant.aspect, one.found.aspect) for one in results if one.meant.aspect]


def labels(pairs: Sequence[Pair]) -> list[Label]:
    """Every name that was meant or found, the most often meant first."""
    meant = Counter(first for first, _ in pairs if first)
    found = Counter(second for _, second in pairs if second)
    right = Counter(first for first, second in pairs if first == second and first)
    names = sorted({*meant, *found}, key=lambda name: (-meant[name], name))
    return [Label(name, meant[name], found[name], right[name]) for name in names]


def confusions(pairs: Iterable[Pair]) -> list[tuple[Pair, int]]:
    """What is taken for something else, the most frequent first."""
    return Counter((one, other) for one, other in pairs if one != other).most_common()


@dataclass(frozen=True)
class Bin:
    """Messages of about one confidence: how many, their mean confidence, and the share of right intents."""

    messages: int
    confidence: float
    right: float


def calibration(results: Sequence[Result]) -> list[Bin]:
    """Ten bins of equal width; those without a message are left out."""
    sorted_in: list[list[Result]] = [[] for _ in range(BINS)]
    for one in results:
        sorted_in[min(int(one.found.confidence * BINS), BINS - 1)].append(one)
    return [_bin(some) for some in sorted_in if some]


def _bin(some: Sequence[Result]) -> Bin:
    mean = sum(one.found.confidence for one in some) / len(some)
    return Bin(len(some), mean, sum(one.intent for one in some) / len(some))


def calibration_error(bins: Sequence[Bin]) -> float:
    """0 … 1, 0 where confidence says exactly how often it is right."""
    messages = sum(one.messages for one in bins)
    return sum(one.messages * abs(one.confidence - one.right) for one in bins) / max(messages, 1)


@dataclass(frozen=True)
class Point:
    """What would be noticed as out of scope, and doubted wrongly, if all below `threshold` were asked back."""

    threshold: float
    out_of_scope: float
    false_fallback: float


def thresholds(results: Sequence[Result]) -> list[Point]:
    """Points of the curve, empty where one of the two kinds of message is missing. "None of ours" is always asked back."""
    points = []
    for threshold in THRESHOLDS:

        def doubted(one: Result, least: float = threshold) -> bool:
            return one.found.intent == OUT or one.found.confidence < least

        noticed = share((one for one in results if one.meant.intent == OUT), doubted)
        false = share((one for one in results if one.meant.intent != OUT), doubted)
        if noticed is not None and false is not None:
            points.append(Point(threshold, noticed, false))
    return points
