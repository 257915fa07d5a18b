"""Video on and off, and what is told of the other side's: contract §2 row 19; RB §3.15, §7.3."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from offhook.cti.converting import takes_video
from offhook.media.engine import (
    AnswerCreated,
    CreateAnswer,
    CreateOffer,
    Direction,
    EngineEvent,
    EngineRequest,
    OfferCreated,
    Rollback,
)
from offhook.media.null import NullEngine
from offhook.sip.events import OfferReceived, RenegotiationFailed

VIDEO = "m=video {port} UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:96 VP8/90000\r\na={direction}\r\n"
ON = {"streamType": "video", "streamStatus": "on"}
OFF = {"streamType": "video", "streamStatus": "off"}


class Camera(NullEngine):
    """An engine with video, as far as SDP goes: a section with the direction that was wished."""

    def __init__(self) -> None:
        super().__init__()
        self.wished: list[Direction | None] = []
        self.kinds: list[str] = []
        self._seen: set[str] = set()

    def start(self, deliver: Callable[[EngineEvent], None]) -> None:
        super().start(lambda event: deliver(self._with_video(event)))

    def perform(self, request: EngineRequest) -> None:
        if isinstance(request, CreateOffer | CreateAnswer):
            self.wished.append(request.video)
            self.kinds.append(request.kind)
            if request.video is not None:
                self._seen.add(request.media)
            request = replace(request, video=None)
        super().perform(request)

    def _with_video(self, event: EngineEvent) -> EngineEvent:
        if not isinstance(event, OfferCreated | AnswerCreated) or event.media not in self._seen:
            return event
        direction = self.wished[-1] or Direction.INACTIVE
        bare = re.sub(r"m=video.*", "", event.sdp, flags=re.DOTALL)
        bare = re.sub(r"o=(\S+ \d+) \d+", rf"o=\1 {100 + len(self.wished)}", bare)
        return replace(event, sdp=bare + VIDEO.format(port=40000, direction=direction.value))


def last_offer(bench: Any) -> str:
    event = next(event for event in reversed(bench.pbx.events) if isinstance(event, OfferReceived))
    return event.offer or ""


def answer(bench: Any, session: str, direction: str | None) -> None:
    """The server answers our offer, with that direction of video; None: it takes none."""
    bare = re.sub(r"m=video.*", "", bench.pbx.answer_to(session, last_offer(bench)), flags=re.DOTALL)
    video = VIDEO.format(port=0 if direction is None else 40002, direction=direction or "inactive")
    bench.pbx.ua.answer(session, bare + video, bench.network.now())
    bench.run()


def wished(bench: Any) -> list[str | None]:
    return [None if video is None else video.value for video in bench.desk.engine.wished]


@pytest.fixture
def camera(bench: Any) -> Any:
    """An agent whose engine has video, and who answers re-INVITEs by hand."""
    bench.desk.engine = Camera()
    bench.desk.engine.start(lambda event: bench.desk.session.receive(event, bench.network.now()))
    bench.pbx.offers = "keep"
    return bench


def shown(bench: Any) -> tuple[str, str]:
    """A call with video on."""
    dialog, session = bench.talk()
    asked = bench.desk.ask("convertCall", dialogId=dialog, **ON)
    bench.run()
    answer(bench, session, "sendrecv")
    assert bench.desk.result(asked)["status"] == "done"
    bench.desk.news()
    return dialog, session


def test_the_engine_is_told_what_is_shown(camera: Any) -> None:
    dialog, session = camera.talk("5551234")
    camera.desk.ask("convertCall", dialogId=dialog, streamType="screenshare", streamStatus="on")
    camera.run()
    answer(camera, session, "recvonly")
    camera.desk.ask("holdCall", dialogId=dialog)
    camera.run()
    assert camera.desk.engine.kinds == ["camera", "screen", "screen"]


def test_on_and_off(camera: Any) -> None:
    dialog, session = camera.talk("5551234")
    asked = camera.desk.ask("convertCall", dialogId=dialog, **ON)
    camera.run()
    assert wished(camera) == [None, "sendrecv"] and "a=sendrecv" in last_offer(camera)
    assert camera.desk.news() == [] and camera.desk.results(asked) == []
    answer(camera, session, "recvonly")
    (event,) = camera.desk.news()
    assert "response" not in event
    assert (event["event"], event["status"], event["loginId"]) == ("mediaConversion", "success", "1000")
    told = event["dialog"]
    assert told.pop("timeStamp").endswith("Z")
    assert told == {
        "id": dialog,
        "eventRequest": "local",
        "stream": "video",
        "streamStatus": "on",
        "errorReason": None,
    }
    assert isinstance(event["seq"], int)
    assert camera.desk.result(asked)["status"] == "done"
    where, word = camera.pbx.word("MEDIA_CONVERSION")
    assert (where, word["stream"], word["streamStatus"]) == (session, "video", "on")

    asked = camera.desk.ask("convertCall", dialogId=dialog, **OFF)
    camera.run()
    assert wished(camera)[-1] is None and "a=inactive" in last_offer(camera)
    answer(camera, session, "inactive")
    assert camera.desk.heard() == ["mediaConversion success local off"]
    assert camera.desk.result(asked)["status"] == "done"
    assert [word["streamStatus"] for _, word in camera.pbx.words] == ["on", "off"]


def test_what_is_so_already(camera: Any) -> None:
    """The event, and nothing on the wire; a screen instead of the camera needs no new session either."""
    dialog, _ = shown(camera)
    camera.desk.done("convertCall", dialogId=dialog, **ON)
    camera.desk.done("convertCall", dialogId=dialog, streamType="screenshare", streamStatus="on")
    assert camera.desk.heard() == ["mediaConversion success local on"] * 2
    assert sum(isinstance(event, OfferReceived) for event in camera.pbx.events) == 1


def test_off_where_it_never_was_on(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.done("convertCall", dialogId=dialog, **OFF)
    assert bench.desk.heard() == ["mediaConversion success local off"]


def test_an_engine_without_video_says_so(bench: Any) -> None:
    dialog, session = bench.talk()
    error = bench.desk.failed("convertCall", dialogId=dialog, **ON)
    assert error["code"] == "media-unsupported"
    (event,) = bench.desk.news()
    assert (event["event"], event["status"]) == ("mediaConversion", "error")
    assert "no video" in event["dialog"]["errorReason"]
    assert bench.pbx.messages() == []
    bench.desk.done("holdCall", dialogId=dialog)
    assert session


def test_a_device_that_fails_is_an_error_too(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.fail_next[CreateOffer] = "device"
    bench.desk.failed("convertCall", dialogId=dialog, **ON)
    assert bench.desk.heard() == ["mediaConversion error local on", "Error media-device"]


@pytest.mark.parametrize("how", ["488", "rejected", "inactive", "sendonly"])
def test_refused_by_the_other_side(camera: Any, how: str) -> None:
    dialog, session = camera.talk()
    if how == "488":
        camera.pbx.offers = how
    asked = camera.desk.ask("convertCall", dialogId=dialog, **ON)
    camera.run()
    if how != "488":
        answer(camera, session, None if how == "rejected" else how)
    assert camera.desk.result(asked)["error"]["code"] == "change-refused"
    (event,) = camera.desk.news()
    assert event["status"] == "error" and event["dialog"]["errorReason"]
    assert any(isinstance(request, Rollback) for request in camera.desk.requests) is (how == "488")
    camera.pbx.offers = "answer"
    camera.desk.done("holdCall", dialogId=dialog)
    assert wished(camera)[-1] is None
    assert camera.pbx.messages() == []


def test_no_answer(camera: Any) -> None:
    """Told as an error at the end of its time; the answer that comes later is the truth."""
    dialog, session = camera.talk()
    asked = camera.desk.ask("convertCall", dialogId=dialog, **ON)
    camera.run(41)
    assert camera.desk.result(asked)["error"]["code"] == "timeout"
    assert camera.desk.heard() == ["mediaConversion error local on"]
    answer(camera, session, "sendrecv")
    assert camera.desk.heard() == ["mediaConversion success local on"]


def test_hold_and_retrieve_keep_it(camera: Any) -> None:
    """Who is held sees nothing of us; afterwards it is as it was."""
    dialog, session = shown(camera)
    for action, direction in (("holdCall", None), ("retrieveCall", "sendrecv")):
        asked = camera.desk.ask(action, dialogId=dialog)
        camera.run()
        assert wished(camera)[-1] == direction
        answer(camera, session, "sendrecv" if direction else "inactive")
        assert camera.desk.result(asked)["status"] == "done"
    camera.pbx.ua.reinvite(session, last_offer(camera).replace("o=", "o=x"), camera.network.now())
    camera.run()
    assert wished(camera)[-1] == "sendrecv"


def test_on_while_held(camera: Any) -> None:
    dialog, session = camera.talk()
    camera.pbx.offers = "answer"
    camera.desk.done("holdCall", dialogId=dialog)
    error = camera.desk.failed("convertCall", dialogId=dialog, **ON)
    assert (error["type"], error["description"]) == ("invalidState", "invalid action ConvertCall")
    assert session


def test_off_while_held_stays_held(camera: Any) -> None:
    dialog, session = shown(camera)
    camera.pbx.offers = "answer"
    camera.desk.done("holdCall", dialogId=dialog)
    camera.desk.done("convertCall", dialogId=dialog, **OFF)
    assert "a=sendonly" in last_offer(camera)
    assert camera.desk.session.dialogs[0].state == "HELD"
    camera.desk.done("retrieveCall", dialogId=dialog)
    assert wished(camera)[-1] is None
    assert session


@pytest.mark.parametrize(
    ("headers", "call_type"),
    [((("X-Calltype", "CONSULT"),), "CONSULT"), ((("X-Calltype", "MONITORING"),), "MONITORING")],
)
def test_calls_that_are_audio_only(bench: Any, headers: tuple[tuple[str, str], ...], call_type: str) -> None:
    dialog, _ = bench.answers(headers=headers)
    error = bench.desk.failed("convertCall", dialogId=dialog, **ON)
    assert (error["type"], error["code"]) == ("generalError", "cannot-convert")
    assert error["description"] == f"Convert turn stream on/off when call is {call_type}"
    assert bench.desk.heard() == ["Error cannot-convert"]


def test_conferences_are_audio_only(bench: Any) -> None:
    dialog, leg = bench.answers()
    bench.pbx.conference(leg, "1000", "5551234c", "1001", reason="BARGE_CONFERENCE")
    bench.run()
    error = bench.desk.failed("convertCall", dialogId=dialog, **ON)
    assert error["description"] == "Convert turn stream on/off when call is CONFERENCE"


def test_a_call_that_is_not_there(bench: Any) -> None:
    error = bench.desk.failed("convertCall", dialogId="unknown", **ON)
    assert (error["type"], error["description"]) == ("invalidState", "invalid action ConvertCall")
    dialog, _ = bench.rings()
    assert bench.desk.failed("convertCall", dialogId=dialog, **ON)["code"] == "wrong-state"


def test_the_call_ends_meanwhile(camera: Any) -> None:
    dialog, session = camera.talk()
    asked = camera.desk.ask("convertCall", dialogId=dialog, **ON)
    camera.run()
    camera.pbx.ua.hangup(session, camera.network.now())
    camera.run()
    assert camera.desk.result(asked)["error"]["code"] == "call-ended"
    camera.desk.done("logout", within=1)
    camera.nothing_left()


# The other side's


def offer_video(bench: Any, session: str, direction: str = "sendrecv") -> None:
    sdp = bench.pbx.offer(session) + VIDEO.format(port=40004, direction=direction)
    bench.pbx.ua.reinvite(session, sdp, bench.network.now())
    bench.run()


def test_their_video_is_seen_and_opens_no_camera(camera: Any) -> None:
    dialog, session = camera.talk()
    offer_video(camera, session)
    assert wished(camera)[-1] == "recvonly"
    assert camera.desk.news() == []
    camera.pbx.offers = "answer"
    camera.desk.done("holdCall", dialogId=dialog)
    camera.desk.done("retrieveCall", dialogId=dialog)
    assert wished(camera)[-2:] == [None, "recvonly"]
    offer_video(camera, session, "inactive")
    assert wished(camera)[-1] in (None, "recvonly")


def test_their_video_while_held_is_not_taken(camera: Any) -> None:
    dialog, session = camera.talk()
    camera.pbx.offers = "answer"
    camera.desk.done("holdCall", dialogId=dialog)
    offer_video(camera, session)
    assert wished(camera)[-1] is None


def test_an_engine_without_video_goes_on_with_audio(bench: Any) -> None:
    dialog, session = bench.talk()
    offer_video(bench, session)
    assert [r.video for r in bench.desk.requests if isinstance(r, CreateAnswer)] == [Direction.RECVONLY, None]
    assert not any(isinstance(event, RenegotiationFailed) for event in bench.pbx.events)
    assert bench.desk.news() == []
    bench.desk.done("holdCall", dialogId=dialog)


# From the beginning


@pytest.mark.parametrize("taken", [True, False])
def test_a_call_with_video(camera: Any, taken: bool) -> None:
    camera.desk.send("makeCall", calledNumber="5551234", Destination_Number="800", callType="video")
    camera.run()
    invite = camera.pbx.invites[-1]
    assert wished(camera) == ["sendrecv"] and "m=video 40000" in invite.offer
    bare = re.sub(r"m=video.*", "", camera.pbx.answer_to(invite.session, invite.offer), flags=re.DOTALL)
    video = VIDEO.format(port=40002 if taken else 0, direction="sendrecv")
    camera.pbx.ua.accept(invite.session, bare + video, camera.network.now(), contact=camera.pbx._self())
    camera.run()
    dialog = camera.desk.dialog()["id"]
    camera.pbx.offers = "answer"
    camera.desk.done("holdCall", dialogId=dialog)
    camera.desk.done("retrieveCall", dialogId=dialog)
    assert wished(camera)[1:] == [None, "sendrecv" if taken else None]


@pytest.mark.parametrize("kind", ["video", "screenshare", "onlyviewscreenshare", "audio", None])
def test_an_answer_with_video(camera: Any, kind: str | None) -> None:
    session = camera.pbx.ua.invite(
        camera.pbx.contact,
        camera.pbx.offer("in") + VIDEO.format(port=40004, direction="sendrecv"),
        camera.network.now(),
        session="in",
        flow=camera.pbx.flow,
        from_=camera.pbx._self(),
        contact=camera.pbx._self(),
    )
    camera.run()
    dialog = camera.desk.dialog()["id"]
    camera.desk.done("answerCall", dialogId=dialog, **({} if kind is None else {"answerCalltype": kind}))
    wish = {"video": "sendrecv", "screenshare": "sendrecv", "onlyviewscreenshare": "recvonly"}.get(kind or "")
    assert wished(camera) == [wish]
    assert camera.desk.dialog()["mediaType"] == (kind or "audio")
    camera.pbx.offers = "answer"
    camera.desk.done("holdCall", dialogId=dialog)
    camera.desk.done("retrieveCall", dialogId=dialog)
    assert wished(camera)[1:] == [None, wish]
    assert session


def test_an_engine_without_video_calls_and_answers_by_audio(bench: Any) -> None:
    bench.desk.send("makeCall", calledNumber="5551234", Destination_Number="800", callType="video")
    bench.run()
    assert "m=video" not in bench.pbx.invites[-1].offer
    bench.pbx.ua.invite(
        bench.pbx.contact,
        bench.pbx.offer("in") + VIDEO.format(port=40004, direction="sendrecv"),
        bench.network.now(),
        session="in",
        flow=bench.pbx.flow,
        from_=bench.pbx._self(),
        contact=bench.pbx._self(),
    )
    bench.run()
    bench.desk.done("answerCall", dialogId=bench.desk.dialog()["id"], answerCalltype="video")


def told(status: str = "on", **dialog: Any) -> dict[str, Any]:
    more = {"eventRequest": "remote", "stream": "video", "streamStatus": status}
    return {"event": "mediaConversion", "dialog": {**more, **dialog}}


def says(bench: Any, leg: str, word: Any) -> None:
    body = word if isinstance(word, str) else json.dumps(word)
    bench.pbx.ua.info(leg, "application/vnd.offhook+json", body, bench.network.now())
    bench.run()


def test_the_other_side_turned_it_on(bench: Any) -> None:
    """The server tells it in the call's own dialog."""
    dialog, leg = bench.answers(user="5551234")
    says(bench, leg, told())
    says(bench, leg, told("off"))
    events = bench.desk.news()
    assert [(event["dialog"]["eventRequest"], event["dialog"]["streamStatus"]) for event in events] == [
        ("remote", "on"),
        ("remote", "off"),
    ]
    assert {event["dialog"]["id"] for event in events} == {dialog}
    assert {event["loginId"] for event in events} == {"1000"}
    assert not any(isinstance(event, OfferReceived) for event in bench.pbx.events)


@pytest.mark.parametrize(
    "word",
    [
        told(stream="x"),
        told(streamStatus="x"),
        {**told(), "status": "error"},
        {"event": "mediaConversion"},
        {"event": "other", "dialog": {}},
        "rubbish",
        "",
    ],
)
def test_words_that_say_nothing(bench: Any, word: Any) -> None:
    _, leg = bench.answers(user="5551234")
    says(bench, leg, word)
    assert bench.desk.news() == []


def test_no_message_says_it(bench: Any) -> None:
    """Anybody can send one, and From is what the sender wrote."""
    dialog, _ = bench.answers(user="5551234")
    bench.pbx.message(told(id=dialog), user="5551234")
    bench.run()
    assert bench.desk.news() == []


@pytest.mark.parametrize("answer", [200, 500])
def test_the_server_tells_it_to_the_other_side(bench: Any, answer: int) -> None:
    """No number of a peer is made the target of anything; and nothing depends on what comes of it."""
    dialog, leg = bench.answers(user="api+hupall")
    bench.pbx.info_status = answer
    bench.desk.done("convertCall", dialogId=dialog, streamType="screenshare", streamStatus="off")
    session, word = bench.pbx.word("MEDIA_CONVERSION")
    assert session == leg and isinstance(word.pop("id"), str)
    assert word == {"event": "MEDIA_CONVERSION", "stream": "screenshare", "streamStatus": "off"}
    assert bench.pbx.messages() == []


@pytest.mark.parametrize(
    ("sdp", "taken"),
    [
        ("rubbish", False),
        ("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\n", False),
        ("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\n" + VIDEO.format(port=1, direction="recvonly"), True),
        ("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\n" + VIDEO.format(port=0, direction="recvonly"), False),
    ],
)
def test_what_an_answer_says(sdp: str, taken: bool) -> None:
    assert takes_video(sdp) is taken
