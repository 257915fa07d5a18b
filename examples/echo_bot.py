"""A bot that answers every call to its extension and says back what it hears, until it is stopped.

Start `offhook switch` in another terminal, then: python echo_bot.py [ws://HOST:5066]; call it as agent 1001 calls 1000.
"""

from __future__ import annotations

import asyncio
import sys

from offhook import Call, Phone
from offhook.media.engine import Echo


async def serve(call: Call) -> None:
    await call.answer(source=Echo())
    print(f"answered a call; ended by {await call.ended()}", flush=True)


async def main(server: str) -> None:
    async with Phone(server) as phone, asyncio.TaskGroup() as calls:
        agent = await phone.login("1000", "1234")
        print("waiting for calls", flush=True)
        async for call in agent.incoming():
            calls.create_task(serve(call))


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:5066"))
    except KeyboardInterrupt:
        pass
