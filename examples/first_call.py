"""The first call: an agent calls an echo, hears itself, keys in digits and hangs up.

Start `offhook switch` in another terminal, or give the address of a FreeSWITCH: python first_call.py ws://HOST:5066
"""

import asyncio
import sys

from offhook import Phone


async def main(server: str) -> None:
    async with Phone(server) as phone:
        agent = await phone.login("1000", "1234")
        call = await agent.dial("9196", source="tone:440")
        await call.answered()
        await call.send_digits("12#")
        print(await call.stats())
        await call.release()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:5066"))
