"""SIP over WebSocket as server (RFC 7118), as FreeSWITCH is one: for the development switch and for tests.

Written on bare asyncio and not on aiohttp, because it has to be as peculiar as the WebSocket server of FreeSWITCH
(measured, 1.11.1): any path, whatever subprotocol is asked for is echoed as it stands, no compression, text frames
only, a ping gets its pong, line ends and rubbish are passed over, a fragmented or an empty message ends the TCP
connection, an idle connection stays. aiohttp puts fragments together before anybody can see them. And the client, which
is made of aiohttp, is tested here against other code than its own.

FreeSWITCH does put fragments together where all are there at once; where they are not, it blocks and hangs up. Here any
fragment ends the connection, so that a client that sends some is found out.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import ipaddress
import logging
import ssl
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from offhook.errors import ConfigError
from offhook.sip.flow import CloseFlow, FlowAlive, FlowClosed, FlowOpened, FlowReceived, Probe, Send
from offhook.transport.base import CLOSE_TIMEOUT, MAX_MESSAGE, MAX_QUEUED, address, is_keep_alive
from offhook.transport.listening import HANDSHAKE_TIMEOUT, TcpListener

logger = logging.getLogger(__name__)

ACCEPT_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 §1.3."""

MAX_HANDSHAKE = 8192

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, PROTOCOL_ERROR = 1000, 1002

REFUSED = b"HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n\r\n"


class WebSocketListener(TcpListener["_Connection"]):
    """Accepts WebSocket flows, `ws:` and `wss:`; see `TcpListener`."""

    schemes = ("ws", "wss")

    def _accept(self) -> _Connection:
        return _Connection(self)


class Frame(NamedTuple):
    """One WebSocket frame, unmasked, and how many octets it took."""

    final: bool
    opcode: int
    payload: bytes
    size: int


class _Connection(asyncio.Protocol):
    """One TCP connection: first the HTTP upgrade, then frames."""

    def __init__(self, listener: WebSocketListener) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self._listener = listener
        self._buffer = bytearray()
        self._flow = ""
        self._reason = ""
        self._probing = False
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_TIMEOUT, self._transport.abort)
        self._listener.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._listener.connections.discard(self)
        self.lost.set_result(None)
        if self._flow:
            del self._listener.flows[self._flow]
            self._listener.deliver(FlowClosed(self._flow, self._reason or "the connection was lost"))

    def data_received(self, data: bytes) -> None:
        if self._reason:
            return  # it is ending: nothing more is read, and nothing kept
        self._buffer += data
        if not self._flow:
            self._shake_hands()
        while self._flow and not self._reason:
            try:
                frame = read_frame(self._buffer)
            except ValueError as error:
                self.close(f"closed by us: {error}", None)
                return
            if frame is None:
                return
            del self._buffer[: frame.size]
            self._handle(frame)

    def perform(self, output: Send | Probe | CloseFlow) -> None:
        """Take an output for this flow."""
        if isinstance(output, Send):
            self._send(output.data)
        elif isinstance(output, CloseFlow):
            self.close("closed by us")
        elif not self._reason:
            self._probing = True
            self._write(PING, b"offhook!")

    def _send(self, data: bytes) -> None:
        if self._reason:
            return
        if len(data) > MAX_MESSAGE:
            logger.error("flow %s: %d octets are too many for a message, it is not sent", self._flow, len(data))
            return
        if self._listener.trace is not None:
            self._listener.trace(self._flow, True, data)
        self._write(TEXT, data)

    def close(self, reason: str, code: int | None = NORMAL) -> None:
        """End the connection, with a close frame if there is a code for it; what was sent goes out first."""
        if self._reason:
            return
        if self._flow and code is not None:
            self._write(CLOSE, struct.pack("!H", code))
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self._reason:
            return
        self._reason = reason
        self._transport.close()
        # Closing waits until the peer has taken what is queued, which it may never do.
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _shake_hands(self) -> None:
        """Answer the HTTP request once it is complete."""
        head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end and len(head) <= MAX_HANDSHAKE:
            return
        answer = answer_upgrade(head) if end and len(head) <= MAX_HANDSHAKE else None
        self._transport.write(answer or REFUSED)
        if answer is None:
            self._end("no WebSocket handshake")
            return
        self._timer.cancel()
        self._buffer = bytearray(rest)
        self._flow = self._listener.name_flow()
        self._listener.connections.discard(self)
        self._listener.flows[self._flow] = self
        local, remote = (address(self._transport.get_extra_info(end)) for end in ("sockname", "peername"))
        self._listener.deliver(FlowOpened(self._flow, local, remote))

    def _handle(self, frame: Frame) -> None:
        """Do what FreeSWITCH does with that frame."""
        deliver = self._listener.deliver
        if frame.opcode == PING:
            self._write(PONG, frame.payload)
        elif frame.opcode == PONG:
            if self._probing:
                self._probing = False
                deliver(FlowAlive(self._flow))
        elif frame.opcode == CLOSE:
            self.close("closed by the peer")
        elif frame.opcode not in (CONTINUATION, TEXT, BINARY):
            self.close("closed by us: unknown frame", PROTOCOL_ERROR)
        elif not frame.final or frame.opcode == CONTINUATION:
            self.close("closed by us: fragmented message", None)
        elif not frame.payload:
            self.close("closed by us: empty message", None)
        else:
            if self._listener.trace is not None:
                self._listener.trace(self._flow, False, frame.payload)
            if not is_keep_alive(frame.payload):
                deliver(FlowReceived(self._flow, frame.payload))

    def _write(self, opcode: int, payload: bytes) -> None:
        if self._transport.get_write_buffer_size() + len(payload) > MAX_QUEUED:
            self._reason = f"the peer is too slow: over {MAX_QUEUED} octets wait to be sent"
            self._transport.abort()
            return
        self._transport.write(write_frame(opcode, payload))


def answer_upgrade(head: bytes) -> bytes | None:
    """The 101 for that HTTP request, spelled as FreeSWITCH spells it, or None where it asks for no WebSocket."""
    lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    key = headers.get("sec-websocket-key", "")
    wants = headers.get("upgrade", "").lower() == "websocket" and "upgrade" in headers.get("connection", "").lower()
    if not lines[0].startswith("GET ") or not wants or not key:
        return None
    accept = base64.b64encode(hashlib.sha1(key.encode("latin-1") + ACCEPT_KEY, usedforsecurity=False).digest())
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    answer += b"Sec-WebSocket-Accept: " + accept + b"\r\n"
    if protocol := headers.get("sec-websocket-protocol"):
        answer += b"Sec-WebSocket-Protocol: " + protocol.encode("latin-1") + b"\r\n"
    return answer + b"\r\n"


def read_frame(buffer: bytearray) -> Frame | None:
    """The first frame in the buffer, None where it is not complete; ValueError where it is longer than a message.

    Reserved bits and unmasked frames are let pass, as FreeSWITCH does.
    """
    if len(buffer) < 2:
        return None
    length = buffer[1] & 0x7F
    masked = bool(buffer[1] & 0x80)
    start = 2
    if length >= 126:
        start = 4 if length == 126 else 10
        if len(buffer) < start:
            return None
        length = int.from_bytes(buffer[2:start])
    if length > MAX_MESSAGE:
        raise ValueError(f"a message of over {MAX_MESSAGE} octets")
    end = start + 4 * masked + length
    if len(buffer) < end:
        return None
    payload = bytes(buffer[end - length : end])
    if masked:
        mask = bytes(buffer[start : start + 4])
        payload = xor(payload, (mask * (length // 4 + 1))[:length])
    return Frame(bool(buffer[0] & 0x80), buffer[0] & 0x0F, payload, end)


def xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


def write_frame(opcode: int, payload: bytes) -> bytes:
    """One unfragmented, unmasked frame."""
    if len(payload) < 126:
        head = struct.pack("!BB", 0x80 | opcode, len(payload))
    else:
        head = struct.pack("!BBH", 0x80 | opcode, 126, len(payload))
    return head + payload


@dataclass(frozen=True, slots=True)
class SelfSigned:
    """A certificate made just now, and the TLS context of a server that shows it; its key is nowhere else."""

    context: ssl.SSLContext
    certificate: bytes
    """PEM; a client that is given it as its authority accepts the server."""


def self_signed(names: Sequence[str] = ("localhost", "127.0.0.1", "::1"), days: int = 30) -> SelfSigned:
    """Make a certificate for those host names and addresses. Raises ConfigError where `cryptography` is missing."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
    except ImportError as error:
        remedy = "Install offhook[media], or do without wss:"
        raise ConfigError("wss", "a certificate cannot be made without cryptography", remedy) from error

    def host_name(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([*map(host_name, names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # load_cert_chain takes nothing but files; the folder is ours alone
        file = Path(folder) / "server.pem"
        file.write_bytes(pem + secret)
        context.load_cert_chain(file)
    return SelfSigned(context, pem)
