"""One call, from dialling to its end, against the development switch."""

from __future__ import annotations

import asyncio

import numpy as np
import numpy.typing as npt
import pytest

from offhook import Agent, Call, Phone
from offhook.cti.events import DialogMessage
from offhook.errors import CallEnded, CommandFailed
from offhook.media.engine import NoSink
from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.desk import until

Samples = npt.NDArray[np.int16]


async def connected(alice: Agent, bob: Agent) -> tuple[Call, Call]:
    incoming = bob.incoming()
    hers = await alice.dial("1001")
    his = await anext(incoming)
    await his.answer()
    await hers.answered(timeout=5)
    return hers, his


async def test_a_call(alice: Agent, bob: Agent) -> None:
    events = alice.events()
    hers, his = await connected(alice, bob)
    assert (hers.direction, hers.number, hers.state) == ("out", "1001", "ACTIVE")
    assert (his.direction, his.number) == ("in", "1000")
    assert alice.calls == {hers.id: hers}
    await hers.hold()
    assert hers.state == "HELD"
    await hers.retrieve()
    await hers.mute()
    assert hers.muted
    await hers.unmute()
    assert not hers.muted
    assert (await hers.stats()).codec is None or isinstance((await hers.stats()).codec, str)
    await hers.release()
    assert await his.ended(timeout=5) == "NORMAL_CLEARING"
    assert hers.state == "DROPPED"
    await hers.release()  # no error
    await asyncio.sleep(0)  # it leaves the list in the turn after
    assert alice.calls == {}
    states = []
    while len(states) < 8:
        event = await anext(events)
        if isinstance(event, DialogMessage) and event.response.dialog is not None:
            states.append(event.response.dialog.state)
    assert states == ["INITIATING", "INITIATED", "ACTIVE", "HELD", "ACTIVE", "ACTIVE", "ACTIVE", "DROPPED"]


async def test_digits_reach_the_menu(alice: Agent, switch: Switch) -> None:
    call = await alice.dial("5000")
    await call.answered(timeout=5)

    async def asked() -> bool:
        await call.send_digits("42#")  # heard only once the menu has begun to ask
        return any(entry.digits == "42" for entry in switch.ivr_digits)

    await until(asked, "42 in the menu")
    with pytest.raises(CommandFailed) as refused:
        await call.send_digits("no digits")
    assert refused.value.code == "invalid-parameter"


async def test_a_refused_call(alice: Agent) -> None:
    call = await alice.dial("9486")
    with pytest.raises(CallEnded) as ended:
        await call.answered(timeout=5)
    assert ended.value.code == "USER_BUSY"
    assert "Busy" in ended.value.detail or ended.value.detail


async def test_a_rejected_call(alice: Agent, bob: Agent) -> None:
    hers = await alice.dial("1001")
    his = await anext(bob.incoming())  # also one that rings already
    assert his.state == "ALERTING"
    await his.reject()
    with pytest.raises(CallEnded) as ended:
        await hers.answered(timeout=5)
    assert ended.value.code == "CALL_REJECTED"


async def test_answered_has_a_timeout(alice: Agent, bob: Agent) -> None:
    call = await alice.dial("1001")
    with pytest.raises(TimeoutError):
        await call.answered(timeout=0.01)
    await call.release()


async def test_audio_from_and_to_callables() -> None:
    heard: list[Samples] = []
    step = 2 * np.pi * 1000.0 / 16000.0

    def sing(number: int) -> Samples:
        """20 ms of a 1 kHz tone."""
        phase = (np.arange(320) + 320 * number) * step
        samples: Samples = (8000 * np.sin(phase)).astype(np.int16)
        return samples

    def loudness(frame: Samples) -> float:
        return float(np.sqrt(np.mean(frame.astype(np.float64) ** 2)))

    switch = Switch(SwitchConfig(ws_port=0, media="local"))
    await switch.start()
    try:
        async with Phone(switch.ws_url) as phone:
            agent = await phone.login("1000", "1234")
            call = await agent.dial("9196", source=sing, sink=heard.append)
            await call.answered(timeout=5)

            async def echoed() -> bool:
                return any(loudness(frame) > 2000 for frame in heard)

            await until(echoed, "the tone back from the echo")
            call.use(source="silence", sink=NoSink())
            stats = await call.stats()
            assert stats.codec == "opus" and (stats.packets_received or 0) > 0
            await call.release()
    finally:
        await switch.stop()
