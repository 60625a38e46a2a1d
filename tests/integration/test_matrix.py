"""The Matrix bot with a real homeserver and a client that is not ours."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.app import App
from tests.support.matrix import POLL, MatrixCitizen, body, matrix_citizen
from tests.support.synapse import Synapse, running_synapse


@pytest.fixture(scope="module")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    with running_synapse(tmp_path_factory.mktemp("synapse")) as running:
        yield running


@pytest.fixture
def bot(synapse: Synapse, tmp_path: Path) -> str:
    return synapse.register(f"amt{tmp_path.name.replace('_', '').lower()[-20:]}")


@pytest.fixture
def app_settings(synapse: Synapse, bot: str) -> dict[str, str]:
    return {
        "FOYER_MATRIX_HOMESERVER": synapse.url,
        "FOYER_MATRIX_USER": bot,
        "FOYER_MATRIX_PASSWORD": "secret",
        "FOYER_NLU": "words",
    }


@pytest.fixture
async def citizen(synapse: Synapse, tmp_path: Path) -> AsyncIterator[MatrixCitizen]:
    name = f"amal{tmp_path.name.replace('_', '').lower()[-20:]}"
    synapse.register(name)
    async with matrix_citizen(synapse.url, name) as running:
        yield running


async def test_hello_in_an_encrypted_room(app: App, bot: str, citizen: MatrixCitizen) -> None:
    await citizen.meet(bot)
    greeting = await citizen.hears("Bürgeramt")
    assert greeting["encrypted"]
    poll = await citizen.until(lambda one: one["type"] == POLL, "a poll")
    await citizen.say("hello")
    await citizen.until(lambda one: "1. " in body(one), "a numbered list")
    assert poll["encrypted"]
