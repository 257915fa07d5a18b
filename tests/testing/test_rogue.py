"""A rogue is refused what it may not, and told of it."""

from __future__ import annotations

from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.rogue import Rogue


async def test_refused_and_answered() -> None:
    switch = Switch(SwitchConfig(ws_port=0, media="null"))
    await switch.start()
    try:
        async with Rogue(switch.ws_url, "127.0.0.1", "1001", "1234") as rogue:
            assert await rogue.invite("*441000", []) == 403
            assert await rogue.invite("9196", []) == 200
            said = await rogue.word({"event": "BARGE", "id": "b"})
            assert (said["event"], said["reasonCode"]) == ("BARGE_FAILED", "NOT_ALLOWED")
        assert not switch.channels()
    finally:
        await switch.stop()
