"""The transports of one media session: the one that audio passes, and the one that is to take its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from offhook.errors import MediaError
from offhook.media.description import LocalEnd
from offhook.media.negotiation import RemoteEnd
from offhook.media.webrtc import Role, SecureTransport

_GOODBYE_SECONDS = 1.0
"""How long after the far side has ended DTLS the loss is told: its BYE is mostly on the way, and then it is none."""


def local_end(transport: SecureTransport, *, ssrc: int, cname: str, stream: str) -> LocalEnd:
    """What a description tells of a transport and the stream on it."""
    address, port = transport.address
    return LocalEnd(
        address=address,
        port=port,
        candidates=transport.candidates,
        ufrag=transport.ufrag,
        password=transport.password,
        fingerprint=transport.fingerprint,
        ssrc=ssrc,
        cname=cname,
        stream=stream,
    )


class Link:
    """`made` is the transport that our last description tells of; `live` the one in use. They differ while a new one is
    being connected: the old one carries the audio until then.

    `make(controlling, anew, lost)` gives one; `anew`: with a certificate of its own, whatever others have.
    `up(transport)` is called when a transport is connected, `down(reason)` when the live one is lost or the made one
    cannot be connected.
    """

    def __init__(
        self,
        make: Callable[[bool, bool, Callable[[str], None]], SecureTransport],
        *,
        up: Callable[[SecureTransport], None],
        down: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.made: SecureTransport | None = None
        self.live: SecureTransport | None = None
        self._make = make
        self._up = up
        self._down = down
        self._spawn = spawn
        self._connecting: asyncio.Task[None] | None = None
        self._goodbye: asyncio.TimerHandle | None = None

    @property
    def good(self) -> bool:
        """It is connected, or may yet be."""
        return self.made is not None and (self.made.connected or self._connecting is not None)

    async def for_offer(self) -> SecureTransport:
        """The transport to offer: the one there is, if it is any good, else a new one."""
        made = self.made
        if made is not None and (made.connected or made.remote is None or self._connecting is not None):
            return made
        return await self._new(controlling=True)

    async def for_answer(self, remote: RemoteEnd) -> SecureTransport:
        """The transport to answer with: the one there is, if it is to that far side, else a new one (ICE restart)."""
        made = self.made
        if made is not None and remote.same_transport(made.remote) and (made.connected or self._connecting is not None):
            return made
        # An ICE restart of the same far side: only another fingerprint makes it begin DTLS anew (RFC 8842 §4).
        before = None if made is None else made.remote
        anew = before is not None and before.fingerprints == remote.fingerprints
        return await self._new(controlling=False, anew=anew)

    async def connect(self, remote: RemoteEnd, role: Role) -> None:
        """Begin to connect the made transport; nothing, if it is to that far side already."""
        made = self.made
        if made is None or (remote.same_transport(made.remote) and (made.connected or self._connecting is not None)):
            return
        await self._stop_connecting()
        self._connecting = asyncio.get_running_loop().create_task(self._connect(made, remote, role), name="media link")

    def rollback(self) -> None:
        """The made transport will not be used; go on with the live one."""
        if self.made is not self.live and self.live is not None and self.made is not None:
            self._spawn(self.made.close())
            self.made = self.live

    async def close(self) -> None:
        if self._goodbye is not None:
            self._goodbye.cancel()
        await self._stop_connecting()
        made, live, self.made, self.live = self.made, self.live, None, None
        for transport in {made, live} - {None}:
            if transport is not None:
                await transport.close()

    async def _new(self, *, controlling: bool, anew: bool = False) -> SecureTransport:
        await self._stop_connecting()
        if self.made is not None and self.made is not self.live:
            self._spawn(self.made.close())
        self.made = None
        transport = self._make(controlling, anew, self._lost)
        try:
            await transport.gather()
        except BaseException:
            self._spawn(transport.close())
            raise
        self.made = transport
        return transport

    async def _connect(self, transport: SecureTransport, remote: RemoteEnd, role: Role) -> None:
        try:
            await transport.connect(remote, role)
        except (MediaError, OSError) as error:
            self._connecting = None
            self._down(str(error))
            return
        self._connecting = None
        before, self.live = self.live, transport
        if before is not None and before is not transport:
            self._spawn(before.close())
        if self._goodbye is not None:
            self._goodbye.cancel()
        self._up(transport)

    async def _stop_connecting(self) -> None:
        task, self._connecting = self._connecting, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _lost(self, reason: str) -> None:
        if self.live is not None and not self.live.connected and not self.live.closed:
            self._goodbye = asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, self._down, reason)
