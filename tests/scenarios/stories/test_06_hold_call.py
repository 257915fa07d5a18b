"""A call is held: neither hears the other, and the record says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("06 holdCall")


async def test_held(alice: Seat, bob: Seat, connect: Connect) -> None:
    hers, his = await connect(alice, bob)
    await alice.do("holdCall", dialogId=hers)
    held = await alice.told("dialogState", state="HELD", id=hers)
    assert held["participants"][0]["actions"]["action"] == ["RETRIEVE", "TRANSFER_SST", "DROP"]
    await alice.hears()
    await bob.hears()
    offer = alice.requests("INVITE", sent=True)[-1]
    assert "a=sendonly" in offer.text or "a=inactive" in offer.text
    sent = len(alice.requests("INVITE", sent=True))
    await alice.do("holdCall", dialogId=hers)  # it is: done, and nothing on the wire
    assert len(alice.requests("INVITE", sent=True)) == sent
    await bob.do("releaseCall", dialogId=his)
    await alice.told("dialogState", state="DROPPED", id=hers)
