"""A listener is heard by nobody for longer than 300 s, and hears both all the time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from offhook.sip.message import Response

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat, Seats

pytestmark = pytest.mark.story("monitored for 300 s")


@pytest.mark.slow
@pytest.mark.usefixtures("slow")
async def test_for_longer_than_300_s(sit: Seats, boss: Seat, connect: Connect) -> None:
    """With agents that no other story has: it may run beside them."""
    alice, carol = await sit("1004"), await sit("1005")
    customer, hers = await connect(carol, alice)
    given = {"calledNumber": "1004", "Destination_Number": "1004", "callType": "audio", "service_Identifier": "1004"}
    await boss.do("silentMonitor", **given)
    mine = (await boss.told("outboundDialing", state="INITIATING"))["id"]
    await boss.told("dialogState", state="ACTIVE", id=mine, callType="MONITORING")
    await boss.hears(alice, carol)
    answer = [m for mine_, m in boss.messages() if not mine_ and isinstance(m, Response) and m.content_type][-1]
    assert "a=sendonly" in answer.text and "a=recvonly" in boss.requests("INVITE", sent=True)[-1].text
    await asyncio.gather(
        alice.ears.keep_hearing(carol.hz, seconds=305),
        carol.ears.keep_hearing(alice.hz, seconds=305),
        boss.ears.keep_hearing(alice.hz, carol.hz, seconds=305),
    )
    sent = (await boss.do("getStats", dialogId=mine))["result"]["audio"]["packetsSent"]
    assert not sent, f"{sent} packets of a listener"
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)
