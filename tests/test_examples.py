"""Every example runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from offhook import Phone
from offhook.switch.server import Switch, SwitchConfig

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    switch = Switch(SwitchConfig(ws_port=0, media="local"))
    await switch.start()
    yield switch
    await switch.stop()


async def run(name: str, switch: Switch) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / name), switch.ws_url, stdout=pipe, stderr=pipe
    )


async def test_first_call(switch: Switch) -> None:
    process = await run("first_call.py", switch)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(b"AudioStats(codec='opus'")


def test_first_call_is_short() -> None:
    body = (EXAMPLES / "first_call.py").read_text().split("from offhook import Phone\n")[1]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15


async def test_as_it_is(switch: Switch) -> None:
    process = await run("as_it_is.py", switch)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (0, b"")
    assert [line for line in out.decode().splitlines() if not line.startswith("{")] == [
        "outboundDialing INITIATING",
        "outboundDialing INITIATED",
        "dialogState ACTIVE",
        "dialogState DROPPED",
    ]


async def test_echo_bot(switch: Switch) -> None:
    process = await run("echo_bot.py", switch)
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"waiting for calls\n"
        async with Phone(switch.ws_url, media="null") as phone:
            agent = await phone.login("1001", "1234")
            call = await agent.dial("1000")
            await call.answered(timeout=10)
            await call.release()
        answered = await asyncio.wait_for(process.stdout.readline(), 10)
        assert answered == b"answered a call; ended by NORMAL_CLEARING\n"
    finally:
        process.terminate()
        await process.communicate()
