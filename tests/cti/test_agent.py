"""The whole of an agent: streams, resume, parking, refusals, and random stories."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offhook.cti.agent import BUG_SECONDS
from offhook.media.engine import Direction
from offhook.sip.events import OfferReceived
from offhook.sip.flow import FlowAlive
from offhook.sip.user_agent import UserAgent

CALL = {"calledNumber": "5559999", "Destination_Number": "800", "callType": "audio"}


def test_numbers_have_no_gap(bench: Any) -> None:
    bench.talk()
    dialog, _ = bench.answers()
    bench.desk.failed("answerCall", dialogId=dialog)
    bench.desk.send("nonsense")
    bench.desk.done("logout")
    assert [event["seq"] for event in bench.desk.events] == list(range(1, len(bench.desk.events) + 1))
    assert len({event["stream"] for event in bench.desk.events}) == 1


def test_what_the_codec_refuses_is_told_with_a_number(bench: Any) -> None:
    error = bench.desk.failed("makeCall", calledNumber="1")
    assert error["description"].endswith(": Destination_Number, callType")
    (event,) = bench.desk.news()
    assert (event["event"], event["response"]["code"], event["seq"]) == ("Error", "missing-parameter", 4)
    assert bench.desk.failed("SST", dialogId="d", numberToTransfer="1")["code"] == "unknown-dialog"
    assert bench.desk.heard() == ["Error unknown-dialog"]
    assert bench.desk.failed("makeReady")["code"] == "not-supported"
    assert bench.desk.news() == []


def test_resume(bench: Any) -> None:
    stream = bench.desk.events[0]["stream"]
    dialog, _ = bench.rings()
    bench.desk.done("answerCall", dialogId=dialog)
    bench.desk.replies.clear()
    resume = {"extension": "1000", "password": "1234"}
    result = bench.desk.done("resume", origin="page", **resume, stream=stream, seq=3)
    told = [message for origin, message in bench.desk.replies if origin == "page"]
    assert [message["event"] for message in told] == ["newInboundCall", "dialogState", "commandResult"]
    assert [message["seq"] for message in told[:2]] == [4, 5]
    assert told[:2] == bench.desk.events[3:5]
    assert result["result"] == {"stream": stream, "seq": 5}
    assert "dialogId" in result


@pytest.mark.parametrize("change", [{"stream": "another"}, {"seq": 99}])
def test_resume_of_what_is_not_held(bench: Any, change: dict[str, Any]) -> None:
    stream = bench.desk.events[0]["stream"]
    dialog, _ = bench.talk()
    bench.desk.replies.clear()
    bench.desk.done("resume", **{"extension": "1000", "password": "1234", "stream": stream, "seq": 1, **change})
    (_, snapshot), _ = bench.desk.replies
    assert list(snapshot) == ["event", "response"]
    assert snapshot["event"] == "snapshot"
    response = snapshot["response"]
    assert list(response) == ["loginId", "stream", "seq", "registration", "dialogs"]
    assert (response["stream"], response["seq"], response["registration"]) == (
        stream,
        len(bench.desk.events),
        "IN_SERVICE",
    )
    assert response["dialogs"] == [bench.desk.dialog(dialog)]


def test_state(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.replies.clear()
    result = bench.desk.done("getState")
    (origin, told), _ = bench.desk.replies
    assert (origin, told["event"]) == ("desk", "agentState")
    assert told["response"] == result["result"]
    assert told["response"] == {
        "loginId": "1000",
        "extension": "1000",
        "state": "LOGIN",
        "registration": "IN_SERVICE",
        "dialogs": [bench.desk.dialog(dialog)],
    }


def test_state_before_the_login(make_bench: Any) -> None:
    bench = make_bench()
    result = bench.desk.done("getState")["result"]
    assert (result["state"], result["registration"], result["dialogs"]) == ("LOGOUT", "OUT_OF_SERVICE", [])


def test_password(bench: Any) -> None:
    session = bench.desk.session
    assert session.check_password("1234")
    assert not any(session.check_password(wrong) for wrong in ("", "123", "12345", "1234\ud800", "é"))
    assert "1234" not in repr(session)


def test_park(bench: Any) -> None:
    """The page with the audio is gone: the active call is held, new ones get 480; on return it is as before."""
    one, _ = bench.answers(user="111")
    two, _ = bench.answers(user="222")  # holds the first
    bench.desk.news()
    bench.desk.session.park(bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState HELD"]
    refused = bench.pbx.call(user="333")
    bench.run()
    assert bench.pbx.ended(refused).status == 480
    bench.desk.session.unpark(bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    assert {dialog.id: dialog.state for dialog in bench.desk.session.dialogs} == {one: "HELD", two: "ACTIVE"}
    assert bench.desk.session.available


def test_what_the_agent_retrieves_itself_is_parked_no_more(bench: Any) -> None:
    dialog, _ = bench.answers()
    bench.desk.session.park(bench.network.now())
    bench.run()
    bench.desk.done("retrieveCall", dialogId=dialog)
    bench.desk.done("holdCall", dialogId=dialog)
    bench.desk.news()
    bench.desk.session.unpark(bench.network.now())
    bench.run()
    assert bench.desk.news() == []


def test_park_and_back_during_an_outage(bench: Any) -> None:
    dialog, _ = bench.answers()
    bench.desk.session.park(bench.network.now())
    bench.run()
    bench.network.reset(bench.desk.host)
    bench.run(0.001)
    bench.desk.session.unpark(bench.network.now())
    bench.desk.news()
    bench.run(3)
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    bench.network.reset(bench.desk.host)
    bench.run(0.001)
    bench.desk.session.park(bench.network.now())
    bench.run(3)
    assert bench.desk.news() == []
    assert dialog


def test_the_hub_is_told_who_has_something_to_say(make_bench: Any) -> None:
    bench = make_bench()
    assert bench.desk.ready == set()
    bench.desk.ask("login", extension="1000", password="1234")
    assert bench.desk.ready == {"1000"}
    bench.run()
    bench.desk.ready.clear()
    bench.run(600)  # a refresh, by a timer
    assert bench.desk.ready == {"1000"}


def test_a_program_without_an_origin(bench: Any) -> None:
    asked = bench.desk.ask("getState", origin=None)
    bench.run()
    assert [origin for origin, told in bench.desk.replies if told.get("id") == asked] == [None]


def test_requests_of_the_server_are_answered(bench: Any) -> None:
    """RB §8.7, §8.22: MESSAGE and NOTIFY were left without an answer, REFER was followed."""
    _, session = bench.answers()
    ua: UserAgent = bench.pbx.ua
    ids = [
        ua.request(method, None, bench.network.now(), session=session) for method in ("MESSAGE", "NOTIFY", "OPTIONS")
    ]
    refer = ua.request("REFER", None, bench.network.now(), session=session, headers=(("Refer-To", "<sip:1@pbx>"),))
    bench.run()
    answers = {event.id: event.status for event in bench.pbx.events if type(event).__name__ == "RequestAnswered"}
    assert [answers[one] for one in ids] == [200, 200, 200]
    assert answers[refer] == 603
    assert bench.desk.news() == []
    assert bench.pbx.invites == []


# Random stories

ACTIONS = [
    "makeCall", "answerCall", "releaseCall", "rejectCall", "holdCall", "retrieveCall", "mute_call", "unmute_call",
    "SendDtmf", "getState", "getDialog", "getStats",
]  # fmt: skip
PEER = [
    "ring", "take", "refuse", "call", "hang up", "hold", "offer", "refuse offers", "answer offers", "keep offers",
    "answer kept", "break", "cut", "heal", "deaf engine", "hearing engine", "park", "unpark",
]  # fmt: skip
STEP = st.tuples(st.sampled_from(ACTIONS + PEER), st.integers(0, 3), st.sampled_from([0.0, 0.0, 0.0, 0.02, 1.0, 15.0]))


class Story:
    """Plays steps on a bench; a step that makes no sense at that moment is left out."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.asked: list[str] = []

    def play(self, what: str, which: int) -> None:
        if what in ACTIONS:
            self._command(what, which)
            return
        try:
            self._peer(what, which)
        except Exception as problem:
            if type(problem).__name__ != "StateError":
                raise

    def _command(self, action: str, which: int) -> None:
        desk = self.bench.desk
        if action == "makeCall":
            self.asked.append(desk.ask(action, **CALL))
        elif action == "getState":
            self.asked.append(desk.ask(action))
        else:
            ids = [dialog.id for dialog in desk.session.dialogs] or ["nobody"]
            more = {"message": "12"} if action == "SendDtmf" else {}
            self.asked.append(desk.ask(action, dialogId=ids[which % len(ids)], **more))

    def _peer(self, what: str, which: int) -> None:
        bench, pbx, network = self.bench, self.bench.pbx, self.bench.network
        now = network.now()
        sessions = pbx.ua.sessions() or ["nobody"]
        session = sessions[which % len(sessions)]
        invite = pbx.invites[-1 - which % len(pbx.invites)] if pbx.invites else None
        match what:
            case "ring" if invite:
                pbx.ua.ring(invite.session, now, contact=pbx._self())
            case "take" if invite:
                pbx.take(invite)
            case "refuse" if invite:
                pbx.ua.reject(invite.session, 486, now)
            case "call":
                pbx.call(user=f"{which}")
            case "hang up":
                pbx.ua.hangup(session, now)
            case "hold":
                pbx.ua.reinvite(session, pbx.offer(session, Direction.SENDONLY), now)
            case "offer":
                pbx.ua.reinvite(session, pbx.offer(session), now)
            case "refuse offers" | "answer offers" | "keep offers":
                pbx.offers = {"refuse offers": "488", "answer offers": "answer", "keep offers": "keep"}[what]
            case "answer kept":
                kept = next((e for e in reversed(pbx.events) if isinstance(e, OfferReceived)), None)
                if kept is not None and kept.offer is not None:
                    pbx.ua.answer(kept.session, pbx.answer_to(kept.session, kept.offer), now)
            case "break":
                network.reset(bench.desk.host)
            case "cut":
                network.cut(bench.pbx_host)
            case "heal":
                network.heal(bench.pbx_host)
            case "deaf engine":
                bench.desk.deaf_engine = True
            case "hearing engine":
                bench.desk.deaf_engine = False
            case "park":
                bench.desk.session.park(now)
            case "unpark":
                bench.desk.session.unpark(now)

    def check(self) -> None:
        desk = self.bench.desk
        for asked in self.asked:
            desk.result(asked)
        assert [event["seq"] for event in desk.events] == list(range(1, len(desk.events) + 1))
        told: dict[str, list[str]] = {}
        for event in desk.events:
            dialog = event["response"].get("dialog")
            if dialog:
                told.setdefault(dialog["id"], []).append(dialog["state"])
        for id, states in told.items():
            assert states.count("DROPPED") == 1 and states[-1] == "DROPPED", (id, states)
            assert states.count("INITIATED") <= 1 or "ACTIVE" not in states
        self.bench.nothing_left()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=40))
def test_whatever_happens(make_bench: Any, steps: list[tuple[str, int, float]]) -> None:
    """Each command has one result, no number is missing, each dialog ends once, nothing is left."""
    bench = make_bench()
    bench.login()
    story = Story(bench)
    for what, which, seconds in steps:
        story.play(what, which)
        bench.run(seconds)
    bench.network.heal(bench.pbx_host)
    bench.run(120)
    story.asked.append(bench.desk.ask("logout"))
    bench.run(30)
    story.check()


def test_a_bug_leaves_no_command_without_an_outcome(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What raises is for who runs the session to log; the desk is told."""
    dialog, _ = bench.answers()

    def broken(*_: Any) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr("offhook.cti.tasks.Tasks.submit", broken)
    with pytest.raises(TypeError):
        bench.desk.ask("holdCall", dialogId=dialog)
    bench.run()
    assert bench.desk.heard() == ["Error internal"]


def test_a_bug_at_an_input_is_told_to_the_desks_once_in_a_while(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract §1: never silence; and no flood of it where the bug shows at every input."""
    bench.login()
    session, now = bench.desk.session, bench.network.now

    def broken(*_: Any) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr("offhook.sip.user_agent.UserAgent.receive", broken)
    for _ in range(3):
        with pytest.raises(TypeError):
            session.receive(FlowAlive("f"), now())
    bench.run()
    assert bench.desk.heard() == ["Error bug"]
    bench.network.run(BUG_SECONDS)
    with pytest.raises(TypeError):
        session.receive(FlowAlive("f"), now())
    bench.run()
    assert bench.desk.heard() == ["Error bug"]


def test_a_bug_at_a_timer_does_not_stop_the_others(bench: Any) -> None:
    class Broken:
        def handle_timer(self, timer: str, now: Any) -> None:
            raise TypeError("a bug")

    bench.login()
    desk, now = bench.desk, bench.network.now()
    desk.session._own_timers.set(Broken(), "x", now.monotonic)
    desk.timers.cancel(desk.session, "due")  # it is what fires
    with pytest.raises(TypeError):
        desk.session.handle_timer("due", now)
    bench.run()
    assert desk.heard() == ["Error bug"]
    assert desk.timers.is_set(desk.session, "due"), "the others are waited for"


def test_a_bug_at_a_command_does_not_stop_the_timers(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.login()

    def broken(*_: Any) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(bench.desk.session, "_admit", broken)
    bench.desk.timers.cancel(bench.desk.session, "due")
    bench.desk.session._due = None
    with pytest.raises(TypeError):
        bench.desk.ask("makeCall", **CALL)
    assert bench.desk.timers.is_set(bench.desk.session, "due")


def test_names_of_flows_do_not_show_the_extension(bench: Any) -> None:
    """They are in logs (contract §7); two agents whose extensions end alike still have their own."""
    bench.login()
    (flow,) = bench.desk.host.flows
    assert flow.startswith("00.") and "1000" not in flow and len(flow.split(".")[1]) >= 16
