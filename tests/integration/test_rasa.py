"""The real Rasa, trained on a few sentences: what it answers, to whom, and that it ends with its parent."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from foundation.settings import ROOT
from nlu.rasa_client import FixedEndpoint, RasaClient
from nlu.rasa_server import Rasa, Serving
from nlu.retrieval import ServiceIndex, ServiceText
from nlu.training import Example, TrainingData

FEE, PAPERS = ("service_info", "identity_card", "fee"), ("service_info", "identity_card", "documents")
BOOK = ("book_appointment", None, None)
EXAMPLES = {
    "de": {
        "Was kostet der Ausweis?": FEE,
        "Wie teuer ist ein Personalausweis": FEE,
        "Welche Papiere brauche ich für den Ausweis?": PAPERS,
        "Was muss ich zum Ausweis mitbringen": PAPERS,
        "Ich möchte einen Termin": BOOK,
        "Wann ist etwas frei?": BOOK,
        "hallo": ("greet", None, None),
        "guten Morgen": ("greet", None, None),
        "Wie wird das Wetter?": ("out_of_scope", None, None),
        "Bestell mir eine Pizza": ("out_of_scope", None, None),
    },
    "en": {
        "How much is an identity card?": FEE,
        "price of the id card": FEE,
        "Which documents do I need for the ID card?": PAPERS,
        "what to bring for my identity card": PAPERS,
        "I want an appointment": BOOK,
        "book a slot": BOOK,
        "hello": ("greet", None, None),
        "good morning": ("greet", None, None),
        "What is the weather like?": ("out_of_scope", None, None),
        "order a pizza for me": ("out_of_scope", None, None),
    },
}
PARENT = """
import asyncio, sys
from pathlib import Path
from nlu.rasa_server import Rasa

async def main():
    async with Rasa(Path(sys.argv[1])).serving(Path(sys.argv[2])) as serving:
        print(serving.process.pid, serving.endpoint.url.rsplit(":", 1)[1], flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def rasa(tmp_path_factory: pytest.TempPathFactory) -> Rasa:
    return Rasa(tmp_path_factory.mktemp("nlu"))


@pytest.fixture(scope="module")
async def model(rasa: Rasa) -> Path:
    """A model of the examples above; about ten seconds."""
    examples = tuple(
        Example(text, language, *meant)
        for language, sentences in EXAMPLES.items()
        for text, meant in sentences.items()
    )
    config = (rasa.project / "config.yml").read_text(encoding="utf-8")
    told: list[str] = []
    made = await rasa.train(TrainingData(examples, {"de": (), "en": ()}, config, "small"), told.append)
    assert told[0].startswith("training: 20 examples")
    assert told[-1] == "training: done"
    return made


@pytest.fixture(scope="module")
async def serving(rasa: Rasa, model: Path) -> AsyncIterator[Serving]:
    async with rasa.serving(model) as running:
        yield running


async def test_it_tells_intent_aspect_service_and_language_also_of_what_it_never_saw(
    serving: Serving,
) -> None:
    client = RasaClient(FixedEndpoint(serving.endpoint), timeout=30)
    found = await client.parse("Wie viel muss ich für einen neuen Personalausweis zahlen?")
    assert found is not None
    assert found.intents[0].name == "service_info"
    assert found.aspects[0].name == "fee"
    assert found.services[0].name == "identity_card"
    assert found.language == "de"
    assert abs(float(found.vector @ found.vector) - 1) < 0.01
    french = await client.parse("Combien coûte une carte d'identité ?")
    assert french is not None
    assert (french.intents[0].name, french.aspects[0].name) == ("service_info", "fee")


async def test_a_service_without_any_training_is_found_by_its_names(serving: Serving) -> None:
    client = RasaClient(FixedEndpoint(serving.endpoint), timeout=30)
    texts = [
        ServiceText("identity_card", "Personalausweis", "de"),
        ServiceText("identity_card", "identity card", "en"),
        ServiceText("dog_tax", "Hundesteuer", "de"),
        ServiceText("dog_tax", "einen Hund anmelden", "de"),
        ServiceText("dog_tax", "dog tax", "en"),
    ]
    index = await ServiceIndex.build(texts, client, "key")
    found = await client.parse("I have a puppy now, do I pay taxes for it?")
    assert index is not None
    assert found is not None
    assert index.near(found.vector)[0].name == "dog_tax"


async def test_it_listens_on_loopback_and_answers_nobody_without_the_token(serving: Serving) -> None:
    host, port = serving.endpoint.url.removeprefix("http://").split(":")
    assert host == "127.0.0.1"
    refused = []
    async with aiohttp.ClientSession() as session:
        for path in ("/foyer/parse", "/foyer/vectors", "/model/parse"):
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                body = {"texts": [{"text": "a"}], "text": "a"}
                async with session.post(serving.endpoint.url + path, json=body, headers=headers) as response:
                    refused.append(response.status)
    assert set(refused) == {401}
    addresses = {
        str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), int(port), socket.AF_INET)
    }
    assert all(_closed(address, int(port)) for address in addresses if not address.startswith("127."))


async def test_it_ends_with_a_parent_that_is_killed(rasa: Rasa, model: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(rasa.work), str(model)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    child, port = map(int, (await asyncio.wait_for(parent.stdout.readline(), 120)).split())
    assert not _closed("127.0.0.1", port)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(10):
        while _alive(child):
            await asyncio.to_thread(_closed, "127.0.0.1", port)


def _closed(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) != 0


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
