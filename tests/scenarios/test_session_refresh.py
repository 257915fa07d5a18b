"""A leg that FreeSWITCH called stays up because we refresh it; FreeSWITCH sends no refresh of its own.

On the real one alone, since it takes its time: the development switch refreshes under virtual time in
tests/switch/test_refresh.py, and our side does in tests/sip/test_session_timer.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.sip.tracing import read_trace
from offhook.testing.desk import Desk

SECONDS = 150


@pytest.mark.parametrize("server", [pytest.param("freeswitch", marks=pytest.mark.freeswitch)], indirect=True)
async def test_we_refresh_the_leg_that_was_called(gateway: Any, alice: Desk, bob: Desk) -> None:
    await alice.send("makeCall", calledNumber="1001", Destination_Number="1001", callType="audio")
    ringing = (await bob.expect("newInboundCall", state="ALERTING"))["response"]["dialog"]["id"]
    await bob.do("answerCall", dialogId=ringing)
    hers = (await alice.expect("dialogState", state="ACTIVE"))["response"]["dialog"]["id"]
    with pytest.raises(AssertionError, match="no dialogState"):
        await alice.expect("dialogState", state="DROPPED", timeout=SECONDS)
    await bob.talking(ringing)
    await alice.do("releaseCall", dialogId=hers)
    await bob.expect("dialogState", state="DROPPED", id=ringing)
    await asyncio.gather(alice.attempt("logout"), bob.attempt("logout"))
    refreshes, foreign = 0, []
    for traced in read_trace(gateway.trace.read_text()):
        message = parse_message(traced.data)
        if not isinstance(message, Request):
            continue
        refreshes += traced.sent and traced.who == "1001" and message.method == "UPDATE"
        in_dialog = "tag" in message.to.parameters
        if not traced.sent and in_dialog and message.method in ("INVITE", "UPDATE"):
            foreign.append((traced.who, message.method))
    assert refreshes >= 3
    assert foreign == []
