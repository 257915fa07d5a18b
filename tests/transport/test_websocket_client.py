"""The WebSocket client: the contract of all transports over ws and wss, and what is WebSocket's own."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

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
from offhook.transport import websocket_client
from offhook.transport.base import MAX_MESSAGE, MAX_QUEUED, Deliver, FlowPort
from offhook.transport.websocket_client import WebSocketTransport, is_utf8, server_of
from offhook.transport.websocket_server import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    SelfSigned,
    WebSocketListener,
    answer_upgrade,
    read_frame,
    write_frame,
)

if TYPE_CHECKING:
    from tests.transport.conftest import Listen


class TestWs(TransportContract):
    scheme = "ws"

    @pytest.fixture(autouse=True)
    def stage(self, listen: Listen, ca_file: str) -> None:
        self.listen = listen
        self.ca_file = ca_file

    def client(self, deliver: Deliver) -> FlowPort:
        return WebSocketTransport(deliver, ca_file=self.ca_file)

    async def server(self, deliver: Deliver) -> tuple[FlowPort, str]:
        return await self.listen(self.scheme, deliver)


class TestWss(TestWs):
    scheme = "wss"


class Peer:
    """A server of the bare kind: what it does with a connection is up to the test."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams
        self._buffer = bytearray()

    async def shake_hands(self, *, keep: bytes = b"") -> bytes:
        """Take the request and answer it; a header line that starts with `keep` is left out."""
        request = await self.reader.readuntil(b"\r\n\r\n")
        answer = answer_upgrade(request[:-4])
        assert answer is not None
        if keep:
            answer = b"\r\n".join(line for line in answer.split(b"\r\n") if not line.startswith(keep))
        self.writer.write(answer)
        return request

    async def frame(self) -> Frame:
        while (frame := read_frame(self._buffer)) is None:
            data = await self.reader.read(65536)
            assert data, "the client hung up"
            self._buffer += data
        del self._buffer[: frame.size]
        return frame


Script = Callable[[Peer], Awaitable[None]]


class Stage:
    """A scripted server and a client that has been told to open a flow to it."""

    def __init__(self, script: Script, *, timeout: float = 5.0) -> None:
        self.told = Inbox()
        self.traced: list[tuple[str, bool, bytes]] = []
        self.transport = WebSocketTransport(self.told, trace=lambda *what: self.traced.append(what))
        self._script = script
        self._timeout = timeout
        self._playing: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Stage:
        self._server = await asyncio.start_server(self._play, "127.0.0.1", 0, limit=2**20)
        port = self._server.sockets[0].getsockname()[1]
        self.transport.perform(OpenFlow("flow", f"ws://127.0.0.1:{port}/sip", self._timeout))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.transport.close()
        for task in self._playing:
            task.cancel()
        outcomes = await asyncio.gather(*self._playing, return_exceptions=True)
        self._server.close()
        await self._server.wait_closed()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._playing.append(task)
        try:
            await self._script(Peer((reader, writer)))
        finally:
            writer.transport.abort()


async def test_the_handshake_is_that_of_rfc_7118() -> None:
    requests: list[bytes] = []

    async def script(peer: Peer) -> None:
        requests.append(await peer.shake_hands())
        await peer.frame()

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
    lines = requests[0].decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    assert lines[0] == "GET /sip HTTP/1.1"
    assert headers["sec-websocket-protocol"] == "sip"
    assert headers["sec-websocket-version"] == "13"
    assert "sec-websocket-extensions" not in headers
    assert "authorization" not in headers


async def test_frames_are_what_freeswitch_can_take() -> None:
    frames: list[Frame] = []

    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        for _ in range(5):
            frames.append(await peer.frame())

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        for message in (b"plain", "Grüße".encode(), b"\xff\xfe", b"x" * MAX_MESSAGE):
            stage.transport.perform(Send("flow", message))
        stage.transport.perform(Probe("flow"))
        await stage.told.next(FlowClosed)
    assert [frame.opcode for frame in frames] == [TEXT, TEXT, BINARY, TEXT, PING]
    assert all(frame.final for frame in frames)
    assert frames[4].size >= 9, "FreeSWITCH reads nine octets at once and gives up where a frame ends before them"


async def test_text_and_binary_and_fragments_are_taken_as_octets() -> None:
    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        peer.writer.write(
            write_frame(TEXT, b"text") + write_frame(BINARY, b"binary") + write_frame(TEXT, b"latin \xfc")
        )
        peer.writer.write(bytes([TEXT, 3]) + b"abc" + write_frame(PING, b"between") + write_frame(CONTINUATION, b"def"))
        assert (await peer.frame())[:3] == (True, PONG, b"between")

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        for data in (b"text", b"binary", b"latin \xfc", b"abcdef"):
            assert (await stage.told.next(FlowReceived)).data == data
        assert (await stage.told.next(FlowClosed)).reason == "the connection was lost"


async def test_only_a_pong_after_a_probe_is_a_sign_of_life() -> None:
    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        peer.writer.write(write_frame(PONG, b"unasked"))
        peer.writer.write(write_frame(TEXT, b"go"))
        for _ in range(2):
            ping = await peer.frame()
        peer.writer.write(write_frame(PONG, ping.payload) + write_frame(PONG, ping.payload) + write_frame(TEXT, b"end"))
        await peer.frame()

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        await stage.told.next(FlowReceived)
        stage.transport.perform(Probe("flow"))
        stage.transport.perform(Probe("flow"))
        await stage.told.next(FlowAlive)
        assert (await stage.told.next(FlowReceived)).data == b"end"


async def test_the_tap_sees_every_message_and_nothing_else() -> None:
    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        await peer.frame()
        await peer.frame()
        peer.writer.write(write_frame(TEXT, b"answer"))
        await peer.frame()

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        stage.transport.perform(Probe("flow"))
        stage.transport.perform(Send("flow", b"question"))
        await stage.told.next(FlowReceived)
    assert stage.traced == [("flow", True, b"question"), ("flow", False, b"answer")]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (write_frame(CLOSE, struct.pack("!H", 1000)), "closed by the peer (1000)"),
        (write_frame(CLOSE, struct.pack("!H", 1001) + b"going away"), "closed by the peer (1001 going away)"),
        (write_frame(CLOSE, b""), "closed by the peer (no code)"),
        (bytes([0x80 | TEXT, 127]) + struct.pack("!Q", MAX_MESSAGE + 1), "the peer broke the protocol"),
        (bytes([0x80 | TEXT, 127]) + struct.pack("!Q", 2**62), "the peer broke the protocol"),
        (bytes([0xC0 | TEXT, 1, 0]), "the peer broke the protocol"),
        (bytes([0x80 | 3, 0]), "the peer broke the protocol"),
    ],
    ids=["1000", "with text", "without code", "too long", "far too long", "compressed", "unknown"],
)
async def test_how_a_flow_can_end(frame: bytes, reason: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        peer.writer.write(frame)
        assert (await peer.frame()).opcode == CLOSE

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        assert reason in (await stage.told.next(FlowClosed)).reason
    assert stage.told.rest() == []


@pytest.fixture
def short_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_client, "CLOSE_TIMEOUT", 0.05)


@pytest.mark.usefixtures("short_close")
async def test_a_peer_that_does_not_answer_the_close_is_cut_off() -> None:
    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        assert (await peer.frame()).opcode == CLOSE
        while await peer.reader.read(1000):
            pass

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        stage.transport.perform(CloseFlow("flow"))
        assert (await stage.told.next(FlowClosed)).reason == "closed by us"


async def test_a_peer_that_does_not_read_is_cut_off_with_a_reason() -> None:
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await ended.wait()

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        while not (told := stage.told.rest()):
            stage.transport.perform(Send("flow", b"x" * 60_000))
            await asyncio.sleep(0)  # what writes has its turn
        assert isinstance(told[0], FlowClosed)
        assert "too slow" in told[0].reason
        assert str(MAX_QUEUED) in told[0].reason
        ended.set()


@pytest.mark.usefixtures("short_close")
async def test_a_peer_that_does_not_read_does_not_hold_up_the_close() -> None:
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await ended.wait()

    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        handed_on = -1
        while handed_on < len(stage.traced):  # as long as the socket takes more
            handed_on = len(stage.traced)
            stage.transport.perform(Send("flow", b"x" * 60_000))
            for _ in range(3):
                await asyncio.sleep(0)  # what writes has its turns
        stage.transport.perform(CloseFlow("flow"))
        assert (await stage.told.next(FlowClosed)).reason == "closed by us"
        ended.set()


async def test_no_answer_in_time() -> None:
    async def script(peer: Peer) -> None:
        while await peer.reader.read(1000):
            pass

    async with Stage(script, timeout=0.05) as stage:
        failed = await stage.told.next(FlowFailed)
        assert failed.reason.endswith("did not answer within 0.05 s")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered HTTP 404 instead of opening a WebSocket"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "answered HTTP 302"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "answered HTTP 101"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "broke off the WebSocket handshake"),
        (b"", "broke off the WebSocket handshake"),
    ],
    ids=["404", "redirect", "no accept", "ssh", "hangs up"],
)
async def test_what_is_no_sip_server(answer: bytes, reason: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write(answer)
        if answer:
            while await peer.reader.read(1000):
                pass

    async with Stage(script) as stage:
        failed = await stage.told.next(FlowFailed)
        assert reason in failed.reason
        assert failed.reason.startswith("127.0.0.1:")
    assert stage.told.rest() == []


async def test_a_server_without_the_subprotocol_is_refused() -> None:
    async def script(peer: Peer) -> None:
        await peer.shake_hands(keep=b"Sec-WebSocket-Protocol")
        assert (await peer.frame()).opcode == CLOSE
        peer.writer.write(write_frame(CLOSE, b"\x03\xe8"))

    async with Stage(script) as stage:
        assert "no subprotocol sip" in (await stage.told.next(FlowFailed)).reason


async def test_a_server_that_was_there_is_not_doubted() -> None:
    """It broke off the handshake, but its URL is right: there is no hint at another one."""
    told = Inbox()
    transport = WebSocketTransport(told)
    listener = WebSocketListener("127.0.0.1", 0, lambda _: None)
    port = await listener.start()
    transport.perform(OpenFlow("flow", f"ws://127.0.0.1:{port}"))
    await told.next(FlowOpened)
    await listener.close()
    await told.next(FlowClosed)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    transport.perform(OpenFlow("again", f"ws://127.0.0.1:{port}"))
    reason = (await told.next(FlowFailed)).reason
    assert "broke off the WebSocket handshake" in reason and "?" not in reason
    await transport.close()
    server.close()
    await server.wait_closed()


async def test_ws_and_wss_mixed_up(certificate: SelfSigned) -> None:
    told = Inbox()
    plain = WebSocketListener("127.0.0.1", 0, lambda _: None)
    secure = WebSocketListener("127.0.0.1", 0, lambda _: None, ssl=certificate.context)
    transport = WebSocketTransport(told)
    transport.perform(OpenFlow("flow", f"wss://127.0.0.1:{await plain.start()}", timeout=0.2))
    assert "Is it a ws: port?" in (await told.next(FlowFailed)).reason
    transport.perform(OpenFlow("flow", f"ws://127.0.0.1:{await secure.start()}"))
    assert "Is it a wss: port?" in (await told.next(FlowFailed)).reason
    await transport.close()
    await plain.close()
    await secure.close()


async def test_a_bug_in_the_middle_is_told_as_the_end_of_the_flow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(peer: Peer) -> None:
        await peer.shake_hands()
        peer.writer.write(write_frame(TEXT, b"boom"))
        await peer.frame()

    def broken(data: bytes) -> bool:
        raise RuntimeError("a bug")

    monkeypatch.setattr(websocket_client, "is_keep_alive", broken)
    async with Stage(script) as stage:
        await stage.told.next(FlowOpened)
        await stage.told.next(FlowClosed)
    assert "a bug: flow flow failed" in caplog.text


def test_no_secret_of_a_url_is_told() -> None:
    assert server_of("ws://user:secret@example.org/path?token=secret") == "example.org:80"
    assert server_of("wss://[::1]/") == "[::1]:443"
    assert server_of("wss://example.org:7443") == "example.org:7443"


@pytest.mark.parametrize(
    ("data", "yes"), [(b"abc", True), ("ü☎".encode(), True), (b"\xfc", False), (b"\xed\xa0\x80", False)]
)
def test_utf8(data: bytes, yes: bool) -> None:
    assert is_utf8(data) is yes
