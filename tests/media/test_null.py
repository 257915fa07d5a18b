from __future__ import annotations

import subprocess
import sys

from offhook.media.engine import (
    AnswerApplied,
    AnswerCreated,
    ApplyAnswer,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    DigitReceived,
    DigitsSent,
    Direction,
    EngineEvent,
    EngineFailed,
    GetStats,
    MediaConnected,
    OfferCreated,
    Rollback,
    SendDigits,
    SetMuted,
    Stats,
)
from offhook.media.null import NullEngine
from offhook.media.sdp import Session


def _engine() -> tuple[NullEngine, list[EngineEvent]]:
    engine, events = NullEngine(), list[EngineEvent]()
    engine.start(events.append)
    return engine, events


def test_a_call_without_media(freeswitch_offer: str, freeswitch_answer: str) -> None:
    engine, events = _engine()
    engine.perform(CreateOffer("1", "out"))
    engine.perform(ApplyAnswer("2", "out", freeswitch_answer))
    engine.perform(ApplyAnswer("3", "out", freeswitch_answer))
    engine.perform(CreateAnswer("4", "in", freeswitch_offer, Direction.RECVONLY))
    kinds = [type(event) for event in events]
    assert kinds == [OfferCreated, AnswerApplied, MediaConnected, AnswerApplied, AnswerCreated, MediaConnected]
    answer = next(event for event in events if isinstance(event, AnswerCreated))
    audio = Session.parse(answer.sdp).audio
    assert audio is not None and audio.direction is Direction.RECVONLY and audio.setup == "passive"
    offer = next(event for event in events if isinstance(event, OfferCreated))
    ports = {each.port for text in (offer.sdp, answer.sdp) for each in Session.parse(text).media if each.port}
    assert len(ports) == 2  # each media session its own
    events.clear()
    engine.perform(GetStats("5", "out"))
    engine.perform(SendDigits("6", "out", "12#"))
    engine.perform(SendDigits("7", "out", "x"))
    engine.perform(SetMuted("out", True))
    engine.perform(Rollback("out"))
    engine.perform(CloseMedia("out"))
    engine.perform(GetStats("8", "out"))
    stats, sent, wrong, gone = events
    assert isinstance(stats, Stats) and stats.audio.codec == "opus"
    assert isinstance(sent, DigitsSent)
    assert isinstance(wrong, EngineFailed) and wrong.code == "unsupported"
    assert isinstance(gone, EngineFailed) and gone.code == "unknown-media"
    assert len(engine.performed) == 11


def test_failures_have_the_codes_of_the_protocol(freeswitch_offer: str) -> None:
    engine, events = _engine()
    engine.perform(CreateAnswer("1", "m", "rubbish"))
    engine.perform(CreateAnswer("2", "m", freeswitch_offer.replace("102 0 8", "9")))
    engine.perform(ApplyAnswer("3", "m", "v=0"))
    engine.perform(CreateOffer("4", "m"))
    engine.perform(ApplyAnswer("5", "m", "v=0\r\n"))
    codes = [event.code for event in events if isinstance(event, EngineFailed)]
    assert codes == ["bad-sdp", "no-common-codec", "unknown-media", "no-common-codec"]


def test_two_runs_say_the_same() -> None:
    texts = []
    for _ in range(2):
        engine, events = _engine()
        engine.perform(CreateOffer("1", "a"))
        engine.perform(CreateOffer("2", "b"))
        texts.append([event.sdp for event in events if isinstance(event, OfferCreated)])
    assert texts[0] == texts[1] and texts[0][0] != texts[0][1]


def test_events_can_be_made_up() -> None:
    engine, events = _engine()
    engine.tell(DigitReceived("m", "5", 160))
    assert events == [DigitReceived("m", "5", 160)]


async def test_nothing_is_told_after_close() -> None:
    engine, events = _engine()
    await engine.close()
    engine.perform(CreateOffer("1", "m"))
    assert events == []


def test_the_base_install_needs_no_numpy() -> None:
    """engine, sdp and null are imported where the extra `media` is not installed."""
    code = (
        "import sys, types\n"
        "package = types.ModuleType('offhook'); package.__path__ = [sys.argv[1]]; sys.modules['offhook'] = package\n"
        "import offhook.media.engine, offhook.media.sdp, offhook.media.null\n"
        "assert not {'numpy', 'aiortc', 'av', 'asyncio'} & set(sys.modules), sorted(sys.modules)\n"
    )
    package = sys.modules["offhook"].__path__[0]
    subprocess.run([sys.executable, "-c", code, package], check=True, timeout=30)
