"""Understanding, measured on the messages of tests/nlu/messages; what each figure means is written in nlu/measures.py.

A message is read without being told its language: a conversation starts in the city's first one.
"""

import os
import re
import sys
from pathlib import Path

import pytest

from foundation import content
from foundation.settings import ROOT, Settings
from nlu import commands
from nlu.evaluation import Labelled, evaluate
from nlu.measures import Scores, mean_intent
from nlu.report import Report
from tests.promises.plugin import Promise

pytestmark = [pytest.mark.long, pytest.mark.promise("nlu.accuracy")]

CITY = content.load(ROOT / "content", "heidelberg")
SPOKEN = tuple(CITY.city.languages)
FEWEST, FEWEST_UNSEEN = 120, 60
"""Messages in a language, one with and one without examples."""
MEAN, WORST, UNSEEN = 0.92, 0.88, 0.80
SERVICE, ALL_THREE = 0.93, 0.80
WRONG, COSTLY_WRONG = 0.06, 0.04
NOTICED, DOUBTED = 0.85, 0.05
A_FEW, ALIKE, LONG_ALIKE = 5, 0.03, 0.002
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foyer-tests"
"""Models by the state of their data, shared with the other tests that need one."""


def aside(text: str) -> None:
    sys.stderr.write(text + "\n")


@pytest.fixture(scope="module")
async def report() -> Report:
    """What the house as it is understands of all messages."""
    settings = Settings(_env_file=None, data_dir=CACHE, nlu="rasa")
    async with commands.understanding(settings, CITY, aside) as service:
        found = await evaluate(service, Labelled.read(commands.MESSAGES), spoken=CITY.city.default_language)
    return Report(found, SPOKEN)


@pytest.fixture
def both(report: Report) -> tuple[Scores, Scores]:
    """Over all languages, and over the twelve of the city alone: every bar holds for both."""
    return report.all, Scores.of([one for one in report.results if one.meant.language in SPOKEN])


def test_intents_in_every_language(
    report: Report, promise: Promise, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{report.text()}\n")
    known = {code: report.languages[code] for code in SPOKEN}
    unseen = {code: one for code, one in report.languages.items() if code not in SPOKEN}
    worst = min(known, key=lambda code: known[code].intent or 0.0)
    assert min(one.messages for one in known.values()) >= FEWEST
    assert len(unseen) >= 5
    assert min(one.messages for one in unseen.values()) >= FEWEST_UNSEEN
    promise.figure(percent(mean_intent(known.values())), "% of intents, mean of twelve languages")
    promise.figure(percent(known[worst].intent), f"% in the worst ({worst})")
    promise.figure(percent(mean_intent(unseen.values())), "% in five languages without an example")
    assert mean_intent(known.values()) >= MEAN
    assert (known[worst].intent or 0.0) >= WORST
    assert mean_intent(unseen.values()) >= UNSEEN


def test_the_messages_are_no_examples(promise: Promise) -> None:
    """Two authors may write the same few words by chance; longer messages hardly ever."""
    settings = Settings(_env_file=None, data_dir=CACHE, nlu="rasa")
    examples = commands.Place.of(settings).rasa.collect(CITY, ROOT / "content").examples
    asked = {plain(one.text) for one in Labelled.read(commands.MESSAGES)}
    assert {one.language for one in examples} <= set(SPOKEN)
    same = asked & {plain(one.text) for one in examples}
    promise.figure(len(same), "messages that stand among the examples by chance, most of a word or two")
    assert len(same) <= len(asked) * ALIKE
    assert len([text for text in same if len(text.split()) > A_FEW]) <= len(asked) * LONG_ALIKE


def test_services_and_whole_questions(both: tuple[Scores, Scores], promise: Promise) -> None:
    promise.figure(percents(both, "service"), "% of services (all languages, the twelve)")
    promise.figure(percents(both, "all_three"), "% of questions right in intent, service and aspect")
    for scores in both:
        assert asked(scores.service) >= SERVICE
        assert asked(scores.all_three) >= ALL_THREE


def test_few_answers_are_confidently_wrong(both: tuple[Scores, Scores], promise: Promise) -> None:
    """The aspect is no part of the bar, but stands beside it."""
    promise.figure(percents(both, "confidently_wrong"), "% confidently wrong")
    promise.figure(percents(both, "confidently_wrong_at_all"), "% with the aspect")
    promise.figure(percents(both, "costly_wrong"), "% about fees, deadlines, eligibility")
    promise.figure(percents(both, "costly_wrong_at_all"), "% of these with the aspect")
    for scores in both:
        assert asked(scores.confidently_wrong) <= WRONG
        assert asked(scores.costly_wrong) <= COSTLY_WRONG


def test_what_no_office_does_is_noticed(both: tuple[Scores, Scores], promise: Promise) -> None:
    promise.figure(percents(both, "out_of_scope"), "% of out-of-scope messages noticed")
    promise.figure(percents(both, "false_fallback"), "% of false doubt")
    for scores in both:
        assert asked(scores.out_of_scope) >= NOTICED
        assert asked(scores.false_fallback) <= DOUBTED


def plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def asked(share: float | None) -> float:
    """Errors: AssertionError where no message asks for it."""
    assert share is not None
    return share


def percents(both: tuple[Scores, Scores], name: str) -> str:
    return " and ".join(str(percent(getattr(scores, name))) for scores in both)


def percent(share: float | None) -> float:
    return round(100 * (share or 0.0), 1)
