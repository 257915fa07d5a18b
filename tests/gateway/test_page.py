"""The engine `browser` without a browser: requests to the page, what it says, pages that go and come back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from offhook.clock import Now, Timers
from offhook.gateway.ice import IceSettings
from offhook.gateway.interface import TellPage
from offhook.gateway.page import ASKING, DEADLINE, ELSEWHERE, GONE, NO_PAGE, RESTARTS, TAKEN_OVER, PageAudio, is_media
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
    EngineRequest,
    GetStats,
    MediaConnected,
    MediaLost,
    NoSink,
    OfferCreated,
    Rollback,
    SendDigits,
    SetMuted,
    SetSink,
    Stats,
    VideoStats,
)
from offhook.media.sdp import Session
from offhook.testing.clock import SeededIds

OFFER = (
    "v=0\r\no=- 777 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=sendrecv\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
)
ANSWER = OFFER.replace("actpass", "active")


class Bench:
    """The engine of agent 1000, at a time that stands still unless it is moved."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.at = 100.0
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.events: list[EngineEvent] = []
        self.renewed: list[frozenset[str]] = []
        self.pages = PageAudio(
            timers=self.timers,
            ids=SeededIds(1),
            ice=IceSettings(("stun:a:1",)),
            tell=self._tell,
            deliver=lambda event, now: self.events.append(event),
            renew=lambda extension, media, now: self.renewed.append(media),
        )

    def _tell(self, told: TellPage) -> None:
        self.told.append((told.connection, json.loads(told.text)["media"]))

    @property
    def now(self) -> Now:
        return Now(self.at, 1e9)

    def pass_time(self, seconds: float) -> None:
        self.at += seconds
        self.timers.fire(self.now)

    def ask(self, *requests: EngineRequest) -> list[dict[str, Any]]:
        """What pages get by it."""
        before = len(self.told)
        for request in requests:
            self.pages.perform("1000", request, "dialog", self.now)
        self.timers.fire(self.now)
        return [said for _, said in self.told[before:]]

    def say(self, page: str, extension: str | None = "1000", **said: Any) -> bool:
        holds = self.pages.receive(page, extension, json.dumps({"media": said}), self.now)
        self.timers.fire(self.now)
        return holds

    def hello(self, page: str = "c1", *media: str) -> bool:
        return self.say(page, hello={"audio": True, "media": list(media)})

    def heard(self) -> list[EngineEvent]:
        heard, self.events = self.events, []
        return heard

    def call(self, media: str = "m", page: str = "c1") -> None:
        """A call of ours that is up."""
        self.ask(CreateOffer("o", media))
        self.say(page, event="offerCreated", id="o", media=media, sdp=OFFER)
        self.ask(ApplyAnswer("a", media, ANSWER))
        self.say(page, event="answerApplied", id="a", media=media)
        self.heard()


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    assert bench.hello()
    return bench


def test_what_is_for_the_engine() -> None:
    assert is_media('{"media": {}}') and is_media(' {\n "media" :1}')
    assert not is_media('{"action": "media"}') and not is_media('["media":')


def test_the_page_is_told_that_it_holds_the_audio(bench: Bench) -> None:
    servers = [{"urls": ["stun:a:1"]}]
    assert bench.told == [("c1", {"hello": {"audio": True, "ice": {"servers": servers, "policy": "all"}}})]
    assert bench.pages.holder("1000") == "c1"


def test_a_call_of_ours(bench: Bench) -> None:
    asked = bench.ask(CreateOffer("o", "m", Direction.SENDRECV, Direction.SENDRECV, "screen"))
    assert [said for said in asked if said.pop("ice")] == [
        {
            "request": "createOffer",
            "id": "o",
            "media": "m",
            "dialogId": "dialog",
            "direction": "sendrecv",
            "video": "sendrecv",
            "kind": "screen",
            "muted": False,
            "layout": [],
        }
    ]
    bench.say("c1", event="offerCreated", id="o", media="m", sdp=OFFER)
    (made,) = bench.heard()
    assert isinstance(made, OfferCreated) and Session.parse(made.sdp).origin != ("777", "2")
    assert bench.ask(ApplyAnswer("a", "m", ANSWER)) == [
        {"request": "applyAnswer", "id": "a", "media": "m", "sdp": ANSWER}
    ]
    bench.say("c1", event="answerApplied", id="a", media="m")
    bench.say("c1", event="connected", media="m")
    assert bench.heard() == [AnswerApplied("a", "m"), MediaConnected("m")]
    assert bench.ask(SetMuted("m", True), Rollback("m"), SetSink("m", NoSink())) == [
        {"request": "setMuted", "muted": True, "media": "m"},
        {"request": "rollback", "media": "m"},
    ]
    assert bench.ask(CloseMedia("m"), CloseMedia("m")) == [{"request": "close", "media": "m"}]
    assert bench.pages.sessions == 0 and bench.timers.next() is None


def test_a_call_that_comes_in(bench: Bench) -> None:
    (asked,) = bench.ask(CreateAnswer("x", "m", OFFER, Direction.RECVONLY))
    assert (asked["request"], asked["sdp"], asked["direction"]) == ("createAnswer", OFFER, "recvonly")
    bench.say("c1", event="answerCreated", id="x", media="m", sdp=ANSWER)
    (made,) = bench.heard()
    assert isinstance(made, AnswerCreated)


def test_digits_and_numbers(bench: Bench) -> None:
    bench.call()
    assert bench.ask(SendDigits("d", "m", "12"), GetStats("s", "m")) == [
        {"request": "sendDigits", "digits": "12", "durationMs": 160, "gapMs": 100, "id": "d", "media": "m"},
        {"request": "getStats", "id": "s", "media": "m"},
    ]
    bench.say("c1", event="digitsSent", id="d", media="m")
    bench.say("c1", event="stats", id="s", media="m", audio={"codec": "opus", "packetsSent": 9, "mos": 4.2})
    bench.say("c1", event="digit", media="m", digit="5", durationMs=80)
    sent, stats, digit = bench.heard()
    assert sent == DigitsSent("d", "m") and digit == DigitReceived("m", "5", 80)
    assert isinstance(stats, Stats) and (stats.audio.codec, stats.audio.packets_sent) == ("opus", 9)


def test_numbers_of_the_video(bench: Bench) -> None:
    bench.call()
    seen = {
        "codec": "VP8",
        "direction": "recvonly",
        "connected": True,
        "framesReceived": 3,
        "freezes": 1,
        "frozenMs": 80,
    }
    for video in (None, {**seen, "width": 640, "height": 480}, {**seen, "width": -1}, {**seen, "direction": "up"}):
        bench.ask(GetStats("s", "m"))
        bench.say("c1", event="stats", id="s", media="m", video=video)
    first, second = bench.heard()
    assert isinstance(first, Stats) and first.video is None
    assert isinstance(second, Stats) and second.video == VideoStats(
        codec="VP8",
        direction=Direction.RECVONLY,
        connected=True,
        frames_received=3,
        frames_dropped=0,
        freezes=1,
        frozen_ms=80,
        width=640,
        height=480,
    )
    assert [said for _, said in bench.told[-2:] if "error" in said], "what is out of range is not understood"


def test_an_offer_that_may_find_another_way_has_fresh_passwords(bench: Bench) -> None:
    (first,) = bench.ask(CreateOffer("o", "m"))
    bench.say("c1", event="offerCreated", id="o", media="m", sdp=OFFER)
    bench.ask(ApplyAnswer("a", "m", ANSWER))
    bench.say("c1", event="answerApplied", id="a", media="m")
    (again,) = bench.ask(CreateOffer("p", "m"))
    assert again["ice"] == first["ice"] and "layout" not in again
    bench.say("c1", event="offerCreated", id="p", media="m", sdp=OFFER)
    (answer,) = bench.ask(CreateAnswer("q", "m", OFFER))
    assert "ice" not in answer, "an answer keeps to the way there is"


def test_a_page_that_does_not_answer(bench: Bench) -> None:
    bench.ask(CreateOffer("o", "m"), CreateOffer("p", "n"))
    bench.say("c1", event="asking", id="p", media="n")
    bench.pass_time(DEADLINE)
    (failed,) = bench.heard()
    assert isinstance(failed, EngineFailed) and (failed.id, failed.code) == ("o", "timeout")
    bench.say("c1", event="offerCreated", id="o", media="m", sdp=OFFER)
    assert bench.heard() == [], "it is late"
    bench.pass_time(ASKING)
    assert [event.id for event in bench.heard() if isinstance(event, EngineFailed)] == ["p"]


def test_what_fails_says_why(bench: Bench) -> None:
    bench.ask(CreateOffer("o", "m"), CreateOffer("p", "n"), CreateOffer("q", "k"))
    bench.say("c1", event="failed", id="o", media="m", code="device", detail="no microphone")
    bench.say("c1", event="failed", id="p", media="n", code="made-up", detail="")
    bench.say("c1", event="offerCreated", id="q", media="k", sdp="rubbish")
    bench.ask(CreateOffer("r", "k"))
    bench.say("c1", event="failed", id="r", media="k", code="no-relay", detail="401")
    heard = bench.heard()
    assert [event.code for event in heard if isinstance(event, EngineFailed)][2:] == ["bad-sdp", "no-relay"]
    assert [(event.code, event.detail) for event in heard[:2] if isinstance(event, EngineFailed)] == [
        ("device", "no microphone"),
        ("internal", ""),
    ]
    bench.ask(ApplyAnswer("1", "unknown", ANSWER), SendDigits("2", "unknown", "1"), GetStats("3", "unknown"))
    assert [event.code for event in bench.heard() if isinstance(event, EngineFailed)] == ["unknown-media"] * 3
    bench.ask(ApplyAnswer("4", "m", "rubbish"))
    assert [event.code for event in bench.heard() if isinstance(event, EngineFailed)] == ["bad-sdp"]


def test_only_the_page_that_was_asked_answers(bench: Bench) -> None:
    bench.ask(CreateOffer("o", "m"))
    bench.say("c2", event="offerCreated", id="o", media="m", sdp=OFFER)
    bench.say("c1", event="answerApplied", id="o", media="m")
    bench.say("c2", event="connected", media="m")
    assert bench.heard() == []


@pytest.mark.parametrize(
    "text",
    ['{"media": 5}', '{"media": {"event": "rubbish"}}', '{"media": {"hello": [' + "[" * 3000, '{"media": {"sdp": 5}}'],
)
def test_what_is_not_understood_is_said(bench: Bench, text: str) -> None:
    assert not bench.pages.receive("c9", "1000", text, bench.now)
    assert "not understood" in bench.told[-1][1]["error"]


def test_no_page_no_audio() -> None:
    bench = Bench()
    assert not bench.say("c1", None, hello={})
    assert bench.told == [("c1", {"lost": "Log in first."})]
    bench.ask(CreateOffer("o", "m"))
    assert bench.heard() == [EngineFailed("o", "m", "device", NO_PAGE)]
    bench.pages.forget("1000")
    assert bench.pages.sessions == 0


def test_a_page_that_is_gone_fails_what_it_was_asked(bench: Bench) -> None:
    bench.call()
    bench.ask(GetStats("s", "m"))
    assert bench.pages.gone("c1", "1000") and not bench.pages.gone("c1", "1000")
    bench.pass_time(0)
    assert bench.heard() == [EngineFailed("s", "m", "closed", GONE)]
    bench.ask(SendDigits("d", "m", "1"))
    assert [event.code for event in bench.heard() if isinstance(event, EngineFailed)] == ["closed"]
    bench.pages.lost("1000", bench.now)
    assert bench.heard() == [MediaLost("m", GONE)]


def test_a_call_is_held_and_refreshed_without_its_page(bench: Bench) -> None:
    bench.call()
    bench.pages.gone("c1", "1000")
    assert bench.ask(CreateOffer("h", "m", Direction.SENDONLY)) == []
    (made,) = bench.heard()
    assert isinstance(made, OfferCreated) and Session.parse(made.sdp).media[0].direction is Direction.SENDONLY
    assert bench.ask(ApplyAnswer("a2", "m", ANSWER)) == []
    assert bench.heard() == [AnswerApplied("a2", "m")]
    bench.ask(CreateAnswer("r", "m", OFFER, Direction.SENDONLY))
    (answer,) = bench.heard()
    assert isinstance(answer, AnswerCreated) and "a=sendonly" in answer.sdp and "a=setup:passive" in answer.sdp
    bench.ask(CreateAnswer("r", "m", OFFER + "m=video 9 RTP/SAVPF 96\r\n"))
    assert [event.code for event in bench.heard() if isinstance(event, EngineFailed)] == ["bad-sdp"]
    assert bench.ask(CreateOffer("h", "m"), Rollback("m")) == [] and bench.pages.waits("1000")


def test_a_page_that_comes_back_without_its_calls_makes_them_anew(bench: Bench) -> None:
    bench.call()
    bench.pages.gone("c1", "1000")
    bench.hello("c2")
    assert bench.renewed == [frozenset({"m"})]
    (asked,) = bench.ask(CreateOffer("o2", "m"))
    assert asked["layout"] == ["audio"] and "ice" in asked and bench.told[-1][0] == "c2"
    assert not bench.pages.waits("1000")


def test_a_page_that_only_lost_its_socket_keeps_its_calls(bench: Bench) -> None:
    bench.call()
    bench.pages.gone("c1", "1000")
    bench.hello("c2", "m", "over")
    assert bench.renewed == [] and bench.told[-2] == ("c2", {"request": "close", "media": "over"})
    (asked,) = bench.ask(CreateOffer("o2", "m"))
    assert "layout" not in asked, "it has the peer connection"


def test_another_tab_takes_over(bench: Bench) -> None:
    bench.call()
    bench.ask(GetStats("s", "m"))
    assert bench.hello("c2") and bench.pages.holder("1000") == "c2"
    holder = {"page": "", "since": 10**12}
    assert ("c1", {"lost": TAKEN_OVER, "holder": holder}) in bench.told
    assert bench.heard() == [EngineFailed("s", "m", "closed", GONE)] and bench.renewed == [frozenset({"m"})]
    assert not bench.pages.gone("c1", "1000"), "it holds nothing any more"
    assert not bench.say("c3", hello={"polite": True})
    assert bench.told[-1] == ("c3", {"lost": ELSEWHERE, "holder": holder}) and bench.pages.holder("1000") == "c2"
    assert bench.say("c3", hello={"page": "Desk, window 3"}), "who asks for it without manners gets it"
    holder = {"page": "Desk, window 3", "since": 10**12}
    assert bench.told[-2] == ("c2", {"lost": TAKEN_OVER, "holder": holder})
    assert not bench.say("c2", hello={"polite": True})
    assert bench.told[-1] == ("c2", {"lost": ELSEWHERE, "holder": holder})
    assert bench.hello("c2")
    assert not bench.say("c2", hello={"audio": False})
    assert bench.told[-1] == ("c2", {"lost": "given up"}) and bench.pages.holder("1000") is None


def test_a_lost_path_is_told_and_made_anew_not_for_ever(bench: Bench) -> None:
    bench.call()
    for _ in range(RESTARTS + 2):
        bench.say("c1", event="lost", media="m", detail="ICE failed")
    assert bench.heard() == [MediaLost("m", "ICE failed")] * (RESTARTS + 2)
    assert bench.renewed == [frozenset({"m"})] * RESTARTS
    bench.say("c1", event="connected", media="m")
    bench.say("c1", event="lost", media="m")
    assert len(bench.renewed) == RESTARTS + 1


def test_an_agent_that_is_gone_leaves_nothing(bench: Bench) -> None:
    bench.call()
    bench.ask(GetStats("s", "m"))
    bench.pages.forget("1000")
    assert bench.told[-1] == ("c1", {"request": "close", "media": "m"}) and bench.pages.sessions == 0
