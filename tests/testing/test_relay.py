"""The relay passes, breaks, and falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from offhook.testing.relay import Relay


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def gone(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


async def test_it_passes_and_breaks(echo: int) -> None:
    async with Relay("127.0.0.1", echo) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert list(relay.said) == [b"hello"]
        relay.abort()
        assert await gone(reader)
        writer.close()
        relay.refusing = True
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        assert await gone(reader)
        writer.close()
        assert relay.accepted == 1


async def test_it_falls_silent_and_lets_new_ones_pass(echo: int) -> None:
    async with Relay("127.0.0.1", echo) as relay:
        dead, lost = await asyncio.open_connection("127.0.0.1", relay.port)
        lost.write(b"a")
        await dead.readexactly(1)
        relay.freeze()
        lost.write(b"lost")
        reader, alive = await asyncio.open_connection("127.0.0.1", relay.port)
        alive.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        silent = asyncio.create_task(dead.read(1))
        alive.write(b"again")
        assert await reader.readexactly(5) == b"again"
        assert not silent.done()
        lost.close()
        alive.close()
        await silent


async def test_nobody_is_behind_it() -> None:
    async with Relay("127.0.0.1", 1) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        assert await gone(reader)
        writer.close()
