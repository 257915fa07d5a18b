"""A muted agent is not heard, and hears on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("09 mute_call")


async def test_muted(alice: Seat, bob: Seat, connect: Connect) -> None:
    hers, his = await connect(alice, bob)
    sent = len(alice.requests("INVITE", sent=True))
    await alice.do("mute_call", dialogId=hers)
    muted = await alice.told("dialogState", state="ACTIVE", id=hers)
    assert muted["participants"][0]["mute"] is True
    await bob.hears()
    await alice.hears(bob)
    assert len(alice.requests("INVITE", sent=True)) == sent
    await bob.do("releaseCall", dialogId=his)
    await alice.told("dialogState", state="DROPPED", id=hers)
