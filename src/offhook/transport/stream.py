"""SIP over TCP and TLS: flows to a server, and a listener for the development switch (RFC 3261 18.3, RFC 5626 4.4.1).

The framing is that of `offhook.sip.parser.StreamParser`; what comes up are the octets as they came. A double CRLF is
answered by a single one. `Probe` is a double CRLF, and the single one that answers it makes a `FlowAlive`; so answers
FreeSWITCH 1.11.1 (measured).

A server's certificate has to be for the host of the URL, or for its `name` (RFC 5922 4).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from typing import cast

from offhook.errors import LocalError, ParseError
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowOpened,
    FlowOutput,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.sip.location import DEFAULT_PORTS, Server, parse_server
from offhook.sip.parser import KeepAlive, StreamParser
from offhook.transport.base import CLOSE_TIMEOUT, MAX_MESSAGE, MAX_QUEUED, Deliver, Trace, address
from offhook.transport.listening import TcpListener
from offhook.transport.opening import Opening, Openings
from offhook.transport.tls import client_tls, refusal

logger = logging.getLogger(__name__)

PING, PONG = b"\r\n\r\n", b"\r\n"


class StreamTransport:
    """Opens TCP (`tcp:HOST:PORT`) and TLS (`tls:HOST:PORT`) flows. Made anywhere, used on one loop.

    `ca_file`, `insecure_tls` and what is raised: as with `WebSocketTransport`.
    """

    def __init__(
        self,
        deliver: Deliver,
        *,
        insecure_tls: bool = False,
        ca_file: str | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.deliver = deliver
        self.trace = trace
        self.flows: dict[str, Stream] = {}
        self._tls = client_tls(insecure_tls, ca_file)
        self._openings = Openings(deliver, self.flows, self._connect)

    def perform(self, output: FlowOutput) -> None:
        """Take an output; see `FlowPort`."""
        if isinstance(output, OpenFlow):
            self._openings.begin(output)
        elif (flow := self.flows.get(output.flow)) is not None:
            flow.perform(output)
        elif isinstance(output, CloseFlow):
            self._openings.give_up(output.flow)

    async def close(self) -> None:
        """Close every flow; see `FlowPort`."""
        self._openings.close()
        streams = list(self.flows.values())
        for stream in streams:
            stream.close("closed by us")
        await self._openings.wait_closed()
        await asyncio.gather(*(stream.lost for stream in streams))

    async def _connect(self, opening: Opening) -> str:
        """Connect, and give the reason where that failed; the flow is opened by `Stream.connection_made`."""

        def name_flow() -> str | None:
            return opening.flow if self._openings.opened(opening) else None

        return await self._try(server_of(opening.url), opening.timeout, lambda: Stream(self, name_flow))

    async def _try(self, server: Server, timeout: float, make: Callable[[], Stream]) -> str:
        """Connect; gives the reason where that failed."""
        secure = server.transport == "TLS"
        try:
            async with asyncio.timeout(timeout):
                connected = await connect(server.host, server.port, timeout)
                await asyncio.get_running_loop().create_connection(
                    make,
                    sock=connected,
                    ssl=self._tls if secure else None,
                    server_hostname=server.name if secure else None,
                    ssl_handshake_timeout=timeout + 1 if secure else None,
                    ssl_shutdown_timeout=CLOSE_TIMEOUT if secure else None,
                )
        except TimeoutError:
            hint = ". Is it a tcp: port?" if secure else ""
            return f"{server.where} did not answer within {timeout:g} s{hint}"
        except (OSError, ValueError) as error:
            return explain(error, server.where, secure)
        return ""


class StreamListener(TcpListener["Stream"]):
    """Accepts TCP and TLS flows; see `TcpListener`."""

    schemes = ("tcp", "tls")

    def _accept(self) -> Stream:
        return Stream(self, self.name_flow)


class Stream(asyncio.Protocol):
    """One connection, of a client or of a listener.

    `name_flow` is asked for the flow's name once the connection can be used; None: it is not wanted any more.
    """

    def __init__(self, owner: StreamTransport | StreamListener, name_flow: Callable[[], str | None]) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self._owner = owner
        self._name_flow = name_flow
        self._name: str | None = None
        self._framing = Framing()
        self._reason = ""
        self._probing = False
        self._half_ping = False
        self._transport: asyncio.Transport
        self._cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._name = self._name_flow()
        if self._name is None:
            self._transport.abort()
            return
        # A peer that went away without a word is found out even where nothing is sent.
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._owner.flows[self._name] = self
        local, remote = (address(self._transport.get_extra_info(end)) for end in ("sockname", "peername"))
        kind = "TCP" if self._transport.get_extra_info("ssl_object") is None else "TLS"
        self._owner.deliver(FlowOpened(self._name, local, remote, kind))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._cut is not None:
            self._cut.cancel()
        self.lost.set_result(None)
        if self._name is not None:
            del self._owner.flows[self._name]
            detail = f" ({reason_of(exc)})" if exc is not None else ""
            self._owner.deliver(FlowClosed(self._name, self._reason or f"the connection was lost{detail}"))

    def eof_received(self) -> None:
        # What is queued still goes out; the peer may never take it.
        self._reason = self._reason or "closed by the peer"
        self._cut_later()

    def data_received(self, data: bytes) -> None:
        if self._name is None:
            return
        try:
            pieces = self._framing.receive(data)
        except ParseError as error:
            self._abort(f"closed by us: the peer broke the protocol ({error})")
            return
        for piece in pieces:
            if isinstance(piece, KeepAlive):
                self._receive_keep_alive(piece.ping)
                continue
            self._half_ping = False
            if self._owner.trace is not None:
                self._owner.trace(self._name, False, piece)
            self._owner.deliver(FlowReceived(self._name, piece))

    def perform(self, output: Send | Probe | CloseFlow) -> None:
        """Take an output for this flow."""
        if isinstance(output, CloseFlow):
            self.close("closed by us")
        elif isinstance(output, Probe):
            self._probing = True
            self._write(PING)
        elif len(output.data) > MAX_MESSAGE:
            size = len(output.data)
            logger.error("flow %s: %d octets are too many for a message, it is not sent", self._name, size)
        elif not self._reason:
            if self._owner.trace is not None:
                self._owner.trace(output.flow, True, output.data)
            self._write(output.data)

    def close(self, reason: str) -> None:
        """End in good order: what is queued goes out, then the peer is told, all within CLOSE_TIMEOUT."""
        if self._reason:
            return
        self._reason = reason
        self._cut_later()
        # Closing a socket that has something unread makes the kernel throw away what the peer has not read yet. So we
        # say that we have nothing more to say, and read on until the peer says so too. TLS has no such half way.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _cut_later(self) -> None:
        if self._cut is None:
            self._cut = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _abort(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._transport.abort()

    def _receive_keep_alive(self, ping: bool) -> None:
        if self._probing:
            self._probing = False
            self._half_ping = False
            assert self._name is not None, "it is open"
            self._owner.deliver(FlowAlive(self._name))
        elif not ping:
            # A ping may come in two pieces. A pong that nobody asked for looks like the first of them: no harm.
            ping = self._half_ping
            self._half_ping = not ping
        if ping:
            self._write(PONG)

    def _write(self, data: bytes) -> None:
        if self._reason:
            return
        if self._transport.get_write_buffer_size() + len(data) > MAX_QUEUED:
            self._abort(f"the peer is too slow: over {MAX_QUEUED} octets wait to be sent")
            return
        self._transport.write(data)


class Framing:
    """Cuts a stream as `StreamParser` does, but gives the octets of the messages as they came."""

    def __init__(self) -> None:
        self._parser = StreamParser()
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[bytes | KeepAlive]:
        """What became complete with `data`. ParseError where the stream cannot be cut any further."""
        buffer = self._buffer
        buffer += data
        pieces: list[bytes | KeepAlive] = []
        for made in self._parser.receive(data):
            if isinstance(made, KeepAlive):
                pieces.append(made)
                del buffer[: len(PING if made.ping else PONG)]
            else:
                end = buffer.find(b"\r\n\r\n") + 4 + len(made.body)
                pieces.append(bytes(buffer[:end]))
                del buffer[:end]
        return pieces


async def connect(host: str, port: int | None, timeout: float) -> socket.socket:
    """A socket that is connected to the first address of the host that answers; each gets its share of the time.

    Raises OSError, or UnicodeError for what cannot be a name. (asyncio's own way loses sockets where it is cancelled.)
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError()
    for place, (family, _, _, _, peer) in enumerate(found):
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            async with asyncio.timeout((deadline - loop.time()) / (len(found) - place)):
                await loop.sock_connect(made, peer)
            return made
        except OSError as error:  # TimeoutError is one
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
    raise failure


def server_of(url: str) -> Server:
    """The server of a `tcp:` or `tls:` URL, with a port. LocalError for others."""
    server = parse_server(url)
    if server.transport not in ("TCP", "TLS"):
        raise LocalError("the URL of the server is no tcp:HOST:PORT or tls:HOST:PORT")
    return Server(server.transport, server.host, server.port or DEFAULT_PORTS[server.transport], server.name)


def explain(error: Exception, where: str, secure: bool) -> str:
    """Why a connection could not be opened and, where there is one, the remedy."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return refusal(where, error.verify_code, error.verify_message)
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"the name of {where} cannot be resolved: {reason_of(error)}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with {where} ({error.reason or error}). Is it a tcp: port?"
    if secure and isinstance(error, ConnectionResetError | ConnectionAbortedError):
        return f"{where} broke off the TLS handshake. Is it a tcp: port?"
    return f"{where} cannot be reached: {reason_of(error)}"


def reason_of(error: Exception) -> str:
    """What an error of a socket means, in the words of the system."""
    number = getattr(error, "errno", None)
    if number and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
