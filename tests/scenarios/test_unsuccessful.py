"""Calls that do not come about: each ends with the contract's events, and with nothing left behind."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.testing.desk import Desk


async def dial(desk: Desk, number: str) -> str:
    await desk.send("makeCall", calledNumber=number, Destination_Number=number, callType="audio")
    event = await desk.expect("outboundDialing", state="INITIATING")
    return str(event["response"]["dialog"]["id"])


async def refused(desk: Desk, dialog: str, description: str, code: str, timeout: float = 10.0) -> None:
    """DROPPED, then Error generalError with the reason phrase verbatim."""
    await desk.expect("dialogState", state="DROPPED", id=dialog, isCallEnded=1, timeout=timeout)
    error = await desk.expect("Error", type="generalError")
    assert error["response"]["description"] == description
    assert error["response"]["code"] == code
    assert error["response"]["dialogId"] == dialog
    assert "dialog" not in error["response"]


@pytest.mark.parametrize(
    ("number", "description", "code"),
    [
        pytest.param("4999", "Temporarily Unavailable", "NORMAL_CLEARING", id="unknown number"),
        pytest.param("1009", "Temporarily Unavailable", "USER_NOT_REGISTERED", id="not registered"),
        pytest.param("9486", "Busy Here", "USER_BUSY", id="busy"),
        pytest.param("9603", "Decline", "CALL_REJECTED", id="declined"),
        pytest.param("9404", "Not Found", "UNALLOCATED_NUMBER", id="unallocated"),
    ],
)
async def test_refused_by_the_server(alice: Desk, number: str, description: str, code: str) -> None:
    await refused(alice, await dial(alice, number), description, code)


async def test_callee_declines(alice: Desk, bob: Desk) -> None:
    hers = await dial(alice, "1001")
    his = (await bob.expect("newInboundCall", state="ALERTING"))["response"]["dialog"]["id"]
    await bob.do("rejectCall", dialogId=his)
    await bob.expect("dialogState", state="DROPPED", callEndReason="Rejected", isCallEnded=1)
    await refused(alice, hers, "Decline", "CALL_REJECTED")


async def test_callee_releases_while_it_rings(alice: Desk, bob: Desk) -> None:
    hers = await dial(alice, "1001")
    his = (await bob.expect("newInboundCall", state="ALERTING"))["response"]["dialog"]["id"]
    await bob.do("releaseCall", dialogId=his)
    await bob.expect("dialogState", state="DROPPED", callEndReason="Rejected", isCallEnded=1)
    await alice.expect("dialogState", state="DROPPED", id=hers)
    await alice.expect("Error", type="generalError", description="Temporarily Unavailable")


async def test_caller_gives_up(alice: Desk, bob: Desk) -> None:
    hers = await dial(alice, "1001")
    await bob.expect("newInboundCall", state="ALERTING")
    await alice.do("releaseCall", dialogId=hers)
    await alice.expect("dialogState", state="DROPPED", callEndReason=None)
    await bob.expect("dialogState", state="DROPPED", callEndReason="ORIGINATOR_CANCEL", isCallEnded=1)
    await alice.quiet("Error")


async def test_nobody_answers(alice: Desk, bob: Desk) -> None:
    hers = await dial(alice, "1001")
    await bob.expect("newInboundCall", state="ALERTING")
    await refused(alice, hers, "Temporarily Unavailable", "NO_ANSWER", timeout=30)
    await bob.expect("dialogState", state="DROPPED", callEndReason="NO_ANSWER", isCallEnded=1)


async def test_server_hangs_up(alice: Desk) -> None:
    hers = await dial(alice, "9199")
    await alice.expect("dialogState", state="ACTIVE", id=hers)
    await alice.expect("dialogState", state="DROPPED", id=hers, callEndReason="NORMAL_CLEARING", isCallEnded=1)


async def test_wrong_password(gateway: Any) -> None:
    async with gateway.desk() as desk:
        result = await desk.attempt("login", extension="1000", password="wrong")
        assert result["status"] == "failed"
        await desk.expect("agentInfo", state="LOGOUT")
        error = await desk.expect("Error", type="subscriptionFailed")
        assert error["response"]["description"] == "Invalid Credentials. Please provide valid credentials."
        assert error["response"]["loginId"] == "1000"
    assert (await gateway.health())["agents"] == 0


async def test_an_impossible_number(alice: Desk) -> None:
    for number in ("1001@evil.example", "1001;user=phone", "10 01", "1001\r\nX-A: b", "<1001>", "1001?X=y", "*441001"):
        result = await alice.attempt("makeCall", calledNumber=number, Destination_Number="1", callType="audio")
        assert result["status"] == "failed", number
    await alice.quiet("outboundDialing")
