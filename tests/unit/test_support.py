"""The fixtures themselves."""

from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from tests.support.factory import Factory, SampleCity


async def test_a_case_and_its_conversation_can_be_read_back(
    database: Database, city: SampleCity, make: Factory, vault: Vault, clock: FixedClock
) -> None:
    async with database.city(city.id) as session:
        person = await make.person(session, "Layla")
        case = await make.case(session, person=person)
        conversation = await make.conversation(session, case=case)
    async with database.city(city.id) as session:
        assert await vault.open(session, f"person.name:{person.id}", person.name or b"") == "Layla"
    assert conversation.case_id == case.id
    assert clock.now().strftime("%A %H:%M") == "Monday 07:30"
