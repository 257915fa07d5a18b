"""A campaign call: answered by itself where configuration trusts the header, else it rings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat, Seats

pytestmark = pytest.mark.story("inbound: PROGRESSIVE")


async def test_answered_by_itself(sit: Seats, server: Any) -> None:
    bob = await sit("1001", trust_auto_answer=True, auto_answer_after=0.5)
    await server.originate("1001", {"X-Calltype": "PROGRESSIVE"})
    ringing = await bob.told("campaignCall", state="ALERTING", callType="OUTBOUND")
    await bob.told("campaignCall", state="ACTIVE", id=ringing["id"])
    await bob.hears(bob)  # the echo
    await server.hang_up("1001")
    await bob.told("campaignCall", state="DROPPED", id=ringing["id"])


async def test_a_header_that_is_not_trusted(bob: Seat, server: Any) -> None:
    await server.originate("1001", {"X-Calltype": "PROGRESSIVE"})
    ringing = await bob.told("campaignCall", state="ALERTING", callType="OUTBOUND")
    assert ringing["participants"][0]["actions"]["action"] == ["ANSWER"]
    await bob.do("answerCall", dialogId=ringing["id"])
    await bob.told("campaignCall", state="ACTIVE", id=ringing["id"])
    await bob.do("releaseCall", dialogId=ringing["id"])
    await bob.told("campaignCall", state="DROPPED", id=ringing["id"])
