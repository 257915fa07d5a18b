"""UDP: the contract of all transports, and what is its own: refusals, STUN, large messages, a listener's memory."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from offhook.errors import LocalError, StateError
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
from offhook.testing.contracts import Inbox, TransportContract
from offhook.transport import stun, udp
from offhook.transport.base import Deliver, FlowPort
from offhook.transport.stun import (
    BINDING_ERROR,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    MAGIC_COOKIE,
    binding_success,
    is_stun,
)
from offhook.transport.udp import MAX_DATAGRAM, UdpListener, UdpTransport, explain, server_of

if TYPE_CHECKING:
    from tests.transport.conftest import Listen

OPENER = b"\r\n\r\n"


class TestUdp(TransportContract):
    connected = False
    largest = MAX_DATAGRAM

    @pytest.fixture(autouse=True)
    def stage(self, listen: Listen) -> None:
        self.listen = listen

    def client(self, deliver: Deliver) -> FlowPort:
        return UdpTransport(deliver)

    async def server(self, deliver: Deliver) -> tuple[FlowPort, str]:
        return await self.listen("udp", deliver)


class Peer(asyncio.DatagramProtocol):
    """A bare socket on 127.0.0.1; what it does with datagrams is up to the test."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    async def start(self) -> Peer:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port: int = self.transport.get_extra_info("sockname")[1]
        return self

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._came.put_nowait((data, addr))

    async def next(self) -> bytes:
        """The next datagram; answers go to its sender."""
        data, self.other = await asyncio.wait_for(self._came.get(), 10)
        return data

    def say(self, data: bytes) -> None:
        self.transport.sendto(data, self.other)


class Client:
    """A transport with one flow to a bare peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.told = Inbox()
        self.traced: list[tuple[str, bool, bytes]] = []
        self.transport = UdpTransport(self.told, trace=lambda *what: self.traced.append(what))

    async def open(self) -> FlowOpened:
        self.transport.perform(OpenFlow("flow", f"udp:127.0.0.1:{self.peer.port}"))
        assert await self.peer.next() == OPENER
        return await self.told.next(FlowOpened)

    async def probe(self) -> bytes:
        """Have it probe; gives the id of its request."""
        self.transport.perform(Probe("flow"))
        request = await self.peer.next()
        assert is_stun(request)
        assert request[:2] == struct.pack("!H", BINDING_REQUEST)
        return request[8:]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(await Peer().start())
    yield client
    await client.transport.close()
    client.peer.transport.close()
    await asyncio.sleep(0)  # the loop closes the socket in its next turn


@pytest.fixture
async def listener() -> AsyncIterator[tuple[UdpListener, Inbox, Peer]]:
    """A listener, and a peer that knows where it is."""
    told = Inbox()
    listener = UdpListener("127.0.0.1", 0, told)
    peer = await Peer().start()
    peer.other = ("127.0.0.1", await listener.start())
    yield listener, told, peer
    await listener.close()
    peer.transport.close()
    await asyncio.sleep(0)  # the loop closes the socket in its next turn


async def test_a_flow_has_the_addresses_that_a_via_needs(client: Client) -> None:
    opened = await client.open()
    assert opened == FlowOpened("flow", f"127.0.0.1:{client.peer.other[1]}", f"127.0.0.1:{client.peer.port}", "UDP")


async def test_an_answer_to_the_opener_opens_the_flow_at_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "REFUSAL_WAIT", 60.0)
    client.transport.perform(OpenFlow("flow", f"udp:127.0.0.1:{client.peer.port}"))
    await client.peer.next()
    client.peer.say(b"INVITE")
    await client.told.next(FlowOpened)
    assert await client.told.next(FlowReceived) == FlowReceived("flow", b"INVITE")


async def test_closed_while_it_waits_for_a_refusal(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "REFUSAL_WAIT", 60.0)
    client.transport.perform(OpenFlow("flow", f"udp:127.0.0.1:{client.peer.port}"))
    await client.peer.next()
    client.transport.perform(CloseFlow("flow"))
    client.peer.say(b"too late")
    assert (await client.told.next(FlowFailed)).reason == "closed before it was open"
    await client.transport.close()
    assert client.told.rest() == []


async def test_a_refusal_fails_the_flow_with_a_reason() -> None:
    told = Inbox()
    transport = UdpTransport(told)
    transport.perform(OpenFlow("flow", "udp:127.0.0.1:9"))
    assert (await told.next(FlowFailed)).reason == "127.0.0.1:9 cannot be reached: nobody listens there"
    await transport.close()


async def test_the_next_address_is_tried_where_one_refuses(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = ("127.0.0.1", 9)
    live = ("127.0.0.1", client.peer.port)

    async def found(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", peer) for peer in (("255.255.255.255", 9), dead, live)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    client.transport.perform(OpenFlow("flow", "udp:example.org"))
    assert (await client.told.next(FlowOpened)).remote == f"127.0.0.1:{client.peer.port}"


async def test_a_name_that_does_not_resolve(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nothing)
    client.transport.perform(OpenFlow("flow", "udp:example.org:5060"))
    reason = (await client.told.next(FlowFailed)).reason
    assert reason == "the name of example.org:5060 cannot be resolved: Name or service not known"


async def test_a_name_that_takes_too_long(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    client.transport.perform(OpenFlow("flow", "udp:example.org", timeout=0.01))
    assert "not resolved within 0.01 s" in (await client.told.next(FlowFailed)).reason


async def test_a_server_that_goes_away_ends_the_flow(client: Client) -> None:
    await client.open()
    client.peer.transport.close()
    await asyncio.sleep(0)  # the loop closes the socket in its next turn
    client.transport.perform(Send("flow", b"REGISTER"))
    client.transport.perform(Send("flow", b"REGISTER"))
    reason = (await client.told.next(FlowClosed)).reason
    assert reason == "the server cannot be reached any more: nobody listens there"
    client.transport.perform(Probe("flow"))
    assert client.told.rest() == []


async def test_nobody_but_the_server_gets_through(client: Client) -> None:
    opened = await client.open()
    stranger = await Peer().start()
    stranger.other = client.peer.other
    stranger.say(b"BYE")
    client.peer.say(b"INVITE")
    assert await client.told.next(FlowReceived) == FlowReceived("flow", b"INVITE")
    assert client.told.rest() == []
    assert opened.local.endswith(str(stranger.other[1]))
    stranger.transport.close()


async def test_a_probe_is_sent_again_until_it_is_answered(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stun, "PROBE_TIMES", (0.0, 60.0))
    await client.open()
    id = await client.probe()
    assert (await client.peer.next())[8:] == id
    client.peer.say(struct.pack("!HHI", BINDING_ERROR, 0, MAGIC_COOKIE) + bytes(12))  # not of this request
    client.peer.say(struct.pack("!HHI", BINDING_ERROR, 0, MAGIC_COOKIE) + id)
    client.peer.say(struct.pack("!HHI", BINDING_ERROR, 0, MAGIC_COOKIE) + id)
    client.peer.say(b"end")
    assert await client.told.next(FlowAlive) == FlowAlive("flow")
    assert await client.told.next(FlowReceived) == FlowReceived("flow", b"end")


async def test_a_new_probe_replaces_the_one_before(client: Client) -> None:
    await client.open()
    first, second = await client.probe(), await client.probe()
    assert first != second
    client.peer.say(binding_success(first, client.peer.other))
    client.peer.say(binding_success(second, client.peer.other))
    client.peer.say(b"end")
    await client.told.next(FlowAlive)
    await client.told.next(FlowReceived)


async def test_a_new_mapped_address_ends_the_flow(client: Client) -> None:
    await client.open()
    for _ in range(2):
        client.peer.say(binding_success(await client.probe(), ("192.0.2.1", 1000)))
        await client.told.next(FlowAlive)
    client.peer.say(struct.pack("!HHI", BINDING_SUCCESS, 0, MAGIC_COOKIE) + await client.probe())  # it does not say
    await client.told.next(FlowAlive)
    client.peer.say(binding_success(await client.probe(), ("192.0.2.1", 1001)))
    assert "has changed" in (await client.told.next(FlowClosed)).reason
    client.peer.say(b"too late")


async def test_the_server_may_probe_too(client: Client) -> None:
    await client.open()
    id = bytes(range(12))
    client.peer.say(struct.pack("!HHI", BINDING_REQUEST, 0, MAGIC_COOKIE) + id)
    assert await client.peer.next() == binding_success(id, ("127.0.0.1", client.peer.port))


async def test_large_messages_are_sent_with_one_warning(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    await client.open()
    for _ in range(2):
        client.transport.perform(Send("flow", b"x" * 1301))
        assert len(await client.peer.next()) == 1301
    client.transport.perform(Send("flow", b"x" * (MAX_DATAGRAM + 1)))
    client.transport.perform(Send("flow", b"next"))
    assert await client.peer.next() == b"next"
    assert caplog.text.count("may get lost over UDP") == 1
    assert caplog.text.count("too many for a datagram") == 1


async def test_an_error_of_one_datagram_ends_nothing(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    await client.open()
    client.transport.flows["flow"].error_received(OSError(errno.EMSGSIZE, "Message too long"))
    assert "Message too long" in caplog.text
    client.transport.perform(Send("flow", b"next"))
    assert await client.peer.next() == b"next"
    assert client.told.rest() == []


async def test_what_the_queue_cannot_hold_is_lost(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    await client.open()
    monkeypatch.setattr(udp, "MAX_QUEUED", 10)
    client.transport.perform(Send("flow", b"x" * 11))
    client.transport.perform(Send("flow", b"next"))
    assert await client.peer.next() == b"next"


async def test_the_tap_sees_every_message_and_nothing_else(client: Client) -> None:
    await client.open()
    await client.probe()
    client.transport.perform(Send("flow", b"question"))
    await client.peer.next()
    client.peer.say(b"answer")
    await client.told.next(FlowReceived)
    assert client.traced == [("flow", True, b"question"), ("flow", False, b"answer")]


async def test_a_listener_that_has_no_stun(client: Client) -> None:
    """So is FreeSWITCH."""
    told = Inbox()
    listener = UdpListener("127.0.0.1", 0, told, stun=False)
    client.transport.perform(OpenFlow("flow", f"udp:127.0.0.1:{await listener.start()}"))
    await client.told.next(FlowOpened)
    client.transport.perform(Probe("flow"))
    client.transport.perform(Send("flow", b"OPTIONS"))
    flow = (await told.next(FlowOpened)).flow
    await told.next(FlowReceived)
    listener.perform(Send(flow, b"200"))
    await client.told.next(FlowReceived)
    await listener.close()


async def test_flows_are_named_by_the_listener_or_by_its_owner(listener: tuple[UdpListener, Inbox, Peer]) -> None:
    _, told, peer = listener
    peer.say(b"x")
    assert (await told.next(FlowOpened)).flow == "udp-1"
    named = UdpListener("127.0.0.1", 0, told, name_flow=lambda: "name")
    peer.other = ("127.0.0.1", await named.start())
    await told.next(FlowReceived)
    peer.say(b"x")
    opened = await told.next(FlowOpened)
    assert opened == FlowOpened("name", f"127.0.0.1:{peer.other[1]}", f"127.0.0.1:{peer.port}", "UDP")
    await named.close()
    await named.close()


async def test_a_listener_opens_nothing(listener: tuple[UdpListener, Inbox, Peer]) -> None:
    with pytest.raises(StateError):
        listener[0].perform(OpenFlow("flow", "udp:127.0.0.1:1"))


async def test_the_tap_of_a_listener(listener: tuple[UdpListener, Inbox, Peer]) -> None:
    server, told, peer = listener
    traced: list[tuple[str, bool, bytes]] = []
    server.trace = lambda *what: traced.append(what)
    peer.say(b"question")
    flow = (await told.next(FlowOpened)).flow
    await told.next(FlowReceived)
    server.perform(Send(flow, b"answer"))
    assert await peer.next() == b"answer"
    assert traced == [(flow, False, b"question"), (flow, True, b"answer")]


async def test_a_forgotten_peer_is_a_new_flow(listener: tuple[UdpListener, Inbox, Peer]) -> None:
    server, told, peer = listener
    peer.say(b"x")
    server.perform(CloseFlow((await told.next(FlowOpened)).flow))
    await told.until(FlowClosed)
    peer.say(b"x")
    assert (await told.until(FlowOpened)).flow == "udp-2"


async def test_a_listener_forgets_who_was_silent_for_longest(
    listener: tuple[UdpListener, Inbox, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "MAX_FLOWS", 2)
    _, told, peer = listener
    other, third = await Peer().start(), await Peer().start()
    other.other = third.other = peer.other
    for one in (peer, other, peer, third):
        one.say(b"x")
        await told.until(FlowReceived)
    peer.say(b"x")
    await told.until(FlowReceived)
    other.say(b"x")
    assert await told.next(FlowClosed) == FlowClosed("udp-3", "there are too many peers")
    assert (await told.next(FlowOpened)).flow == "udp-4"
    other.transport.close()
    third.transport.close()


async def test_a_listener_forgets_who_is_silent_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "IDLE_TIMEOUT", 0.02)
    told = Inbox()
    listener = UdpListener("127.0.0.1", 0, told)
    peer = await Peer().start()
    peer.other = ("127.0.0.1", await listener.start())
    peer.say(b"x")
    await told.next(FlowOpened)
    assert (await told.until(FlowClosed)).reason == "nothing came for 0.02 s"
    await listener.close()
    peer.transport.close()


async def test_an_error_of_the_listening_socket_ends_nothing(listener: tuple[UdpListener, Inbox, Peer]) -> None:
    server, told, peer = listener
    assert server._socket is not None
    server._socket.error_received(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
    peer.say(b"x")
    await told.next(FlowOpened)


@pytest.mark.parametrize("url", ["tcp:127.0.0.1", "sips:a", "udp:", "udp:user@a", "udp:a:0", "udp:a;transport=tcp"])
def test_what_is_no_url_of_a_udp_server(url: str) -> None:
    with pytest.raises(LocalError):
        server_of(url)


def test_urls() -> None:
    assert server_of("udp:example.org").where == "example.org:5060"
    assert server_of("UDP://[::1]:5070").where == "[::1]:5070"


def test_errors_are_explained() -> None:
    assert explain(OSError(errno.ENETUNREACH, "Network is unreachable")) == "Network is unreachable"
    assert explain(UnicodeError("label too long")) == "label too long"
    assert explain(RuntimeError()) == "RuntimeError"
