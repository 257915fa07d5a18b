"""One WebSocket of a desk: texts in, texts out, a bound on what waits for a slow reader."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web

logger = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""Characters that may wait for a desk; a full history of 1,000 events of a busy agent is below that."""
MAX_QUEUED_TEXTS = 10_000
HEARTBEAT = 20.0
"""Seconds of silence after which a desk is pinged; half as long without an answer, and it is gone."""
CLOSE_TIMEOUT = 2.0
"""Seconds for the last texts and the closing handshake; then the connection is cut off."""


def new_socket(max_message: int) -> web.WebSocketResponse:
    """A socket as desks get it. Compression stays off: texts are small and it costs 300 KiB a connection."""
    return web.WebSocketResponse(heartbeat=HEARTBEAT, timeout=CLOSE_TIMEOUT, compress=False, max_msg_size=max_message)


class Connection:
    """A desk's WebSocket that has been upgraded; `run` ends with it."""

    def __init__(self, socket: web.WebSocketResponse, cut_off: Callable[[], None]) -> None:
        self._socket = socket
        self._cut_off = cut_off
        self._queue: deque[str] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._cut: asyncio.TimerHandle | None = None

    def tell(self, text: str) -> None:
        """Send a text, after those before it. A desk that lets too much pile up is closed."""
        if self._closing is not None:
            return
        self._queued += len(text)
        if self._queued > MAX_QUEUED_BYTES or len(self._queue) >= MAX_QUEUED_TEXTS:
            self._queue.clear()
            self.close(WSCloseCode.POLICY_VIOLATION, "too slow: too much waits to be read")
            return
        self._queue.append(text)
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, close in good order, and cut off what does not follow."""
        if self._closing is None:
            self._closing = (code, reason)
            self._cut = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._cut_off)
            self._wake.set()

    async def run(self, receive: Callable[[str], None]) -> None:
        """Hand on every text until the connection ends, from either side."""
        writer = asyncio.get_running_loop().create_task(self._write(), name="writer of a desk's connection")
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    receive(message.data)
                elif message.type is WSMsgType.BINARY:
                    self.close(WSCloseCode.UNSUPPORTED_DATA, "send text frames")
        except asyncio.CancelledError:
            self._cut_off()
            raise
        finally:
            if self._closing is None:
                writer.cancel()
            await asyncio.wait([writer])
            if self._cut is not None:
                self._cut.cancel()
            if not self._socket.closed:
                self._cut_off()

    async def _write(self) -> None:
        try:
            while True:
                while self._queue:
                    text = self._queue.popleft()
                    await self._socket.send_str(text)
                    self._queued -= len(text)
                if self._closing is not None:
                    code, reason = self._closing
                    await self._socket.close(code=code, message=reason.encode()[:120], drain=True)
                    return
                self._wake.clear()
                await self._wake.wait()
        except ConnectionError:
            logger.debug("= a desk is gone while it was written to")
