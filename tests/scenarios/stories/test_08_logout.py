"""An agent in a call logs out: the call ends, then the agent is out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("08 logout")


async def test_out_of_a_call(alice: Seat, bob: Seat, connect: Connect) -> None:
    hers, his = await connect(alice, bob)
    await alice.do("logout", reasonCode="1", userId="1000")
    await alice.told("dialogState", state="DROPPED", id=hers)
    await alice.expect("agentInfo", state="LOGOUT")
    await bob.told("dialogState", state="DROPPED", id=his)
    assert "expires=0" in str(alice.requests("REGISTER", sent=True)[-1].headers.get("Contact")) or (
        alice.requests("REGISTER", sent=True)[-1].headers.get("Expires") == "0"
    )
    lost = await bob.dial("1000")
    await bob.told("dialogState", state="DROPPED", id=lost, timeout=20)
