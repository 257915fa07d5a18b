"""What an agent must not be able to do, at the development switch (which lets nobody).

test_broken_freeswitch.py has servers that allow it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from typing import Any

import pytest

from offhook.doctor import registering, trespassing
from offhook.doctor.bench import Bench
from offhook.doctor.findings import CheckEnded, Outcome, Verdict
from offhook.doctor.handset import Handset
from offhook.doctor.leg import Leg
from offhook.doctor.trespassing import EXPRESSION, WORD, CalledParty
from offhook.sip.events import ReferFailed, ReferProgress, RequestAnswered, RequestReceived
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message

NAMES = ("api-request", "api-message", "unknown-replaces", "expansion")


async def outcome(look: Any, start_switch: Any, name: str, **options: Any) -> Outcome:
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, name, media="null", **options)
    made: Outcome = found[name].outcome
    return made


def request(method: str) -> Request:
    made = parse_message(
        f"{method} sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:b@b>;tag=1\r\n"
        f"To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(made, Request)
    return made


async def test_all_is_refused(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, *NAMES, media="null")
    assert {name: found[name].outcome.verdict for name in NAMES} == dict.fromkeys(NAMES, Verdict.OK), found


async def test_commands_that_are_executed(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def executed(*_: Any) -> RequestAnswered:
        response = parse_message(
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/WS a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n"
            b"Call-ID: x\r\nCSeq: 1 INFO\r\nContent-Type: freeswitch/api-response\r\nContent-Length: 4\r\n\r\n-ERR"
        )
        assert isinstance(response, Response)
        return RequestAnswered("x", None, 200, "OK", response)

    monkeypatch.setattr(Handset, "ask", executed)
    made = await outcome(look, start_switch, "api-request")
    assert made.verdict is Verdict.FAILED and "EXECUTE" in made.seen and "extended-info-parsing" in made.remedy


@pytest.mark.parametrize(
    ("status", "comes_back", "verdict", "said"),
    [
        (202, True, Verdict.FAILED, "api+<command>"),
        (202, False, Verdict.OK, "answered 202, and not executed"),
        (500, False, Verdict.CANNOT, "says nothing"),
        (501, False, Verdict.OK, "refused, 501"),
        (403, False, Verdict.OK, "refused, 403"),
        (None, False, Verdict.CANNOT, "not answered"),
    ],
)
async def test_messages_to_commands(
    start_switch: Any,
    open_bench: Any,
    monkeypatch: pytest.MonkeyPatch,
    status: int | None,
    comes_back: bool,
    verdict: Verdict,
    said: str,
) -> None:
    asked: list[str] = []

    async def answered(handset: Handset, method: str, target: str, *_: Any, **__: Any) -> RequestAnswered | None:
        if method == "MESSAGE":
            asked.append(target)
            if comes_back and "sip+" in target:
                handset.events.append(RequestReceived("k", "f", request("MESSAGE"), None, True))
        return None if status is None else RequestAnswered("x", None, status, "", None)

    monkeypatch.setattr(trespassing, "MESSAGE_SECONDS", 0.1)
    bench = await registered(start_switch, open_bench)
    monkeypatch.setattr(Handset, "request", answered)
    made = await judged(trespassing.api_message(bench))
    assert made.verdict is verdict and said in made.seen, made
    assert asked[0] == f"sip:api+{trespassing.HARMLESS_COMMAND}@127.0.0.1"
    if verdict is Verdict.FAILED:
        assert "enable-chat" in made.remedy


def call_what_is_named(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """The server calls what a REFER names, and tells that status."""

    def refer(handset: Handset, leg: Leg, number: str | None, **_: Any) -> str:
        assert number is not None
        if number.startswith("sip:offhook-doctor@"):
            address, port = number.removeprefix("sip:offhook-doctor@").split(":")
            with socket.socket(type=socket.SOCK_DGRAM) as server:
                server.sendto(request("INVITE").serialize(), (address, int(port)))
        told = ReferProgress(leg.session, "id", status, "", True, True)
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, lambda: handset._happened(told))  # after the call, which takes another way
        return "id"

    monkeypatch.setattr(Handset, "refer", refer)


@pytest.mark.parametrize("status", [200, 403])
async def test_a_server_that_calls_any_address(
    start_switch: Any, open_bench: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """FreeSWITCH tells 403 where the call came to nothing, too: what counts is that it called."""
    bench = await registered(start_switch, open_bench)
    call_what_is_named(monkeypatch, status)
    made = await judged(trespassing.unknown_replaces(bench))
    assert made.verdict is Verdict.FAILED and "CALL ANY ADDRESS" in made.seen and "refer.lua" in made.remedy


@pytest.mark.parametrize(
    ("told", "verdict", "said"),
    [
        (None, Verdict.FAILED, "nothing was told"),
        (ReferProgress("x", "id", 200, "OK", True, True), Verdict.FAILED, "told as done"),
        (ReferProgress("x", "id", 403, "Forbidden", True, True), Verdict.OK, "refused, 403"),
        (ReferFailed("x", "id", 405, "Method Not Allowed"), Verdict.OK, "refused, 405"),
    ],
)
async def test_what_is_told_of_an_unknown_replaces(
    start_switch: Any,
    open_bench: Any,
    monkeypatch: pytest.MonkeyPatch,
    told: ReferProgress | ReferFailed | None,
    verdict: Verdict,
    said: str,
) -> None:
    outcome_is(monkeypatch, told)
    made = await judged(trespassing.unknown_replaces(await registered(start_switch, open_bench)))
    assert made.verdict is verdict and said in made.seen, made


@pytest.mark.parametrize(
    ("told", "shown", "verdict", "said"),
    [
        (ReferProgress("x", "id", 403, "403", True, True), "1002", Verdict.OK, "refused, 403"),
        (ReferFailed("x", "id", 405, "Method Not Allowed"), "1002", Verdict.OK, "refused, 405"),
        (ReferProgress("x", "id", 404, "404", True, True), WORD, Verdict.FAILED, f"expanded to {WORD}"),
        (ReferProgress("x", "id", 403, "403", True, True), WORD, Verdict.FAILED, f"expanded to {WORD}"),
        (ReferProgress("x", "id", 404, "404", True, True), EXPRESSION, Verdict.FAILED, "looked up as a number (404)"),
        (None, "", Verdict.FAILED, "nothing was told"),
    ],
)
async def test_what_becomes_of_an_expression(
    start_switch: Any,
    open_bench: Any,
    monkeypatch: pytest.MonkeyPatch,
    told: ReferProgress | ReferFailed | None,
    shown: str,
    verdict: Verdict,
    said: str,
) -> None:
    async def number_told(*_: Any) -> str:
        return shown

    outcome_is(monkeypatch, told)
    monkeypatch.setattr(trespassing, "_number_told", number_told)
    made = await judged(trespassing.expansion(await registered(start_switch, open_bench)))
    assert made.verdict is verdict and said in made.seen, made
    if verdict is Verdict.FAILED:
        assert "offhook-number" in made.remedy


async def registered(start_switch: Any, open_bench: Any) -> Bench:
    switch = await start_switch(media="null")
    bench: Bench = open_bench(switch.ws_url, media="null")
    await registering.register(bench)
    return bench


async def judged(check: Awaitable[Outcome]) -> Outcome:
    try:
        return await check
    except CheckEnded as ended:
        return ended.outcome


def outcome_is(monkeypatch: pytest.MonkeyPatch, told: ReferProgress | ReferFailed | None) -> None:
    async def outcome_of(*_: Any) -> ReferProgress | ReferFailed | None:
        return told

    monkeypatch.setattr(trespassing, "outcome_of", outcome_of)


class Wire(asyncio.DatagramTransport):
    """What is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[bytes, Any]] = []

    def sendto(self, data: Any, addr: Any = None) -> None:
        self.sent.append((bytes(data), addr))


def test_the_called_party_counts_calls_and_declines() -> None:
    party, wire = CalledParty(), Wire()
    party.connection_made(wire)
    party.datagram_received(request("INVITE").serialize(), ("127.0.0.1", 5060))
    assert party.calls == 1
    assert wire.sent[0][0].startswith(b"SIP/2.0 603 ") and wire.sent[0][1] == ("127.0.0.1", 5060)
    for data in (request("ACK").serialize(), request("OPTIONS").serialize(), b"", b"\x00" * 2000, b"SIP/2.0 200 OK"):
        party.datagram_received(data, ("127.0.0.1", 5060))
    assert party.calls == 1 and len(wire.sent) == 1
