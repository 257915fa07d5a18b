"""Digits arrive in an IVR, by INFO and by RFC 4733."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.testing.desk import until

PASSWORD = "1234"


@pytest.mark.parametrize("way", ["info", "rtp"])
async def test_digits_reach_the_ivr(start_gateway: Any, server: Any, way: str) -> None:
    gateway = await start_gateway("--dtmf", way)
    async with gateway.desk() as desk:
        await desk.login("1000", PASSWORD)
        await desk.send("makeCall", calledNumber="5000", Destination_Number="5000", callType="audio")
        active = await desk.expect("dialogState", state="ACTIVE")
        dialog = active["response"]["dialog"]["id"]
        await desk.hearing(dialog)  # its prompt: FreeSWITCH drops digits that come before it asks
        before = len(await server.digits())
        await desk.do("SendDtmf", dialogId=dialog, message="78#")
        done = await desk.expect("DTMF")
        assert (done["response"]["type"], done["response"]["loginId"]) == (1, "1000")

        async def arrived() -> bool:
            return bool((await server.digits())[before:] == ["78"])

        await until(arrived, "78 in the IVR")
        await desk.do("releaseCall", dialogId=dialog)
        await desk.do("logout")
    assert "78" not in [line.partition("=")[2] for line in gateway.trace.read_text().splitlines() if "Signal" in line]


async def test_bad_digits_are_refused(alice: Any) -> None:
    await alice.send("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
    dialog = (await alice.expect("dialogState", state="ACTIVE"))["response"]["dialog"]["id"]
    for message in ("", "x", "12 3", "1\r\n", "1" * 1000):
        result = await alice.attempt("SendDtmf", dialogId=dialog, message=message)
        assert result["status"] == "failed", message
    await alice.do("releaseCall", dialogId=dialog)
