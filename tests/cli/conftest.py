"""Commands in processes of their own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts `offhook ...` with its outputs piped; what still runs at the end is killed."""
    started: list[asyncio.subprocess.Process] = []

    async def start_one(*words: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "offhook", *words, stdout=pipe, stderr=pipe, limit=1 << 20
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()
