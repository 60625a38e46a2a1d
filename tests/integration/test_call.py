"""The call room without browsers: rooms open and close with the case, signals once, credentials that expire, an echo."""

import asyncio
import base64
import hashlib
import hmac
import uuid
from datetime import timedelta
from functools import partial

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from sqlalchemy import func, select

from conversation.models import Case
from foundation import live
from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.errors import OperatorError
from tests.support.desk import Bureau, sample_bureau
from tests.support.factory import Factory, SampleCity
from tests.support.moments import MONDAY
from web_call.echo import Echoes, EchoRefused
from web_call.ice import Turn, coturn_configuration, turn_host
from web_call.models import CallSignal
from web_call.service import CITIZEN, CLERK, SIGNAL_LIVES, Calls, NoCall, call_stream


@pytest.fixture
def bureau(vault: Vault, clock: FixedClock, make: Factory) -> Bureau:
    return sample_bureau(vault, clock, make)


@pytest.fixture
def calls(bureau: Bureau) -> Calls:
    return Calls(bureau.conversations, bureau.clock)


async def admitted(database: Database, city: SampleCity, bureau: Bureau, calls: Calls) -> uuid.UUID:
    """A case whose room was opened for the first clerk."""
    async with database.city(city.id) as session:
        case = await bureau.case(session, await bureau.person(session))
        await calls.open(session, case, city.clerk.id)
    return case.id


async def state(database: Database, city: SampleCity, calls: Calls, case_id: uuid.UUID) -> str | None:
    async with database.city(city.id) as session:
        call = await calls.of_case(session, case_id)
        return call.state if call else None


async def test_a_room_is_opened_accepted_left_and_entered_again(
    database: Database, city: SampleCity, bureau: Bureau, calls: Calls
) -> None:
    case_id = await admitted(database, city, bureau, calls)
    seen = [await state(database, city, calls, case_id)]
    accept, again, over = calls.accept, calls.ring_again, calls.over
    by_clerk, by_person = partial(calls.hang_up, role=CLERK), partial(calls.hang_up, role=CITIZEN)
    for step in (accept, by_clerk, accept, by_person, again, over):
        async with database.city(city.id) as session:
            await step(session, case_id)
        seen.append(await state(database, city, calls, case_id))
    assert seen == ["open", "accepted", "ended", "accepted", "ended", "open", None]
    async with database.city(city.id) as session:
        with pytest.raises(NoCall):
            await calls.accept(session, case_id)


async def test_another_clerk_has_another_room(
    database: Database, city: SampleCity, bureau: Bureau, calls: Calls
) -> None:
    """What the person said yes to with one clerk holds for nobody else."""
    case_id = await admitted(database, city, bureau, calls)
    async with database.city(city.id) as session:
        await calls.accept(session, case_id)
        case = await session.get_one(Case, case_id)
        again = await calls.open(session, case, city.clerk.id)
        assert again.state == "accepted"
        other = await calls.open(session, case, city.second_clerk.id)
        assert (other.state, other.id != again.id) == ("open", True)


async def test_a_signal_sent_twice_is_one_and_lies_sealed_and_short(
    database: Database, city: SampleCity, bureau: Bureau, calls: Calls
) -> None:
    case_id = await admitted(database, city, bureau, calls)
    signal_id, body = uuid.uuid4(), {"type": "offer", "sdp": "v=0 192.0.2.7"}
    for _ in range(2):
        async with database.city(city.id) as session:
            case = await session.get_one(Case, case_id)
            await calls.send(session, case, CLERK, signal_id, body)
    async with database.city(city.id) as session:
        rows = await live.rows_after(session, call_stream(case_id), 0)
        frames = await calls.frames(session, rows)
        assert [frame["kind"] for frame in frames] == ["call", "signal"]
        assert (frames[1]["from"], frames[1]["body"]) == (CLERK, body)
        stored = (await session.scalars(select(CallSignal))).one()
        assert b"192.0.2.7" not in stored.body
        assert "192.0.2.7" not in str([row.data for row in rows])
    bureau.clock.move(SIGNAL_LIVES + timedelta(seconds=1))
    async with database.city(city.id) as session:
        case = await session.get_one(Case, case_id)
        await calls.send(session, case, CITIZEN, uuid.uuid4(), {"type": "answer"})
    async with database.city(city.id) as session:
        assert await session.scalar(select(func.count()).select_from(CallSignal)) == 1
        frames = await calls.frames(session, await live.rows_after(session, call_stream(case_id), 0))
        assert [frame["kind"] for frame in frames] == ["call", "gone", "signal"]


def test_credentials_expire_and_are_each_persons_own() -> None:
    """As coturn computes them with `use-auth-secret`."""
    turn, call = Turn(["turn:turn.city.example:3478"], "secret", FixedClock(MONDAY)), uuid.uuid4()
    servers = [turn.configuration(call, role)["iceServers"][0] for role in (CITIZEN, CLERK)]
    assert servers[0]["username"] != servers[1]["username"]
    for server in servers:
        expiry, _, name = server["username"].partition(":")
        assert int(expiry) == int(MONDAY.timestamp()) + 3600
        assert uuid.UUID(name)
        digest = hmac.new(b"secret", server["username"].encode(), hashlib.sha1).digest()
        assert base64.b64decode(server["credential"]) == digest
    assert Turn().configuration(call, CITIZEN)["iceServers"] == []


def test_coturn_is_given_the_secret_and_no_way_inwards() -> None:
    made = coturn_configuration(["turns:turn.city.example:443?transport=tcp"], "s3cret", "https://x.example")
    assert "static-auth-secret=s3cret" in made
    assert "realm=turn.city.example" in made
    assert "denied-peer-ip=127.0.0.0-127.255.255.255" in made
    assert turn_host("turn:192.0.2.1:3478?transport=udp") == "192.0.2.1"
    with pytest.raises(OperatorError):
        coturn_configuration([], "", "https://x.example")


async def test_an_echo_answers_with_what_it_hears() -> None:
    person, heard, echoes = RTCPeerConnection(), asyncio.Event(), Echoes()
    person.addTrack(AudioStreamTrack())

    @person.on("track")
    async def back(track: AudioStreamTrack) -> None:
        await track.recv()
        heard.set()

    try:
        await person.setLocalDescription(await person.createOffer())
        answer = await echoes.answer(person.localDescription.sdp)
        await person.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(20):
            await heard.wait()
    finally:
        await person.close()
        await echoes.close()


async def test_nonsense_gets_no_echo() -> None:
    with pytest.raises(EchoRefused):
        await Echoes().answer("v=0\r\nnonsense")
