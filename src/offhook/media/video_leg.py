"""The video of one media session: its streams, and its transport, or the audio's where the other side bundles.

BUNDLE is RFC 9143. FreeSWITCH never does, and so we do not of our own accord.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from offhook.media.description import LocalEnd
from offhook.media.engine import Direction
from offhook.media.link import Link, local_end
from offhook.media.negotiation import RemoteEnd, Role, VideoAgreement, VideoWish
from offhook.media.rtp import is_rtcp
from offhook.media.video import Studio, VideoStreams
from offhook.media.webrtc import SecureTransport

logger = logging.getLogger(__name__)

Deliver = Callable[[bytes, float], None]


class VideoLeg:
    """Exists from the first wish for video until it is refused or the session ends. That its path is lost ends nothing:
    the next offer has a new one."""

    def __init__(
        self,
        media: str,
        studio: Studio,
        make: Callable[[Deliver, bool, bool, Callable[[str], None]], SecureTransport],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        cname: str,
        stream: str,
    ) -> None:
        seed = (secrets.randbits(32), secrets.randbits(15), secrets.randbits(32))
        self.streams = VideoStreams(media, studio, cname, seed)
        self.bundled = False
        """As it was agreed: it goes over the audio's transport, which is not ours to connect or to close."""
        self._media = media
        self._cname, self._stream = cname, stream
        self._link = Link(partial(make, self.streams.receive), up=self.streams.use, down=self._lost, spawn=spawn)

    @property
    def good(self) -> bool:
        """What is agreed goes on. A bundled one needs nothing of its own for that."""
        return self.bundled or self._link.good

    def bundle(self, transport: SecureTransport, direction: Direction, role: Role | None = None) -> VideoWish:
        """To offer, or (with the audio's `role`) to answer, on the audio's transport."""
        return VideoWish(self._local(transport), direction, role)

    def share(self, transport: SecureTransport) -> None:
        """The audio's transport is connected."""
        if self.bundled and self.streams.transport is not transport:
            self.streams.use(transport)

    def receive(self, data: bytes, arrival: float) -> bool:
        """A packet of the audio's transport; whether it was none of the audio's. Video is told by its payload type
        (RFC 9143 §9.2); RTCP may concern both."""
        agreement = self.streams.agreement
        if not self.bundled or agreement is None:
            return False
        told = is_rtcp(data)
        video = not told and data[1] & 0x7F in agreement.receive
        if told or video:
            self.streams.receive(data, arrival)
        return video

    async def to_offer(self, direction: Direction) -> VideoWish:
        return VideoWish(self._local(await self._link.for_offer()), direction)

    async def to_answer(self, remote: RemoteEnd, direction: Direction, role: Callable[[RemoteEnd], Role]) -> VideoWish:
        transport = await self._link.for_answer(remote)
        return VideoWish(self._local(transport), direction, transport.role or role(remote))

    async def agreed(self, agreement: VideoAgreement | None, role: Callable[[RemoteEnd], Role]) -> None:
        """What came of offer and answer. Refused: the transport is kept, as a later answer to the same offer may take
        it."""
        self.streams.configure(agreement)
        if agreement is None:
            return
        if self.bundled and not agreement.bundled:
            self.streams.transport = None  # until its own is connected
        self.bundled = agreement.bundled
        if self.bundled:
            await self._link.close()
        else:
            await self._link.connect(agreement.remote, role(agreement.remote))

    def rollback(self) -> None:
        self._link.rollback()

    async def close(self) -> None:
        await self.streams.close()
        await self._link.close()

    def _local(self, transport: SecureTransport) -> LocalEnd:
        return local_end(transport, ssrc=self.streams.ssrc, cname=self._cname, stream=self._stream)

    def _lost(self, reason: str) -> None:
        logger.warning("the path of the video of %s is gone: %s", self._media, reason)
