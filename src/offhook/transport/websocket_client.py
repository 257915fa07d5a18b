"""SIP over WebSocket as client, `ws:` and `wss:` (RFC 7118).

What FreeSWITCH needs, found by trying: one frame a message, never fragments; each frame in a TLS record of its own (two
frames in one record, and the second is not read until more comes); no frame under nine octets right before another one,
so a ping carries a few; nothing over 64 KiB. Text frames are read as octets, since FreeSWITCH sends whatever a caller's
display name holds as text.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from asyncio.trsock import TransportSocket
from collections import deque
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
from aiohttp import ClientWSTimeout, WSMsgType

from offhook.errors import StateError
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowOpened,
    FlowOutput,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.transport.base import CLOSE_TIMEOUT, MAX_MESSAGE, MAX_QUEUED, Deliver, Trace, address, is_keep_alive
from offhook.transport.tls import client_tls, refusal

logger = logging.getLogger(__name__)

PING = b"offhook!"
FRAME_OVERHEAD = 64
"""What a queued frame counts beyond its octets, so that a flood of empty ones is bounded too."""

WebSocket = aiohttp.ClientWebSocketResponse[Literal[False]]


class WebSocketTransport:
    """Opens WebSocket flows. Made anywhere, used on one loop.

    `ca_file`: a PEM file; a server's certificate must then come from an authority in it (or be in it itself).
    `insecure_tls`: any certificate will do. Raises ConfigError where `ca_file` cannot be read.
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
        self._tls = client_tls(insecure_tls, ca_file)
        self._session: aiohttp.ClientSession | None = None
        self._flows: dict[str, _Flow] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.known: set[str] = set()
        """URLs under which there was a SIP server: if it cannot be reached, the URL is not what is wrong."""

    def perform(self, output: FlowOutput) -> None:
        """Take an output; see `FlowPort`."""
        if isinstance(output, OpenFlow):
            self._open(output)
            return
        flow = self._flows.get(output.flow)
        if flow is None:
            return
        if isinstance(output, Send):
            flow.send(output.data)
        elif isinstance(output, Probe):
            flow.probe()
        elif isinstance(output, CloseFlow):
            flow.close()

    async def close(self) -> None:
        """Close every flow; see `FlowPort`."""
        self._closed = True
        for flow in list(self._flows.values()):
            flow.close()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # the loop tells the last sockets that they are closed, and frees them

    def end(self, told: FlowFailed | FlowClosed) -> None:
        """Tell the end of a flow and forget it: the name is free again."""
        del self._flows[told.flow]
        self.deliver(told)

    def _open(self, output: OpenFlow) -> None:
        if self._closed:
            raise StateError("the transport is closed")
        if output.flow in self._flows:
            raise StateError(f"flow {output.flow} exists already")
        if self._session is None:
            # One session for all flows: no limit on connections, no cookies, and no time limit but the flow's own.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Offhook"},
                timeout=aiohttp.ClientTimeout(total=None),
                middlewares=(refuse_redirects,),
            )
        flow = _Flow(self, self._session, output)
        self._flows[output.flow] = flow
        task = asyncio.get_running_loop().create_task(flow.run(), name=f"flow {output.flow}")
        flow.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Flow:
    """One WebSocket: a task that opens it and reads, and one that writes."""

    task: asyncio.Task[None]

    def __init__(self, transport: WebSocketTransport, session: aiohttp.ClientSession, wanted: OpenFlow) -> None:
        self.name = wanted.flow
        self._transport = transport
        self._session = session
        self._wanted = wanted
        self._queue: deque[tuple[WSMsgType, bytes]] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._opened = False
        self._probing = False
        self._reason: str | None = None
        self._socket: TransportSocket | None = None
        self._cut: asyncio.TimerHandle | None = None

    def send(self, data: bytes) -> None:
        if len(data) > MAX_MESSAGE:
            logger.error("flow %s: %d octets are too many for a message, it is not sent", self.name, len(data))
            return
        self._put(WSMsgType.TEXT if is_utf8(data) else WSMsgType.BINARY, data)

    def probe(self) -> None:
        self._probing = True
        self._put(WSMsgType.PING, PING)

    def close(self) -> None:
        """End in good order: what is queued goes out first, then the closing handshake, all within CLOSE_TIMEOUT."""
        if not self._opened:
            self._fail("closed before it was open")
            self.task.cancel()
            return
        if self._cut is None:
            self._reason = self._reason or "closed by us"
            self._cut_later()
            self._queue.append((WSMsgType.CLOSE, b""))
            self._wake.set()

    def _put(self, kind: WSMsgType, data: bytes) -> None:
        if self._reason is not None or not self._opened:
            return
        self._queued += len(data) + FRAME_OVERHEAD
        if self._queued > MAX_QUEUED:
            self._reason = f"the peer is too slow: over {MAX_QUEUED} octets wait to be sent"
            self._queue.clear()
            self._cut_off()
            return
        self._queue.append((kind, data))
        self._wake.set()

    async def run(self) -> None:
        """Open the WebSocket, read until it ends, leave nothing behind."""
        deliver = self._transport.deliver
        try:
            websocket = await self._connect()
        except _Unreachable as failure:
            self._fail(str(failure))
            return
        except asyncio.CancelledError:
            self._fail("given up")
            raise
        except Exception as failure:  # broad: whatever it was, the owner is told that the flow failed, and the log why
            logger.exception("a bug: flow %s could not be opened", self.name)
            self._fail(f"internal error: {type(failure).__name__}")
            return
        self._opened = True
        self._transport.known.add(self._wanted.url)
        self._socket = websocket.get_extra_info("socket")
        local, remote = (address(websocket.get_extra_info(end)) for end in ("sockname", "peername"))
        deliver(FlowOpened(self.name, local, remote))
        writer = asyncio.get_running_loop().create_task(self._write(websocket), name=f"writer of flow {self.name}")
        reason = "the connection was lost"
        try:
            reason = await self._read(websocket)
        except Exception:  # broad: a bug ends this flow, in good order and with a line in the log, and no other one
            logger.exception("a bug: flow %s failed", self.name)
        finally:
            await self._end(websocket, writer)
            self._transport.end(FlowClosed(self.name, self._reason or reason))

    def _fail(self, reason: str) -> None:
        """Tell that the flow could not be opened, unless that was told."""
        if self._reason is None:
            self._reason = reason
            self._transport.end(FlowFailed(self.name, reason))

    async def _connect(self) -> WebSocket:
        """Open the WebSocket or raise _Unreachable with the sentence for FlowFailed."""
        where = server_of(self._wanted.url)
        doubtful = self._wanted.url not in self._transport.known
        try:
            async with asyncio.timeout(self._wanted.timeout):
                websocket = await self._session.ws_connect(
                    self._wanted.url,
                    protocols=("sip",),
                    timeout=ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                    autoclose=False,
                    autoping=False,
                    max_msg_size=MAX_MESSAGE + 1,
                    decode_text=False,
                )
        except TimeoutError:
            hint = ". Is it a ws: port?" if doubtful and self._wanted.url.startswith("wss:") else ""
            raise _Unreachable(f"{where} did not answer within {self._wanted.timeout:g} s{hint}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _Unreachable(explain(error, where, self._wanted.url if doubtful else "")) from error
        if websocket.protocol != "sip":
            # RFC 7118 §4.1: the answer MUST name the subprotocol. A server that does not is some other service: no
            # browser could use it for SIP either, and REGISTER after REGISTER would only run into its timeout.
            await websocket.close()
            raise _Unreachable(f"{where} speaks WebSocket but not SIP (no subprotocol sip). Check host, port and path")
        return websocket

    async def _read(self, websocket: WebSocket) -> str:
        """Tell what comes until the WebSocket ends; gives the reason."""
        deliver, trace = self._transport.deliver, self._transport.trace
        while True:
            message = await websocket.receive()
            if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                if trace is not None:
                    trace(self.name, False, message.data)
                if not is_keep_alive(message.data):
                    deliver(FlowReceived(self.name, message.data))
            elif message.type is WSMsgType.PING:
                self._put(WSMsgType.PONG, message.data)
            elif message.type is WSMsgType.PONG:
                # One pong may answer several pings (RFC 6455 §5.5.3), and one that answers none says nothing.
                if self._probing:
                    self._probing = False
                    deliver(FlowAlive(self.name))
            elif message.type is WSMsgType.CLOSE:
                return f"closed by the peer ({message.data or 'no code'}{message.extra and ' ' + message.extra})"
            elif message.type is WSMsgType.ERROR:
                return f"closed by us: the peer broke the protocol ({message.data})"
            else:
                return "the connection was lost"

    async def _write(self, websocket: WebSocket) -> None:
        """Send what is queued, in order; ends with a queued CLOSE, or with the connection (the reader tells)."""
        trace = self._transport.trace
        try:
            while True:
                while self._queue:
                    kind, data = self._queue.popleft()
                    self._queued -= len(data) + FRAME_OVERHEAD
                    if kind is WSMsgType.CLOSE:
                        await websocket.close()
                        return
                    if trace is not None and kind in (WSMsgType.TEXT, WSMsgType.BINARY):
                        trace(self.name, True, data)
                    await websocket.send_frame(data, kind)
                self._wake.clear()
                await self._wake.wait()
        except (aiohttp.ClientError, OSError):
            return
        except Exception:  # broad: nobody waits for this task; the flow is cut off, which its reader tells
            logger.exception("a bug: flow %s cannot write", self.name)
            self._cut_off()

    async def _end(self, websocket: WebSocket, writer: asyncio.Task[None]) -> None:
        """The reader is done: finish the closing handshake and leave nothing behind."""
        if self._cut is None:
            writer.cancel()
            self._cut_later()
        await asyncio.wait([writer])
        await websocket.close()
        self._cut_off()

    def _cut_later(self) -> None:
        self._cut = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._cut_off)

    def _cut_off(self) -> None:
        """End the connection now, whatever is still waiting in it.

        Closing it would wait for a peer that does not read; a shut down socket fails everything that waits.
        """
        if self._cut is not None:
            self._cut.cancel()
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone already


class _Unreachable(Exception):
    """The flow cannot be opened; the text is the sentence for its owner."""


async def refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """aiohttp would follow a redirect; a WebSocket client does not have to (RFC 6455 §4.1), and browsers do not."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.WSServerHandshakeError(response.request_info, response.history, status=response.status)
    return response


def server_of(url: str) -> str:
    """`host:port` of a ws or wss URL, for sentences: nothing else of a URL is told, it may hold secrets."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise _Unreachable("the URL of the server is no ws://HOST:PORT or wss://HOST:PORT")
        return address((parts.hostname, parts.port or {"ws": 80, "wss": 443}[parts.scheme]))
    except ValueError as error:
        raise _Unreachable(f"the URL of the server is wrong: {error}") from None


def explain(error: Exception, where: str, url: str) -> str:
    """Why a WebSocket could not be opened and, where there is one, the remedy. `url` empty: it is known to be right."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        detail = getattr(cause, "verify_message", "") or str(cause)
        return refusal(where, getattr(cause, "verify_code", 0), detail)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name of {where} cannot be resolved: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"no TLS with {where} ({getattr(error.os_error, 'reason', None) or error}). Is it a ws: port?"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return f"{where} cannot be reached: {os.strerror(number) if number else error.os_error}"
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"{where} answered HTTP {error.status} instead of opening a WebSocket {error.message}".rstrip()
    hint = ". Is it a wss: port?" if url.startswith("ws:") else ""
    return f"{where} broke off the WebSocket handshake ({type(error).__name__}){hint}"


def is_utf8(data: bytes) -> bool:
    """Whether the octets may go into a text frame (RFC 6455 §5.6)."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
