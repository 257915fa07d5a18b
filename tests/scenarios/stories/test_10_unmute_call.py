"""An agent that was muted is heard again; mute survives hold and retrieve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("10 unmute_call")


async def test_unmuted_after_hold(alice: Seat, bob: Seat, connect: Connect) -> None:
    hers, his = await connect(alice, bob)
    await alice.do("mute_call", dialogId=hers)
    await alice.do("holdCall", dialogId=hers)
    await alice.do("retrieveCall", dialogId=hers)
    await alice.told("dialogState", state="HELD", id=hers)
    assert (await alice.told("dialogState", state="ACTIVE", id=hers))["participants"][0]["mute"] is True
    await alice.hears(bob)
    await bob.hears()
    await alice.do("unmute_call", dialogId=hers)
    assert (await alice.told("dialogState", state="ACTIVE", id=hers))["participants"][0]["mute"] is False
    await bob.hears(alice)
    await bob.do("releaseCall", dialogId=his)
    await alice.told("dialogState", state="DROPPED", id=hers)
