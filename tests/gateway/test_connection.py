"""One WebSocket of a desk: order, closing in good order, slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from offhook.gateway import connection as module
from offhook.gateway.connection import Connection, new_socket


class Served:
    """A server with one connection, as the gateway makes it."""

    def __init__(self) -> None:
        self.url = ""
        self.connection: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self.received: list[str] = []
        self.ended = asyncio.Event()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = new_socket(1000)
        await socket.prepare(request)
        assert request.transport is not None
        connection = Connection(socket, request.transport.abort)
        self.connection.set_result(connection)
        try:
            await connection.run(self.received.append)
        finally:
            self.ended.set()
        return socket


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    one = Served()
    app = web.Application()
    app.router.add_get("/", one.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield one
    finally:
        await runner.cleanup()


async def test_texts_go_both_ways_in_order() -> None:
    async with served() as one, aiohttp.ClientSession() as session, session.ws_connect(one.url) as client:
        connection = await one.connection
        for number in range(100):
            connection.tell(str(number))
        assert [await client.receive_str() for _ in range(100)] == [str(number) for number in range(100)]
        await client.send_str("a")
        await client.send_str("b")
        await client.close()
        await one.ended.wait()
        assert one.received == ["a", "b"]
        connection.tell("to nobody")


async def test_close_comes_after_what_was_told() -> None:
    async with served() as one, aiohttp.ClientSession() as session, session.ws_connect(one.url) as client:
        connection = await one.connection
        connection.tell("last words")
        connection.close(1008, "because" * 100)
        connection.close(1000, "again")
        connection.tell("too late")
        assert await client.receive_str() == "last words"
        ended = await client.receive()
        assert (ended.data, client.close_code) == (1008, 1008)
        assert ended.extra is not None and ended.extra.startswith("because")
        async with asyncio.timeout(5):
            await one.ended.wait()


async def test_a_reader_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_TIMEOUT", 0.1)
    async with served() as one:
        host, port = "127.0.0.1", int(one.url.rsplit(":", 1)[1].strip("/"))
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        connection = await one.connection
        text = "x" * 65536
        async with asyncio.timeout(20):
            while not one.ended.is_set():
                connection.tell(text)
                await asyncio.sleep(0)  # what writes has its turn
        writer.close()
        del reader


async def test_too_many_texts_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED_TEXTS", 10)
    async with served() as one, aiohttp.ClientSession() as session, session.ws_connect(one.url) as client:
        connection = await one.connection
        for number in range(11):
            connection.tell(str(number))
        ended = await client.receive()
        assert (ended.data, ended.extra) == (1008, "too slow: too much waits to be read")


async def test_a_server_that_stops_leaves_nothing() -> None:
    async with served() as one, aiohttp.ClientSession() as session:
        client = await session.ws_connect(one.url)
        await one.connection
    assert one.ended.is_set()
    await client.close()
