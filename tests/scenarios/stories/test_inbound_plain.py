"""A call without X-Calltype, and one with OUT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat

pytestmark = pytest.mark.story("inbound: none or OUT")


async def test_from_a_colleague(alice: Seat, bob: Seat) -> None:
    hers = await alice.dial("1001", Destination_Number="1001")
    ringing = await bob.told("newInboundCall", state="ALERTING", callType="OTHER_IN")
    assert (ringing["fromAddress"], ringing["customerNumber"], ringing["ani"]) == ("1000", "1000", "1000")
    assert ringing["participants"][0]["mediaAddress"] == "1001" and len(ringing["participants"]) == 1
    await bob.do("answerCall", dialogId=ringing["id"])
    await bob.told("dialogState", state="ACTIVE", id=ringing["id"], callType="OTHER_IN")
    await alice.do("releaseCall", dialogId=hers)
    await bob.told("dialogState", state="DROPPED", id=ringing["id"])


async def test_from_the_server_with_a_queue_and_an_id(bob: Seat, server: Any) -> None:
    await server.originate("1001", {"X-Queue": "sales", "X-Queuetype": "NAME", "X-Call-Id": "crm-42"})
    ringing = await bob.answer()
    assert (ringing["id"], ringing["queueName"], ringing["queueType"]) == ("crm-42", "sales", "NAME")
    await bob.told("dialogState", state="ACTIVE", id="crm-42")
    await bob.hears(bob)  # the echo
    await server.hang_up("1001")
    # Asterisk's Reason has a cause and no text (res/res_pjsip_rfc3326.c)
    reason = None if server.name == "asterisk" else "NORMAL_CLEARING"
    await bob.told("dialogState", state="DROPPED", id="crm-42", callEndReason=reason)
