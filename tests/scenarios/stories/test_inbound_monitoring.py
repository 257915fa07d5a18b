"""A call with X-Calltype MONITORING is announced as such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat

pytestmark = pytest.mark.story("inbound: MONITORING")


async def test_its_kind(bob: Seat, server: Any) -> None:
    await server.originate("1001", {"X-Calltype": "MONITORING"})
    ringing = await bob.answer(event="MONITORING")
    assert ringing["callType"] == "MONITORING"
    await bob.told("dialogState", state="ACTIVE", id=ringing["id"])
    await bob.hears(bob)  # the echo
    await server.hang_up("1001")
    await bob.told("dialogState", state="DROPPED", id=ringing["id"])
