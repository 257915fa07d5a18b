"""One call of a handset as it stands, and the line that a handset is on: plain data."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offhook.sip.events import SessionEnded
from offhook.sip.message import Request, Response

if TYPE_CHECKING:
    from offhook.media.engine import Frame

LISTENED_FRAMES = 40
"""20 ms each: so many are listened to, to say what is heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Where a handset connects. `password` empty and `stranger`: it registers nowhere and proves nothing."""

    servers: tuple[str, ...]
    domain: str
    user: str
    password: str = field(default="", repr=False)
    hz: float = 440.0
    """The tone that it sends."""
    insecure_tls: bool = False
    ca_file: str | None = None
    realm: str | None = None
    stranger: bool = False


@dataclass(slots=True, eq=False)
class Leg:
    """One call of a handset."""

    session: str
    request: Request | None = None
    """The INVITE, of a call that came in."""
    offer: str | None = field(default=None, repr=False)
    call_id: str = field(default="", repr=False)
    progress: list[Response] = field(default_factory=list)
    response: Response | None = None
    """The 2xx, of a call that we made."""
    up: bool = False
    end: SessionEnded | None = None
    fault: str = ""
    """What the media engine could not do."""
    frames: deque[Frame] = field(default_factory=lambda: deque(maxlen=LISTENED_FRAMES), repr=False)
    heard: int = 0
    """Frames that came."""

    @property
    def refusal(self) -> str:
        """How the call ended, in words: `404 Not Found (NO_CALL)`, `BYE`, `no answer`."""
        if self.end is None:
            return "no answer"
        reasons = [reason.text for reason in self.end.reasons if reason.text and reason.text != self.end.phrase]
        what = f"{self.end.status} {self.end.phrase or ''}".strip() if self.end.status else self.end.end.value.upper()
        return f"{what} ({', '.join(reasons)})" if reasons else what

    @property
    def status(self) -> int:
        """The final answer to the INVITE; 0 while there is none."""
        return (self.end.status or 0) if self.end is not None and not self.up else 200 if self.up else 0
