"""A supervisor hears both sides and is heard by nobody; a held call cannot be listened to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("20 silentMonitor")

HEARS_THE_HELD = (
    "no dialplan function of Asterisk tells that this agent holds: DEVICE_STATE is ONHOLD for who is held "
    "(AST_CONTROL_HOLD in channels/chan_pjsip.c), and ChanSpy listens; nor could a refusal say why, as its Reason has "
    "a cause and no text (res/res_pjsip_rfc3326.c)"
)


async def test_hears_both_and_is_heard_by_nobody(alice: Seat, carol: Seat, boss: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    given = {"calledNumber": "1000", "Destination_Number": "1000", "callType": "audio", "service_Identifier": "1000"}
    await boss.do("silentMonitor", **given)
    mine = (await boss.told("outboundDialing", state="INITIATING"))["id"]
    await boss.told("dialogState", state="ACTIVE", id=mine, callType="MONITORING")
    await boss.hears(alice, carol)
    invite = boss.requests("INVITE", sent=True)[-1]
    assert "*441000@" in invite.uri and invite.headers.get("X-Calltype") == "MONITORING"
    assert "a=recvonly" in invite.text
    await alice.ears.keep_hearing(carol.hz, seconds=3)
    await carol.ears.keep_hearing(alice.hz, seconds=3)
    assert (await boss.attempt("SST", dialogId=mine, numberToTransfer="1001"))["status"] == "failed"
    await boss.expect("Error", type="invalidState", dialogId=mine)
    records = [(row["action"], row["outcome"]) for row in boss.audited()]
    assert records == [("silentMonitor", "done")]
    await boss.do("releaseCall", dialogId=mine)
    await alice.hears(carol)
    await carol.hears(alice)
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)


async def test_a_call_on_hold(alice: Seat, carol: Seat, boss: Seat, connect: Connect, server: Any) -> None:
    if server.name == "asterisk":
        pytest.skip("cannot: " + HEARS_THE_HELD)
    customer, hers = await connect(carol, alice)
    await alice.do("holdCall", dialogId=hers)
    await boss.send(
        "silentMonitor", calledNumber="1000", Destination_Number="1000", callType="audio", service_Identifier="1000"
    )
    error = await boss.expect("Error", type="generalError")
    assert error["response"]["description"] == "Call Monitoring Failed due to call is ON HOLD"
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)
