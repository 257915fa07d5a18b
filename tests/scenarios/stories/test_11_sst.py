"""A blind transfer: the customer and the target hear each other, or all is as it was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("11 SST")


async def test_transferred(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    transfer = asyncio.ensure_future(alice.attempt("SST", dialogId=hers, numberToTransfer="1001"))
    his = await bob.answer()
    ended = await alice.told("dialogState", state="DROPPED", id=hers, callEndReason="direct-transfered", isCallEnded=0)
    assert ended["participants"][0]["actions"]["action"] == []
    assert (await transfer)["status"] == "done"
    await bob.told("dialogState", state="ACTIVE", id=his["id"])
    await carol.hears(bob)
    await bob.hears(carol)
    await alice.hears()
    await alice.quiet("Error")
    await carol.do("releaseCall", dialogId=customer)
    await bob.told("dialogState", state="DROPPED", id=his["id"])


async def test_of_a_held_call(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("holdCall", dialogId=hers)
    transfer = asyncio.ensure_future(alice.attempt("SST", dialogId=hers, numberToTransfer="1001"))
    his = await bob.answer()
    await alice.told("dialogState", state="DROPPED", id=hers, callEndReason="direct-transfered")
    assert (await transfer)["status"] == "done"
    await carol.hears(bob)
    await bob.hears(carol)
    await bob.do("releaseCall", dialogId=his["id"])
    await carol.told("dialogState", state="DROPPED", id=customer)


async def test_declined_and_given_back(alice: Seat, bob: Seat, carol: Seat, connect: Connect, server: Any) -> None:
    if server.name == "asterisk":
        pytest.skip("cannot: " + NO_GIVING_BACK)
    customer, hers = await connect(carol, alice)
    transfer = asyncio.ensure_future(alice.attempt("SST", dialogId=hers, numberToTransfer="1001"))
    ringing = await bob.told("newInboundCall", state="ALERTING", timeout=20)
    await bob.do("rejectCall", dialogId=ringing["id"])
    await alice.expect("Error", type="generalError", dialogId=hers)
    assert (await transfer)["status"] == "failed"
    await carol.hears(alice)
    await alice.hears(carol)
    await bob.hears()
    await alice.do("releaseCall", dialogId=hers)
    await carol.told("dialogState", state="DROPPED", id=customer)


async def test_nobody_there_and_given_back(alice: Seat, carol: Seat, connect: Connect, server: Any) -> None:
    if server.name == "asterisk":
        pytest.skip("cannot: " + NO_GIVING_BACK)
    customer, hers = await connect(carol, alice)
    assert (await alice.attempt("SST", dialogId=hers, numberToTransfer="1003"))["status"] == "failed"
    await alice.expect("Error", type="generalError", dialogId=hers)
    await carol.hears(alice)
    await alice.hears(carol)
    await alice.do("releaseCall", dialogId=hers)
    await carol.told("dialogState", state="DROPPED", id=customer)


NO_GIVING_BACK = (
    "Asterisk ends the call of who transfers blind as soon as its dialplan has the customer, before anybody rings, and "
    "takes nothing back (main/bridge.c ast_bridge_transfer_blind)"
)
