"""All client transports as one: the scheme of a URL says which of them opens the flow.

    ws:  wss:                       WebSocket
    udp:HOST:PORT                   UDP
    tcp:HOST:PORT  tls:HOST:PORT    TCP, TLS
    sip:DOMAIN  sips:DOMAIN         what DNS says (RFC 3263), one target after the other until one can be reached; also
                                    udp:, tcp: and tls: with a name and without a port

A target that could not be reached, broke off, or was left by us while it owed an answer is tried after the others for
the next minute, so the next `OpenFlow` for the same domain goes to another server.
"""

from __future__ import annotations

import asyncio

from offhook.errors import LocalError, StateError
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowInput,
    FlowOpened,
    FlowOutput,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.sip.location import Reputation, Server, Target, parse_server
from offhook.transport.base import Deliver, FlowPort, Trace
from offhook.transport.opening import failure_of
from offhook.transport.resolver import Resolver
from offhook.transport.stream import StreamTransport
from offhook.transport.udp import UdpTransport
from offhook.transport.websocket_client import WebSocketTransport

LEAST_TRY = 1.0
"""Seconds that each target gets at least, as long as the time for the whole flow lasts."""

TOO_SHORT = 0.1
"""Seconds in which nothing can be expected of a target any more."""


class ClientTransport:
    """Opens flows of every kind. Made anywhere, used on one loop.

    `ca_file`, `insecure_tls` and what is raised: as with `WebSocketTransport`. `resolver` asks DNS; by default that of
    the system.
    """

    def __init__(
        self,
        deliver: Deliver,
        *,
        insecure_tls: bool = False,
        ca_file: str | None = None,
        trace: Trace | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._deliver = deliver
        self._resolver = resolver or Resolver()
        self._reputation = Reputation()
        self._web = WebSocketTransport(self._told, insecure_tls=insecure_tls, ca_file=ca_file, trace=trace)
        self._udp = UdpTransport(self._told, trace=trace)
        self._stream = StreamTransport(self._told, insecure_tls=insecure_tls, ca_file=ca_file, trace=trace)
        self._ports: dict[str, FlowPort] = {}
        """Of each flow that is open or being opened, but of those that are looked for."""
        self._searches: dict[str, _Search] = {}
        self._located: dict[str, _Located] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def perform(self, output: FlowOutput) -> None:
        """Take an output; see `FlowPort`."""
        name = output.flow
        if isinstance(output, OpenFlow):
            self._open(output)
            return
        if (search := self._searches.get(name)) is not None:
            if isinstance(output, CloseFlow):
                self._give_up(search)
            return
        if (located := self._located.get(name)) is not None:
            self._judge(located, output)
        if (port := self._ports.get(name)) is not None:
            port.perform(output)

    async def close(self) -> None:
        """Close every flow; see `FlowPort`."""
        self._closed = True
        for search in list(self._searches.values()):
            self._give_up(search)
        await asyncio.gather(self._web.close(), self._udp.close(), self._stream.close())
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _open(self, output: OpenFlow) -> None:
        name = output.flow
        if self._closed:
            raise StateError("the transport is closed")
        if name in self._ports or name in self._searches:
            raise StateError(f"flow {name} exists already")
        if output.url.partition(":")[0].lower() in ("ws", "wss"):
            self._hand_on(output, self._web)
            return
        try:
            server = parse_server(output.url)
        except LocalError as error:
            self._deliver(FlowFailed(name, str(error)))
            return
        if server.direct and server.transport is not None:
            self._hand_on(output, self._port_of(server.transport))
        else:
            self._search(output, server)

    def _hand_on(self, output: OpenFlow, port: FlowPort) -> None:
        self._ports[output.flow] = port
        port.perform(output)

    def _port_of(self, transport: str) -> FlowPort:
        return self._udp if transport == "UDP" else self._stream

    def _told(self, given: FlowInput) -> None:
        """What one of the transports tells: of a try within a search, only its success is told on."""
        name = given.flow
        search = self._searches.get(name)
        if search is not None and isinstance(given, FlowFailed):
            search.end_try(given.reason)
            return
        if search is not None and isinstance(given, FlowOpened):
            del self._searches[name]
            self._ports[name] = self._port_of(search.target.transport)
            self._located[name] = _Located(search.target)
            search.end_try("")
        elif isinstance(given, FlowFailed | FlowClosed):
            del self._ports[name]
            located = self._located.pop(name, None)
            if located is not None and (located.owing or not located.left):
                self._blame(located.target)
        elif isinstance(given, FlowReceived | FlowAlive) and (answering := self._located.get(name)) is not None:
            answering.owing = False
            self._reputation.praise(answering.target)
        self._deliver(given)

    def _judge(self, located: _Located, output: Send | Probe | CloseFlow) -> None:
        if isinstance(output, CloseFlow):
            located.left = True
        else:
            located.owing = True

    def _blame(self, target: Target) -> None:
        self._reputation.blame(target, asyncio.get_running_loop().time())

    def _search(self, output: OpenFlow, server: Server) -> None:
        search = _Search(output, server)
        self._searches[output.flow] = search
        search.task = asyncio.get_running_loop().create_task(self._find(search), name=f"search of flow {output.flow}")
        self._tasks.add(search.task)
        search.task.add_done_callback(self._tasks.discard)

    def _give_up(self, search: _Search) -> None:
        """The owner wants the flow no more."""
        search.task.cancel()
        name = search.wanted.flow
        if search.trying:
            self._port_of(search.target.transport).perform(CloseFlow(name))  # its FlowFailed is not told on
        self._fail(search, "closed before it was open")

    def _fail(self, search: _Search, reason: str) -> None:
        del self._searches[search.wanted.flow]
        self._deliver(FlowFailed(search.wanted.flow, reason))

    async def _find(self, search: _Search) -> None:
        """Ask DNS, then try the targets one after the other."""
        reason = await failure_of(self._try_all(search), search.wanted.flow)
        if reason and self._searches.get(search.wanted.flow) is search:
            self._fail(search, reason)

    async def _try_all(self, search: _Search) -> str:
        """Gives the reason where no target could be reached."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + search.wanted.timeout
        reason = f"DNS did not say within {search.wanted.timeout:g} s where {search.server.where} is"
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._resolver.locate(search.server)
        except TimeoutError:
            return reason
        targets = self._reputation.order(found, loop.time())
        for place, target in enumerate(targets):
            left = deadline - loop.time()
            if place and left < TOO_SHORT:
                break
            share = min(left, max(LEAST_TRY, left / (len(targets) - place)))
            reason = await self._try(search, target, share)
            if not reason:
                return ""
            self._blame(target)
        count = f" (the last of {len(targets)} servers)" if len(targets) > 1 else ""
        return f"{reason}{count}"

    async def _try(self, search: _Search, target: Target, timeout: float) -> str:
        tried = search.begin_try(target)
        self._port_of(target.transport).perform(OpenFlow(search.wanted.flow, target.url, timeout))
        return await tried


class _Search:
    """A flow whose server is looked for."""

    task: asyncio.Task[None]
    target: Target
    """The one that is tried, or was tried last."""

    def __init__(self, wanted: OpenFlow, server: Server) -> None:
        self.wanted = wanted
        self.server = server
        self._tried: asyncio.Future[str] | None = None

    @property
    def trying(self) -> bool:
        """Whether a transport was told to open the flow, and did not say yet what came of it."""
        return self._tried is not None

    def begin_try(self, target: Target) -> asyncio.Future[str]:
        """Gives what `end_try` will be told."""
        self.target = target
        self._tried = asyncio.get_running_loop().create_future()
        return self._tried

    def end_try(self, reason: str) -> None:
        """`reason`: why it failed; empty: it did not."""
        tried, self._tried = self._tried, None
        if tried is not None and not tried.done():  # it is done where the task that waits for it was cancelled
            tried.set_result(reason)


class _Located:
    """A flow to a target that was found."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.owing = False
        """Something was sent, and nothing came since."""
        self.left = False
        """We closed it."""
