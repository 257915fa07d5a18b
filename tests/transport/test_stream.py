"""TCP and TLS: the contract of all transports over both, and what is their own: framing, keep-alives, certificates."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.errors import LocalError
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
from offhook.sip.parser import KeepAlive
from offhook.testing.contracts import Inbox, StreamContract, framed
from offhook.transport import stream
from offhook.transport.base import MAX_MESSAGE, Deliver, FlowPort
from offhook.transport.stream import Framing, StreamListener, StreamTransport, explain, reason_of, server_of
from offhook.transport.websocket_server import self_signed

if TYPE_CHECKING:
    from tests.transport.conftest import Listen


class TestTcp(StreamContract):
    scheme = "tcp"

    @pytest.fixture(autouse=True)
    def stage(self, listen: Listen, ca_file: str) -> None:
        self.listen = listen
        self.ca_file = ca_file

    def client(self, deliver: Deliver) -> FlowPort:
        return StreamTransport(deliver, ca_file=self.ca_file)

    async def server(self, deliver: Deliver) -> tuple[FlowPort, str]:
        return await self.listen(self.scheme, deliver)


class TestTls(TestTcp):
    scheme = "tls"


class Client:
    """A transport with one flow to a bare server."""

    def __init__(self) -> None:
        self.told = Inbox()
        self.traced: list[tuple[str, bool, bytes]] = []
        self.transport = StreamTransport(self.told, trace=lambda *what: self.traced.append(what))
        self._accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def start(self) -> None:
        self._server = await asyncio.start_server(lambda *ends: self._accepted.put_nowait(ends), "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def open(self) -> FlowOpened:
        self.transport.perform(OpenFlow("flow", f"tcp:127.0.0.1:{self.port}"))
        self.reader, self.writer = await asyncio.wait_for(self._accepted.get(), 10)
        return await self.told.next(FlowOpened)

    async def close(self) -> None:
        if hasattr(self, "writer"):
            self.writer.transport.abort()
        while not self._accepted.empty():
            self._accepted.get_nowait()[1].transport.abort()
        await self.transport.close()
        self._server.close()
        await self._server.wait_closed()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def short_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLOSE_TIMEOUT", 0.05)


async def test_a_flow_has_the_addresses_that_a_via_needs(client: Client) -> None:
    opened = await client.open()
    host, port = client.writer.get_extra_info("peername")
    assert opened == FlowOpened("flow", f"{host}:{port}", f"127.0.0.1:{client.port}", "TCP")


async def test_a_ping_gets_its_pong(client: Client) -> None:
    await client.open()
    client.writer.write(b"\r\n\r\n" + framed(b"a") + b"\r\n")
    assert await client.reader.readexactly(2) == b"\r\n"
    assert (await client.told.next(FlowReceived)).data == framed(b"a")
    await client.writer.drain()
    client.writer.write(b"\r\n" + framed(b"b"))  # the second half of a ping
    assert await client.reader.readexactly(2) == b"\r\n"
    assert (await client.told.next(FlowReceived)).data == framed(b"b")


async def test_a_probe_is_a_ping_and_only_its_pong_a_sign_of_life(client: Client) -> None:
    await client.open()
    client.writer.write(b"\r\n" + framed(b"unasked"))
    await client.told.next(FlowReceived)
    client.transport.perform(Probe("flow"))
    assert await client.reader.readexactly(4) == b"\r\n\r\n"
    client.writer.write(b"\r\n" + framed(b"end"))
    assert await client.told.next(FlowAlive) == FlowAlive("flow")
    await client.told.next(FlowReceived)
    assert client.told.rest() == []


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 65536\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\n",
        b"x" * 70_000,
    ],
    ids=["http", "no length", "too long", "two lengths", "endless"],
)
async def test_what_cannot_be_cut_ends_the_flow(client: Client, data: bytes) -> None:
    await client.open()
    client.writer.write(data)
    assert "the peer broke the protocol" in (await client.told.next(FlowClosed)).reason
    assert client.told.rest() == []


async def test_the_peer_hangs_up(client: Client) -> None:
    await client.open()
    client.writer.close()
    assert (await client.told.next(FlowClosed)).reason == "closed by the peer"
    await client.open()
    client.transport.perform(Send("flow", framed(b"never read")))
    await client.reader.readexactly(1)
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.writer.transport.abort()
    assert "Connection reset by peer" in (await client.told.next(FlowClosed)).reason


@pytest.mark.usefixtures("short_close")
async def test_a_peer_that_has_hung_up_and_does_not_read_is_cut_off(client: Client) -> None:
    await client.open()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    flow = client.transport.flows["flow"]
    while flow._transport.get_write_buffer_size() == 0:
        client.transport.perform(Send("flow", framed(b"x" * 60_000)))
    client.writer.write_eof()
    assert (await client.told.next(FlowClosed)).reason == "closed by the peer"


@pytest.mark.usefixtures("short_close")
async def test_a_peer_that_does_not_hang_up_is_cut_off(client: Client) -> None:
    await client.open()
    client.transport.perform(Send("flow", framed(b"last words")))
    client.transport.perform(CloseFlow("flow"))
    client.transport.perform(Probe("flow"))
    client.writer.write(framed(b"mine too"))
    assert await client.reader.readexactly(len(framed(b"last words"))) == framed(b"last words")
    assert (await client.told.next(FlowReceived)).data == framed(b"mine too")
    assert (await client.told.next(FlowClosed)).reason == "closed by us"


async def test_a_peer_that_does_not_read_is_cut_off_with_a_reason(client: Client) -> None:
    await client.open()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(1000):
        client.transport.perform(Send("flow", framed(b"x" * 60_000)))
    assert "too slow" in (await client.told.next(FlowClosed)).reason


async def test_the_tap_sees_every_message_and_nothing_else(client: Client) -> None:
    await client.open()
    client.transport.perform(Probe("flow"))
    client.transport.perform(Send("flow", framed(b"question")))
    client.writer.write(b"\r\n" + framed(b"answer"))
    await client.told.until(FlowReceived)
    assert client.traced == [("flow", True, framed(b"question")), ("flow", False, framed(b"answer"))]


async def test_closed_at_any_moment_of_its_opening() -> None:
    told = Inbox()
    transport, listener = StreamTransport(told), StreamListener("127.0.0.1", 0, lambda _: None)
    url = f"tcp:127.0.0.1:{await listener.start()}"
    ends = set()
    turns = 0
    while FlowClosed not in ends:
        transport.perform(OpenFlow("flow", url))
        for _ in range(turns):
            await asyncio.sleep(0)  # one turn more each time
        transport.perform(CloseFlow("flow"))
        end = await told.next(object)
        if isinstance(end, FlowOpened):
            end = await told.next(FlowClosed)
        ends.add(type(end))
        turns += 1
    assert ends == {FlowFailed, FlowClosed}
    await transport.close()
    await listener.close()
    assert told.rest() == []


async def test_no_answer_in_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    client.transport.perform(OpenFlow("flow", "tcp:127.0.0.1:1", timeout=0.01))
    assert (await client.told.next(FlowFailed)).reason == "127.0.0.1:1 did not answer within 0.01 s"


async def test_the_next_address_is_tried_where_one_fails(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def found(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (1, 9, client.port)]

    async def slow(made: socket.socket, peer: tuple[str, int]) -> None:
        await (loop.create_future() if peer[1] == 1 else connect(made, peer))

    monkeypatch.setattr(loop, "getaddrinfo", found)
    monkeypatch.setattr(loop, "sock_connect", slow)
    client.transport.perform(OpenFlow("flow", "tcp:example.org", timeout=0.3))
    assert (await client.told.next(FlowOpened)).remote == f"127.0.0.1:{client.port}"


async def test_a_certificate_may_be_for_the_name_in_the_url(tmp_path: Path) -> None:
    other = self_signed(["sip.example.org"])
    asked: list[str | None] = []
    other.context.sni_callback = lambda _, name, __: asked.append(name)
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(other.certificate)
    told = Inbox()
    transport = StreamTransport(told, ca_file=str(ca_file))
    listener = StreamListener("127.0.0.1", 0, lambda _: None, ssl=other.context)
    port = await listener.start()
    transport.perform(OpenFlow("flow", f"tls:127.0.0.1:{port}"))
    await told.next(FlowFailed)
    transport.perform(OpenFlow("flow", f"tls:127.0.0.1:{port};name=sip.example.org"))
    assert (await told.next(FlowOpened)).transport == "TLS"
    assert asked == [None, "sip.example.org"]
    await transport.close()
    await listener.close()


async def test_tls_with_a_tcp_port(client: Client) -> None:
    client.transport.perform(OpenFlow("flow", f"tls:127.0.0.1:{client.port}", timeout=0.1))
    reason = (await client.told.next(FlowFailed)).reason
    assert reason == f"127.0.0.1:{client.port} did not answer within 0.1 s. Is it a tcp: port?"


async def test_tls_with_a_tcp_port_that_answers() -> None:
    told, accepted = Inbox(), Inbox()
    listener = StreamListener("127.0.0.1", 0, accepted)
    transport = StreamTransport(told)
    transport.perform(OpenFlow("flow", f"tls:127.0.0.1:{await listener.start()}"))
    flow = (await accepted.next(FlowOpened)).flow
    listener.perform(Send(flow, b"SIP/2.0 400 Bad Request\r\n\r\n"))
    assert "Is it a tcp: port?" in (await told.next(FlowFailed)).reason
    await transport.close()
    await listener.close()


def test_urls() -> None:
    assert server_of("tcp:example.org").where == "example.org:5060"
    assert server_of("tls:[::1]").where == "[::1]:5061"
    assert server_of("tls:192.0.2.1:5070;name=example.org").name == "example.org"
    for wrong in ("udp:127.0.0.1", "ws://127.0.0.1", "tcp:", "tcp:a:b"):
        with pytest.raises(LocalError):
            server_of(wrong)


@pytest.mark.parametrize(
    ("error", "secure", "text"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), False, "reached: Connection refused"),
        (OSError("Multiple exceptions: no, no"), False, "reached: Multiple exceptions: no, no"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), True, "resolved: Name or service not known"),
        (UnicodeError("label too long"), False, "resolved: label too long"),
        (ConnectionResetError(), True, "broke off the TLS handshake. Is it a tcp: port?"),
        (ConnectionResetError(errno.ECONNRESET, ""), False, "reached: Connection reset by peer"),
    ],
)
def test_failures_are_explained(error: Exception, secure: bool, text: str) -> None:
    reason = explain(error, "example.org:5060", secure)
    assert "example.org:5060" in reason
    assert reason.endswith(text)


def test_an_error_without_words() -> None:
    assert reason_of(RuntimeError()) == "RuntimeError"


STREAM = b"\r\n\r\n\r\n" + b"\r\n".join([*StreamContract.samples, b"\r\n" + framed(b"x" * 300)]) + b"\r\n\r\n"


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_however_a_stream_is_cut_its_messages_are_the_same(cuts: list[int]) -> None:
    framing = Framing()
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [piece for start, end in itertools.pairwise(edges) for piece in framing.receive(STREAM[start:end])]
    messages = [piece for piece in pieces if not isinstance(piece, KeepAlive)]
    assert messages == [*StreamContract.samples, framed(b"x" * 300)]


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_bodies_are_kept_octet_for_octet(bodies: list[bytes]) -> None:
    assert Framing().receive(b"".join(map(framed, bodies))) == [framed(body) for body in bodies]


def test_the_longest_message() -> None:
    longest = framed(b"x" * (MAX_MESSAGE - len(framed(b""))))
    framing = Framing()
    assert framing.receive(longest[:-1]) == []
    assert framing.receive(longest[-1:]) == [longest]
