"""A call with X-Calltype CONSULT is a ConsultCall for its whole life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat

pytestmark = pytest.mark.story("inbound: CONSULT")


async def test_its_kind(bob: Seat, server: Any) -> None:
    await server.originate("1001", {"X-Calltype": "CONSULT"})
    ringing = await bob.answer(event="ConsultCall")
    assert ringing["callType"] == "CONSULT"
    await bob.told("ConsultCall", state="ACTIVE", id=ringing["id"])
    await bob.hears(bob)  # the echo
    await server.hang_up("1001")
    await bob.told("ConsultCall", state="DROPPED", id=ringing["id"])
