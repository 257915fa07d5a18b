"""Nobody answers: the caller gives up, or the time to ring is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat, Seats

pytestmark = pytest.mark.story("inbound: RONA")


async def test_the_caller_gives_up(alice: Seat, bob: Seat) -> None:
    hers = await alice.dial("1001")
    ringing = await bob.told("newInboundCall", state="ALERTING")
    await alice.do("releaseCall", dialogId=hers)
    ended = await bob.told("dialogState", state="DROPPED", id=ringing["id"], isCallEnded=1)
    assert ended["callEndReason"] in ("ORIGINATOR_CANCEL", "Canceled")


async def test_our_time_to_ring_is_over(sit: Seats, alice: Seat) -> None:
    bob = await sit("1001", ring_timeout=2.0)
    hers = await alice.dial("1001")
    ringing = await bob.told("newInboundCall", state="ALERTING")
    ended = await bob.told("dialogState", state="DROPPED", id=ringing["id"], isCallEnded=1)
    assert ended["callEndReason"] == "Canceled"
    await alice.told("dialogState", state="DROPPED", id=hers)
    await alice.expect("Error", type="generalError", dialogId=hers)
