"""A TCP relay between a client and a server, whose connections a test breaks: loudly, or in silence.

async with Relay("127.0.0.1", 5066) as relay:
    ... connect to 127.0.0.1:relay.port ...
    relay.abort()            # both ends see a reset
    relay.freeze()           # nothing passes any more, and nobody is told; new connections pass
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

KEPT = 1000
"""Pieces of what the server said."""


class Relay:
    """See the module. `refusing`: new connections are broken at once."""

    def __init__(self, host: str, port: int) -> None:
        self.refusing = False
        self.accepted = 0
        """Connections so far."""
        self.said: deque[bytes] = deque(maxlen=KEPT)
        """What came from the server over any connection, as it came; cleared by `abort`."""
        self.live: set[_End] = set()
        self.dialling: set[asyncio.Task[None]] = set()
        self._host, self._to = host, port
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        assert self._server is not None, "it was started"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _End(self), "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "it was started"
        self.refusing = True
        self._server.close()
        if self.dialling:
            await asyncio.wait(self.dialling)
        self.abort()
        await self._server.wait_closed()

    def abort(self) -> None:
        """Break all connections: both ends see it."""
        self.said.clear()
        for end in list(self.live):
            end.frozen = False
            end.transport.abort()

    def freeze(self) -> None:
        """From now on nothing passes over the connections that there are, and neither end is told."""
        for end in self.live:
            end.frozen = True

    async def dial(self, near: _End) -> None:
        """Connect on behalf of who connected here."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: _End(self, near), self._host, self._to)
        except OSError:
            near.transport.abort()


class _End(asyncio.Protocol):
    """One end of a relayed connection; `other`, the one that came first."""

    transport: asyncio.Transport

    def __init__(self, relay: Relay, other: _End | None = None) -> None:
        self.frozen = False
        self._relay = relay
        self._other = other
        self._serves = other is not None
        self._early = b""
        """What came before the other end was there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "TCP"
        self.transport = transport
        if self._relay.refusing:
            transport.abort()
            return
        self._relay.live.add(self)
        if self._other is None:
            self._relay.accepted += 1
            task = asyncio.get_running_loop().create_task(self._relay.dial(self))
            self._relay.dialling.add(task)
            task.add_done_callback(self._relay.dialling.discard)
        elif self._other in self._relay.live:
            self._other._other = self
            transport.write(self._other._early)
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early += data
        elif not self.frozen:
            if self._serves:
                self._relay.said.append(data)
            self._other.transport.write(data)

    def eof_received(self) -> bool:
        return self.frozen  # True keeps it open

    def connection_lost(self, error: Exception | None) -> None:
        self._relay.live.discard(self)
        if self._other is not None and not self.frozen:
            self._other.transport.close()
