"""A channel is switched on by its settings alone."""

import base64
from typing import Any

import pytest

from foundation.settings import Settings
from foyer.supervisor import TELEGRAM, children
from foyer.wiring import build
from tests.doubles.telegram.server import TOKEN

SECRET = "s" * 32


def settings(**more: Any) -> Settings:
    return Settings.model_validate({"master_key": base64.b64encode(bytes(32)).decode(), **more})


@pytest.mark.parametrize(
    ("more", "polls"),
    [
        ({}, False),
        ({"telegram_token": TOKEN}, True),
        ({"telegram_token": TOKEN, "telegram_secret": SECRET}, True),
        ({"telegram_token": TOKEN, "telegram_secret": SECRET, "public_url": "https://foyer.example"}, False),
    ],
)
def test_telegram(more: dict[str, str], polls: bool) -> None:
    chosen = settings(**more)
    house = build(chosen, "postgresql://nowhere")
    assert ("telegram" in house.channels) is bool(more)
    assert (TELEGRAM in children(chosen)) is polls
    assert "telegram" not in house.private_channels()
    assert {"web", "matrix"} <= house.private_channels()
