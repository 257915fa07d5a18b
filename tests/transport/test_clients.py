"""All client transports as one: the contract over each scheme, and the way from a domain to a server that answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from offhook.errors import ConfigError, LocalError
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowOpened,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.sip.location import Server, Target
from offhook.testing.contracts import Inbox, StreamContract, TransportContract, framed, unused_port
from offhook.transport import udp
from offhook.transport.base import Deliver, FlowPort
from offhook.transport.clients import ClientTransport
from offhook.transport.resolver import Resolver
from offhook.transport.stream import StreamListener
from offhook.transport.udp import MAX_DATAGRAM, UdpListener
from offhook.transport.websocket_server import WebSocketListener, self_signed

if TYPE_CHECKING:
    from tests.transport.conftest import Listen


class Fixed(Resolver):
    """Knows where every domain is; `None`: never says."""

    def __init__(self, targets: Sequence[Target] | None) -> None:
        super().__init__()
        self.targets = targets

    async def locate(self, server: Server) -> tuple[Target, ...]:
        if self.targets is None:
            await asyncio.get_running_loop().create_future()
        if not self.targets:
            raise LocalError("DNS has no SIP server")
        return tuple(self.targets)


class Over:
    """The contract over one scheme."""

    scheme = ""

    @pytest.fixture(autouse=True)
    def stage(self, listen: Listen) -> None:
        self.listen = listen

    def client(self, deliver: Deliver) -> FlowPort:
        return ClientTransport(deliver)

    async def server(self, deliver: Deliver) -> tuple[FlowPort, str]:
        return await self.listen(self.scheme, deliver)


class TestWs(Over, TransportContract):
    scheme = "ws"


class TestUdp(Over, TransportContract):
    scheme = "udp"
    connected = False
    largest = MAX_DATAGRAM


class TestTcp(Over, StreamContract):
    scheme = "tcp"


class TestDomain(TestTcp):
    """A domain with two servers; nobody listens at the first."""

    def client(self, deliver: Deliver) -> FlowPort:
        return ClientTransport(deliver, resolver=self.resolver)

    async def server(self, deliver: Deliver) -> tuple[FlowPort, str]:
        listener = StreamListener("127.0.0.1", 0, deliver)
        port = await listener.start()
        targets = [Target("TCP", "127.0.0.1", at, "example.org") for at in (unused_port(), port)]
        self.resolver = Fixed(targets)
        return listener, "sip:example.org"

    def dead_url(self, url: str) -> str:
        return f"tcp:127.0.0.1:{unused_port()}"


@contextlib.asynccontextmanager
async def domain(servers: int = 1, dead: int = 0, wanted: str = "") -> AsyncIterator[Domain]:
    made = Domain()
    await made.start(servers, dead)
    if wanted:
        made.client.perform(OpenFlow("flow", wanted))
    try:
        yield made
    finally:
        await made.client.close()
        for listener in made.listeners:
            await listener.close()
        for bound in made.dead:
            bound.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Domain:
    """TCP servers, those where nobody listens first, and a client that is told of them by DNS."""

    async def start(self, servers: int, dead: int) -> None:
        self.told = Inbox()
        self.inboxes = [Inbox() for _ in range(servers)]
        self.listeners = [StreamListener("127.0.0.1", 0, inbox) for inbox in self.inboxes]
        # Bound for as long as the test lasts: nobody listens there, and no listener gets the same port.
        self.dead = [socket.socket() for _ in range(dead)]
        for bound in self.dead:
            bound.bind(("127.0.0.1", 0))
        ports = [bound.getsockname()[1] for bound in self.dead]
        ports += [await listener.start() for listener in self.listeners]
        self.targets = [Target("TCP", "127.0.0.1", port, "example.org") for port in ports]
        self.resolver = Fixed(self.targets)
        self.client = ClientTransport(self.told, resolver=self.resolver)

    async def reached(self) -> int:
        """Which of the targets a new flow leads to."""
        self.client.perform(OpenFlow("flow", "sip:example.org"))
        opened = await self.told.next(FlowOpened)
        assert opened.transport == "TCP"
        return [target.port for target in self.targets].index(int(opened.remote.rpartition(":")[2]))

    async def leave(self) -> None:
        self.client.perform(CloseFlow("flow"))
        assert (await self.told.next(FlowClosed)).reason == "closed by us"


async def test_a_server_that_cannot_be_reached_is_passed_over_and_then_left_out() -> None:
    async with domain(servers=2, dead=1) as home:
        for _ in range(2):
            assert await home.reached() == 1
            await home.leave()
        home.client.perform(OpenFlow("flow", "sip:example.org"))
        await home.told.next(FlowOpened)


async def test_a_server_that_broke_off_is_tried_last() -> None:
    async with domain(servers=2) as home:
        assert await home.reached() == 0
        home.listeners[0].perform(CloseFlow((await home.inboxes[0].next(FlowOpened)).flow))
        assert (await home.told.next(FlowClosed)).reason == "closed by the peer"
        assert await home.reached() == 1


async def test_a_server_that_owed_an_answer_is_tried_last() -> None:
    async with domain(servers=2) as home:
        assert await home.reached() == 0
        home.client.perform(Send("flow", framed(b"?")))
        await home.leave()
        assert await home.reached() == 1
        home.client.perform(Probe("flow"))
        await home.told.next(FlowAlive)
        await home.leave()
        assert await home.reached() == 1
        home.client.perform(Send("flow", framed(b"?")))
        flow = (await home.inboxes[1].until(FlowReceived)).flow
        home.listeners[1].perform(Send(flow, framed(b"!")))
        await home.told.next(FlowReceived)
        await home.leave()
        assert await home.reached() == 1


async def test_all_are_tried_and_the_last_reason_is_told() -> None:
    async with domain(servers=0, dead=3, wanted="sip:example.org") as home:
        reason = (await home.told.next(FlowFailed)).reason
        assert "cannot be reached: Connection refused (the last of 3 servers)" in reason
        assert home.told.rest() == []


async def test_dns_has_nothing() -> None:
    async with domain(servers=0, wanted="sip:example.org") as home:
        assert (await home.told.next(FlowFailed)).reason == "DNS has no SIP server"
        home.client.perform(OpenFlow("flow", "tcp:example.org"))
        assert (await home.told.next(FlowFailed)).reason == "DNS has no SIP server"


async def test_dns_does_not_say() -> None:
    async with domain() as home:
        home.resolver.targets = None
        home.client.perform(OpenFlow("flow", "sip:example.org", timeout=0.01))
        reason = (await home.told.next(FlowFailed)).reason
        assert reason == "DNS did not say within 0.01 s where example.org is"


async def test_no_time_is_left_for_the_last_server(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    tried: list[object] = []

    async def never(_: object, peer: object) -> None:
        tried.append(peer)
        await loop.create_future()

    async with domain(servers=0, dead=3) as home:
        monkeypatch.setattr(loop, "sock_connect", never)
        home.client.perform(OpenFlow("flow", "sip:example.org", timeout=0.8))
        assert "did not answer within 0." in (await home.told.next(FlowFailed)).reason
        assert len(tried) == 1


async def test_closed_while_dns_is_asked() -> None:
    async with domain() as home:
        home.resolver.targets = None
        home.client.perform(OpenFlow("flow", "sip:example.org"))
        await asyncio.sleep(0)  # the search has begun
        home.client.perform(Send("flow", b"dropped"))
        home.client.perform(CloseFlow("flow"))
        home.client.perform(CloseFlow("flow"))
        assert (await home.told.next(FlowFailed)).reason == "closed before it was open"
        assert home.told.rest() == []


async def test_closed_while_a_server_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "REFUSAL_WAIT", 60.0)
    told, heard = Inbox(), Inbox()
    listener = UdpListener("127.0.0.1", 0, heard)
    target = Target("UDP", "127.0.0.1", await listener.start(), "example.org")
    client = ClientTransport(told, resolver=Fixed([target]))
    for _ in range(2):
        client.perform(OpenFlow("flow", "sip:example.org"))
        await heard.next(FlowOpened)
        client.perform(CloseFlow("flow"))
        assert await told.next(FlowFailed) == FlowFailed("flow", "closed before it was open")
    await client.close()
    await listener.close()
    assert told.rest() == []


async def test_a_bug_is_told_as_a_failure(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("a bug")

    async with domain() as home:
        monkeypatch.setattr(home.resolver, "locate", broken)
        home.client.perform(OpenFlow("flow", "sip:example.org"))
        assert (await home.told.next(FlowFailed)).reason == "internal error: RuntimeError"
    assert "a bug: flow flow could not be opened" in caplog.text


async def test_over_tls_the_certificate_has_to_be_for_the_domain(tmp_path: Path) -> None:
    certificate = self_signed(["example.org"])
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(certificate.certificate)
    listener = StreamListener("127.0.0.1", 0, lambda _: None, ssl=certificate.context)
    port = await listener.start()
    told = Inbox()
    resolver = Fixed([Target("TLS", "127.0.0.1", port, "example.com")])
    client = ClientTransport(told, ca_file=str(ca_file), resolver=resolver)
    client.perform(OpenFlow("flow", "sips:example.com"))
    assert "Connect by the name" in (await told.next(FlowFailed)).reason
    resolver.targets = [Target("TLS", "127.0.0.1", port, "example.org")]
    client.perform(OpenFlow("flow", "sips:example.org"))
    assert (await told.next(FlowOpened)).transport == "TLS"
    await client.close()
    await listener.close()


async def test_an_address_needs_no_dns() -> None:
    async with domain() as home:
        home.resolver.targets = []
        home.client.perform(OpenFlow("flow", f"sip:127.0.0.1:{home.targets[0].port};transport=tcp"))
        await home.told.next(FlowOpened)


async def test_flows_of_all_kinds_live_side_by_side() -> None:
    told = Inbox()
    client = ClientTransport(told)
    web, stream, datagram = (
        kind("127.0.0.1", 0, lambda _: None) for kind in (WebSocketListener, StreamListener, UdpListener)
    )
    client.perform(OpenFlow("ws", f"ws://127.0.0.1:{await web.start()}"))
    client.perform(OpenFlow("tcp", f"tcp:127.0.0.1:{await stream.start()}"))
    client.perform(OpenFlow("udp", f"udp:127.0.0.1:{await datagram.start()}"))
    opened = [await told.next(FlowOpened) for _ in range(3)]
    assert {flow.flow: flow.transport for flow in opened} == {"ws": "", "tcp": "TCP", "udp": "UDP"}
    for flow in ("ws", "tcp", "udp"):
        client.perform(Probe(flow))
    assert {(await told.next(FlowAlive)).flow for _ in range(3)} == {"ws", "tcp", "udp"}
    await client.close()
    assert {(await told.next(FlowClosed)).flow for _ in range(3)} == {"ws", "tcp", "udp"}
    for listener in (web, stream, datagram):
        await listener.close()


def test_a_ca_file_that_cannot_be_read_is_an_error_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ca_file"):
        ClientTransport(lambda _: None, ca_file=str(tmp_path / "missing.pem"))
