"""A supervisor who listens joins the call: each of the three hears both others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("21 bargeIn")


async def test_joined(alice: Seat, carol: Seat, boss: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    given = {"calledNumber": "1000", "Destination_Number": "1000", "callType": "audio", "service_Identifier": "1000"}
    await boss.do("silentMonitor", **given)
    mine = (await boss.told("outboundDialing", state="INITIATING"))["id"]
    await boss.told("dialogState", state="ACTIVE", id=mine, callType="MONITORING")
    await boss.hears(alice, carol)
    await boss.do("bargeIn", dialogId=mine)
    await boss.told("dialogState", state="DROPPED", isCallEnded=0)
    joined = await boss.told("dialogState", state="ACTIVE", callType="CONFERENCE")
    assert sorted(each["mediaAddress"] for each in joined["participants"]) == ["1000", "1002", "1009"]
    await alice.told("dialogState", state="ACTIVE", id=hers, callType="CONFERENCE")
    await boss.hears(alice, carol)
    await alice.hears(boss, carol)
    await carol.hears(alice, boss)
    assert [row["action"] for row in boss.audited()] == ["silentMonitor", "bargeIn", "silentMonitor-end"]
    await boss.do("releaseCall", dialogId=joined["id"])
    await alice.told("dialogState", state="ACTIVE", id=hers, callType="OTHER_IN")
    await alice.hears(carol)
    await carol.hears(alice)
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)
