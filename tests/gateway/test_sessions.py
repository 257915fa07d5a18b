"""The hub with scripted agent sessions: who may log in, who hears what, what is freed, what is bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from offhook.clock import Ids, Now, Timers
from offhook.cti import events
from offhook.cti.agent import AgentSettings, Finished, Publish, Reply
from offhook.cti.codec import CommandRefused
from offhook.cti.commands import Command, Login, Logout
from offhook.cti.events import CommandResult, agent_info, no_dialog
from offhook.cti.stream import Audit
from offhook.gateway import sessions
from offhook.gateway.interface import (
    CloseConnection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    HubOutput,
    HubSettings,
    Limits,
    Stop,
    Stopped,
    Tell,
    TellPage,
    UseAudio,
)
from offhook.gateway.page import HERE
from offhook.gateway.sessions import Hub, masked
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
from offhook.testing.clock import SeededIds, VirtualClock

SETTINGS = AgentSettings(servers=("ws://127.0.0.1:5066",), domain="127.0.0.1")


class ScriptedSession:
    """An agent session that does what the test says and notes what it was told."""

    made: list[ScriptedSession] = []

    def __init__(
        self,
        settings: AgentSettings,
        extension: str,
        password: str,
        *,
        timers: Timers,
        ids: Ids,
        ready: set[str],
    ) -> None:
        self.extension = extension
        self.available = True
        self.verified = False
        self.over = False
        self.dialogs: tuple[object, ...] = ()
        self.told: list[tuple[str, Any]] = []
        self._password = password
        self._ready = ready
        self._out: list[Any] = []
        self.made.append(self)

    def put(self, *outputs: Any) -> None:
        self._out += outputs
        self._ready.add(self.extension)

    def finish(self) -> None:
        self.over = True
        self.put(Publish(agent_info(self.extension, "LOGOUT")), Finished(self.extension, "logged out"))

    def log_in(self) -> None:
        self.verified = True
        self.put(Publish(agent_info(self.extension, "LOGIN")))

    def command(self, command: Command, origin: str | None, now: Now) -> None:
        self.told.append((command.action, origin))
        if isinstance(command, Login) and self.verified:
            self.put(Reply(origin, no_dialog(self.extension)))

    def refuse(self, refused: CommandRefused, origin: str | None, now: Now) -> None:
        self.told.append((f"refused {refused.failure.code}", origin))

    def receive(self, given: Any, now: Now) -> None:
        self.told.append((type(given).__name__, getattr(given, "flow", getattr(given, "media", None))))

    def dialog_of(self, media: str) -> str | None:
        return f"dialog of {media}"

    def renew(self, media: frozenset[str], now: Now) -> None:
        self.told.append(("renew", ",".join(sorted(media))))

    def outputs(self) -> list[Any]:
        drained, self._out = self._out, []
        return drained

    def check_password(self, password: str) -> bool:
        return password == self._password

    def park(self, now: Now) -> None:
        self.told.append(("park", None))

    def unpark(self, now: Now) -> None:
        self.told.append(("unpark", None))

    def set_available(self, available: bool) -> None:
        self.available = available

    def media_of(self, dialog: str) -> str | None:
        return "m1" if dialog == "d1" else None


class Bench:
    """A hub, virtual time, and what came out."""

    def __init__(self, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.hub = Hub(HubSettings(agent=SETTINGS, **settings), ids=SeededIds(1))
        self.out: list[HubOutput] = []

    def give(self, given: Any) -> list[HubOutput]:
        self.hub.receive(given, self.clock.now())
        return self.drain()

    def drain(self) -> list[HubOutput]:
        out = self.hub.outputs()
        self.out += out
        return out

    def run(self, seconds: float) -> list[HubOutput]:
        before = len(self.out)
        self.clock.run(self.hub.timers, self.clock.now().monotonic + seconds, self.drain)
        return self.out[before:]

    def say(self, connection: str, action: str, /, id: str | None = None, **parameter: Any) -> list[HubOutput]:
        command = {"action": action, "parameter": parameter} | ({"id": id} if id else {})
        return self.give(ConnectionReceived(connection, json.dumps(command)))

    def login(self, connection: str, extension: str = "1000", password: str = "1234") -> ScriptedSession:
        """Open a connection and log in; the session, registered."""
        self.give(ConnectionOpened(connection))
        self.say(connection, "login", extension=extension, password=password)
        session = next(made for made in reversed(ScriptedSession.made) if made.extension == extension)
        if not session.verified:
            session.log_in()
        self.drain()
        return session


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ScriptedSession.made = []
    monkeypatch.setattr(sessions, "AgentSession", ScriptedSession)
    yield


def told(out: list[HubOutput], connection: str) -> list[str]:
    """What a connection was told, in words."""
    words = []
    for output in out:
        if isinstance(output, Tell) and connection in output.connections:
            message = output.message
            if isinstance(message, CommandResult):
                words.append(f"result {message.id} {message.error.code if message.error else message.status}")
            elif isinstance(message, events.Error):
                words.append(f"error {message.response.code}")
            elif isinstance(message, events.AgentInfo):
                words.append(message.response.state)
            else:
                words.append(message.name)
    return words


def closed(out: list[HubOutput]) -> list[tuple[str, int]]:
    return [(output.connection, output.code) for output in out if isinstance(output, CloseConnection)]


# Login


def test_the_first_login_makes_the_session() -> None:
    bench = Bench()
    session = bench.login("c1")
    assert session.told == [("login", "c1")]
    assert told(bench.out, "c1") == ["LOGIN"]
    assert (bench.hub.agents, bench.hub.connections) == (1, 1)


def test_a_second_login_joins_and_all_hear() -> None:
    bench = Bench()
    session = bench.login("c1")
    assert bench.login("c2") is session
    assert told(bench.out, "c2") == ["dialogState"]
    session.put(Publish(no_dialog("1000")))
    (tell,) = bench.drain()
    assert isinstance(tell, Tell) and tell.connections == ("c1", "c2")


def test_a_wrong_password_changes_nothing_and_is_told_to_the_one_who_gave_it() -> None:
    bench = Bench()
    session = bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    out = bench.say("c2", "login", id="a", extension="1000", password="wrong")
    assert told(out, "c2") == ["LOGOUT", "error credentials-refused", "result a credentials-refused"]
    assert told(out, "c1") == []
    assert session.told == [("login", "c1")]
    session.put(Publish(no_dialog("1000")))
    assert told(bench.drain(), "c2") == []


def test_a_wrong_password_of_a_desk_that_is_in_does_not_show_it_logged_out() -> None:
    bench = Bench()
    session = bench.login("c1")
    out = bench.say("c1", "login", id="a", extension="1000", password="wrong")
    assert told(out, "c1") == ["error credentials-refused", "result a credentials-refused"]
    session.put(Publish(no_dialog("1000")))
    assert told(bench.drain(), "c1") != []


def test_wrong_passwords_close_the_connection() -> None:
    bench = Bench(limits=Limits(wrong_passwords=3))
    bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    outs = [bench.say("c2", "login", extension="1000", password=f"{n}") for n in range(4)]
    assert [closed(out) for out in outs] == [[], [], [("c2", 1008)], []]
    assert told(outs[3], "c2") == []


def test_passwords_that_the_server_refused_count_too() -> None:
    bench = Bench(limits=Limits(wrong_passwords=2))
    bench.give(ConnectionOpened("c1"))
    for number in range(2):
        assert closed(bench.out) == []
        bench.say("c1", "login", extension="1000", password=f"{number}")
        ScriptedSession.made[-1].finish()
        bench.drain()
    assert closed(bench.out) == [("c1", 1008)]


def test_who_would_listen_before_a_login_is_noted() -> None:
    bench = Bench()
    bench.give(ConnectionOpened("c1"))
    given = {"calledNumber": "1001", "Destination_Number": "1001", "callType": "audio", "service_Identifier": "s"}
    noted = [each for each in bench.say("c1", "silentMonitor", **given) if isinstance(each, Audit)]
    assert [(each.action, each.extension, each.target, each.outcome) for each in noted] == [
        ("silentMonitor", "", "1001", "not-logged-in")
    ]


def test_commands_need_a_login() -> None:
    bench = Bench()
    bench.give(ConnectionOpened("c1"))
    assert told(bench.say("c1", "holdCall", id="a", dialogId="d"), "c1") == [
        "error not-logged-in",
        "result a not-logged-in",
    ]
    assert told(bench.give(ConnectionReceived("c1", "rubbish")), "c1") == ["error invalid-json"]


def test_commands_and_what_is_none_reach_the_session() -> None:
    bench = Bench()
    session = bench.login("c1")
    bench.say("c1", "holdCall", dialogId="d")
    bench.give(ConnectionReceived("c1", "rubbish"))
    assert session.told[1:] == [("holdCall", "c1"), ("refused invalid-json", "c1")]


def test_one_connection_one_agent() -> None:
    bench = Bench()
    bench.login("c1")
    for action in ("login", "resume"):
        out = bench.say("c1", action, id="a", extension="1001", password="1234", stream="s", seq=0)
        assert told(out, "c1") == ["error other-agent", "result a other-agent"]
    assert bench.hub.agents == 1


def test_a_login_during_the_logout_waits_for_it() -> None:
    bench = Bench()
    first = bench.login("c1")
    bench.say("c1", "logout")
    assert first.told[-1] == ("logout", "c1")
    bench.say("c1", "login", extension="1001", password="1234")  # as somebody else
    bench.give(ConnectionOpened("c2"))
    bench.say("c2", "login", extension="1000", password="1234")
    assert len(ScriptedSession.made) == 1
    first.finish()
    bench.drain()
    bench.run(0.1)
    assert [made.extension for made in ScriptedSession.made] == ["1000", "1001", "1000"]
    assert bench.hub.agents == 2


def test_a_refused_session_is_replaced_by_the_next_login() -> None:
    bench = Bench()
    bench.give(ConnectionOpened("c1"))
    bench.say("c1", "login", extension="1000", password="wrong")
    (refused,) = ScriptedSession.made
    refused.over = True  # told, but not yet finished
    bench.say("c1", "login", extension="1000", password="1234")
    assert len(ScriptedSession.made) == 1
    refused.finish()
    bench.drain()
    bench.run(0.1)
    assert len(ScriptedSession.made) == 2


def test_before_any_password_is_proved_the_last_one_typed_counts() -> None:
    bench = Bench()
    bench.give(ConnectionOpened("c1"))
    bench.say("c1", "login", extension="1000", password="typo")
    bench.give(ConnectionOpened("c2"))
    bench.say("c2", "login", id="a", extension="1000", password="1234")
    assert told(bench.out, "c2") == ["error login-pending", "result a login-pending"]
    bench.say("c1", "login", extension="1000", password="1234")
    first = ScriptedSession.made[0]
    assert first.told[-1] == ("logout", None)
    first.finish()
    bench.drain()
    bench.run(0.1)
    assert ScriptedSession.made[1].check_password("1234")


def test_an_unproved_login_does_not_outlive_its_connection() -> None:
    bench = Bench()
    bench.give(ConnectionOpened("c1"))
    bench.say("c1", "login", extension="1000", password="typo")
    bench.give(ConnectionClosed("c1"))
    assert ScriptedSession.made[0].told[-1] == ("logout", None)


# Resume


def test_resume_proves_the_password() -> None:
    bench = Bench()
    session = bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    out = bench.say("c2", "resume", id="a", extension="1000", password="wrong", stream="s", seq=3)
    assert told(out, "c2")[-1] == "result a credentials-refused"
    out = bench.say("c2", "resume", id="a", extension="1000", token="forged", stream="s", seq=3)
    assert told(out, "c2")[-1] == "result a token-refused"
    bench.say("c2", "resume", extension="1000", password="1234", stream="s", seq=3)
    assert session.told[-1] == ("resume", "c2")


def test_resume_of_nobody() -> None:
    bench = Bench()
    bench.give(ConnectionOpened("c1"))
    out = bench.say("c1", "resume", id="a", extension="1000", password="1234", stream="s", seq=3)
    assert told(out, "c1") == ["error not-logged-in", "result a not-logged-in"]
    assert bench.hub.agents == 0


# The last connection goes


def test_a_reload_is_not_noticed() -> None:
    bench = Bench()
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(1.9)
    assert session.available
    bench.login("c2")
    bench.run(300.0)
    assert session.available
    assert [word for word, _ in session.told] == ["login", "login"]


def test_new_calls_are_turned_away_after_two_seconds_and_taken_again() -> None:
    bench = Bench()
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(2.0)
    assert not session.available
    bench.login("c2")
    assert session.available
    assert not [word for word, _ in session.told if "park" in word]


def test_audio_in_the_page_is_parked() -> None:
    bench = Bench(audio_with_page=True)
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


def page_says(bench: Bench, connection: str, **said: Any) -> list[HubOutput]:
    bench.give(ConnectionReceived(connection, json.dumps({"media": said})))
    return bench.run(0)


def page_with_a_call(bench: Bench, connection: str = "c1") -> ScriptedSession:
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


def test_requests_go_to_the_page_with_the_audio_and_answers_come_back() -> None:
    bench = Bench(audio_with_page=True)
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


def test_a_page_that_is_reloaded_at_once_goes_on_by_another_path() -> None:
    bench = Bench(audio_with_page=True)
    session = page_with_a_call(bench)
    bench.give(ConnectionClosed("c1"))
    bench.run(1.0)
    bench.login("c2")
    page_says(bench, "c2", hello={})
    bench.run(300.0)
    assert [word for word, _ in session.told[2:]] == ["login", "renew"]


def test_a_page_that_is_away_comes_back_to_a_parked_call() -> None:
    bench = Bench(audio_with_page=True)
    session = page_with_a_call(bench)
    bench.give(ConnectionClosed("c1"))
    bench.run(2.0)
    assert session.told[-2:] == [("MediaLost", "m1"), ("park", None)]
    bench.login("c2")
    assert session.told[-1] == ("login", "c2"), "not before there is audio"
    page_says(bench, "c2", hello={})
    assert session.told[-2:] == [("unpark", None), ("renew", "m1")]


def test_a_desk_that_stays_does_not_keep_the_audio() -> None:
    bench = Bench(audio_with_page=True)
    session = page_with_a_call(bench)
    bench.login("c2")
    bench.give(ConnectionClosed("c1"))
    bench.run(2.0)
    assert session.told[-1] == ("park", None)


def test_a_page_is_told_where_the_audio_is_not_its() -> None:
    bench = Bench()
    bench.login("c1")
    assert pages_told(page_says(bench, "c1", hello={}) or bench.out) == [("c1", {"lost": HERE})]
    other = Bench(audio_with_page=True)
    other.give(ConnectionOpened("c9"))
    page_says(other, "c9", hello={})
    assert pages_told(other.out) == [("c9", {"lost": "Log in first."})]


def test_an_agent_that_is_gone_leaves_no_session_of_a_page() -> None:
    bench = Bench(audio_with_page=True)
    session = page_with_a_call(bench)
    session.finish()
    bench.drain()
    assert bench.hub.routes == 0 and pages_told(bench.out)[-1] == ("c1", {"request": "close", "media": "m1"})


def test_after_the_grace_time_the_agent_is_logged_out() -> None:
    bench = Bench(grace=60.0)
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(59.9)
    assert session.told[-1][0] == "login"
    bench.run(0.2)
    assert session.told[-1] == ("logout", None)
    session.finish()
    bench.drain()
    assert (bench.hub.agents, bench.hub.routes, len(bench.hub.timers)) == (0, 0, 0)


def test_or_stays_where_configured() -> None:
    bench = Bench(after_grace="stay")
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.run(3600.0)
    assert session.told == [("login", "c1")]
    assert not session.available


# Routes


def test_inputs_find_their_agent_and_routes_are_freed() -> None:
    bench = Bench()
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


def test_what_an_agent_leaves_open_is_closed_and_its_last_words_are_dropped() -> None:
    bench = Bench()
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


def test_after_the_logout_the_connection_is_free() -> None:
    bench = Bench()
    bench.login("c1").finish()
    assert told(bench.drain(), "c1") == ["LOGOUT"]
    bench.say("c1", "login", extension="1001", password="1234")
    assert ScriptedSession.made[-1].extension == "1001"


def test_audio_of_a_call() -> None:
    bench = Bench()
    bench.login("c1")
    assert bench.give(UseAudio("c1", "d1", Silence(), NoSink())) == [
        SetSource("m1", Silence()),
        SetSink("m1", NoSink()),
    ]
    assert bench.give(UseAudio("c1", "gone", Silence())) == []
    assert bench.give(UseAudio("nobody", "d1", Silence())) == []


# Limits


def test_commands_beyond_the_burst_wait_their_turn_in_order() -> None:
    bench = Bench(limits=Limits(burst=3, per_second=10.0))
    session = bench.login("c1")  # the first of three
    for number in range(6):
        bench.say("c1", "holdCall", dialogId=str(number))
    assert len(session.told) == 3
    bench.run(0.22)
    assert len(session.told) == 5
    bench.run(1.0)
    assert len(session.told) == 7
    bench.run(10.0)
    for number in range(3):
        bench.say("c1", "holdCall", dialogId=str(number))
    assert len(session.told) == 10


def test_a_flood_closes_the_connection() -> None:
    bench = Bench(limits=Limits(burst=3, waiting=5))
    session = bench.login("c1")
    for number in range(7):
        assert closed(bench.say("c1", "holdCall", dialogId=str(number))) == []
    out = bench.say("c1", "holdCall", dialogId="8")
    assert told(out, "c1") == ["error too-fast"]
    assert closed(out) == [("c1", 1008)]
    assert bench.say("c1", "holdCall", dialogId="9") == []
    bench.run(60.0)
    assert len(session.told) == 3, "what waited is dropped"


def test_a_flood_of_large_commands_closes_earlier() -> None:
    bench = Bench(limits=Limits(burst=1, waiting_bytes=1000))
    bench.login("c1")
    assert closed(bench.give(ConnectionReceived("c1", "x" * 900))) == []
    assert closed(bench.give(ConnectionReceived("c1", "x" * 200))) == [("c1", 1008)]


def test_a_trusted_connection_has_no_rate() -> None:
    bench = Bench(limits=Limits(burst=1, waiting=1))
    bench.give(ConnectionOpened("c1", trusted=True))
    for _ in range(100):
        bench.say("c1", "login", extension="1000", password="1234")
    assert len(ScriptedSession.made[0].told) == 100


@pytest.mark.parametrize("text", ["x" * 65537, "\u20ac" * 21846], ids=["ascii", "octets, not characters"])
def test_too_large(text: str) -> None:
    bench = Bench()
    bench.give(ConnectionOpened("c1"))
    out = bench.give(ConnectionReceived("c1", text))
    assert told(out, "c1") == ["error too-large"]
    assert closed(out) == [("c1", 1009)]


def test_connections_are_finite() -> None:
    bench = Bench(limits=Limits(connections=2))
    assert [closed(bench.give(ConnectionOpened(f"c{n}"))) for n in range(3)] == [[], [], [("c2", 1013)]]
    assert told(bench.out, "c2") == ["error too-many-connections"]
    bench.give(ConnectionClosed("c0"))
    bench.give(ConnectionClosed("c2"))
    assert closed(bench.give(ConnectionOpened("c3"))) == []


def test_agents_are_finite() -> None:
    bench = Bench(limits=Limits(agents=1))
    bench.login("c1")
    bench.give(ConnectionOpened("c2"))
    out = bench.say("c2", "login", id="a", extension="1001", password="1234")
    assert told(out, "c2") == ["error too-many-agents", "result a too-many-agents"]


# The end


def test_stop_logs_everybody_out() -> None:
    bench = Bench()
    one, two = bench.login("c1", "1000"), bench.login("c2", "1001")
    bench.say("c2", "logout")
    assert bench.give(Stop()) == []
    assert (one.told[-1], two.told[-1]) == (("logout", None), ("logout", "c2"))
    assert told(bench.say("c1", "login", id="a", extension="1000", password="1234"), "c1") == []
    one.finish()
    assert Stopped() not in bench.drain()
    two.finish()
    assert bench.drain()[-1] == Stopped()
    assert told(bench.run(0.1), "c1") == ["error stopping", "result a stopping"]
    out = bench.give(ConnectionOpened("c3"))
    assert (told(out, "c3"), closed(out)) == (["error stopping"], [("c3", 1013)])


def test_stop_of_an_empty_gateway() -> None:
    assert Bench().give(Stop()) == [Stopped()]


def test_a_reply_to_a_connection_that_is_gone_is_dropped() -> None:
    bench = Bench()
    session = bench.login("c1")
    bench.give(ConnectionClosed("c1"))
    bench.give(ConnectionClosed("c1"))
    session.put(Reply("c1", no_dialog("1000")), Reply(None, no_dialog("1000")), Publish(no_dialog("1000")))
    assert bench.drain() == []


def test_many_agents_come_out_in_the_same_order() -> None:
    bench = Bench()
    made = [bench.login(f"c{n}", f"{n:04}") for n in range(50)]
    for session in reversed(made):
        session.put(Publish(no_dialog(session.extension)))
    order = [output.connections[0] for output in bench.drain() if isinstance(output, Tell)]
    assert order == [f"c{n}" for n in range(50)]
    assert bench.hub.calls == 0


def test_logs_show_no_number(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    bench = Bench()
    session = bench.login("c1", "4917612345678")
    bench.say("c1", "makeCall", calledNumber="03012345678", Destination_Number="1", callType="audio")
    bench.give(ConnectionOpened("c2"))
    bench.say("c2", "login", extension="4917612345678", password="guessed")
    session.finish()
    bench.drain()
    for secret in ("4917612345678", "03012345678", "1234 ", "guessed"):
        assert secret not in caplog.text
    assert "< c1 makeCall" in caplog.text


def test_masked() -> None:
    assert (masked("1000"), masked("10"), masked("")) == ("..00", "..", "..")


def test_a_logout_names_its_connection() -> None:
    bench = Bench()
    session = bench.login("c1")
    bench.say("c1", "logout", id="x")
    assert session.told[-1] == (Logout(id="x").action, "c1")
