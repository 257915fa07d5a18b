"""The protocol of a media engine: what a controller asks of it and what it tells, as messages.

A media session is named by its owner (`media`). Requests that have an outcome carry an `id`; the outcome repeats it. An
engine answers each such request exactly once: with its outcome or with `EngineFailed`. A request for a media session
that the engine does not know is answered `EngineFailed` code `unknown-media`. Late outcomes are the owner's to drop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # the types alone: the null engine must do without numpy
    import numpy as np
    import numpy.typing as npt

    Frame = npt.NDArray[np.int16]


class Direction(Enum):
    """Direction of a stream as the local side means it (RFC 3264 §5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


VideoKind = Literal["camera", "screen"]
"""What is shown, where the media session sends video and there is a choice."""


# What a media session sends and where that which it receives goes


@dataclass(frozen=True, slots=True)
class Silence:
    """Send silence."""


@dataclass(frozen=True, slots=True)
class Tone:
    """Send a sine tone of `hz` (and a second one, for dual tones), `level` in dBov."""

    hz: float
    second_hz: float | None = None
    level: float = -18.0


@dataclass(frozen=True, slots=True)
class WavFile:
    """Send a WAV file (16 bit PCM, any rate, mono or stereo); looped unless told otherwise."""

    path: str
    loop: bool = True


@dataclass(frozen=True, slots=True)
class Frames:
    """Send what a Python callable or async iterator gives: 20 ms frames at `rate`.

    The callable gets the number of the frame and returns samples (int16 numpy array of rate/50 values), or None for
    silence.
    """

    source: Callable[[int], Frame | None] | AsyncIterator[Frame]
    rate: int = 16000


@dataclass(frozen=True, slots=True)
class Echo:
    """Send back what is received; video too."""


@dataclass(frozen=True, slots=True)
class FromPeer:
    """Send what another media session of this engine receives: a bridge, one way. Video too, where both have it."""

    media: str


MAX_MIXED = 32
"""Sessions that one mix takes at most; of those named beyond them nothing is heard."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Send the sum of what other media sessions of this engine receive, clipped: what one member of a conference hears.

    A session that receives nothing, or that is not there (yet, or any more), adds nothing; neither does the session
    itself, nor a name the second time. Whoever stays in the mix is heard without a break when the source is changed
    to another `Mix`.
    """

    peers: tuple[str, ...]


Source = Silence | Tone | WavFile | Frames | Echo | FromPeer | Mix


@dataclass(frozen=True, slots=True)
class NoSink:
    """Drop what is received."""


@dataclass(frozen=True, slots=True)
class WavSink:
    """Write what is received to a WAV file (mono, 16 bit, 16 kHz)."""

    path: str


@dataclass(frozen=True, slots=True)
class FrameSink:
    """Hand every received 20 ms frame to a callable, at `rate`, on the engine's loop."""

    sink: Callable[[Frame], None]
    rate: int = 16000


Sink = NoSink | WavSink | FrameSink


# Requests


@dataclass(frozen=True, slots=True)
class CreateOffer:
    """Make an offer; creates the media session if it is new. Outcome: OfferCreated.

    `follows`: the media session whose place a new one is to take. It sends what that one sends; what it receives goes
    where that of the other went, as soon as the other is closed.

    `video`: the direction wished for video; None: none is wanted (where there is some already, it is offered as
    inactive). Fails with `unsupported` in an engine without video.
    """

    id: str
    media: str
    direction: Direction = Direction.SENDRECV
    video: Direction | None = None
    kind: VideoKind = "camera"
    follows: str = ""


@dataclass(frozen=True, slots=True)
class CreateAnswer:
    """Answer a remote offer; creates the media session if it is new. Outcome: AnswerCreated.

    `direction` is what the local side wishes; the answer is cut down to what the offer allows. So is `video`; None:
    video is refused or, where there is some already, made inactive. It is no failure if the offer has no video. Any
    wish fails with `unsupported` in an engine without video.
    """

    id: str
    media: str
    offer: str = field(repr=False)
    direction: Direction = Direction.SENDRECV
    video: Direction | None = None
    kind: VideoKind = "camera"


@dataclass(frozen=True, slots=True)
class ApplyAnswer:
    """The remote answer to the last offer (also a provisional one, 183). Outcome: AnswerApplied."""

    id: str
    media: str
    answer: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rollback:
    """The last offer was refused: go on as before it. No outcome."""

    media: str


@dataclass(frozen=True, slots=True)
class SetMuted:
    """Send silence instead of the source (or no longer). No outcome."""

    media: str
    muted: bool


@dataclass(frozen=True, slots=True)
class SetSource:
    """Change what is sent. May come before the media session exists: it is then used from its start. No outcome."""

    media: str
    source: Source


@dataclass(frozen=True, slots=True)
class SetSink:
    """Change where received audio goes; as SetSource. No outcome."""

    media: str
    sink: Sink


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Send digits (0-9 A-D * #) as telephone-events (RFC 4733). Outcome: DigitsSent after the last one has gone out."""

    id: str
    media: str
    digits: str = field(repr=False)
    duration_ms: int = 160
    gap_ms: int = 100


@dataclass(frozen=True, slots=True)
class GetStats:
    """Outcome: Stats."""

    id: str
    media: str


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """End the media session and free all it holds. No outcome; requests under way fail with code `closed`."""

    media: str


EngineRequest = (
    CreateOffer
    | CreateAnswer
    | ApplyAnswer
    | Rollback
    | SetMuted
    | SetSource
    | SetSink
    | SendDigits
    | GetStats
    | CloseMedia
)


# Events


@dataclass(frozen=True, slots=True)
class OfferCreated:
    id: str
    media: str
    sdp: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnswerCreated:
    id: str
    media: str
    sdp: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnswerApplied:
    id: str
    media: str


@dataclass(frozen=True, slots=True)
class DigitsSent:
    id: str
    media: str


@dataclass(frozen=True, slots=True)
class AudioStats:
    """Statistics of one audio stream, both ways; None where a value was not measured.

    Times are milliseconds, levels dBov (0 loudest, -127 digital silence), mos 1.0 to 4.5 (ITU-T G.107 estimate of what
    is received).
    """

    codec: str | None = None
    packets_sent: int | None = None
    packets_received: int | None = None
    packets_lost: int | None = None
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    mos: float | None = None
    level_in_db: float | None = None
    level_out_db: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStats:
    """Statistics of one video stream, both ways. Frames received are those that could be decoded; `width` and `height`
    are of the last of them. `direction` is what was agreed on, `connected` whether ICE and DTLS of the video are up.
    Dropped frames, and how often and how long the picture stood still, are None where the engine shows nobody anything.
    """

    codec: str
    direction: Direction
    connected: bool
    frames_sent: int = 0
    key_frames_sent: int = 0
    frames_received: int = 0
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    key_frames_asked: int = 0
    width: int | None = None
    height: int | None = None
    frames_dropped: int | None = None
    freezes: int | None = None
    frozen_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """`video` is None while none is agreed on."""

    id: str
    media: str
    audio: AudioStats
    video: VideoStats | None = None


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """A request failed. `code` is stable (`unknown-media`, `bad-sdp`, `no-common-codec`, `closed`, `timeout`,
    `unsupported`, `device`, `internal`); `detail` is a sentence for people."""

    id: str
    media: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class MediaConnected:
    """ICE and DTLS are up (or plain RTP flows): audio can pass."""

    media: str


@dataclass(frozen=True, slots=True)
class MediaLost:
    """The media path is gone, though nobody closed it."""

    media: str
    reason: str


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """A digit came as telephone-event; told once, at its end."""

    media: str
    digit: str = field(repr=False)
    duration_ms: int


EngineEvent = (
    OfferCreated
    | AnswerCreated
    | AnswerApplied
    | DigitsSent
    | Stats
    | EngineFailed
    | MediaConnected
    | MediaLost
    | DigitReceived
)


class MediaEngine(Protocol):
    """A media engine as the driver sees it."""

    def start(self, deliver: Callable[[EngineEvent], None]) -> None:
        """Called once, before the first request, on the loop; `deliver` may be called from that loop only."""
        ...

    def perform(self, request: EngineRequest) -> None:
        """Take a request; never blocks and never raises for what a peer sent."""
        ...

    async def close(self) -> None:
        """End all media sessions; nothing is delivered after it."""
        ...
