"""What listeners on TCP have in common, for the development switch: they accept, name what they accept, and end it."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from offhook.errors import StateError
from offhook.sip.flow import CloseFlow, FlowOutput, OpenFlow, Probe, Send
from offhook.transport.base import CLOSE_TIMEOUT, Deliver, Trace

HANDSHAKE_TIMEOUT = 5.0
"""Seconds that a client has for each handshake: that of TLS, that of WebSocket."""


class Accepted(Protocol):
    """One connection of a listener."""

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the connection is gone."""
        ...

    def perform(self, output: Send | Probe | CloseFlow) -> None:
        """Take an output for its flow."""
        ...

    def close(self, reason: str) -> None:
        """End it in good order."""
        ...


Connection = TypeVar("Connection", bound=Accepted)


class TcpListener(ABC, Generic[Connection]):
    """Accepts connections on one address; each that gets so far is a flow.

    `ssl` makes it TLS. `name_flow` gives a name for each flow that must be unused; without it they are the scheme and a
    number (`tcp-1`). Outputs for flows of others are passed over, so several listeners may be given each output.
    """

    schemes: tuple[str, str]
    """Of its URLs, without and with TLS."""

    def __init__(
        self,
        host: str,
        port: int,
        deliver: Deliver,
        *,
        ssl: ssl.SSLContext | None = None,
        name_flow: Callable[[], str] | None = None,
        trace: Trace | None = None,
    ) -> None:
        numbers = itertools.count(1)
        scheme = self.schemes[ssl is not None]
        self.deliver = deliver
        self.trace = trace
        self.name_flow = name_flow or (lambda: f"{scheme}-{next(numbers)}")
        self.flows: dict[str, Connection] = {}
        self.connections: set[Connection] = set()
        """Those that are no flow yet, where that takes more than being accepted."""
        self._host = host
        self._port = port
        self._tls = ssl
        self._server: asyncio.Server | None = None

    @abstractmethod
    def _accept(self) -> asyncio.Protocol:
        """A connection was made; gives what handles it."""

    async def start(self) -> int:
        """Listen; gives the port, which the system chose where it was 0. Raises OSError where the address is taken."""
        self._server = await asyncio.get_running_loop().create_server(
            self._accept,
            self._host,
            self._port,
            ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT if self._tls else None,
            ssl_shutdown_timeout=CLOSE_TIMEOUT if self._tls else None,
            backlog=1024,
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def perform(self, output: FlowOutput) -> None:
        """Take an output; see `FlowPort`. Raises StateError for OpenFlow: a listener opens nothing."""
        if isinstance(output, OpenFlow):
            raise StateError("a listener opens no flows")
        if (flow := self.flows.get(output.flow)) is not None:
            flow.perform(output)

    async def close(self) -> None:
        """Listen no more and close every flow, telling so; see `FlowPort`."""
        if self._server is None:
            return
        self._server.close()
        connections = [*self.connections, *self.flows.values()]
        for connection in connections:
            connection.close("closed by us")
        await asyncio.gather(*(connection.lost for connection in connections))
        await self._server.wait_closed()
