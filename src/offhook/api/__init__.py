"""Offhook for Python programs: agents, calls and audio in this process, without a gateway between.

    async with Phone("ws://127.0.0.1:5066") as phone:
        agent = await phone.login("1000", "1234")
        call = await agent.dial("9196", source="tone:440")
        await call.answered()
        await call.release()

Every command goes the way a desk's goes, through the contract and the same hub, so that the two can never differ.
`Phone.post` takes the contract as it is, with Python callables as `clientCallbackFunction`. All belongs to one loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offhook.api.agent import Agent
from offhook.api.audio import as_sink, as_source
from offhook.api.call import Call
from offhook.api.feed import Feed
from offhook.api.page import Page
from offhook.api.phone import Phone

if TYPE_CHECKING:
    from offhook.api.audio import AudioIn as AudioIn
    from offhook.api.audio import AudioOut as AudioOut
    from offhook.api.page import Callback as Callback

__all__ = ["Agent", "Call", "Feed", "Page", "Phone", "as_sink", "as_source"]
