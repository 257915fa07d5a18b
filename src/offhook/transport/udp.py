"""SIP over UDP: flows to a server, and a listener for the development switch.

A flow of the client is a socket that is connected, so the kernel lets nothing in but what its server sends.

Opening: UDP has no handshake, so an empty line goes out first (every SIP server passes over it), and for `REFUSAL_WAIT`
we listen for the news that nobody is there (ICMP port unreachable); that news later on ends the flow.

`Probe` is a STUN Binding request (RFC 5626 4.4.2); only its answer makes a `FlowAlive`. Many servers have no STUN on
their SIP port: FreeSWITCH 1.11.1 answers neither that nor empty lines (measured). There whoever owns the flow has to
send something that SIP answers, as OPTIONS, in place of a probe.

Large messages: RFC 3261 18.1.1 wants a request over 1300 octets to go by TCP. A flow cannot change its transport (the
Via names it), so such a message goes out all the same, in IP fragments where it must, and a warning says so, once a
flow. Who sends offers of the size of WebRTC's is better off with tcp: or tls:. Over 65,507 octets nothing can be sent.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol, cast

from offhook.errors import LocalError, StateError
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
from offhook.transport.base import MAX_QUEUED, Deliver, Trace, address, is_keep_alive
from offhook.transport.opening import Opening, Openings
from offhook.transport.stun import Peer, Prober, is_stun

logger = logging.getLogger(__name__)

MAX_DATAGRAM = 65_507
"""Octets of one message over UDP: 64 KiB less the headers of UDP and IPv4."""

SAFE_DATAGRAM = 1300
"""Octets that surely need no fragments (RFC 3261 18.1.1)."""

REFUSAL_WAIT = 0.1
"""Seconds for the news that nobody listens at a server; it comes at once where the server is near."""

IDLE_TIMEOUT = 3700.0
"""Seconds after which a listener forgets a peer that sends nothing: longer than registrations last."""
MAX_FLOWS = 10_000
"""So many peers a listener remembers; one more, and that which was silent for longest is forgotten."""

HARMLESS = (errno.EMSGSIZE, errno.ENOBUFS, errno.EAGAIN, errno.EINTR)
"""Errors that mean that one datagram was not sent, and no more."""


class _Outlet(Protocol):
    """What we need of asyncio's datagram transport, whose declared type has no size of the queue."""

    def sendto(self, data: bytes, addr: Peer | None) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def get_extra_info(self, name: str) -> Any: ...

    def close(self) -> None: ...


class UdpTransport:
    """Opens UDP flows. Made anywhere, used on one loop."""

    def __init__(self, deliver: Deliver, *, trace: Trace | None = None) -> None:
        self.deliver = deliver
        self.trace = trace
        self.flows: dict[str, _Association] = {}
        self._openings = Openings(deliver, self.flows, self._connect)

    def perform(self, output: FlowOutput) -> None:
        """Take an output; see `FlowPort`."""
        if isinstance(output, OpenFlow):
            self._openings.begin(output)
        elif (flow := self.flows.get(output.flow)) is not None:
            if isinstance(output, Send):
                flow.send(output.data)
            elif isinstance(output, Probe):
                flow.probe()
            elif isinstance(output, CloseFlow):
                flow.close("closed by us")
        elif isinstance(output, CloseFlow):
            self._openings.give_up(output.flow)

    async def close(self) -> None:
        """Close every flow; see `FlowPort`."""
        self._openings.close()
        for flow in list(self.flows.values()):
            flow.close("closed by us")
        await self._openings.wait_closed()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    async def _connect(self, opening: Opening) -> str:
        try:
            async with asyncio.timeout(opening.timeout):
                return await self._try_all(opening, server_of(opening.url))
        except TimeoutError:
            return f"the name of the server was not resolved within {opening.timeout:g} s"

    async def _try_all(self, opening: Opening, server: Server) -> str:
        """Connect to the first address that does not refuse; else gives the reason."""
        assert server.port is not None, "server_of gave it"
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            return f"the name of {server.where} cannot be resolved: {explain(error)}"
        reason = "it has no address"
        for family, _, _, _, peer in found:
            bound = socket.socket(family, socket.SOCK_DGRAM)
            try:
                bound.setblocking(False)
                bound.connect(peer)
            except OSError as error:
                bound.close()
                reason = explain(error)
                continue
            _, association = await loop.create_datagram_endpoint(lambda: _Association(self, opening), sock=bound)
            reason = await association.settle()
            if not reason:
                return ""
        return f"{server.where} cannot be reached: {reason}"

    def opened(self, association: _Association, local: str, remote: str) -> None:
        """The association is usable: it is a flow from now on, if that is still wanted."""
        if not self._openings.opened(association.opening):
            return
        self.flows[association.name] = association
        self.deliver(FlowOpened(association.name, local, remote, "UDP"))

    def ended(self, name: str, reason: str) -> None:
        """The flow is over."""
        del self.flows[name]
        self.deliver(FlowClosed(name, reason))


class _Association(asyncio.DatagramProtocol):
    """One connected socket."""

    def __init__(self, owner: UdpTransport, opening: Opening) -> None:
        self.name = opening.flow
        self.opening = opening
        self._owner = owner
        self._sender: _Sender
        self._prober: Prober
        self._transport: _Outlet
        self._settled = asyncio.get_running_loop().create_future()
        self._open = False
        self._over = False
        self._mapped = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(_Outlet, transport)
        self._sender = _Sender(self._transport, None, self._owner.trace)
        self._prober = Prober(self._sender.put)

    async def settle(self) -> str:
        """Wait whether the server refuses; gives the reason then. Otherwise the flow is open afterwards."""
        self._sender.put(b"\r\n\r\n")
        try:
            await asyncio.wait([self._settled], timeout=REFUSAL_WAIT)
        except asyncio.CancelledError:
            self._shut()
            raise
        if self._settled.done():
            reason: str = self._settled.result()
            return reason
        self._begin()
        return ""

    def send(self, data: bytes) -> None:
        self._sender.send(self.name, data)

    def probe(self) -> None:
        self._prober.start()

    def close(self, reason: str) -> None:
        """End the flow; what was sent went out at once."""
        self._shut()
        self._owner.ended(self.name, reason)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._over:
            return
        self._begin()
        owner = self._owner
        if is_stun(data):
            self._receive_stun(data)
            return
        if owner.trace is not None:
            owner.trace(self.name, False, data)
        if not is_keep_alive(data):
            owner.deliver(FlowReceived(self.name, data))

    def error_received(self, exc: Exception) -> None:
        reason = explain(exc)
        if isinstance(exc, OSError) and exc.errno in HARMLESS:
            logger.error("flow %s: a datagram is not sent: %s", self.name, reason)
        elif self._open:
            if not self._over:
                self.close(f"the server cannot be reached any more: {reason}")
        elif not self._settled.done():
            self._shut()
            self._settled.set_result(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over:
            self.error_received(exc or OSError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED)))

    def _begin(self) -> None:
        if self._open:
            return
        self._open = True
        if not self._settled.done():
            self._settled.set_result("")
        local, remote = (address(self._transport.get_extra_info(end)) for end in ("sockname", "peername"))
        self._owner.opened(self, local, remote)

    def _shut(self) -> None:
        self._over = True
        self._prober.stop()
        self._transport.close()

    def _receive_stun(self, data: bytes) -> None:
        peer = self._transport.get_extra_info("peername")
        answer = self._prober.receive(data, peer)
        if answer is None:
            return
        if self._mapped and answer and answer != self._mapped:
            # RFC 5626 4.4.2: to the server this is another flow now, and nothing it sends will reach us.
            self.close("the address by which the server sees us has changed")
            return
        self._mapped = answer or self._mapped
        self._owner.deliver(FlowAlive(self.name))


class UdpListener:
    """Takes datagrams on one address; each peer (host and port) is a flow, from the first datagram that it sends.

    `name_flow` gives a name for each peer that must be unused; without it they are `udp-1`, `udp-2`. `stun`: answer
    STUN Binding requests (RFC 5626 8), which FreeSWITCH does not. No peer learns of the end of its flow. Outputs for
    flows of others are passed over, so several listeners may be given each output.
    """

    def __init__(
        self,
        host: str,
        port: int,
        deliver: Deliver,
        *,
        stun: bool = True,
        name_flow: Callable[[], str] | None = None,
        trace: Trace | None = None,
    ) -> None:
        numbers = itertools.count(1)
        self.deliver = deliver
        self.trace = trace
        self.name_flow = name_flow or (lambda: f"udp-{next(numbers)}")
        self.flows: dict[str, _Correspondent] = {}
        self.peers: dict[Peer, _Correspondent] = {}
        """The same, by address; the one that was silent for longest first."""
        self.stun = stun
        self._host = host
        self._port = port
        self._socket: _Socket | None = None

    async def start(self) -> int:
        """Listen; gives the port, which the system chose where it was 0. Raises OSError where the address is taken."""
        loop = asyncio.get_running_loop()
        _, self._socket = await loop.create_datagram_endpoint(
            lambda: _Socket(self), local_addr=(self._host, self._port)
        )
        port: int = self._socket.transport.get_extra_info("sockname")[1]
        return port

    def perform(self, output: FlowOutput) -> None:
        """Take an output; see `FlowPort`. Raises StateError for OpenFlow: a listener opens nothing."""
        if isinstance(output, OpenFlow):
            raise StateError("a listener opens no flows")
        flow = self.flows.get(output.flow)
        if flow is None:
            return
        if isinstance(output, Send):
            flow.sender.send(flow.name, output.data)
        elif isinstance(output, Probe):
            flow.prober.start()
        elif isinstance(output, CloseFlow):
            self.forget(flow, "closed by us")

    async def close(self) -> None:
        """Listen no more and close every flow, telling so; see `FlowPort`."""
        if self._socket is None:
            return
        bound, self._socket = self._socket, None
        for flow in list(self.flows.values()):
            self.forget(flow, "closed by us")
        bound.sweeper.cancel()
        bound.transport.close()
        await bound.lost

    def forget(self, flow: _Correspondent, reason: str) -> None:
        """End a flow."""
        flow.prober.stop()
        del self.flows[flow.name], self.peers[flow.peer]
        self.deliver(FlowClosed(flow.name, reason))


class _Correspondent:
    """One peer of a listener."""

    def __init__(self, name: str, peer: Peer, sender: _Sender, now: float) -> None:
        self.name = name
        self.peer = peer
        self.sender = sender
        self.prober = Prober(sender.put)
        self.heard = now


class _Socket(asyncio.DatagramProtocol):
    """The socket of a listener."""

    def __init__(self, listener: UdpListener) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self.transport: _Outlet
        self.lost = self._loop.create_future()
        self.sweeper = self._loop.call_later(IDLE_TIMEOUT / 10, self._sweep)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(_Outlet, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        if is_stun(data) and not self._listener.stun:
            return
        flow = self._flow(addr)
        if is_stun(data):
            if flow.prober.receive(data, addr) is not None:
                self._listener.deliver(FlowAlive(flow.name))
            return
        if self._listener.trace is not None:
            self._listener.trace(flow.name, False, data)
        if not is_keep_alive(data):
            self._listener.deliver(FlowReceived(flow.name, data))

    def error_received(self, exc: Exception) -> None:
        logger.debug("udp: %s", explain(exc))  # it does not say of which peer

    def _flow(self, peer: Peer) -> _Correspondent:
        """The flow of that peer, which is now the one heard last."""
        listener = self._listener
        flow = listener.peers.pop(peer, None)
        if flow is not None:
            listener.peers[peer] = flow
            flow.heard = self._loop.time()
            return flow
        if len(listener.peers) >= MAX_FLOWS:
            listener.forget(next(iter(listener.peers.values())), "there are too many peers")
        sender = _Sender(self.transport, peer, listener.trace)
        flow = _Correspondent(listener.name_flow(), peer, sender, self._loop.time())
        listener.peers[peer] = listener.flows[flow.name] = flow
        local = address(self.transport.get_extra_info("sockname"))
        listener.deliver(FlowOpened(flow.name, local, address(peer), "UDP"))
        return flow

    def _sweep(self) -> None:
        """Forget the peers of which nothing was heard for long."""
        self.sweeper = self._loop.call_later(IDLE_TIMEOUT / 10, self._sweep)
        oldest = self._loop.time() - IDLE_TIMEOUT
        for flow in list(itertools.takewhile(lambda one: one.heard < oldest, self._listener.peers.values())):
            self._listener.forget(flow, f"nothing came for {IDLE_TIMEOUT:g} s")


class _Sender:
    """Sends datagrams to one peer, which is None where the socket is connected."""

    def __init__(self, transport: _Outlet, peer: Peer | None, trace: Trace | None) -> None:
        self._transport = transport
        self._peer = peer
        self._trace = trace
        self._warned = False

    def send(self, name: str, data: bytes) -> None:
        """One SIP message."""
        if len(data) > MAX_DATAGRAM:
            logger.error("flow %s: %d octets are too many for a datagram, it is not sent", name, len(data))
            return
        if len(data) > SAFE_DATAGRAM and not self._warned:
            self._warned = True
            logger.warning("flow %s: messages of over %d octets may get lost over UDP; use tcp:", name, SAFE_DATAGRAM)
        if self._trace is not None:
            self._trace(name, True, data)
        self.put(data)

    def put(self, data: bytes) -> None:
        """Any octets. What does not fit into the queue is lost, as datagrams may be."""
        if self._transport.get_write_buffer_size() + len(data) <= MAX_QUEUED:
            self._transport.sendto(data, self._peer)


def server_of(url: str) -> Server:
    """The server of a `udp:` URL, with a port. LocalError for others."""
    server = parse_server(url)
    if server.transport != "UDP":
        raise LocalError("the URL of the server is no udp:HOST:PORT")
    return Server("UDP", server.host, server.port or DEFAULT_PORTS["UDP"], server.name)


def explain(error: Exception) -> str:
    """What an error of a socket means."""
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
