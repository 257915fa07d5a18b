"""What every transport has to keep: the order, the octets, one end for each beginning."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from offhook.errors import StateError
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
from offhook.testing.contracts.inbox import Inbox
from offhook.transport.base import MAX_MESSAGE, Deliver, FlowPort


def unused_port() -> int:
    """A TCP port of 127.0.0.1 at which nobody listens (just now)."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@dataclass
class Line:
    """A transport, a listening peer, and what each was told."""

    client: FlowPort
    server: FlowPort
    url: str
    told_client: Inbox
    told_server: Inbox

    async def open(self, flow: str = "flow") -> str:
        """Open a flow; gives the name that the server knows it by."""
        self.client.perform(OpenFlow(flow, self.url))
        opened = await self.told_client.next(FlowOpened)
        accepted = await self.told_server.next(FlowOpened)
        assert opened.flow == flow
        assert opened.remote == accepted.local
        assert opened.local == accepted.remote
        assert ":" in opened.local
        return accepted.flow


@pytest.mark.asyncio
class TransportContract(ABC):
    """Inherit and give `client`, `server` and, where it is not TCP on 127.0.0.1, `dead_url`.

    A transport that needs SIP's own framing inherits from `StreamContract`; one of datagrams gives `connected` and
    `largest` too.
    """

    connected = True
    """Whether an end learns that the other end has closed the flow. Of a datagram's it learns when nobody listens."""

    largest = MAX_MESSAGE
    """Octets of the longest message that can be sent."""

    samples: tuple[bytes, ...] = (
        b"OPTIONS sip:a@example.org SIP/2.0\r\nContent-Length: 0\r\n\r\n",
        "MESSAGE sip:a@example.org SIP/2.0\r\nContent-Length: 9\r\n\r\nGrüße ☎".encode(),
        b"MESSAGE sip:a@example.org SIP/2.0\r\nContent-Length: 6\r\n\r\n\xff\xfe\x00\x01\r\n",
        b"\r\n\r\nSIP/2.0 200 OK\r\n\r\n",
        b"x",
    )
    """Messages that have to arrive octet for octet."""

    def message(self, body: bytes) -> bytes:
        """A message that ends in `body`; what is before it has the same length for every body."""
        return body

    @abstractmethod
    def client(self, deliver: Deliver) -> FlowPort:
        """The transport to test."""

    @abstractmethod
    async def server(self, deliver: Deliver) -> tuple[FlowPort, str]:
        """A peer that listens, and the URL to reach it by."""

    def dead_url(self, url: str) -> str:
        """A URL like that one, where nobody listens."""
        return f"{url.rpartition(':')[0]}:{unused_port()}"

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """Both ends; closed afterwards, and it is an error if that leaves a task behind."""
        before = asyncio.all_tasks()
        told_client, told_server = Inbox(), Inbox()
        server, url = await self.server(told_server)
        line = Line(self.client(told_client), server, url, told_client, told_server)
        try:
            yield line
        finally:
            await line.client.close()
            await line.server.close()
        assert asyncio.all_tasks() == before

    async def test_messages_pass_both_ways_octet_for_octet(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            for message in self.samples:
                line.client.perform(Send("flow", message))
                line.server.perform(Send(flow, message))
            for message in self.samples:
                assert (await line.told_server.next(FlowReceived)) == FlowReceived(flow, message)
                assert (await line.told_client.next(FlowReceived)) == FlowReceived("flow", message)

    async def test_the_order_is_kept(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            for number in range(300):
                size = 5000 if number % 10 == 0 else 1
                body = b" ".join([b"%d" % number] * (size if number < 100 else 1))
                line.client.perform(Send("flow", self.message(body)))
                line.server.perform(Send(flow, self.message(b"%d" % number)))
                if number % 25 == 24:  # let the peer take them, so that a bound on what may wait is not met
                    for expected in range(number - 24, number + 1):
                        there = await line.told_server.next(FlowReceived)
                        back = await line.told_client.next(FlowReceived)
                        assert there.data.split()[-1] == b"%d" % expected
                        assert back.data == self.message(b"%d" % expected)

    @pytest.mark.parametrize("size", [125, 126, 127, 20_000, 65_534, MAX_MESSAGE])
    async def test_large_messages_pass_whole(self, size: int) -> None:
        async with self.line() as line:
            flow = await line.open()
            body = bytes(range(32, 127)) * (size // 95 + 1)
            message = self.message(body[: min(size, self.largest) - len(self.message(b""))])
            line.client.perform(Send("flow", message))
            assert (await line.told_server.next(FlowReceived)).data == message
            line.server.perform(Send(flow, message))
            assert (await line.told_client.next(FlowReceived)).data == message

    async def test_a_message_over_the_limit_is_not_sent_and_costs_nothing_else(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            line.client.perform(Send("flow", b"x" * (MAX_MESSAGE + 1)))
            line.client.perform(Send("flow", self.message(b"after it")))
            assert (await line.told_server.next(FlowReceived)).data == self.message(b"after it")
            line.server.perform(Send(flow, self.message(b"and back")))
            assert (await line.told_client.next(FlowReceived)).data == self.message(b"and back")

    async def test_keep_alives_do_not_come_up(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            line.client.perform(Send("flow", b"\r\n\r\n"))
            line.server.perform(Send(flow, b"\r\n"))
            line.client.perform(Send("flow", self.message(b"a message")))
            line.server.perform(Send(flow, self.message(b"another")))
            assert (await line.told_server.next(FlowReceived)).data == self.message(b"a message")
            assert (await line.told_client.next(FlowReceived)).data == self.message(b"another")

    async def test_a_probe_is_answered(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            line.client.perform(Probe("flow"))
            assert await line.told_client.next(FlowAlive) == FlowAlive("flow")
            line.server.perform(Probe(flow))
            assert await line.told_server.next(FlowAlive) == FlowAlive(flow)

    async def test_closing_tells_both_sides_once_and_sends_what_waits(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            for number in range(50):
                line.client.perform(Send("flow", self.message(b"%d" % number)))
            line.client.perform(CloseFlow("flow"))
            line.client.perform(CloseFlow("flow"))
            line.client.perform(Send("flow", self.message(b"too late")))
            for number in range(50):
                assert (await line.told_server.next(FlowReceived)).data == self.message(b"%d" % number)
            closed = await line.told_client.next(FlowClosed)
            assert closed.flow == "flow"
            assert closed.reason
            if self.connected:
                assert (await line.told_server.next(FlowClosed)).flow == flow
            for output in (Send("flow", self.message(b"gone")), Probe("flow"), CloseFlow("flow")):
                line.client.perform(output)
            for other in (Send(flow, self.message(b"gone")), Probe(flow), CloseFlow(flow)):
                line.server.perform(other)
            if not self.connected:
                assert (await line.told_server.next(FlowClosed)).flow == flow
            assert line.told_client.rest() == []
            await line.open()  # the name is free again, and nothing else was told meanwhile

    async def test_the_peer_closes(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            line.server.perform(Send(flow, self.message(b"last words")))
            line.server.perform(CloseFlow(flow))
            assert (await line.told_client.next(FlowReceived)).data == self.message(b"last words")
            assert (await line.told_server.next(FlowClosed)).flow == flow
            if self.connected:
                closed = await line.told_client.next(FlowClosed)
                assert closed.flow == "flow"
                assert closed.reason
                await line.open()

    async def test_nobody_listens(self) -> None:
        async with self.line() as line:
            line.client.perform(OpenFlow("flow", self.dead_url(line.url)))
            failed = await line.told_client.next(FlowFailed)
            assert failed.flow == "flow"
            assert failed.reason
            line.client.perform(Send("flow", self.message(b"gone")))
            line.client.perform(CloseFlow("flow"))
            await line.open()

    async def test_a_wrong_url_fails_with_a_reason(self) -> None:
        async with self.line() as line:
            for url in ("", "nonsense", "http://127.0.0.1:1", "ws://", "ws://[::1", "ws://127.0.0.1:99999999"):
                line.client.perform(OpenFlow("flow", url))
                assert (await line.told_client.next(FlowFailed)).reason

    async def test_closed_before_it_was_open(self) -> None:
        async with self.line() as line:
            line.client.perform(OpenFlow("flow", line.url))
            line.client.perform(CloseFlow("flow"))
            assert (await line.told_client.next(FlowFailed)).flow == "flow"
            line.client.perform(OpenFlow("other", line.url))
            assert (await line.told_client.next(FlowOpened)).flow == "other"

    async def test_a_name_is_used_once_at_a_time(self) -> None:
        async with self.line() as line:
            line.client.perform(OpenFlow("flow", line.url))
            with pytest.raises(StateError):
                line.client.perform(OpenFlow("flow", line.url))
            await line.told_client.next(FlowOpened)
            with pytest.raises(StateError):
                line.client.perform(OpenFlow("flow", line.url))

    async def test_flows_do_not_mix(self) -> None:
        async with self.line() as line:
            flows = [f"flow {number}" for number in range(40)]
            for flow in flows:
                line.client.perform(OpenFlow(flow, line.url))
            assert {(await line.told_client.next(FlowOpened)).flow for _ in flows} == set(flows)
            accepted = [(await line.told_server.next(FlowOpened)).flow for _ in flows]
            assert len(set(accepted)) == len(flows)
            for flow in flows:
                line.client.perform(Send(flow, self.message(flow.encode())))
            for _ in flows:
                message = await line.told_server.next(FlowReceived)
                line.server.perform(Send(message.flow, message.data))
            for _ in flows:
                echo = await line.told_client.next(FlowReceived)
                assert echo.data == self.message(echo.flow.encode())

    async def test_closing_the_transport_ends_every_flow_and_tells_it(self) -> None:
        async with self.line() as line:
            flow = await line.open("open")
            line.client.perform(OpenFlow("opening", line.url))
            await line.client.close()
            told = line.told_client.rest()
            assert {type(one) for one in told} == {FlowClosed, FlowFailed}
            assert len(told) == 2
            if self.connected:
                assert (await line.told_server.until(FlowClosed)).flow == flow
            await line.client.close()
            assert line.told_client.rest() == []
            with pytest.raises(StateError):
                line.client.perform(OpenFlow("later", line.url))

    async def test_the_listening_end_closes(self) -> None:
        async with self.line() as line:
            flow = await line.open()
            await line.server.close()
            assert [type(one) for one in line.told_server.rest()] == [FlowClosed]
            if not self.connected:
                line.client.perform(Send("flow", self.message(b"Is anybody there?")))
            assert (await line.told_client.next(FlowClosed)).flow == "flow"
            line.server.perform(Send(flow, self.message(b"gone")))
            assert line.told_server.rest() == []


def framed(body: bytes) -> bytes:
    """A message that a stream can be cut at: its Content-Length says where it ends."""
    return b"MESSAGE sip:a SIP/2.0\r\nContent-Length: %05d\r\n\r\n" % len(body) + body


class StreamContract(TransportContract):
    """The contract for transports on which SIP's own framing says where a message ends (RFC 3261 §18.3)."""

    samples = (
        b"OPTIONS sip:a@example.org SIP/2.0\r\nContent-Length: 0\r\n\r\n",
        "MESSAGE sip:a@example.org SIP/2.0\r\nl  :   12\r\nSubject: Grüße\r\n\r\nGrüße ☎\n".encode(),
        b"MESSAGE sip:a@example.org SIP/2.0\r\nX: a\r\n b\r\nContent-Length: 6\r\n\r\n\xff\xfe\x00\x01\r\n",
        b"SIP/2.0 200 OK\r\ncontent-length:8\r\nsubject: \xfc\r\n\r\n\r\n\r\n\r\n\r\n",
        framed(b"a"),
        framed(b"\r\n\r\n"),
    )

    def message(self, body: bytes) -> bytes:
        return framed(body)
