"""The WebSocket server: a bare socket sees of it what it sees of FreeSWITCH (contract: test_websocket_client)."""

from __future__ import annotations

import asyncio
import os
import ssl
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.errors import ConfigError
from offhook.sip.flow import CloseFlow, FlowAlive, FlowClosed, FlowOpened, FlowReceived, Probe, Send
from offhook.testing.contracts import Inbox
from offhook.transport import websocket_server
from offhook.transport.base import MAX_MESSAGE
from offhook.transport.websocket_server import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    WebSocketListener,
    answer_upgrade,
    read_frame,
    self_signed,
    write_frame,
    xor,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)
BAD = b"HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n\r\n"


def masked(opcode: int, payload: bytes, *, final: bool = True, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A frame as a client sends it."""
    frame = write_frame(opcode, xor(payload, (mask * (len(payload) // 4 + 1))[: len(payload)]))
    head = len(frame) - len(payload)
    return bytes([frame[0] & (0xFF if final else 0x7F), frame[1] | 0x80]) + frame[2:head] + mask + frame[head:]


class Raw:
    """A bare connection to a listener."""

    def __init__(self, told: Inbox, listener: WebSocketListener, port: int) -> None:
        self.told = told
        self.listener = listener
        self.port = port
        self.traced: list[tuple[str, bool, bytes]] = []

    async def connect(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def upgrade(self, headers: str = "Sec-WebSocket-Protocol: sip\r\n") -> str:
        await self.connect()
        self.writer.write(f"{UPGRADE}{headers}\r\n".encode())
        assert (await self.reader.readuntil(b"\r\n\r\n")).startswith(SWITCHING)
        return (await self.told.next(FlowOpened)).flow

    async def ends_with(self, last: bytes) -> None:
        """The rest of what comes until the connection ends."""
        assert await asyncio.wait_for(self.reader.read(), 5) == last
        self.writer.close()


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    told = Inbox()
    traced: list[tuple[str, bool, bytes]] = []
    listener = WebSocketListener("127.0.0.1", 0, told, trace=lambda *what: traced.append(what))
    raw = Raw(told, listener, await listener.start())
    raw.traced = traced
    yield raw
    await listener.close()
    if hasattr(raw, "writer"):
        raw.writer.close()


@pytest.mark.parametrize("asked", ["sip", "sip, foo", "foo"])
async def test_the_subprotocol_is_echoed_as_it_stands(raw: Raw, asked: str) -> None:
    await raw.connect()
    raw.writer.write(f"{UPGRADE}Sec-WebSocket-Protocol: {asked}\r\n\r\n".encode())
    expected = SWITCHING + f"Sec-WebSocket-Protocol: {asked}\r\n\r\n".encode()
    assert await raw.reader.readexactly(len(expected)) == expected


async def test_without_a_subprotocol_and_with_extensions(raw: Raw) -> None:
    await raw.connect()
    raw.writer.write(f"{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode())
    assert await raw.reader.readexactly(len(SWITCHING) + 2) == SWITCHING + b"\r\n"


async def test_the_handshake_may_come_in_pieces_and_with_the_first_message(raw: Raw) -> None:
    await raw.connect()
    request = f"{UPGRADE}\r\n".encode() + masked(TEXT, b"first") + masked(TEXT, b"second")
    for octet in request:
        raw.writer.write(bytes([octet]))
        await raw.writer.drain()
    await raw.told.next(FlowOpened)
    assert (await raw.told.next(FlowReceived)).data == b"first"
    assert (await raw.told.next(FlowReceived)).data == b"second"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n",
        f"{UPGRADE}\r\n".replace("GET", "POST").encode(),
        f"{UPGRADE}\r\n".replace(f"Sec-WebSocket-Key: {KEY}\r\n", "").encode(),
        b"\xff\xfe: \r\n\r\n",
        b"x" * 9000,
        f"{UPGRADE}X: {'x' * 9000}\r\n\r\n".encode(),
    ],
    ids=["http", "sip", "post", "no key", "rubbish", "endless", "too long"],
)
async def test_what_is_no_handshake_gets_400(raw: Raw, request_: bytes) -> None:
    await raw.connect()
    raw.writer.write(request_)
    await raw.ends_with(BAD)
    assert raw.told.rest() == []


async def test_silence_instead_of_a_handshake_ends_the_connection(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_server, "HANDSHAKE_TIMEOUT", 0.01)
    await raw.connect()
    await raw.ends_with(b"")
    assert raw.told.rest() == []


async def test_text_binary_and_unmasked_frames_are_taken(raw: Raw) -> None:
    flow = await raw.upgrade()
    raw.writer.write(masked(TEXT, b"text") + masked(BINARY, b"binary") + write_frame(TEXT, b"bare"))
    raw.writer.write(masked(TEXT, b"\r\n\r\n") + masked(TEXT, b"rubbish"))
    for data in (b"text", b"binary", b"bare", b"rubbish"):
        assert await raw.told.next(FlowReceived) == FlowReceived(flow, data)


async def test_it_sends_text_whatever_it_is(raw: Raw) -> None:
    flow = await raw.upgrade()
    raw.listener.perform(Send(flow, b"\xff"))
    assert await raw.reader.readexactly(3) == bytes([0x80 | TEXT, 1, 0xFF])


async def test_a_ping_gets_its_pong_and_a_probe_is_a_ping(raw: Raw) -> None:
    flow = await raw.upgrade()
    raw.writer.write(masked(PING, b"abc"))
    assert await raw.reader.readexactly(5) == b"\x8a\x03abc"
    raw.writer.write(masked(PONG, b"unasked"))
    raw.listener.perform(Probe(flow))
    ping = await raw.reader.readexactly(10)
    assert ping[0] == 0x80 | PING
    raw.writer.write(masked(PONG, ping[2:]) + masked(PONG, ping[2:]) + masked(TEXT, b"end"))
    await raw.told.next(FlowAlive)
    await raw.told.next(FlowReceived)


@pytest.mark.parametrize(
    ("frames", "answer", "reason"),
    [
        (masked(CLOSE, struct.pack("!H", 1001) + b"bye"), b"\x88\x02\x03\xe8", "closed by the peer"),
        (masked(TEXT, b"half", final=False), b"", "fragmented"),
        (masked(CONTINUATION, b"half"), b"", "fragmented"),
        (masked(TEXT, b""), b"", "empty"),
        (masked(3, b"?"), b"\x88\x02\x03\xea", "unknown frame"),
        (bytes([0x81, 0xFF]) + struct.pack("!Q", MAX_MESSAGE + 1), b"", "65535 octets"),
        (bytes([0x81, 0xFF]) + b"\xff" * 8, b"", "65535 octets"),
    ],
    ids=["close", "fragment", "continuation", "empty", "unknown", "too long", "far too long"],
)
async def test_what_ends_a_connection(raw: Raw, frames: bytes, answer: bytes, reason: str) -> None:
    flow = await raw.upgrade()
    raw.writer.write(frames + masked(TEXT, b"after it"))
    closed = await raw.told.next(FlowClosed)
    assert closed.flow == flow
    assert reason in closed.reason
    await raw.ends_with(answer)
    assert raw.told.rest() == []


async def test_a_lost_connection_is_told(raw: Raw) -> None:
    flow = await raw.upgrade()
    raw.writer.transport.abort()
    assert (await raw.told.next(FlowClosed)).flow == flow


async def test_a_peer_that_does_not_read_is_cut_off(raw: Raw) -> None:
    flow = await raw.upgrade()
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(1000):
        raw.listener.perform(Send(flow, b"x" * 60_000))
    assert "too slow" in (await raw.told.next(FlowClosed)).reason


async def test_a_peer_that_does_not_read_does_not_hold_up_the_close(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_server, "CLOSE_TIMEOUT", 0.05)
    flow = await raw.upgrade()
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    connection = raw.listener.flows[flow]
    while connection._transport.get_write_buffer_size() == 0:
        raw.listener.perform(Send(flow, b"x" * 60_000))
    raw.listener.perform(CloseFlow(flow))
    raw.listener.perform(Probe(flow))
    raw.listener.perform(Send(flow, b"too late"))
    assert (await raw.told.next(FlowClosed)).reason == "closed by us"


async def test_the_tap_sees_messages(raw: Raw) -> None:
    flow = await raw.upgrade()
    raw.writer.write(masked(TEXT, b"question"))
    await raw.told.next(FlowReceived)
    raw.listener.perform(Send(flow, b"answer"))
    assert raw.traced == [(flow, False, b"question"), (flow, True, b"answer")]


def test_the_answer_of_the_rfc() -> None:
    assert answer_upgrade(UPGRADE.rstrip().encode()) == SWITCHING + b"\r\n"


@given(st.binary(max_size=300))
def test_any_head_is_answered_or_refused(head: bytes) -> None:
    answer_upgrade(head)
    answer_upgrade(UPGRADE.encode() + head)


@given(st.binary(max_size=400))
def test_any_octets_are_a_frame_or_part_of_one_or_too_long(data: bytes) -> None:
    try:
        frame = read_frame(bytearray(data))
    except ValueError as error:
        assert str(MAX_MESSAGE) in str(error)
    else:
        assert frame is None or 2 <= frame.size <= len(data)


@given(st.sampled_from([TEXT, BINARY, PING]), st.binary(max_size=70_000), st.binary(min_size=4, max_size=4))
def test_frames_survive_the_wire(opcode: int, payload: bytes, mask: bytes) -> None:
    payload = payload[:MAX_MESSAGE]
    for data in (write_frame(opcode, payload), masked(opcode, payload, mask=mask)):
        assert read_frame(bytearray(data[:-1])) is None
        assert read_frame(bytearray(data + b"more")) == (True, opcode, payload, len(data))


def test_a_self_signed_certificate_names_what_it_is_for(tmp_path: Path) -> None:
    made = self_signed(["sip.example.org", "192.0.2.1"])
    file = tmp_path / "ca.pem"
    file.write_bytes(made.certificate)
    authorities = ssl.create_default_context(cafile=str(file)).get_ca_certs()
    assert len(authorities) == 1
    assert authorities[0]["subjectAltName"] == (("DNS", "sip.example.org"), ("IP Address", "192.0.2.1"))


def test_the_key_of_a_self_signed_certificate_is_left_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    self_signed()
    assert os.listdir(tmp_path) == []


def test_without_cryptography_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match=r"offhook\[media\]"):
        self_signed()


async def test_nothing_is_kept_of_what_comes_after_the_end(raw: Raw) -> None:
    await raw.connect()
    raw.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    (connection,) = [await _first(raw.listener.connections)]
    refused = await raw.reader.readuntil(b"\r\n\r\n")
    connection.data_received(bytes(100_000))
    assert len(connection._buffer) < 100 and refused.startswith(b"HTTP/1.1 400")
    await raw.ends_with(b"")


async def _first(connections: set[Any]) -> Any:
    while not connections:
        await asyncio.sleep(0)  # until the loop has accepted it
    return next(iter(connections))
