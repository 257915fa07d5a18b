"""Sound that comes back: a 440 Hz source to the echo at 9196."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from offhook import Phone
from offhook.media.audio import longest_hole, tone_power

if TYPE_CHECKING:
    from offhook.media.engine import Frame

PASSWORD = "1234"
RATE = 16000


async def test_440_hz_comes_back(server: Any) -> None:
    """99 % of the packets after the first second, and 440 Hz in them: 60 s on FreeSWITCH, 10 s on the switch."""
    seconds = 60 if server.name == "freeswitch" else 10
    heard: list[Frame] = []
    enough = asyncio.Event()

    def take(frame: Frame) -> None:
        heard.append(frame)
        if len(heard) == (seconds + 1) * 50:
            enough.set()

    async with Phone(server.ws, domain=server.domain, media_address="127.0.0.1") as phone:
        agent = await phone.login("1000", PASSWORD)
        call = await agent.dial("9196", source="tone:440", sink=take)
        await call.answered(10)
        first = None
        while first is None or not first.packets_received:
            first = await call.stats()
        await asyncio.wait_for(enough.wait(), seconds + 20)
        last = await call.stats()
        await call.release()
        await agent.logout()
    assert last.packets_sent is not None and last.packets_received is not None and last.packets_lost is not None
    sent = last.packets_sent - (first.packets_sent or 0)
    received = last.packets_received - (first.packets_received or 0)
    assert received >= 0.99 * (sent - 50), f"{received} of {sent} packets came back"
    sound = np.concatenate(heard[50:])
    assert tone_power(sound, RATE, 440.0) > 0.9
    assert longest_hole(sound, RATE, 440.0) <= 40
