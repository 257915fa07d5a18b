"""A phone that is led step by step, against the development switch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from offhook.config import Config
from offhook.doctor.handset import Handset
from offhook.doctor.leg import Line
from offhook.errors import StateError
from offhook.gateway.app import new_engine
from offhook.media.engine import Direction
from offhook.sip.events import Registered, RegistrationFailed, Renegotiated, ServerLost
from offhook.sip.flow import FlowOpened
from offhook.sip.message import Request


@pytest.fixture
async def url(start_switch: Any) -> str:
    switch = await start_switch(media="null")
    return str(switch.ws_url)


@pytest.fixture
async def opened() -> AsyncIterator[list[Handset]]:
    handsets: list[Handset] = []
    yield handsets
    for handset in handsets:
        await handset.close()


def handset(url: str, opened: list[Handset], user: str = "1000", password: str = "1234", **more: Any) -> Handset:
    line = Line(servers=(url,), domain="127.0.0.1", user=user, password=password, **more)
    made = Handset(line, new_engine(Config(media="null")))
    opened.append(made)
    return made


async def pair(url: str, opened: list[Handset]) -> tuple[Handset, Handset]:
    both = handset(url, opened), handset(url, opened, "1001")
    for one in both:
        assert isinstance(await one.connect(), Registered)
    return both


async def test_a_call_from_its_beginning_to_its_end(url: str, opened: list[Handset]) -> None:
    alice, bob = await pair(url, opened)
    leg = await alice.dial("1001", headers=(("X-Call-Variable0", "a"),))
    assert leg.refusal == "no answer" and leg.status == 0
    there = await bob.rings()
    assert there is not None and there.request is not None
    assert there.request.headers.get("X-Call-Variable0") == "a"
    bob.ring(there)
    await bob.answer(there)
    assert await alice.decided(leg) and there.up and leg.status == 200
    assert isinstance(await alice.reinvite(leg, Direction.SENDONLY), Renegotiated)
    answer = await alice.ask(leg, "application/dtmf-relay", "Signal=1\r\n")
    assert answer is not None and answer.status == 200
    await alice.hang_up(leg)
    assert await bob.until(lambda: there.end is not None, 3.0)
    assert leg.refusal == "BYE"
    with pytest.raises(StateError):
        await alice.ask(leg, "text/plain", "x")


async def test_a_refusal_in_words(url: str, opened: list[Handset]) -> None:
    alice, _ = await pair(url, opened)
    leg = await alice.call("9486")
    assert not leg.up and leg.status == 486 and leg.refusal.startswith("486 Busy Here")


async def test_nobody_answers(url: str, opened: list[Handset]) -> None:
    alice, bob = await pair(url, opened)
    leg = await alice.call("1001", 0.2)
    assert not leg.up
    assert await alice.until(lambda: leg.end is not None, 3.0)
    assert await bob.rings(0.05) is None
    assert await alice.word(lambda word: True, 0.01) is None
    assert await alice.wait((ServerLost,), 0.01) is None


async def test_close_ends_calls_and_logs_out(url: str, opened: list[Handset]) -> None:
    alice, bob = await pair(url, opened)
    leg = await alice.dial("1001")
    there = await bob.rings()
    assert there is not None
    await bob.answer(there)
    assert await alice.decided(leg)
    await alice.close()
    assert await bob.until(lambda: there.end is not None, 3.0)
    opened.remove(alice)
    # The fixture of the switch looks whether anybody is left.


async def test_who_is_refused_and_who_finds_nobody(url: str, opened: list[Handset]) -> None:
    assert isinstance(await handset(url, opened, password="wrong").connect(), RegistrationFailed)
    assert isinstance(await handset("ws://127.0.0.1:1", opened).connect(), ServerLost)


async def test_a_stranger_proves_nothing(url: str, opened: list[Handset]) -> None:
    stranger = handset(url, opened, "mallory", "", stranger=True)
    assert isinstance(await stranger.connect(), FlowOpened)
    leg = await stranger.call("9196")
    assert leg.status in (401, 407)


async def test_what_is_on_record(url: str, opened: list[Handset]) -> None:
    traced: list[tuple[str, bool]] = []
    line = Line(servers=(url,), domain="127.0.0.1", user="1000", password="1234")
    alice = Handset(line, new_engine(Config(media="null")), lambda who, sent, data: traced.append((who, sent)))
    opened.append(alice)
    await alice.connect()
    assert "1234" not in repr(line)
    assert len(alice.received("REGISTER", 401)) == 1 and len(alice.received("REGISTER", 200)) == 1
    assert not [one for one in alice.received("INVITE") if isinstance(one, Request)]
    assert ("1000", True) in traced and ("1000", False) in traced
    alice.wire.append((False, b"\x00rubbish"))
    assert len(alice.received("REGISTER", 200)) == 1
