"""What the local engine's tests do not reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from offhook.media.engine import (
    AnswerCreated,
    CreateAnswer,
    CreateOffer,
    EngineEvent,
    EngineFailed,
    Frames,
    GetStats,
    OfferCreated,
    Rollback,
    Stats,
    WavSink,
)
from offhook.media.feeds import Library
from offhook.media.link import Link
from offhook.media.pacer import Pacer
from offhook.media.session import MAX_REQUESTS, MediaSession, Surroundings
from offhook.testing.record import Record


class Rig:
    """A session without an engine."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.told: Record[EngineEvent] = Record()
        self.pacer = Pacer()
        self._tasks: list[asyncio.Task[None]] = []
        self.session = MediaSession(
            "m",
            Surroundings(
                address=address,
                stun=None,
                codecs=("PCMU",),
                flavour="offhook",
                certificate=None,
                pacer=self.pacer,
                library=Library(),
                peer=lambda name: None,
                tell=self.told.append,
                spawn=self._spawn,
            ),
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def close(self) -> None:
        await self.session.close()
        await self.pacer.close()
        if self._tasks:
            await asyncio.wait(self._tasks)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.close()


async def test_requests_are_done_in_order(rig: Rig) -> None:
    assert rig.session.empty
    rig.session.perform(CreateOffer("1", "m"))
    rig.session.perform(Rollback("m"))
    rig.session.perform(GetStats("2", "m"))
    await rig.told.reach(2)
    assert isinstance(rig.told[0], OfferCreated) and isinstance(rig.told[1], Stats)
    assert rig.told[1].audio.codec is None and not rig.session.empty


async def test_requests_do_not_pile_up(rig: Rig) -> None:
    for number in range(MAX_REQUESTS + 5):
        rig.session.perform(GetStats(str(number), "m"))
    refused = [event for event in rig.told if isinstance(event, EngineFailed)]
    assert [event.id for event in refused] == [str(MAX_REQUESTS + number) for number in range(5)]
    assert {event.code for event in refused} == {"internal"}
    await rig.told.reach(MAX_REQUESTS + 5)


async def test_every_request_under_way_fails_when_it_is_closed(rig: Rig) -> None:
    for number in range(3):
        rig.session.perform(CreateOffer(str(number), "m"))
    rig.session.perform(Rollback("m"))
    await rig.session.close()
    assert [event.code for event in rig.told if isinstance(event, EngineFailed)] == ["closed"] * 3
    assert rig.session.closed


async def test_an_address_that_is_not_ours_is_the_device() -> None:
    rig = Rig("192.0.2.1")
    rig.session.perform(CreateOffer("1", "m"))
    await rig.told.reach(1)
    assert isinstance(rig.told[0], EngineFailed) and rig.told[0].code == "device"
    await rig.close()


async def test_a_bug_is_told_as_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rig.session.streams, "stats", lambda: 1 / 0)
    rig.session.perform(GetStats("1", "m"))
    rig.session.perform(CreateOffer("2", "m"))
    await rig.told.reach(2)
    assert isinstance(rig.told[0], EngineFailed) and rig.told[0].code == "internal"
    assert isinstance(rig.told[1], OfferCreated) and "a bug" in caplog.text


async def test_a_source_or_sink_that_cannot_be_is_none(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.session.set_source(Frames(lambda number: None, rate=11025))
    rig.session.set_sink(WavSink("a\0b"))
    assert "silence is sent" in caplog.text and "nothing is recorded" in caplog.text


async def test_what_has_had_its_outcome_does_not_fail_when_it_is_closed(
    rig: Rig, freeswitch_offer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(self: Link, *arguments: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Link, "connect", never)
    rig.session.perform(CreateAnswer("a", "m", freeswitch_offer))
    await rig.told.reach(1)
    await rig.session.close()
    assert [type(event) for event in rig.told] == [AnswerCreated]
