"""Digest SHA-256 (RFC 8760) with a real FreeSWITCH whose profile has rfc8760-auth-algorithms="SHA-256,MD5"."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.tracing import read_trace


@pytest.mark.parametrize("server", [pytest.param("freeswitch", marks=pytest.mark.freeswitch)], indirect=True)
async def test_the_strongest_challenge_is_answered(gateway: Any) -> None:
    async with gateway.desk() as desk:
        await desk.login("1000", "1234")
        await desk.do("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
        await desk.expect("dialogState", state="ACTIVE")
        await desk.do("logout")
    challenged: set[str] = set()
    answered: set[tuple[str, str]] = set()
    for traced in read_trace(gateway.trace.read_text()):
        message = parse_message(traced.data)
        for name in ("WWW-Authenticate", "Proxy-Authenticate"):
            if isinstance(message, Response):
                challenged.update(message.headers.all(name))
        for name in ("Authorization", "Proxy-Authorization"):
            if isinstance(message, Request):
                answered.update((message.method, line) for line in message.headers.all(name))
    if not any("SHA-256" in line for line in challenged):
        pytest.skip("this FreeSWITCH offers MD5 alone: set rfc8760-auth-algorithms in the profile and rescan it")
    assert {method for method, _ in answered} >= {"REGISTER", "INVITE"}
    assert all("algorithm=SHA-256" in line for _, line in answered)
