"""A held call is retrieved, by either side: both hear each other again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("07 retrieveCall")


async def test_retrieved_by_either_side(alice: Seat, bob: Seat, connect: Connect) -> None:
    hers, his = await connect(alice, bob)
    for seat, dialog in ((alice, hers), (bob, his)):
        await seat.do("holdCall", dialogId=dialog)
        await seat.told("dialogState", state="HELD", id=dialog)
        await alice.hears()
        await bob.hears()
        await seat.do("retrieveCall", dialogId=dialog)
        active = await seat.told("dialogState", state="ACTIVE", id=dialog)
        assert active["participants"][0]["actions"]["action"] == ["TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP"]
        await alice.hears(bob)
        await bob.hears(alice)
    await alice.do("releaseCall", dialogId=hers)
    await bob.told("dialogState", state="DROPPED", id=his)
