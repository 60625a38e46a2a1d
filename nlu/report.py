"""The report on an evaluation: columns for the terminal, and a page with drawings that needs no script and no host."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nlu import measures
from nlu.evaluation import Result
from nlu.measures import Bin, Label, Pair, Point, Scores

MOST_CONFUSIONS = 20
_COLUMNS = (
    ("intent", "intent"),
    ("service", "service"),
    ("aspect", "aspect"),
    ("all_three", "all-three"),
    ("out_of_scope", "out-of-scope"),
    ("false_fallback", "false-doubt"),
    ("confidently_wrong", "sure-and-wrong"),
    ("confidently_wrong_at_all", "(aspect-too)"),
    ("costly_wrong", "costly-wrong"),
    ("costly_wrong_at_all", "(aspect-too)"),
)
SIDE = 11
"""Width of a cell of the matrix, in units of the drawing."""


@dataclass(frozen=True)
class Report:
    """`taught` are the languages with examples; `theirs` the same messages by Rasa's default pipeline."""

    results: Sequence[Result]
    taught: Collection[str] = ()
    theirs: Sequence[Result] = field(default=())

    @cached_property
    def all(self) -> Scores:
        return Scores.of(self.results)

    @cached_property
    def languages(self) -> dict[str, Scores]:
        """Languages with examples first, by name."""
        ordered = sorted(
            self.results, key=lambda one: (one.meant.language not in self.taught, one.meant.language)
        )
        return measures.by_language(ordered)

    @property
    def means(self) -> list[tuple[str, int, float]]:
        """The mean share of right intents over languages, and over how many: with examples, and without any."""
        known = [scores for code, scores in self.languages.items() if code in self.taught]
        strange = [scores for code, scores in self.languages.items() if code not in self.taught]
        groups = (("languages with examples", known), ("languages without", strange))
        return [(name, len(some), measures.mean_intent(some)) for name, some in groups if some]

    @cached_property
    def their_languages(self) -> dict[str, Scores]:
        return measures.by_language(self.theirs)

    @cached_property
    def kinds(self) -> dict[str, list[Label]]:
        pairs = (measures.intents, measures.services, measures.aspects)
        names = ("intent", "service", "aspect")
        return {name: measures.labels(of(self.results)) for name, of in zip(names, pairs, strict=True)}

    @cached_property
    def confusions(self) -> dict[str, list[tuple[Pair, int]]]:
        pairs = (measures.intents, measures.services, measures.aspects)
        names = ("intent", "service", "aspect")
        return {name: measures.confusions(of(self.results)) for name, of in zip(names, pairs, strict=True)}

    @cached_property
    def bins(self) -> list[Bin]:
        return measures.calibration(self.results)

    @property
    def calibration_error(self) -> float:
        return measures.calibration_error(self.bins)

    @cached_property
    def curve(self) -> list[Point]:
        return measures.thresholds(self.results)

    def misread(self, language: str) -> list[Result]:
        """Messages of a language of which something is wrong, the most confident mistakes first."""
        wrong = [one for one in self.results if one.meant.language == language and _is_wrong(one)]
        return sorted(wrong, key=lambda one: (one.found.fallback, -one.found.confidence))

    @cached_property
    def matrix(self) -> "Matrix":
        return Matrix.of(measures.intents(self.results))

    # in columns

    def text(self) -> str:
        """What a terminal shows."""
        parts = [table(self.languages, self.all), *self._means(), *self._theirs()]
        for kind, labels in self.kinds.items():
            parts += ["", *_label_lines(kind, labels)]
        for kind, found in self.confusions.items():
            parts += ["", f"{kind}: strongest confusions", *_confusion_lines(found[:MOST_CONFUSIONS])]
        return "\n".join([*parts, "", *self._calibration(), "", *self._curve()])

    def _means(self) -> Iterator[str]:
        for name, languages, mean in self.means:
            yield f"mean intent over {languages} {name}: {mean:.1%}"

    def _theirs(self) -> Iterator[str]:
        if self.theirs:
            yield "\nRasa's default pipeline on the same examples: intents"
            yield "  ".join(f"{code} {_percent(one.intent)}" for code, one in self.their_languages.items())
            yield f"all {_percent(Scores.of(self.theirs).intent)}, house {_percent(self.all.intent)}"

    def _calibration(self) -> Iterator[str]:
        yield f"calibration (expected error {self.calibration_error:.1%})"
        yield "confidence  right  messages"
        for one in self.bins:
            yield f"{one.confidence:>10.1%}  {one.right:>5.0%}  {one.messages:>8}"

    def _curve(self) -> Iterator[str]:
        yield "asked back below  out-of-scope noticed  false doubt"
        for one in self.curve:
            yield f"{one.threshold:>16.2f}  {one.out_of_scope:>20.1%}  {one.false_fallback:>11.1%}"
        shares = (_percent(self.all.out_of_scope), _percent(self.all.false_fallback))
        yield f"{'as it is':>16}  {shares[0]:>20}  {shares[1]:>11}"

    # as a page

    def html(self) -> str:
        """One file, with everything in it."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["percent"] = _percent
        return environment.get_template("evaluation.html").render(
            report=self, columns=_COLUMNS, most=MOST_CONFUSIONS, side=SIDE
        )


def _is_wrong(one: Result) -> bool:
    """Also where a service was named beside another intent than a question."""
    return not one.all_right or (one.meant.service is not None and not one.service)


@dataclass(frozen=True)
class Cell:
    """`share` of the messages of its row (0 … 1)."""

    row: int
    column: int
    messages: int
    share: float


@dataclass(frozen=True)
class Matrix:
    """What was meant (rows) against what was found (columns): the cells that are not empty."""

    names: list[str]
    cells: list[Cell]

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> "Matrix":
        names = sorted({name or "–" for pair in pairs for name in pair})
        place = {name: number for number, name in enumerate(names)}
        counted: dict[tuple[int, int], int] = {}
        for meant, found in pairs:
            key = (place[meant or "–"], place[found or "–"])
            counted[key] = counted.get(key, 0) + 1
        rows = [sum(many for (row, _), many in counted.items() if row == number) for number in place.values()]
        cells = [Cell(row, column, many, many / rows[row]) for (row, column), many in counted.items()]
        return cls(names, cells)


def table(languages: dict[str, Scores], whole: Scores) -> str:
    """Scores by language and over all, in columns."""
    head = "  ".join(["language", "messages", *(name for _, name in _COLUMNS)])
    return "\n".join([head, *(_row(*row) for row in (*languages.items(), ("all", whole)))])


def _row(name: str, scores: Scores) -> str:
    columns = (_percent(getattr(scores, key)).rjust(len(title)) for key, title in _COLUMNS)
    return "  ".join([f"{name:<8}", f"{scores.messages:>8}", *columns])


def _label_lines(kind: str, labels: Sequence[Label]) -> Iterator[str]:
    wide = max((len(one.name) for one in labels), default=0)
    yield f"{kind:<{wide}}  precision  recall      F1  meant"
    for one in labels:
        shares = (_percent(one.precision).rjust(9), _percent(one.recall).rjust(6), f"{one.f1:>6.1%}")
        yield "  ".join([f"{one.name:<{wide}}", *shares, f"{one.meant:>5}"])


def _confusion_lines(found: Sequence[tuple[Pair, int]]) -> Iterator[str]:
    return (f"{many:>5}  {meant or '-'} → {other or '-'}" for (meant, other), many in found)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
