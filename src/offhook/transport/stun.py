"""STUN, as far as SIP over UDP needs it: Binding requests that keep a flow alive, and their answers (RFC 5389)."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable

Peer = tuple[str, int] | tuple[str, int, int, int]
"""A socket address, as the socket gives it."""

PROBE_TIMES = (0.5, 1.5, 3.5)
"""Seconds after which an unanswered STUN request is sent again (RFC 5389 7.2.1)."""

BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0101, 0x0111
XOR_MAPPED_ADDRESS = 0x0020
MAGIC_COOKIE = 0x2112A442


class Prober:
    """STUN with one peer: Binding requests of ours until one is answered, and answers to those of the peer.

    `put` sends octets to that peer.
    """

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._id = b""
        self._timers: list[asyncio.TimerHandle] = []

    def start(self) -> None:
        """Ask, again and again if need be."""
        self.stop()
        self._id = secrets.token_bytes(12)
        request = struct.pack("!HHI", BINDING_REQUEST, 0, MAGIC_COOKIE) + self._id
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(at, self._put, request) for at in PROBE_TIMES]
        self._put(request)

    def stop(self) -> None:
        """Wait for no answer any more."""
        self._id = b""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def receive(self, data: bytes, peer: Peer) -> bytes | None:
        """A STUN message. The answer to our request gives the mapped address in it, empty where there is none."""
        kind, _, _ = struct.unpack_from("!HHI", data)
        if kind == BINDING_REQUEST:
            self._put(binding_success(data[8:20], peer))
        elif kind in (BINDING_SUCCESS, BINDING_ERROR) and self._id and data[8:20] == self._id:
            self.stop()
            return mapped_address(data)
        return None


def is_stun(data: bytes) -> bool:
    """Whether that is STUN; no SIP message begins so (RFC 5626 8)."""
    if len(data) < 20 or data[0] > 1:
        return False
    _, length, cookie = struct.unpack_from("!HHI", data)
    return bool(cookie == MAGIC_COOKIE and length == len(data) - 20)


def binding_success(id: bytes, peer: Peer) -> bytes:
    """The answer to a Binding request: by which address we see the peer (RFC 5389 15.2)."""
    host, port = peer[0].partition("%")[0], peer[1]
    family, packed = (2, socket.inet_pton(socket.AF_INET6, host)) if ":" in host else (1, socket.inet_aton(host))
    pad = (struct.pack("!I", MAGIC_COOKIE) + id)[: len(packed)]
    masked = bytes(one ^ other for one, other in zip(packed, pad, strict=True))
    value = struct.pack("!BBH", 0, family, port ^ (MAGIC_COOKIE >> 16)) + masked
    attribute = struct.pack("!HH", XOR_MAPPED_ADDRESS, len(value)) + value
    return struct.pack("!HHI", BINDING_SUCCESS, len(attribute), MAGIC_COOKIE) + id + attribute


def mapped_address(data: bytes) -> bytes:
    """The XOR-MAPPED-ADDRESS of a STUN message as it stands there; empty where there is none."""
    at = 20
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        if kind == XOR_MAPPED_ADDRESS:
            value = data[at + 4 : at + 4 + length]
            # For IPv6 the id of the message is mixed in: what is compared must not depend on it.
            pad = bytes(4) + data[4:20]
            return bytes(one ^ other for one, other in zip(value, pad[: len(value)], strict=False))
        at += 4 + (length + 3) // 4 * 4
    return b""
