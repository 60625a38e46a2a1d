"""The privacy notice names whoever else gets data, in every language, and nobody who does not."""

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from foundation.settings import Settings
from foyer.app import create_app
from foyer.seed import seed
from foyer.wiring import build

OTHERS = ("Telegram", "Matrix", "Stripe")
ON: dict[str, dict[str, Any]] = {
    "Telegram": {"telegram_token": SecretStr("1:token")},
    "Matrix": {"matrix_homeserver": "http://localhost:1", "matrix_user": "@office:localhost"},
    "Stripe": {"stripe_key": SecretStr("sk"), "stripe_webhook_secret": SecretStr("whsec")},
}


@pytest.mark.parametrize("named", [(), ("Telegram",), ("Stripe",), OTHERS])
async def test_the_privacy_notice_names_who_is_switched_on(
    settings: Settings, database_url: str, named: tuple[str, ...]
) -> None:
    chosen = {key: value for one in named for key, value in ON[one].items()}
    house = build(settings.model_copy(update=chosen), database_url)
    await seed(house)
    transport = httpx.ASGITransport(app=await create_app(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as anybody:
        for language in house.content.city.languages:
            page = await anybody.get("/privacy", headers={"Accept-Language": language})
            assert page.status_code == 200
            assert [one for one in OTHERS if one in page.text] == list(named)
    for channel in house.channels.values():
        await channel.close()
    await house.database.close()
