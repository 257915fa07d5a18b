"""A supervisor who listens speaks to the agent alone, and listens again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("whisper")


async def test_the_agent_alone_hears_it(alice: Seat, carol: Seat, boss: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    given = {"calledNumber": "1000", "Destination_Number": "1000", "callType": "audio", "service_Identifier": "1000"}
    await boss.do("silentMonitor", **given)
    mine = (await boss.told("outboundDialing", state="INITIATING"))["id"]
    await boss.told("dialogState", state="ACTIVE", id=mine, callType="MONITORING")
    await boss.hears(alice, carol)
    await boss.do("whisper", dialogId=mine)
    await alice.hears(boss, carol)
    await carol.ears.keep_hearing(alice.hz, seconds=3)
    await boss.do("whisper", dialogId=mine)
    await alice.hears(carol)
    await carol.hears(alice)
    await boss.hears(alice, carol)
    assert [row["action"] for row in boss.audited()] == ["silentMonitor", "whisper", "whisper-off"]
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)
