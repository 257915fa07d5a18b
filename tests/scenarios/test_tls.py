"""SIP over wss: a self-signed certificate is refused with the remedy, and taken where one says so."""

from __future__ import annotations

from typing import Any

PASSWORD = "1234"


async def test_self_signed_is_refused_with_the_remedy(start_gateway: Any, server: Any) -> None:
    gateway = await start_gateway(sip=server.wss)
    async with gateway.desk() as desk:
        await desk.send("login", extension="1000", password=PASSWORD)
        error = await desk.expect("Error", type="networkIssue")
        assert "--insecure-tls" in error["response"]["detail"]
        assert "certificate" in error["response"]["detail"]
        await desk.expect("xmppEvent", type="OUT_OF_SERVICE")
        await desk.attempt("logout")


async def test_a_call_over_wss(start_gateway: Any, server: Any) -> None:
    gateway = await start_gateway("--insecure-tls", "--source", "tone:440", sip=server.wss)
    async with gateway.desk() as desk:
        await desk.login("1000", PASSWORD)
        await desk.send("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
        active = await desk.expect("dialogState", state="ACTIVE")
        dialog = active["response"]["dialog"]["id"]
        await desk.do("holdCall", dialogId=dialog)
        await desk.do("retrieveCall", dialogId=dialog)
        await desk.do("releaseCall", dialogId=dialog)
        await desk.expect("dialogState", state="DROPPED")
        await desk.do("logout")
