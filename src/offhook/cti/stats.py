"""A call's statistics as desks get them, from those of the media engine. Pure."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from offhook.cti.events import Audio, Video
from offhook.media.engine import AudioStats, VideoStats


def told_audio(audio: AudioStats) -> Audio:
    """As `callStats` has it."""
    return Audio(
        codec=audio.codec,
        packetsSent=audio.packets_sent,
        packetsReceived=audio.packets_received,
        packetsLost=audio.packets_lost,
        jitterMs=audio.jitter_ms,
        roundTripMs=audio.round_trip_ms,
        mos=audio.mos,
        levelInDb=audio.level_in_db,
        levelOutDb=audio.level_out_db,
    )


def told_video(video: VideoStats | None) -> Video | UnsetType:
    """As `callStats` has it; UNSET for a call without video."""
    if video is None:
        return UNSET
    return Video(
        codec=video.codec,
        direction=video.direction.value,
        connected=video.connected,
        framesSent=video.frames_sent,
        framesReceived=video.frames_received,
        framesDropped=video.frames_dropped,
        freezes=video.freezes,
        frozenMs=video.frozen_ms,
        packetsSent=video.packets_sent,
        packetsReceived=video.packets_received,
        packetsLost=video.packets_lost,
        width=video.width,
        height=video.height,
    )
