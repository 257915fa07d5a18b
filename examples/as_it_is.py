"""The contract as it is: commands as a desk posts them, and functions that get the events.

Start `offhook switch` in another terminal, then: python as_it_is.py [ws://HOST:5066]
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from offhook import Phone


async def main(server: str) -> None:
    over = asyncio.Event()

    async with Phone(server, source="tone:440") as phone:

        def on_event(event: dict[str, Any]) -> None:
            print(event)
            response = event["response"]
            if event["event"] == "agentInfo" and response["state"] == "LOGIN":
                call = {"calledNumber": "9196", "Destination_Number": "9196", "callType": "audio"}
                phone.post({"action": "makeCall", "parameter": {**call, "clientCallbackFunction": on_call}})

        async def on_call(event: dict[str, Any]) -> None:
            dialog = event["response"]["dialog"]
            print(event["event"], dialog["state"])
            if dialog["state"] == "ACTIVE":
                phone.post({"action": "releaseCall", "parameter": {"dialogId": dialog["id"]}})
            elif dialog["state"] == "DROPPED":
                over.set()

        login = {"extension": "1000", "password": "1234", "clientCallbackFunction": on_event}
        phone.post({"action": "login", "parameter": login})
        await over.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:5066"))
