"""A blind transfer to a queue: who takes the call there has the customer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("12 SST_Queue")


async def test_taken_in_the_queue(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    parameter = {"numberToTransfer": "99887766", "queue": "support", "queueType": "NAME"}
    transfer = asyncio.ensure_future(alice.attempt("SST_Queue", dialogId=hers, **parameter))
    his = await bob.answer()
    assert (his["queueName"], his["queueType"]) == ("support", "NAME")
    await alice.told("dialogState", state="DROPPED", id=hers, callEndReason="direct-transfered", isCallEnded=0)
    assert (await transfer)["status"] == "done"
    refer = alice.requests("REFER", sent=True)[-1]
    assert "99887766-support@" in str(refer.headers.get("Refer-To"))
    assert refer.headers.get("X-queueTransfer") == "support"
    assert refer.headers.get("X-queueTypeTransfer") == "NAME"
    await carol.hears(bob)
    await bob.hears(carol)
    await alice.hears()
    await carol.do("releaseCall", dialogId=customer)
    await bob.told("dialogState", state="DROPPED", id=his["id"])
