"""A process in a call is killed; another, given its snapshot as JSON alone, asks after the call and ends it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from offhook.testing.desk import Desk

PROGRAMS = Path(__file__).parent / "programs"


async def test_kill_9_and_end_the_call_from_json(server: Any, bob: Desk) -> None:
    command = [sys.executable, str(PROGRAMS / "in_a_call.py"), server.ws, server.domain, "1002", "1234", "1001"]
    victim = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=1 << 20)
    assert victim.stdout is not None
    try:
        ringing = (await bob.expect("newInboundCall", state="ALERTING", timeout=20))["response"]["dialog"]["id"]
        await bob.do("answerCall", dialogId=ringing)
        snapshot = await asyncio.wait_for(victim.stdout.readline(), 20)
        await bob.talking(ringing)
    finally:
        victim.kill()
        await victim.wait()
    assert b"password" not in snapshot
    heir = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAMS / "end_it.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(heir.communicate(snapshot), 30)
    assert said.decode().splitlines() == ["OPTIONS 200", "ENDED bye"]
    await bob.expect("dialogState", state="DROPPED", id=ringing, callEndReason="NORMAL_CLEARING")
