"""A process that is in a call, tells its snapshot as one line of JSON, and waits to be killed.

in_a_call.py SERVER DOMAIN EXTENSION PASSWORD NUMBER
"""

from __future__ import annotations

import asyncio
import json
import sys

from offhook import Phone


async def main(server: str, domain: str, extension: str, password: str, number: str) -> None:
    async with Phone(server, domain=domain, media_address="127.0.0.1") as phone:
        agent = await phone.login(extension, password)
        call = await agent.dial(number, source="tone:440")
        await call.answered(10)
        print(json.dumps(agent.snapshot()), flush=True)
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
