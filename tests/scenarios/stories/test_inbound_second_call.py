"""A second call while one is active: announced, and answering it holds the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat, Seats

pytestmark = pytest.mark.story("inbound: second call")


async def test_two_records(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    first, one = await connect(alice, bob)
    second = await carol.dial("1001")
    ringing = await bob.told("newInboundCall", state="ALERTING", fromAddress="1002")
    two = ringing["id"]
    assert two != one
    await bob.do("answerCall", dialogId=two)
    await bob.told("dialogState", state="HELD", id=one, fromAddress="1000")
    await bob.told("dialogState", state="ACTIVE", id=two, fromAddress="1002")
    await carol.hears(bob)
    await alice.hears()
    await carol.do("releaseCall", dialogId=second)
    await bob.told("dialogState", state="DROPPED", id=two)
    await bob.do("retrieveCall", dialogId=one)
    await bob.hears(alice)
    await alice.hears(bob)
    await alice.do("releaseCall", dialogId=first)
    await bob.told("dialogState", state="DROPPED", id=one)


async def test_refused_where_configuration_says_so(sit: Seats, alice: Seat, carol: Seat, connect: Connect) -> None:
    bob = await sit("1001", call_waiting="busy")
    first, one = await connect(alice, bob)
    second = await carol.dial("1001")
    await carol.told("dialogState", state="DROPPED", id=second)
    await carol.expect("Error", type="generalError", dialogId=second)
    await bob.quiet("newInboundCall")
    await alice.do("releaseCall", dialogId=first)
    await bob.told("dialogState", state="DROPPED", id=one)
