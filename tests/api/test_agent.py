"""What an agent dials and what it is told, against the development switch."""

from __future__ import annotations

import asyncio

import pytest

from offhook import Agent, Phone
from offhook.cti.events import DialogMessage
from offhook.errors import CallEnded, CommandFailed
from offhook.switch.server import Switch
from offhook.testing.desk import until


async def test_who_waits_for_a_call_when_all_is_cut_is_told(switch: Switch) -> None:
    phone = Phone(switch.ws_url, media="null")
    await phone.start()
    agent = await phone.login("1000", "1234")
    call = await agent.dial("9180")
    waiting = [asyncio.ensure_future(call.answered()), asyncio.ensure_future(call.ended())]
    await asyncio.sleep(0)  # both wait
    agent.close(1001, "the gateway is stopped")
    for one in waiting:
        with pytest.raises(CallEnded, match="the gateway is stopped"):
            await one
    await phone.close()


async def test_an_impossible_number(alice: Agent) -> None:
    with pytest.raises(CommandFailed) as refused:
        await alice.dial("1001@evil.example")
    assert refused.value.code == "invalid-number"
    assert "1001@evil.example" not in repr(alice)
    call = await alice.dial("9196")
    await call.answered(timeout=5)


async def test_two_dials_at_once_get_their_own_call(alice: Agent) -> None:
    one, two = await asyncio.gather(alice.dial("9196"), alice.dial("9180"))
    assert (one.number, two.number) == ("9196", "9180")


async def test_a_dial_that_is_given_up_leaves_no_call(alice: Agent, switch: Switch) -> None:
    dialling = asyncio.ensure_future(alice.dial("9196"))
    await asyncio.sleep(0)  # it has begun
    dialling.cancel()
    events = alice.events()
    async for event in events:
        if isinstance(event, DialogMessage) and event.response.dialog and event.response.dialog.state == "DROPPED":
            break

    async def no_call() -> bool:
        return switch.channels() == () and not alice.calls

    await until(no_call, "no call")
