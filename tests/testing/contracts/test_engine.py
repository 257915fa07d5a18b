"""The contract of engines finds out what breaks it. (What keeps it: tests/media/test_contract.py.)"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from offhook.media.engine import CreateOffer, EngineEvent, EngineRequest, GetStats, MediaEngine, OfferCreated
from offhook.media.null import NullEngine
from offhook.testing.contracts import EngineContract, Studio, audio_of


class DoubleTongued(NullEngine):
    """Tells every outcome twice, except to those who ask for statistics: they hear nothing."""

    def start(self, deliver: Callable[[EngineEvent], None]) -> None:
        def twice(event: EngineEvent) -> None:
            deliver(event)
            deliver(event)

        super().start(twice)

    def perform(self, request: EngineRequest) -> None:
        if not isinstance(request, GetStats):
            super().perform(request)


class DoubleTonguedContract(EngineContract):
    carries_audio = False

    def engine(self) -> MediaEngine:
        return DoubleTongued()


async def test_faults_of_an_engine_are_found() -> None:
    contract = DoubleTonguedContract()
    with pytest.raises(AssertionError, match="no outcome of 1 within 0.2 s"):
        await contract.test_statistics()
    with pytest.raises(AssertionError):
        await contract.test_requests_without_outcome_never_fail()
    contract.walk = 1
    with pytest.raises(AssertionError):
        await contract.test_every_request_has_exactly_one_outcome(0)


async def test_a_studio_finds_outcomes_among_other_events() -> None:
    studio = Studio(NullEngine())
    offer = await studio.offer()
    assert audio_of(offer).port
    studio.engine.perform(CreateOffer("mine", "other"))
    assert isinstance(await studio.outcome("mine"), OfferCreated)
    assert await studio.fails(GetStats("stats", "nowhere")) == "unknown-media"
    await studio.engine.close()
