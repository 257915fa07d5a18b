"""A call is released while it talks, while it rings there, and while it rings here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("05 releaseCall")


async def test_while_it_talks(alice: Seat, bob: Seat, connect: Connect) -> None:
    hers, his = await connect(alice, bob)
    await alice.do("releaseCall", dialogId=hers)
    ended = await alice.told("dialogState", state="DROPPED", id=hers)
    assert (ended["isCallEnded"], ended["callEndReason"], ended["endCallReason"]) == (1, None, None)
    await bob.told("dialogState", state="DROPPED", id=his, isCallEnded=1)
    await alice.hears()
    await bob.hears()
    await alice.quiet("Error")


async def test_while_it_rings_there(alice: Seat, bob: Seat) -> None:
    hers = await alice.dial("1001")
    ringing = await bob.told("newInboundCall", state="ALERTING")
    await alice.do("releaseCall", dialogId=hers)
    await alice.told("dialogState", state="DROPPED", id=hers, callEndReason=None)
    ended = await bob.told("dialogState", state="DROPPED", id=ringing["id"])
    assert ended["callEndReason"]
    await alice.quiet("Error")


async def test_while_it_rings_here(alice: Seat, bob: Seat) -> None:
    hers = await alice.dial("1001")
    ringing = await bob.told("newInboundCall", state="ALERTING")
    await bob.do("releaseCall", dialogId=ringing["id"])
    await bob.told("dialogState", state="DROPPED", id=ringing["id"], callEndReason="Rejected")
    await alice.told("dialogState", state="DROPPED", id=hers, timeout=20)
