"""An agent calls another, who answers: what both are told, and that each hears the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("02 makeCall")


async def test_the_events_of_both_sides(alice: Seat, bob: Seat, connect: Connect, history: Any) -> None:
    hers, his = await connect(alice, bob)
    assert history(alice, hers)[:2] == [("outboundDialing", "INITIATING"), ("outboundDialing", "INITIATED")]
    assert history(alice, hers)[2:] == [("dialogState", "ACTIVE")]
    assert history(bob, his) == [("newInboundCall", "ALERTING"), ("dialogState", "ACTIVE")]
    invite = alice.requests("INVITE", sent=True)[-1]
    assert (invite.headers.get("X-Calltype"), invite.headers.get("X-Destination-Number")) == ("OUT", "1001")
    await alice.do("releaseCall", dialogId=hers)
    await bob.told("dialogState", state="DROPPED", id=his, isCallEnded=1)


async def test_a_number_that_nobody_has(alice: Seat) -> None:
    hers = await alice.dial("7777")
    await alice.told("dialogState", state="DROPPED", id=hers, isCallEnded=1)
    error = await alice.expect("Error", type="generalError", dialogId=hers)
    assert error["response"]["description"] and "dialog" not in error["response"]
