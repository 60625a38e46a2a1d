"""Understanding, measured on messages that were written apart from the examples, before any model was trained."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest

from foundation import content
from foundation.settings import ROOT, Settings
from nlu import commands
from nlu.evaluation import Baseline, Labelled, evaluate
from nlu.measures import Scores, by_language
from nlu.rasa_server import Rasa
from nlu.report import table
from tests.promises.plugin import Promise

pytestmark = [pytest.mark.long, pytest.mark.promise("nlu.first")]

FOLDER = Path(__file__).parent / "nlu_first"
LANGUAGES = ("de", "en", "tr", "ar")
FEWEST = 40
INTENTS, SERVICES, A_SECOND = 0.85, 0.90, 30.0
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foyer-tests"
"""Models by the state of their data: training Rasa's default pipeline takes long, even on these languages alone."""


def messages() -> list[Labelled]:
    return [message for language in LANGUAGES for message in Labelled.read(FOLDER / f"{language}.jsonl")]


def settings() -> Settings:
    return Settings(_env_file=None, data_dir=CACHE, nlu="rasa")


def aside(text: str) -> None:
    sys.stderr.write(text + "\n")


async def test_intents_and_services_of_fresh_messages(
    promise: Promise, capsys: pytest.CaptureFixture[str]
) -> None:
    city = content.load(ROOT / "content", "heidelberg")
    asked = messages()
    for language in LANGUAGES:
        assert sum(message.language == language for message in asked) >= FEWEST
    async with commands.understanding(settings(), city, aside) as service:
        found = await evaluate(service, asked)
    ours = Scores.of(found)
    with capsys.disabled():
        sys.stdout.write(f"\nFoyer\n{table(by_language(found), ours)}\n")
    assert ours.intent is not None
    assert ours.service is not None
    assert ours.intent >= INTENTS
    assert ours.service >= SERVICES
    promise.figure(round(100 * ours.intent, 1), "% of intents")
    promise.figure(round(100 * ours.service, 1), "% of services")


async def test_rasas_default_pipeline_stands_beside(
    promise: Promise, capsys: pytest.CaptureFixture[str]
) -> None:
    city = content.load(ROOT / "content", "heidelberg")
    rasa = Rasa(CACHE / "nlu-baseline")
    data = rasa.collect(city, ROOT / "content", "baseline.yml").within(LANGUAGES)
    found = await Baseline(rasa, data).results(messages(), aside)
    theirs = Scores.of(found)
    with capsys.disabled():
        sys.stdout.write(f"\nRasa's default pipeline\n{table(by_language(found), theirs)}\n")
    assert theirs.intent is not None
    promise.figure(
        round(100 * theirs.intent, 1), "% of intents by Rasa's default pipeline on the same examples"
    )


async def test_thirty_messages_a_second_with_its_own_start(promise: Promise, tmp_path: Path) -> None:
    """The command as a process; its model is trained, its server is not running."""
    lines = [
        # No two alike, or what was encoded once would count four times.
        json.dumps({"text": f"{one.text} ({turn})" if turn else one.text, "lang": one.language})
        for turn in range(4)
        for one in messages()
    ]
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    await commands.train(settings(), aside)
    began = time.monotonic()
    with source.open("rb") as given, target.open("wb") as taken:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "foyer.cli", "nlu", "parse", "--jsonl"),
            stdin=given,
            stdout=taken,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "FOYER_DATA_DIR": str(CACHE)},
        )
        assert await process.wait() == 0
    rate = len(lines) / (time.monotonic() - began)
    answers = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [one["text"] for one in answers] == [json.loads(line)["text"] for line in lines]
    assert rate >= A_SECOND
    promise.figure(round(rate, 1), f"messages a second over {len(lines)}, its own start included")
