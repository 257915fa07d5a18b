"""The hub with scripted agent sessions: who hears what, what is freed, what an absent desk means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from offhook.cti.agent import Publish, Reply
from offhook.cti.commands import Logout
from offhook.cti.events import no_dialog
from offhook.gateway.interface import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    HubOutput,
    Stop,
    Stopped,
    Tell,
    TellPage,
    UseAudio,
)
from offhook.gateway.page import HERE
from offhook.media.engine import (
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    MediaConnected,
    NoSink,
    SetSink,
    SetSource,
    Silence,
)
from offhook.sip.flow import CloseFlow, FlowClosed, FlowFailed, FlowOpened, OpenFlow, Send

# The last connection goes


def test_a_reload_is_not_noticed(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(1.9)
    assert session.available
    bench.login("c2")
    bench.run(300.0)
    assert session.available
    assert [word for word, _ in session.told] == ["login", "login"]


def test_new_calls_are_turned_away_after_two_seconds_and_taken_again(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(2.0)
    assert not session.available
    bench.login("c2")
    assert session.available
    assert not [word for word, _ in session.told if "park" in word]


def test_audio_in_the_page_is_parked(make_bench: Any) -> None:
    bench = make_bench(audio_with_page=True)
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(2.0)
    assert session.told[-1] == ("park", None)
    bench.login("c2")
    assert [word for word, _ in session.told[-2:]] == ["unpark", "login"]


SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=setup:active\r\na=sendrecv\r\n"
)


def page_says(bench: Any, connection: str, **said: Any) -> Any:
    bench.give(ConnectionReceived(connection, json.dumps({"media": said})))
    return bench.run(0)


def page_with_a_call(bench: Any, connection: str = "c1") -> Any:
    """An agent with the audio in that page, and a call that is up."""
    session = bench.login(connection)
    page_says(bench, connection, hello={})
    session.put(CreateAnswer("a1", "m1", SDP))
    bench.drain()
    bench.run(0)
    page_says(bench, connection, event="answerCreated", id="a1", media="m1", sdp=SDP)
    return session


def pages_told(out: list[HubOutput]) -> list[tuple[str, dict[str, Any]]]:
    return [(each.connection, json.loads(each.text)["media"]) for each in out if isinstance(each, TellPage)]


def test_requests_go_to_the_page_with_the_audio_and_answers_come_back(make_bench: Any) -> None:
    bench = make_bench(audio_with_page=True)
    session = page_with_a_call(bench)
    bench.login("c2")
    assert ("AnswerCreated", "m1") in session.told
    asked = [said for _, said in pages_told(bench.out) if "request" in said]
    assert [(said["request"], said["dialogId"]) for said in asked] == [("createAnswer", "dialog of m1")]
    assert not [each for each in bench.out if isinstance(each, CreateAnswer)], "no engine is asked here"
    session.put(CloseMedia("m1"))
    bench.drain()
    assert pages_told(bench.run(0)) == [("c1", {"request": "close", "media": "m1"})]
    assert bench.hub.routes == 0


def test_a_page_that_is_reloaded_at_once_goes_on_by_another_path(make_bench: Any) -> None:
    bench = make_bench(audio_with_page=True)
    session = page_with_a_call(bench)
    bench.give(ConnectionClosed("c1"))
    bench.run(1.0)
    bench.login("c2")
    page_says(bench, "c2", hello={})
    bench.run(300.0)
    assert [word for word, _ in session.told[2:]] == ["login", "renew"]


def test_a_page_that_is_away_comes_back_to_a_parked_call(make_bench: Any) -> None:
    bench = make_bench(audio_with_page=True)
    session = page_with_a_call(bench)
    bench.give(ConnectionClosed("c1"))
    bench.run(2.0)
    # That the path is lost, nobody knows: a page whose connection alone is gone has it still.
    assert "MediaLost" not in dict(session.told) and session.told[-1] == ("park", None)
    bench.login("c2")
    assert session.told[-1] == ("login", "c2"), "not before there is audio"
    page_says(bench, "c2", hello={})
    assert session.told[-2:] == [("unpark", None), ("renew", "m1")]


def test_a_desk_that_stays_does_not_keep_the_audio(make_bench: Any) -> None:
    bench = make_bench(audio_with_page=True)
    session = page_with_a_call(bench)
    bench.login("c2")
    bench.give(ConnectionClosed("c1"))
    bench.run(2.0)
    assert session.told[-2:] == [("MediaLost", "m1"), ("park", None)]


def test_a_page_is_told_where_the_audio_is_not_its(make_bench: Any) -> None:
    bench = make_bench()
    bench.login("c1")
    assert pages_told(page_says(bench, "c1", hello={}) or bench.out) == [("c1", {"lost": HERE})]
    other = make_bench(audio_with_page=True)
    other.give(ConnectionOpened("c9"))
    page_says(other, "c9", hello={})
    assert pages_told(other.out) == [("c9", {"lost": "Log in first."})]


def test_an_agent_that_is_gone_leaves_no_session_of_a_page(make_bench: Any) -> None:
    bench = make_bench(audio_with_page=True)
    session = page_with_a_call(bench)
    session.finish()
    bench.drain()
    assert bench.hub.routes == 0 and pages_told(bench.out)[-1] == ("c1", {"request": "close", "media": "m1"})


def test_after_the_grace_time_the_agent_is_logged_out(make_bench: Any) -> None:
    bench = make_bench(grace=60.0)
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(59.9)
    assert session.told[-1][0] == "login"
    bench.run(0.2)
    assert session.told[-1] == ("logout", None)
    session.finish()
    bench.drain()
    assert (bench.hub.agents, bench.hub.routes, len(bench.hub.timers)) == (0, 0, 0)


def test_or_stays_where_configured(make_bench: Any) -> None:
    bench = make_bench(after_grace="stay")
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(3600.0)
    assert session.told == [("login", "c1")]
    assert not session.available


# Routes


def test_inputs_find_their_agent_and_routes_are_freed(make_bench: Any) -> None:
    bench = make_bench()
    one, two = bench.login("c1", "1000"), bench.login("c2", "1001")
    one.put(OpenFlow("f1", "ws://127.0.0.1:5066"), CreateOffer("o1", "m1"))
    two.put(OpenFlow("f2", "ws://127.0.0.1:5066"), CreateOffer("o2", "m2"), Send("f2", b"x"))
    assert len(bench.drain()) == 5
    assert bench.hub.extension_of("f1") == "1000"
    bench.give(FlowOpened("f2", "", ""))
    bench.give(MediaConnected("m2"))
    bench.give(FlowFailed("f1", "no"))
    assert two.told[1:] == [("FlowOpened", "f2"), ("MediaConnected", "m2")]
    assert one.told[1:] == [("FlowFailed", "f1")]
    one.put(CloseMedia("m1"))
    two.put(CloseFlow("f2"), CloseMedia("m2"))
    bench.drain()
    bench.give(FlowClosed("f2", "closed by us"))
    assert two.told[-1] == ("FlowClosed", "f2")
    assert bench.hub.routes == 0
    assert bench.hub.extension_of("f1") is None


def test_what_an_agent_leaves_open_is_closed_and_its_last_words_are_dropped(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    session.put(OpenFlow("f1", "ws://a"), OpenFlow("f2", "ws://a"), CreateOffer("o1", "m1"), CloseFlow("f2"))
    session.finish()
    out = bench.drain()
    assert [output for output in out if isinstance(output, CloseMedia | CloseFlow)] == [
        CloseFlow("f2"),
        CloseMedia("m1"),
        CloseFlow("f1"),
    ]
    assert bench.hub.routes == 0
    before = list(session.told)
    bench.give(FlowClosed("f1", "closed by us"))
    bench.give(MediaConnected("m1"))
    assert session.told == before


def test_audio_of_a_call(make_bench: Any) -> None:
    bench = make_bench()
    bench.login("c1")
    assert bench.give(UseAudio("c1", "d1", Silence(), NoSink())) == [
        SetSource("m1", Silence()),
        SetSink("m1", NoSink()),
    ]
    assert bench.give(UseAudio("c1", "gone", Silence())) == []
    assert bench.give(UseAudio("nobody", "d1", Silence())) == []


# The end


def test_stop_logs_everybody_out(make_bench: Any) -> None:
    bench = make_bench()
    one, two = bench.login("c1", "1000"), bench.login("c2", "1001")
    bench.say("c2", "logout")
    assert bench.give(Stop()) == []
    assert (one.told[-1], two.told[-1]) == (("logout", None), ("logout", "c2"))
    assert bench.told(bench.say("c1", "login", id="a", extension="1000", password="1234"), "c1") == []
    one.finish()
    assert Stopped() not in bench.drain()
    two.finish()
    assert bench.drain()[-1] == Stopped()
    assert bench.told(bench.run(0.1), "c1") == ["error stopping", "result a stopping"]
    out = bench.give(ConnectionOpened("c3"))
    assert (bench.told(out, "c3"), bench.closed(out)) == (["error stopping"], [("c3", 1013)])


def test_stop_of_an_empty_gateway(make_bench: Any) -> None:
    assert make_bench().give(Stop()) == [Stopped()]


def test_a_reply_to_a_connection_that_is_gone_is_dropped(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.give(ConnectionClosed("c1"))
    session.put(Reply("c1", no_dialog("1000")), Reply(None, no_dialog("1000")), Publish(no_dialog("1000")))
    assert bench.drain() == []


def test_many_agents_come_out_in_the_same_order(make_bench: Any) -> None:
    bench = make_bench()
    made = [bench.login(f"c{n}", f"{n:04}") for n in range(50)]
    for session in reversed(made):
        session.put(Publish(no_dialog(session.extension)))
    order = [output.connections[0] for output in bench.drain() if isinstance(output, Tell)]
    assert order == [f"c{n}" for n in range(50)]
    assert bench.hub.calls == 0


def test_logs_show_no_number(make_bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    bench = make_bench()
    session = bench.login("c1", "4917612345678")
    bench.say("c1", "makeCall", calledNumber="03012345678", Destination_Number="1", callType="audio")
    bench.give(ConnectionOpened("c2"))
    bench.say("c2", "login", extension="4917612345678", password="guessed")
    session.finish()
    bench.drain()
    for secret in ("4917612345678", "03012345678", "1234 ", "guessed"):
        assert secret not in caplog.text
    assert "< c1 makeCall" in caplog.text


def test_a_logout_names_its_connection(make_bench: Any) -> None:
    bench = make_bench()
    session = bench.login("c1")
    bench.say("c1", "logout", id="x")
    assert session.told[-1] == (Logout(id="x").action, "c1")


def test_a_bug_at_one_output_costs_no_other_one(make_bench: Any) -> None:
    bench = make_bench()
    one, two = bench.login("c1", "1000"), bench.login("c2", "1001")
    two.put(OpenFlow("f1", "ws://a"))
    bench.drain()
    one.put(OpenFlow("f1", "ws://a"), Publish(no_dialog("1000")))  # a name that is in use
    two.put(Publish(no_dialog("1001")))
    out = bench.drain()
    assert bench.told(out, "c1") == ["dialogState"] and bench.told(out, "c2") == ["dialogState"]
    assert one.told[-1] == ("failed", None) and ("failed", None) not in two.told
    assert bench.hub.extension_of("f1") == "1001"
