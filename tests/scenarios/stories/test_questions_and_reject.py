"""rejectCall, getState, getDialog, getStats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("rejectCall, getState, getDialog, getStats")


async def test_rejected(alice: Seat, bob: Seat) -> None:
    hers = await alice.dial("1001")
    ringing = await bob.told("newInboundCall", state="ALERTING")
    await bob.do("rejectCall", dialogId=ringing["id"])
    await bob.told("dialogState", state="DROPPED", id=ringing["id"], callEndReason="Rejected")
    await alice.told("dialogState", state="DROPPED", id=hers)
    await alice.expect("Error", type="generalError", dialogId=hers)


async def test_asked(alice: Seat, bob: Seat, connect: Connect) -> None:
    hers, his = await connect(alice, bob)
    state = (await alice.do("getState"))["result"]
    assert [dialog["id"] for dialog in state["dialogs"]] == [hers]
    assert (await alice.do("getDialog", dialogId=hers))["status"] == "done"
    assert (await alice.do("getStats", dialogId=hers))["result"]["audio"]["packetsReceived"] > 0
    await bob.do("releaseCall", dialogId=his)
    await alice.told("dialogState", state="DROPPED", id=hers)
