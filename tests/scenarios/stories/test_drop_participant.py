"""A member drops another from the conference; the two who stay have an ordinary call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("dropParticipant")


async def test_dropped(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsult", numberToConsult="1001")
    await bob.answer(event="ConsultCall")
    await alice.told("ConsultCall", state="ACTIVE")
    await alice.hears(bob)
    await alice.do("conference_consult", dialogId=hers)
    await alice.told("dialogState", state="ACTIVE", id=hers, callType="CONFERENCE")
    await alice.hears(bob, carol)
    assert (await alice.attempt("dropParticipant", dialogId=hers, participant="1003"))["status"] == "failed"
    await alice.do("dropParticipant", dialogId=hers, participant="1001")
    await bob.told("dialogState", state="DROPPED")
    await alice.told("dialogState", state="ACTIVE", id=hers, callType="OTHER_IN")
    await alice.hears(carol)
    await carol.hears(alice)
    await bob.hears()
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)
