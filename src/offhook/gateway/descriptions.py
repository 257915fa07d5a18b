"""Session descriptions that pages make, as the far side gets them: one o= line for all of a call. Pure.

A page that is reloaded comes back with a new peer connection, whose descriptions know nothing of those before them; to
the far side they belong to one session (RFC 3264 §8). While no page is there, its last description stands in for it,
so that a call can be held, and a session refresh be answered, by a gateway that has no media of its own.
"""

from __future__ import annotations

from offhook.errors import RemoteError
from offhook.media.engine import Direction
from offhook.media.sdp import Session, answer_direction

_ORIGIN = "IN IP4 127.0.0.1"


class Descriptions:
    """Those of one media session. `sdp` is the last one that went out; empty before the first."""

    def __init__(self, session_id: int) -> None:
        self.sdp = ""
        self._id = session_id
        self._version = 0
        self._role: str | None = None
        """Of ours in the DTLS handshake, as agreed: `active` or `passive`."""
        self._before = ""

    @property
    def layout(self) -> tuple[str, ...]:
        """The kinds of the m= lines in their order, which a new peer connection has to keep (RFC 3264 §8)."""
        return tuple(media.type for media in Session.parse(self.sdp).media) if self.sdp else ()

    def sent(self, sdp: str) -> str:
        """What a page made, as it is to go out. Raises `ParseError`."""
        session = Session.parse(sdp)
        setup = next((media.setup for media in session.media if not media.rejected), None)
        if setup in ("active", "passive"):  # an answer; the answer to an offer settles it otherwise
            self._role = setup
        return self._settle(session)

    def answered(self, sdp: str) -> None:
        """The far side's answer to what was sent. Raises `ParseError`."""
        setup = next((media.setup for media in Session.parse(sdp).media if not media.rejected), None)
        if setup in ("active", "passive"):
            self._role = "passive" if setup == "active" else "active"
        self._before = ""

    def refused(self) -> None:
        """What was sent last is as if it had never been, but for its number."""
        if self._before:
            self.sdp, self._before = self._before, ""

    def offer(self, direction: Direction) -> str:
        """An offer without a page: as before, in that direction, and without video. There must be one to go by."""
        session = Session.parse(self.sdp)
        for media in session.media:
            if media.rejected:
                continue
            media.direction = direction if media.type == "audio" else Direction.INACTIVE
            media.set("setup", "actpass")
        return self._settle(session)

    def answer(self, offer: str, direction: Direction) -> str:
        """The same as an answer. Raises `ParseError` for an offer whose media lines are not those of this session."""
        theirs, session = Session.parse(offer), Session.parse(self.sdp)
        if [media.type for media in theirs.media] != [media.type for media in session.media]:
            raise RemoteError("the offer has other media than the session")
        for media, other in zip(session.media, theirs.media, strict=True):
            if media.rejected or other.rejected:
                media.port = 0
                continue
            wanted = direction if media.type == "audio" else Direction.INACTIVE
            media.direction = answer_direction(other.direction, wanted)
            media.set("setup", self._role or "passive")
        return self._settle(session)

    def _settle(self, session: Session) -> str:
        self._version += 1
        session.set_value("o", f"- {self._id} {self._version} {_ORIGIN}")
        self._before, self.sdp = self.sdp, str(session)
        return self.sdp
