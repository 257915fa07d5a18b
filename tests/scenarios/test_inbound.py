"""Inbound calls: what the headers say, call waiting, calls nobody takes."""

from __future__ import annotations

from typing import Any

from offhook.testing.desk import Desk, until

PASSWORD = "1234"


def dialog_of(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["response"]["dialog"]
    return found


async def dial(desk: Desk, number: str) -> str:
    await desk.send("makeCall", calledNumber=number, Destination_Number=number, callType="audio")
    return str(dialog_of(await desk.expect("outboundDialing", state="INITIATING"))["id"])


async def test_headers_and_call_variables(alice: Desk, bob: Desk) -> None:
    hers = await dial(alice, "6001")
    ringing = dialog_of(await bob.expect("newInboundCall", state="ALERTING"))
    assert (ringing["queueName"], ringing["queueType"]) == ("support", "NAME")
    variables = {entry["name"]: entry["value"] for entry in ringing["callVariables"]["CallVariable"]}
    assert variables["callVariable0"] == "1000"
    assert variables["callVariable1"] == "value-1"
    assert variables["callVariable9"] == "value-9"
    await bob.do("answerCall", dialogId=ringing["id"])
    active = dialog_of(await bob.expect("dialogState", state="ACTIVE"))
    assert active["id"] == ringing["id"]
    assert active["callVariables"] == ringing["callVariables"]
    assert active["isCallEnded"] == 0
    await alice.do("releaseCall", dialogId=hers)
    await bob.expect("dialogState", state="DROPPED", id=ringing["id"])


async def test_call_waiting(alice: Desk, bob: Desk, desks: Any) -> None:
    carol = await desks()
    await carol.login("1002", PASSWORD)
    first = await dial(alice, "1001")
    one = dialog_of(await bob.expect("newInboundCall", state="ALERTING"))["id"]
    await bob.do("answerCall", dialogId=one)
    await alice.expect("dialogState", state="ACTIVE")
    second = await dial(carol, "1001")
    two = dialog_of(await bob.expect("newInboundCall", state="ALERTING", fromAddress="1002"))["id"]
    assert two != one
    await bob.do("answerCall", dialogId=two)  # holds the first one by itself
    await bob.expect("dialogState", state="HELD", id=one)
    await bob.expect("dialogState", state="ACTIVE", id=two)
    await carol.do("releaseCall", dialogId=second)
    await bob.expect("dialogState", state="DROPPED", id=two, fromAddress="1002")
    await bob.do("retrieveCall", dialogId=one)
    await bob.expect("dialogState", state="ACTIVE", id=one, fromAddress="1000")
    await alice.do("releaseCall", dialogId=first)
    await bob.expect("dialogState", state="DROPPED", id=one)
    await carol.do("logout")


async def test_the_server_calls_the_agent(bob: Desk, server: Any) -> None:
    await server.originate("1001", {"X-Queue": "sales", "X-Call-Id": "crm-42"})
    ringing = dialog_of(await bob.expect("newInboundCall", state="ALERTING"))
    assert (ringing["id"], ringing["queueName"]) == ("crm-42", "sales")
    await bob.do("answerCall", dialogId="crm-42")
    await bob.expect("dialogState", state="ACTIVE", id="crm-42")
    await server.hang_up("1001")
    await bob.expect("dialogState", state="DROPPED", id="crm-42", callEndReason="NORMAL_CLEARING")


async def test_a_desk_that_comes_back_hears_what_it_missed(gateway: Any, alice: Desk) -> None:
    async with gateway.desk() as desk:
        await desk.login("1001", PASSWORD)
        last = (await desk.expect("dialogState", dialog=None))["seq"]
        stream = desk.heard[-2 if desk.heard[-1]["event"] == "commandResult" else -1]["stream"]
    hers = await dial(alice, "1001")

    async def rings() -> bool:
        return bool((await gateway.health())["calls"] >= 2)

    await until(rings, "the call at 1001")
    async with gateway.desk() as desk:
        await desk.do("resume", extension="1001", password=PASSWORD, stream=stream, seq=last)
        ringing = await desk.expect("newInboundCall", state="ALERTING")
        assert ringing["seq"] == last + 1
        await desk.do("releaseCall", dialogId=dialog_of(ringing)["id"])
        await alice.expect("dialogState", state="DROPPED", id=hers)
        await desk.do("logout")
    async with gateway.desk() as desk:
        assert (await desk.attempt("resume", extension="1001", password="wrong", stream=stream, seq=0))[
            "status"
        ] == "failed"


async def test_two_desks_of_one_agent(gateway: Any, alice: Desk, bob: Desk) -> None:
    async with gateway.desk() as second:
        assert (await second.attempt("login", extension="1001", password="wrong"))["status"] == "failed"
        await second.login("1001", PASSWORD)
        hers = await dial(alice, "1001")
        for desk in (bob, second):
            ringing = dialog_of(await desk.expect("newInboundCall", state="ALERTING"))
        await second.do("answerCall", dialogId=ringing["id"])
        for desk in (bob, second):
            await desk.expect("dialogState", state="ACTIVE", id=ringing["id"])
        await alice.do("releaseCall", dialogId=hers)
        for desk in (bob, second):
            await desk.expect("dialogState", state="DROPPED", id=ringing["id"])
