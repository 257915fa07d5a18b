"""What desks get of the media engine's numbers."""

from __future__ import annotations

import msgspec

from offhook.cti.events import StatsResponse
from offhook.cti.stats import told_audio, told_video
from offhook.media.engine import AudioStats, Direction, VideoStats


def test_audio_is_told_under_the_contract_s_names() -> None:
    audio = AudioStats("opus", 1, 2, 3, 4.0, 5.0, 4.4, -20.0, -30.0)
    assert msgspec.to_builtins(told_audio(audio)) == {
        "codec": "opus",
        "packetsSent": 1,
        "packetsReceived": 2,
        "packetsLost": 3,
        "jitterMs": 4.0,
        "roundTripMs": 5.0,
        "mos": 4.4,
        "levelInDb": -20.0,
        "levelOutDb": -30.0,
    }


def test_a_call_without_video_says_nothing_of_it() -> None:
    response = StatsResponse(loginId="1", dialogId="d", audio=told_audio(AudioStats()), video=told_video(None))
    assert "video" not in msgspec.to_builtins(response)


def test_frames_size_and_freezes_of_the_video() -> None:
    video = VideoStats(
        codec="VP8",
        direction=Direction.SENDRECV,
        connected=True,
        frames_sent=7,
        frames_received=8,
        packets_sent=9,
        packets_received=10,
        packets_lost=11,
        width=640,
        height=480,
        frames_dropped=1,
        freezes=2,
        frozen_ms=300,
    )
    assert msgspec.to_builtins(told_video(video)) == {
        "codec": "VP8",
        "direction": "sendrecv",
        "connected": True,
        "framesSent": 7,
        "framesReceived": 8,
        "framesDropped": 1,
        "freezes": 2,
        "frozenMs": 300,
        "packetsSent": 9,
        "packetsReceived": 10,
        "packetsLost": 11,
        "width": 640,
        "height": 480,
    }
