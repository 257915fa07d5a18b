"""A process in a call is killed; another one, given its snapshot and no password, brings the call back.

What was heard and how long it was silent is printed (`pytest -s`).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from offhook import Phone

PROGRAMS = Path(__file__).parent / "programs"
PASSWORD = "1234"
NEAR, FAR = "1012", "1013"
LOUD = 200.0


class Ear:
    """When there was sound, on the loop's clock."""

    def __init__(self) -> None:
        self.heard: list[float] = []

    def take(self, frame: npt.NDArray[np.int16]) -> None:
        if float(np.sqrt(np.mean(frame.astype(np.float64) ** 2))) > LOUD:
            self.heard.append(asyncio.get_running_loop().time())

    async def sound(self) -> None:
        """Wait for half a second of it."""
        target = len(self.heard) + 25
        async with asyncio.timeout(20):
            while len(self.heard) < target:
                await asyncio.sleep(0.01)

    def gap(self, since: float) -> tuple[float, float]:
        """The longest time without sound since then, and when it was over."""
        times = [since, *(at for at in self.heard if at > since)]
        return max((later - earlier, later) for earlier, later in pairwise(times))


async def legs(server: Any) -> int:
    if server.name != "freeswitch":
        found: int = await server.channels()
        return found
    return sum(re.search(rf"/({NEAR}|{FAR})@", row["name"]) is not None for row in await server._rows())


async def test_a_killed_process(server: Any, record_property: Any) -> None:
    ear = Ear()
    async with Phone(server.ws, domain=server.domain, media_address="127.0.0.1", source="tone:660") as phone:
        bob = await phone.login(FAR, PASSWORD)
        rings = bob.incoming()
        command = [sys.executable, str(PROGRAMS / "in_a_call.py"), server.ws, server.domain, NEAR, PASSWORD, FAR]
        victim = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=1 << 20)
        assert victim.stdout is not None
        try:
            came = await asyncio.wait_for(anext(aiter(rings)), 20)
            await came.answer(sink=ear.take)
            snapshot = await asyncio.wait_for(victim.stdout.readline(), 20)
            await ear.sound()
        finally:
            victim.kill()
            await victim.wait()
        killed = asyncio.get_running_loop().time()
        (dialog,) = (call["dialog"]["id"] for call in json.loads(snapshot)["calls"])
        heir = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAMS / "comes_back.py"),
            server.ws,
            server.domain,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        started = asyncio.get_running_loop().time()
        assert heir.stdin is not None and heir.stdout is not None
        heir.stdin.write(snapshot)
        line = (await asyncio.wait_for(heir.stdout.readline(), 10)).decode()
        assert line.startswith("AUDIO"), line
        await ear.sound()
        silence, back = ear.gap(killed)
        print(
            f"\n{server.name}: the far end hears it again {back - started:.2f} s after the new process was started "
            f"({silence:.2f} s of silence); it hears after {line.split()[1]} s of its own time"
        )
        record_property("silence_s", round(silence, 2))
        assert came.state == "ACTIVE" and await legs(server) == 2
        # What the server asks for reaches the new process.
        await came.release()
        (told,) = [json.loads((await asyncio.wait_for(heir.stdout.readline(), 10)).decode())]
        assert told["seq"] == json.loads(snapshot)["stream"]["seq"] + 1
        ended = told["response"]["dialog"]
        assert (ended["id"], ended["state"], ended["callEndReason"]) == (dialog, "DROPPED", "NORMAL_CLEARING")
        rest, _ = await asyncio.wait_for(heir.communicate(b"end\n"), 20)
        assert [json.loads(line)["event"] for line in rest.splitlines()] == ["agentInfo"]
        async with asyncio.timeout(10):
            while await legs(server):
                await asyncio.sleep(0.1)
